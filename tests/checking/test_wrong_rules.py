"""Seeded wrong rules: each is caught, by a check it is one for, with the input or entry named."""

import re

import pytest

import autotensor as at
from tests.checking.wrong_rules import WRONG


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_caught(name):
    case = WRONG[name]
    report = at.gradcheck(case.function(), case.inputs, order=case.order, raise_exception=False)
    assert report.verdict == "fail", str(report)
    ((check, finding),) = [pair for pair in report.findings if pair[1].verdict == "fail"]
    assert check in case.ids, str(report)
    assert re.search(case.says, "\n".join((finding.title, *finding.lines))), str(report)


def test_the_corpus_is_of_many_kinds():
    assert len(WRONG) >= 50
    ids = {check for case in WRONG.values() for check in case.ids}
    assert ids == {f"G{k:02}" for k in range(2, 22)}
