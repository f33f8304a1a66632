"""The corpus of wrong rules, `WRONG`, from name to case.

It is written from the specification of the checks, not from the checker: each case is a mistake
that people make, or one that other checkers were seen to let through.
"""

from tests.checking import wrong_conduct, wrong_values
from tests.checking.corpus import WRONG, Wrong, detach

__all__ = ["WRONG", "Wrong", "detach", "wrong_conduct", "wrong_values"]
