"""The pytest plugin, in packages of their own: reports, the summary, the marker, no side effects.

The runs are separate processes, as a user's are; what is installed beside is not loaded in them.
"""

import json
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from autotensor.checking import plugin

ROOT = Path(__file__).resolve().parents[2]

CHECKS = """\
import autotensor as at
import numpy as np
import pytest

@at.custom_op(x=lambda g, x: 2 * g * x * x)
def cube(x):
    return x**3

def test_wrong(gradcheck):
    gradcheck(cube, np.array([1.0, 2.0]))

def test_wrong_by_hand():
    at.gradcheck(cube, np.array([1.0, 2.0]))

def test_right(gradcheck):
    assert gradcheck(np.sin, np.array([1.0, 2.0]))
    gradcheck(np.cos, np.array([1.0, 2.0]))

def test_unclear(gradcheck):
    assert not gradcheck(np.sqrt, np.array([0.0]))

def test_other():
    assert 1 + 1 == 3
"""

MARKED = """\
import numpy as np
import pytest

pytestmark = pytest.mark.gradcheck(order=2, seed=1)

def test_module(gradcheck):
    report = gradcheck(np.sin, np.array([1.0, 2.0]))
    assert (report.order, report.seed) == (2, 1)

@pytest.mark.gradcheck(seed=2)
class TestClass:
    def test_class(self, gradcheck):
        report = gradcheck(np.sin, np.array([1.0]))
        assert (report.order, report.seed) == (2, 2)

    @pytest.mark.gradcheck(seed=3, raise_exception=False)
    def test_closest(self, gradcheck):
        report = gradcheck(np.sin, np.array([1.0]), order=1)
        assert (report.order, report.seed) == (1, 3)

@pytest.mark.gradcheck(2)
def test_position(gradcheck):
    pass
"""


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=":")

    def with_plugin(*options):
        return pytester.runpytest_subprocess(
            "-p", "autotensor.checking.plugin", "-W", "error", "--strict-markers", *options
        )

    return with_plugin


def test_a_failing_check_shows_its_report_and_no_traceback(pytester, run):
    pytester.makepyfile(test_ops=CHECKS)
    result = run()
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*_ test_wrong _*",
            "gradcheck FAILED: cube  (order 1, float64, 4 entries*",
            "  G15 wrong gradient *",
            "  reproduce:  at.gradcheck(test_ops.cube, [[]np.array([[]1.0, 2.0[]])[]], seed=0)",
            "*- called from -*",
            "test_ops.py:10: gradcheck(cube, np.array([[]1.0, 2.0[]]))",
            "*_ test_wrong_by_hand _*",
            "gradcheck FAILED: cube  *",
            "test_ops.py:13: at.gradcheck(cube, np.array([[]1.0, 2.0[]]))",
            "*_ test_other _*",
            "*assert 1 + 1 == 3*",
            "autotensor: 4 gradient checks, 2 ok, 1 inconclusive, 1 failed",
            "FAILED test_ops.py::test_wrong - gradcheck FAILED: cube *",
        ]
    )
    result.stdout.no_fnmatch_line("*GradcheckError*")
    result.stdout.fnmatch_lines(["gradcheck INCONCLUSIVE: sqrt *"])
    result.stdout.no_fnmatch_line("gradcheck ok: sin *")  # only where one asks for it


@pytest.mark.parametrize("option", ["-v", "-rA", "-rP"])
def test_checks_that_passed_are_named_on_demand(pytester, run, option):
    pytester.makepyfile(test_ops=CHECKS)
    result = run(option, "-k", "right")
    result.stdout.fnmatch_lines(
        [
            "gradcheck ok: sin  (order 1, *",
            "gradcheck ok: cos  (order 1, *",
            "autotensor: 2 gradient checks, 2 ok",
        ]
    )


def test_quiet_runs_have_the_summary_and_quieter_ones_have_not(pytester, run):
    pytester.makepyfile(test_ops=CHECKS)
    run("-q", "-k", "right").stdout.fnmatch_lines(["autotensor: 2 gradient checks, 2 ok"])
    run("-qq", "-k", "right").stdout.no_fnmatch_line("autotensor: *")


@pytest.mark.parametrize("option", ["--tb=long", "--tb=native", "--full-trace"])
def test_the_traceback_is_there_for_who_asks(pytester, run, option):
    pytester.makepyfile(test_ops=CHECKS)
    result = run(option, "-k", "test_wrong_by_hand")
    result.stdout.fnmatch_lines(["*raise GradcheckError(report)*"])


def test_the_marker_sets_options_and_the_closest_wins(pytester, run):
    pytester.makepyfile(test_marked=MARKED)
    result = run()
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["the marker gradcheck takes options by name only"])
    run("--markers").stdout.fnmatch_lines(["@pytest.mark.gradcheck(*options): *"])


def test_tests_without_checks_are_left_alone(pytester, run):
    pytester.makepyfile(
        """
        def test_passing():
            pass

        def test_failing():
            raise AssertionError("plain")
        """
    )
    result = run("--junitxml=out.xml")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E * AssertionError: plain"])
    result.stdout.no_fnmatch_line("*autotensor:*")
    assert not ET.parse(pytester.path / "out.xml").findall(".//property")


def test_it_may_be_loaded_in_several_ways_at_once(pytester, run):
    # As by the entry point and by -p: pytest refuses to register one object twice.
    pytester.makeconftest(
        """
        from autotensor.checking import plugin

        pytest_plugins = ["autotensor.checking.plugin"]

        def pytest_configure(config):
            config.pluginmanager.register(plugin.EntryPoint, "autotensor")
        """
    )
    pytester.makepyfile(test_ops=CHECKS)
    result = run("-k", "right")
    result.assert_outcomes(passed=1, deselected=4)
    result.stdout.fnmatch_lines(["autotensor: 2 gradient checks, 2 ok"])


def test_what_a_test_found_travels_between_processes(pytester, run):
    # As pytest-xdist sends it: as plain data.
    pytester.makeconftest(
        """
        import json, pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_report_from_serializable(config, data):
            return (yield)

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            hook = item.config.hook
            data = hook.pytest_report_to_serializable(config=item.config, report=report)
            data = json.loads(json.dumps(data))
            return hook.pytest_report_from_serializable(config=item.config, data=data)
        """
    )
    pytester.makepyfile(test_ops=CHECKS)
    result = run()
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(
        [
            "gradcheck FAILED: cube  *",
            "test_ops.py:10: gradcheck(cube, *",
            "autotensor: 4 gradient checks, 2 ok, 1 inconclusive, 1 failed",
            "FAILED test_ops.py::test_wrong - gradcheck FAILED: cube *",
        ]
    )


def test_loading_it_imports_no_other_test_library():
    code = "import sys, json, autotensor.checking.plugin; print(json.dumps([*sys.modules]))"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {"hypothesis", "scipy", "matplotlib"} & set(json.loads(out)) == set()


def test_the_project_file_names_the_plugin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["pytest11"]["autotensor"].partition(":")
    assert module == plugin.__name__
    assert vars(plugin)[name] is plugin.EntryPoint
