"""Operators, methods, indexing, writing and the protocols: values are always NumPy's."""

import operator

import numpy as np
import pytest

import autotensor as at
from autotensor.errors import DtypeError, InPlaceError, LostGradientError, NoRuleError, ShapeError

A = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]])
B = np.array([[2.0, 1.0, 0.5], [1.0, 3.0, 2.0]])
M = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv]
CONSTANT = [
    operator.floordiv,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.eq,
    operator.ne,
]
BITS = [operator.and_, operator.or_, operator.xor]
IN_PLACE = [operator.iadd, operator.isub, operator.imul, operator.itruediv]
OTHERS = {
    "int": 2,
    "float": 2.5,
    "bool": True,
    "complex": 1 - 2j,
    "numpy scalar": np.float64(1.5),
    "narrow scalar": np.float32(1.5),
    "array": B,
    "row": B[0],
    "whole numbers": np.array([1, 2, 3]),
    "zero-dimensional": np.array(1.5),
    "list": [1.0, 2.0, 3.0],
    "tuple": (1, 2, 3),
}


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


def same(got, wanted):
    """A Tensor of NumPy's value, bit by bit, and dtype."""
    assert isinstance(got, at.Tensor)
    wanted = np.asarray(wanted)
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got.numpy(), wanted, strict=True)


# -- operators ------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize(
    "value", [A, 1.5, A.astype(np.float32), np.float32(1.5)], ids=["A", "0d", "A32", "0d32"]
)
@pytest.mark.parametrize("op", [*ARITHMETIC, operator.pow])
def test_operators_have_numpys_value_from_both_sides(op, value, other):
    if op is operator.pow:
        value = abs(value)
    data = np.asarray(value)
    if op is operator.pow:
        data = data[()]  # 0-d values are scalars, and NumPy 2.2 raises these to other dtypes
    for x in (leaf(value), at.tensor(value)):
        with np.errstate(all="ignore"):
            same(op(x, other), op(data, other))
            same(op(other, x), op(other, data))
        same(op(x, at.tensor(other)), op(data, np.asarray(other)[()]))
        assert op(other, x).requires_grad == x.requires_grad


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("op", ARITHMETIC)
def test_operators_have_the_gradients_of_their_functions(op, other):
    ufunc = {operator.sub: np.subtract, operator.mul: np.multiply}.get(op)
    ufunc = ufunc or {operator.add: np.add, operator.truediv: np.divide}[op]
    other = at.tensor(other)
    for pair in ((A, None), (None, A)):
        wanted = leaf(A)
        ufunc(*(other if p is None else wanted for p in pair)).sum().real.backward()
        x = leaf(A)
        op(*(other.numpy() if p is None else x for p in pair)).sum().real.backward()
        same(x.grad, wanted.grad)


@pytest.mark.parametrize("op", CONSTANT)
@pytest.mark.parametrize("other", [2, 1.5, B, B[0], [1.0, 2.0, 3.0]], ids=str)
def test_comparisons_and_whole_quotients_are_constants(op, other):
    x = leaf(A)
    same(op(x, other), op(A, np.asarray(other)))
    same(op(x, at.tensor(other)), op(A, np.asarray(other)))
    if not isinstance(other, list):
        same(op(other, x), op(other, A))
    assert not op(x, other).requires_grad


@pytest.mark.parametrize("op", BITS)
def test_bitwise_operators_have_the_values_of_numpys(op):
    a, b = np.array([True, False]), np.array([True, True])
    same(op(at.tensor(a), b), op(a, b))
    same(op(a, at.tensor(b)), op(a, b))
    same(op(at.tensor([1, 2]), 3), op(np.array([1, 2]), 3))
    same(~at.tensor(a), ~a)
    mask = leaf(A) > 0
    same(op(mask, A < 2), op(A > 0, A < 2))


def test_matmul_takes_arrays_and_lists_on_either_side():
    for a, b in [(A, M), (A, M[:, 0]), (A[0], M), (A[0], M[:, 1]), (np.stack([A, B]), M)]:
        for x, y in [(leaf(a), b), (a, leaf(b)), (leaf(a), at.tensor(b)), (leaf(a), b.tolist())]:
            same(x @ y, a @ b)
    same([1.0, 2.0] @ leaf(A), [1.0, 2.0] @ A)


def test_unary():
    x = leaf(A)
    same(-x, -A)
    same(+x, A)
    same(abs(x), abs(A))
    (+x).sum().backward()
    same(x.grad, np.ones_like(A))
    assert +x is not x


def test_remainders():
    same(at.tensor(A) % 2, A % 2)
    same(7.5 % at.tensor(B), 7.5 % B)
    with pytest.raises(NoRuleError, match=r"np.remainder has no derivative"):
        leaf(A) % 2


def test_complex_and_a_scalar():
    # to Python's complex, np.float64 is a float, and their product no NumPy scalar
    for op in [*ARITHMETIC, operator.pow]:
        same(op(1j, leaf(0.5)), op(np.complex128(1j), 0.5))


@pytest.mark.parametrize("op", [*ARITHMETIC, operator.pow, operator.matmul, operator.lt])
@pytest.mark.parametrize("other", [None, object(), {}])
def test_strangers_are_refused(op, other):
    for x in (leaf(A), leaf(1.0)):
        with pytest.raises(TypeError):
            op(x, other)
        with pytest.raises(TypeError):
            op(other, x)


# -- in place -------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [2, 2.5, B, B[0], [1.0, 2.0, 3.0]], ids=str)
@pytest.mark.parametrize("op", IN_PLACE)
def test_writing_in_place(op, other):
    for x in (at.tensor(A), leaf(A) * 1.0):
        array = A.copy()
        same_object = op(x, other)
        assert same_object is x
        same(x, op(array, other))


def test_gradients_of_writing_in_place():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    h = x * 1.0
    before = h * h
    h *= y
    h += x
    h -= 1.0
    h /= 2.0
    (h + before).sum().backward()
    assert x.grad.tolist() == [1.0 * 2 + (3 + 1) / 2, 2.0 * 2 + (4 + 1) / 2]
    assert y.grad.tolist() == [0.5, 1.0]


def test_a_constant_takes_the_gradient_of_what_is_written_to_it():
    x, total = leaf([1.0, 2.0]), at.zeros(2)
    for _ in range(3):
        total += x
    total.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_constant_written_over_a_result_ends_its_gradient():
    x = leaf(3.0)
    for write in (
        lambda h: np.multiply(2.0, at.tensor(4.0), out=h),
        lambda h: operator.ifloordiv(h, 2),
        lambda h: np.floor(h, out=h),
    ):
        x.grad, h = None, x * 4.0
        write(h)
        assert not h.requires_grad
        (h * x).backward()
        assert x.grad.item() == h.item()


def test_what_was_recorded_before_a_write_stays():
    x = leaf([1.0, 2.0])
    h = x * 1.0
    product = h * h
    with at.no_grad():
        x *= 100.0
    h *= 100.0
    product.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_a_leaf_that_requires_grad_is_not_written_to_while_recording():
    w = leaf([1.0, 2.0])
    for write in (
        lambda: operator.iadd(w, 1.0),
        lambda: operator.ifloordiv(w, 2),
        lambda: operator.setitem(w, 0, 1.0),
        lambda: np.add(w, 1.0, out=w),
        lambda: np.sum(np.ones((2, 2)), axis=0, out=w),
    ):
        with pytest.raises(InPlaceError, match="cannot be changed in place"):
            write()
        assert w.tolist() == [1.0, 2.0]
    with at.no_grad():
        w -= 0.5
        w[0] = 7.0
    assert w.tolist() == [7.0, 1.5]
    assert w.is_leaf


def test_writes_do_not_fit_a_larger_shape_or_another_kind():
    x = at.tensor([1.0, 2.0])
    with pytest.raises(ShapeError, match="does not fit in place"):
        x += np.ones((3, 2))
    with pytest.raises(DtypeError, match="cannot be written in place"):
        x *= 1j
    with pytest.raises(DtypeError):
        operator.iadd(at.tensor([1, 2]), 0.5)
    narrow = leaf(np.ones(2, np.float32)) * 1
    narrow += np.array([0.5, 0.25])
    assert narrow.dtype == np.float32
    assert narrow.tolist() == [1.5, 1.25]


def test_a_write_reaches_every_view():
    h = leaf(A) * 1.0
    views = [h[0], h.T, h.reshape(3, 2), h[:, ::-1], np.expand_dims(h, 0)]
    h *= 2.0
    views[1][0, 0] = 7.0
    wanted = A * 2.0
    wanted[0, 0] = 7.0
    for view, same_view in zip(
        views,
        [wanted[0], wanted.T, wanted.reshape(3, 2), wanted[:, ::-1], wanted[None]],
        strict=True,
    ):
        same(view, same_view)
    row = h[0]
    del h, views
    row += 1.0
    same(row, wanted[0] + 1)


def test_ndarrays_are_not_filled_from_tracked_tensors():
    x = leaf([1.0, 2.0])
    for fill in (
        lambda c: operator.iadd(c, x),
        lambda c: np.exp(x, out=c),
        lambda c: np.stack([x[0], x[1]], out=c),
        lambda c: np.sum(np.ones((2, 2)) * x, 0, None, c),
        lambda c: np.copyto(c, x),
        lambda c: np.add.at(c, [0], x[0]),
    ):
        c = np.zeros(2)
        with pytest.raises((LostGradientError, NoRuleError)):
            fill(c)
        assert c.tolist() == [0.0, 0.0]
    with pytest.raises((TypeError, ValueError)):  # NumPy's own, ours is its cause
        np.zeros(2)[0] = x[0]
    c = np.zeros(2)
    with at.no_grad():
        c += x
        c[0] = x[1]
    assert c.tolist() == [2.0, 2.0]


# -- methods and attributes -----------------------------------------------------------------------

METHODS = {
    "sum": [(), (0,), ((0, 1),), {"axis": 1, "keepdims": True}],
    "prod": [(), (1,)],
    "mean": [(), (0,), {"axis": -1, "keepdims": True}],
    "var": [(), (0,), {"ddof": 1}],
    "std": [(), (0,), {"axis": 1, "ddof": 1}],
    "max": [(), (0,), {"initial": 3.5}],
    "min": [(), (1,)],
    "clip": [(-1.0, 2.0), (None, 2.0), (0.0,), {"min": 0.0}, {"max": B}],
    "dot": [(M,), (M[:, 0],)],
    "reshape": [(3, 2), ((3, 2),), (-1,), (np.int64(6),), (2, -1)],
    "ravel": [(), ("F",)],
    "flatten": [(), ("F",)],
    "squeeze": [()],
    "transpose": [(), (1, 0), ((1, 0),), (None,), ([-1, 0],)],
    "swapaxes": [(0, 1), (-1, 0)],
    "astype": [(np.float32,), ("complex128",)],
    "copy": [()],
    "conj": [()],
    "conjugate": [()],
    "round": [(), (1,)],
    "argmax": [(), (1,)],
    "argmin": [(), (0,)],
    "argsort": [(), (0,)],
    "all": [(), (0,)],
    "any": [(), (1,)],
}
WITHOUT_GRADIENT = {"round", "argmax", "argmin", "argsort", "all", "any"}


@pytest.mark.parametrize(
    ("name", "given"),
    [(name, given) for name, calls in METHODS.items() for given in calls],
    ids=str,
)
def test_methods(name, given):
    args, kwargs = ((), given) if isinstance(given, dict) else (given, {})
    for value in (A, A.astype(np.float32)):
        wanted = getattr(value, name)(*args, **kwargs)
        for x in (leaf(value), at.tensor(value)):
            got = getattr(x, name)(*args, **kwargs)
            assert got.dtype == wanted.dtype
            np.testing.assert_allclose(got.numpy(), wanted, rtol=16 * np.finfo(value.dtype).eps)
            assert got.requires_grad == (x.requires_grad and name not in WITHOUT_GRADIENT)


def test_attributes_have_the_values_of_numpys_and_gradients():
    z = A + 2j * B[:, ::-1]
    for name in ("T", "mT", "real", "imag"):
        same(getattr(leaf(z), name), getattr(z, name))
        same(getattr(leaf(A), name), getattr(A, name))
    x = leaf(A)
    (x.T.real.conj() + x.T.imag).sum().backward()
    same(x.grad, np.ones_like(A))


def test_scalars_have_the_methods_too():
    x = leaf(2.0)
    same(x.reshape(), 2.0)
    same(x.reshape(1, 1), [[2.0]])
    same(x.sum() + x.mean() + x.max() + x.copy() + x.squeeze() + x.T, 12.0)
    same(x.ravel(), [2.0])
    same(x.clip(3.0), 3.0)
