"""Functions and arguments as Python source: what is written gives the same value back."""

import functools
import sys
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import autotensor as at
from autotensor.checking.source import name_of, source_of, source_of_function

Pair = namedtuple("Pair", "left right")


@at.custom_op(x=lambda g: g)
def known(x):
    return x + 0


class Holder:
    @staticmethod
    def inside(x):
        return x

    def method(self, x):
        return x


@pytest.mark.parametrize(
    ("value", "source"),
    [
        (np.array([1.0, 0.1]), "np.array([1.0, 0.1])"),
        (np.array([1.5, 0.1], np.float32), "np.array([1.5, 0.1], np.float32)"),
        (np.array([0.1, 0.2], np.float16), "np.array([0.1, 0.2], np.float16)"),
        (np.array(2 - 1j), "np.array((2-1j))"),
        (np.array([1, 2]), "np.array([1, 2])"),
        (np.array([1, 2], np.int8), "np.array([1, 2], np.int8)"),
        (np.array([True, False]), "np.array([True, False])"),
        (np.array([1.0, 2.0], ">f8"), "np.array([1.0, 2.0], '>f8')"),
        (np.array([[1.0, 2], [3, 4]], order="F"), "np.array([[1.0, 2.0], [3.0, 4.0]], order='F')"),
        (np.zeros((0, 2)), "np.zeros((0, 2))"),
        (np.zeros((0, 2), int), "np.zeros((0, 2), int)"),
        (np.zeros((0, 2), np.float32), "np.zeros((0, 2), np.float32)"),
        (np.full((30, 20), 0.5), "np.full((30, 20), 0.5)"),
        (np.array([np.nan, np.inf, -np.inf]), "np.array([np.nan, np.inf, -np.inf])"),
        (np.array([0.0, -0.0]), "np.array([0.0, -0.0])"),
        (np.array([complex(-0.0, 1)]), "np.array([complex(-0.0, 1.0)])"),
        (np.array([-2j, 2 - 0j]), "np.array([complex(-0.0, -2.0), complex(2.0, 0.0)])"),
        (np.arange(65.0) ** 2, "kept"),
        (np.array(["a"]), "kept"),
        ([np.array([1]), "a", None, (2.5,)], "[np.array([1]), 'a', None, (2.5,)]"),
        ({"w": np.array([1.0]), 3: ...}, "{'w': np.array([1.0]), 3: Ellipsis}"),
        ({"w": np.zeros(70) + np.arange(70)}, "{'w': kept['w']}"),
        (Pair(1.0, 2.0), "kept"),
        (OrderedDict(a=1), "kept"),
        (np.dtype("f4"), "np.dtype('<f4')"),
        (float("nan"), "np.nan"),
        (slice(None, 2, -1), "slice(None, 2, -1)"),
        (np.tanh, "np.tanh"),
        (np.random.default_rng(0), "kept"),
    ],
)
def test_arguments_as_source(value, source):
    assert source_of(value, "kept") == source


def same(a, b):
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and np.array_equal(a, b, equal_nan=True)
        and np.array_equal(np.signbit(a.real), np.signbit(b.real))
        and np.array_equal(np.signbit(a.imag), np.signbit(b.imag))
    )


@pytest.mark.parametrize("dtype", ["e", "f", "d", "g", "F", "D", "G", ">f4", ">c16"])
def test_arrays_come_back_to_the_last_bit(dtype):
    rng = np.random.default_rng(0)
    special = [0.0, -0.0, np.inf, -np.inf, 1e-30, 65000.0]
    x = np.concatenate([rng.normal(size=30), special]).astype(dtype)
    if x.dtype.kind == "c":
        x.imag = rng.permutation(x.real)
    else:
        x = x / np.array(3, x.dtype)  # digits that float64 does not have, in a longdouble
    x = x.astype(dtype)
    for given in (x, x[:3], x.reshape(6, 6), x[:1].reshape(())):
        assert same(eval(source_of(given, "kept"), {"np": np}), given)


def test_arrays_whose_digits_round_twice_come_back():
    # Some few float32 are not the float32 nearest to the float64 nearest to their shortest digits.
    bits = np.random.default_rng(1).integers(0, 2**32, size=(4000, 50), dtype=np.uint32)
    for row in bits.view(np.float32):
        given = row[np.isfinite(row)]
        assert same(eval(source_of(given, "kept"), {"np": np}), given)


def local(x):
    def inner(x):
        return x

    return inner


FUNCTIONS = [
    (np.tanh, "np.tanh"),
    (np.linalg.norm, "np.linalg.norm"),
    (at.nn.relu, "at.nn.relu"),
    (known, f"{__name__}.known"),
    (local, f"{__name__}.local"),
    (local(0), "inner"),
    (Holder.inside, f"{__name__}.Holder.inside"),
    (Holder().method, "kept"),
    (at.nn.Relu(), "kept"),
    (functools.partial(np.sum, axis=0), "functools.partial(np.sum, axis=0)"),
    (functools.partial(known, np.zeros(0)), f"functools.partial({__name__}.known, np.zeros((0,)))"),
    (lambda x: x * 3 if x else 0, "lambda x: x * 3 if x else 0"),
]


@pytest.mark.parametrize(("fn", "source"), FUNCTIONS, ids=[source for _, source in FUNCTIONS])
def test_functions_as_source(fn, source, monkeypatch):
    # With --import-mode=importlib a test module need not be in the list.
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or module())
    assert source_of_function(fn, "kept") == source


def module():
    found = type(sys)(__name__)
    vars(found).update(globals())
    return found


def test_lambdas_on_one_line_are_told_apart():
    one, two = lambda x: x + 1, lambda x: x + 2
    assert source_of_function(one, "kept") == "lambda x: x + 1"
    assert source_of_function(two, "kept") == "lambda x: x + 2"


def test_a_long_lambda_and_one_without_source_are_kept():
    assert source_of_function(eval("lambda x: x"), "kept") == "kept"
    long = lambda x: [x + 1111111, x + 2222222, x + 3333333, x + 4444444, x + 5555555, x + 66]  # noqa: E731
    assert source_of_function(long, "kept") == "kept"


def test_a_function_of_a_module_that_is_none_goes_by_its_name():
    names = {"__name__": "nowhere", "at": at}
    exec("def f(x): return x\nop = at.custom_op(x=lambda g: g)(f)\nf2 = f\nf = op", names)
    assert source_of_function(names["f"], "kept") == "f"
    assert source_of_function(names["f2"], "kept") == "kept"


def test_names_in_a_few_words():
    assert name_of(np.sin) == "sin"
    assert name_of(known) == "known"
    assert name_of(at.nn.Relu()) == "Relu"
    assert name_of(functools.partial(known, 1)) == "partial of known"
    assert name_of(lambda x: x).startswith("<lambda> of test_source.py:")
