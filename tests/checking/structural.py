"""What the tests of structural checks share."""

import numpy as np

import autotensor as at


def sine(rule):
    """Declare a sine with the given rule."""

    @at.custom_op(x=rule)
    def sine(x):
        return np.sin(x)

    return sine


def found(function, inputs, **options):
    """The id and the finding of the check that fails."""
    report = at.gradcheck(function, inputs, raise_exception=False, **options)
    assert report.verdict == "fail", str(report)
    ((check, finding),) = [pair for pair in report.findings if pair[1].verdict == "fail"]
    return check, finding


def failing(function, inputs, **options):
    """The id of the check that fails, and what it says."""
    check, finding = found(function, inputs, **options)
    return check, "\n".join((finding.title, *finding.lines))
