"""The pytest plugin of autotensor: a fixture `gradcheck`, a marker, reports instead of tracebacks.

A test asks for the fixture and calls it as `autotensor.gradcheck`::

    def test_softplus(gradcheck):
        gradcheck(softplus, np.linspace(-30, 30, 7))

The marker sets options for all calls in a test, a class or a module::

    @pytest.mark.gradcheck(order=2, seed=3)
    def test_softplus(gradcheck): ...

A wrong derivative shows the report of the check where a traceback would be, also if the test calls
`autotensor.gradcheck` itself; ``--tb=long``, ``--tb=native`` and ``--full-trace`` show the
traceback. The last lines of the run count the checks, and with ``-v`` or ``-rA`` name them.
"""

from collections.abc import Callable, Generator
from typing import Any

import pytest

from autotensor.checking.check import gradcheck as check_gradient
from autotensor.checking.report import GradcheckError

__all__ = ["EntryPoint", "Plugin", "pytest_configure"]

_NAME = "autotensor-gradcheck"
_FOUND = pytest.StashKey[list[tuple[str, str]]]()
_MARKER = (
    "gradcheck(**options): options of autotensor.gradcheck for all calls of the fixture gradcheck"
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin once, by whichever way this was reached."""
    if not config.pluginmanager.has_plugin(_NAME):
        config.pluginmanager.register(Plugin(), _NAME)
        config.addinivalue_line("markers", _MARKER)


class EntryPoint:
    """What pytest loads by itself; another object than this module, which ``-p`` may load too."""

    pytest_configure = staticmethod(pytest_configure)


class Plugin:
    """The hooks and the fixture."""

    @pytest.fixture
    def gradcheck(self, request: pytest.FixtureRequest) -> Callable[..., Any]:
        """`autotensor.gradcheck`, with the options of the marker, counted in the summary."""
        found: list[tuple[str, str]] = []
        request.node.stash[_FOUND] = found
        usual: dict[str, Any] = {}
        for marker in reversed(list(request.node.iter_markers("gradcheck"))):  # the closest wins
            if marker.args:
                pytest.fail("the marker gradcheck takes options by name only", pytrace=False)
            usual |= marker.kwargs

        def check(*args: Any, **options: Any) -> Any:
            __tracebackhide__ = True
            try:
                report = check_gradient(*args, **usual | options)
            except GradcheckError as error:
                found.append((error.report.verdict, error.report.headline))
                raise
            found.append((report.verdict, report.headline))
            return report

        return check

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the report of a check in the place of the traceback; keep what the fixture found."""
        result = yield
        if call.when != "call":
            return result
        # A plain attribute travels from the workers of pytest-xdist.
        result.gradchecks = item.stash.get(_FOUND, [])  # type: ignore[attr-defined]
        if call.excinfo and result.failed and _wanted(item.config):
            error = call.excinfo.value
            if isinstance(error, GradcheckError):
                shown = call.excinfo.getrepr(style="value")
                notes = getattr(error, "__notes__", ())
                shown.addsection("called from", "\n".join([*_places(item, call.excinfo), *notes]))
                if shown.reprcrash is not None:
                    shown.reprcrash.message = str(error)  # its first line goes into the summary
                result.longrepr = shown
        return result

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Count the checks, and name those that a reader wants to know of."""
        found: list[tuple[str, str]] = []
        for reports in terminalreporter.stats.values():
            for report in reports:
                found += getattr(report, "gradchecks", ())
        if not found or terminalreporter.verbosity < -1:
            return
        verdicts = [verdict for verdict, _ in found]
        counts = [f"{len(found)} gradient check{'s' * (len(found) > 1)}"]
        for verdict, word in (("ok", "ok"), ("inconclusive", "inconclusive"), ("fail", "failed")):
            if verdict in verdicts:
                counts.append(f"{verdicts.count(verdict)} {word}")
        everything = terminalreporter.verbosity > 0 or terminalreporter.hasopt("P")
        for verdict, line in found:
            if everything or verdict == "inconclusive":
                terminalreporter.write_line(line)
        terminalreporter.write_line(f"autotensor: {', '.join(counts)}")


def _wanted(config: pytest.Config) -> bool:
    """Whether the user has not asked for the whole traceback."""
    return config.getoption("tbstyle") not in ("long", "native") and not config.getoption(
        "fulltrace"
    )


def _places(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> list[str]:
    """The lines of the test's own file on the way to the error."""
    return [
        f"{item.path.name}:{entry.lineno + 1}: {str(entry.statement).strip()}"
        for entry in excinfo.traceback
        if str(entry.path) == str(item.path)
    ]
