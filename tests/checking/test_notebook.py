"""The report in a notebook: its text, and three heat maps of what is wrong."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import autotensor as at
from autotensor.checking.notebook import html
from autotensor.checking.report import Finding, Table
from tests.checking.test_report import made


def report_of(rule, numerical, rows=None, columns=None):
    """A report of one table, the error bar of which is 1e-9."""
    rule, numerical = np.array(rule), np.array(numerical)
    table = Table(
        tuple(rows or [f"x[{i}]" for i in range(rule.shape[0])]),
        tuple(columns or [f"output[{k}]" for k in range(rule.shape[1])]),
        rule,
        numerical,
        np.full(rule.shape, 1e-9),
        ~(np.abs(rule - numerical) < 1e-6),
    )
    return made(findings=(("G15", Finding("fail", "wrong <gradient>", (), table)),))


def maps(report):
    """Titles and cells of the maps: the page is well-formed as XML too."""
    page = html(report).replace("&nbsp;", " ")
    svg = "{http://www.w3.org/2000/svg}"
    found = ET.fromstring(page).iter(f"{svg}svg")
    return {picture.get("aria-label"): list(picture.iter(f"{svg}rect")) for picture in found}


def test_rule_numerical_and_difference_are_three_maps():
    found = maps(report_of([[1.0, 0.0], [-2.0, 4.0]], [[1.0, 0.0], [2.0, 4.0]]))
    assert list(found) == ["rule", "numerical", "difference"]
    fills = {title: [cell.get("fill") for cell in cells] for title, cells in found.items()}
    red, blue = re.compile("#ff(..)\\1"), re.compile("#(..)\\1ff")
    assert red.fullmatch(fills["rule"][0])
    assert fills["rule"][1] == "#ffffff"
    assert blue.fullmatch(fills["rule"][2])
    assert fills["rule"][0] == fills["numerical"][0]
    assert fills["difference"][:2] == ["#ffffff", "#ffffff"]
    assert fills["difference"][2] == "#3737ff"  # the largest there is
    borders = [cell.get("stroke") is not None for cell in found["rule"]]
    assert borders == [False, False, True, False]


def test_numbers_show_under_the_mouse():
    cell = maps(report_of([[1.5, 2.0]], [[1.0, 2.0]], ["p['w'][0]"], ["a<b", "c"]))["rule"][0]
    text = cell[0].text
    assert text == ("d a<b / d p['w'][0]\nrule 1.5\nnumerical 1 ± 1e-09\ndifference 0.5")


def test_what_is_not_finite_is_black():
    found = maps(report_of([[np.nan, np.inf, 1.0]], [[1.0, 2.0, 1.0]]))
    assert [c.get("fill") for c in found["rule"]][:2] == ["#000000"] * 2
    assert found["rule"][2].get("fill").startswith("#ff")


def test_a_large_table_shows_what_is_wrong():
    numerical = np.ones((1, 3000))
    rule = numerical.copy()
    rule[0, 2900] = 2.0
    report = report_of(rule, numerical)
    found = maps(report)
    assert len(found["rule"]) == 64
    assert any("output[2900]" in cell[0].text for cell in found["rule"])
    assert "1 of 1 rows and 64 of 3,000 columns" in html(report)


def test_text_is_escaped_and_there_is_no_picture_where_all_is_well():
    assert "wrong &lt;gradient&gt;" in html(report_of([[1.0]], [[2.0]]))
    page = at.gradcheck(np.sin, np.ones(2))._repr_html_()
    assert page.startswith("<div><pre>gradcheck ok: sin")
    assert "<svg" not in page


@pytest.mark.parametrize("size", [3, 2000])
def test_a_wrong_rule_has_its_picture(size):
    @at.custom_op(x=lambda g, x: g * np.where(np.arange(x.size) < x.size - 1, 2 * x, 3 * x))
    def square(x):
        return x * x

    x = np.linspace(0.5, 2, size)
    wrong = at.custom_op(x=lambda g, x: 3 * g * x)(lambda x: x * x) if size > 3 else square
    report = at.gradcheck(wrong, x, raise_exception=False, skip=["G14", "G16", "G17"])
    found = maps(report)
    assert list(found) == ["rule", "numerical", "difference"]
    assert any(cell.get("stroke") for cell in found["rule"])
