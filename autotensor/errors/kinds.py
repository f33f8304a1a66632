"""The classes of the errors about gradients.

Each is a subclass of the nearest builtin, so ``except ValueError`` keeps working.
"""

__all__ = [
    "AutotensorError",
    "DeclarationError",
    "DtypeError",
    "GraphFreedError",
    "InPlaceError",
    "LostGradientError",
    "NoGradientError",
    "NoRuleError",
    "NonFiniteError",
    "RecomputeError",
    "ShapeError",
    "UnwritableError",
]


class AutotensorError(Exception):
    """Base of the errors that only autotensor raises."""


class DeclarationError(AutotensorError, TypeError):
    """A rule was declared wrongly: an unknown name, a missing argument, a second registration."""


class DtypeError(AutotensorError, TypeError):
    """A dtype that cannot carry a gradient was asked to."""


class GraphFreedError(AutotensorError, RuntimeError):
    """A backward pass reached a node whose arrays an earlier pass has freed."""


class InPlaceError(AutotensorError, RuntimeError):
    """A write in place whose gradient could not be right."""


class LostGradientError(AutotensorError, TypeError):
    """A tensor was about to leave the graph and take its gradient along."""


class NoGradientError(AutotensorError, RuntimeError):
    """``backward()`` has nothing to differentiate."""


class NoRuleError(AutotensorError, TypeError):
    """A NumPy function without a derivative rule met a tensor that requires grad."""


class NonFiniteError(AutotensorError, FloatingPointError):
    """Under ``detect_anomaly()`` an op or a rule made a NaN or an infinity from finite values."""


class RecomputeError(AutotensorError, RuntimeError):
    """A function under ``at.checkpoint`` did something else when it was run again."""


class ShapeError(AutotensorError, ValueError):
    """A gradient, seed or tangent of the wrong shape."""


class UnwritableError(AutotensorError, TypeError):
    """`autotensor.source` cannot write what a computation does."""
