"""Every way out of the graph: what stays in, what is free, what raises and how it says so.

The tables are the list. `CLOSED` are the ways that would lose a gradient, `FREE` those that read,
`CONSTANT` those whose derivative is zero wherever there is one, and `ABSENT` the doors that a
tensor does not have.
"""

import cmath
import copy
import math
import operator
import pickle
import struct

import numpy as np
import pytest

import autotensor as at
from autotensor.errors import InPlaceError, LostGradientError, NoRuleError

CONVERTED = "converting to an ndarray"
FILLED = "the destination is a plain ndarray"
NUMBER = "x.item() for the value"


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


def fresh():
    return np.zeros(3)


def put(array, index, value):
    array[index] = value
    return array


def added(array, value):
    array += value
    return array


def run(function, *args, **kwargs):
    """Call what returns nothing."""
    function(*args, **kwargs)
    return True


GENERATOR = np.random.default_rng(0)

# Of a tensor of shape () and one of shape (3,): what raises, and part of its text. Where NumPy
# hides our error behind its own, ours is the cause of it.
CLOSED = {
    "asarray": (lambda t, v: np.asarray(v), CONVERTED),
    "array": (lambda t, v: np.array(v), CONVERTED),
    "array of tensors": (lambda t, v: np.array([t, t]), CONVERTED),
    "array of rows": (lambda t, v: np.array([[t, 1]]), CONVERTED),
    "ascontiguousarray": (lambda t, v: np.ascontiguousarray(v), CONVERTED),
    "float": (lambda t, v: float(t), "float() of the tensor"),
    "int": (lambda t, v: int(t), NUMBER),
    "complex": (lambda t, v: complex(t), NUMBER),
    "np.float64": (lambda t, v: np.float64(t), CONVERTED),
    "math.sin": (lambda t, v: math.sin(t), NUMBER),
    "math.floor": (lambda t, v: math.floor(t), NUMBER),
    "math.fsum": (lambda t, v: math.fsum(v), NUMBER),
    "cmath.sin": (lambda t, v: cmath.sin(t), NUMBER),
    "percent": (lambda t, v: "%.1f" % t, NUMBER),  # noqa: UP031 - that it raises is the point
    "item": (lambda t, v: put(fresh(), 0, t), NUMBER),
    "slice": (lambda t, v: put(fresh(), slice(None), v), CONVERTED),
    "mask": (lambda t, v: put(fresh(), fresh() == 0, t), CONVERTED),
    "flat": (lambda t, v: setattr(fresh(), "flat", v) or True, CONVERTED),
    "fill": (lambda t, v: run(fresh().fill, t), NUMBER),
    "ndarray.put": (lambda t, v: run(fresh().put, [0], t), CONVERTED),
    "ndarray.dot": (lambda t, v: fresh().dot(v), CONVERTED),
    "ndarray.sum": (lambda t, v: fresh().sum(initial=t), NUMBER),
    "+=": (lambda t, v: added(fresh(), v), FILLED),
    "out=": (lambda t, v: np.add(fresh(), v, out=fresh()), FILLED),
    "at": (lambda t, v: run(np.add.at, fresh(), [0, 0], t), FILLED),
    "subtract.at": (lambda t, v: run(np.subtract.at, fresh(), [0, 0], t), FILLED),
    "copyto": (lambda t, v: run(np.copyto, fresh(), v), FILLED),
    "put": (lambda t, v: run(np.put, fresh(), [0], t), FILLED),
    "put of tensors": (lambda t, v: run(np.put, fresh(), [0, 1], [t, t]), CONVERTED),
    "putmask": (lambda t, v: run(np.putmask, fresh(), fresh() == 0, v), FILLED),
    "place": (lambda t, v: run(np.place, fresh(), fresh() == 0, v), FILLED),
    "put_along_axis": (
        lambda t, v: run(np.put_along_axis, fresh(), np.array([0]), t, 0),
        FILLED,
    ),
    "fill_diagonal": (lambda t, v: run(np.fill_diagonal, np.ones((2, 2)), t), CONVERTED),
    "full": (lambda t, v: np.full(3, t), CONVERTED),
    "full_like": (lambda t, v: np.full_like(fresh(), t), FILLED),
    "arange": (lambda t, v: np.arange(t), CONVERTED),
    "linspace": (lambda t, v: np.linspace(0, t, 3), "np.linspace has no derivative"),
    "at.full": (lambda t, v: at.full(3, t), "at.full has no derivative"),
    "at.linspace": (lambda t, v: at.linspace(0, t, 3), "at.linspace has no derivative"),
    "fromiter": (lambda t, v: np.fromiter(v, float), NUMBER),
    "unique": (lambda t, v: np.unique(v), "np.unique has no derivative"),
    "sort": (lambda t, v: np.sort(v), "np.sort has no derivative"),
    "partition": (
        lambda t, v: np.partition(v, 1),
        "at.register(np.partition, a=lambda g, …: …),\nor use x.detach",
    ),
    "nansum": (lambda t, v: np.nansum(v), "Nearest with a rule: np.sum"),
    "fft": (lambda t, v: np.fft.fft(v), "np.fft.fft has no derivative"),
    "interp": (lambda t, v: np.interp(v, [0, 9], [0, 1]), "np.interp has no derivative"),
    "save": (lambda t, v: run(np.save, "/dev/null", v), "np.save has no derivative"),
    "vectorize": (lambda t, v: np.vectorize(abs)(v), CONVERTED),
    "frompyfunc": (lambda t, v: np.frompyfunc(abs, 1, 1)(v), "has no derivative"),
    "sum from": (lambda t, v: np.sum(fresh(), initial=t), NUMBER),
    "max from": (lambda t, v: np.max(v, initial=t), "derivative for argument 'initial'"),
    "average": (lambda t, v: np.average(fresh(), weights=v), "np.average has no derivative"),
    "multiply.at": (lambda t, v: run(np.multiply.at, v * 1, [0], 2.0), "np.multiply.at has no"),
    "accumulate": (lambda t, v: np.add.accumulate(v), "np.add.accumulate has no derivative"),
    "astype(object)": (lambda t, v: v.astype(object), "conversion to object"),
    "astype(str)": (lambda t, v: v.astype(str), "conversion to <U32"),
    "normal": (lambda t, v: np.random.normal(t, 1.0), CONVERTED),  # noqa: NPY002
    "Generator.normal": (lambda t, v: GENERATOR.normal(v), CONVERTED),
    "permutation": (lambda t, v: GENERATOR.permutation(v), CONVERTED),
    "choice": (lambda t, v: GENERATOR.choice(v), CONVERTED),
    "at.tensor": (lambda t, v: at.tensor(v), "Use x.copy() to copy it within the graph"),
    "at.tensor of tensors": (lambda t, v: at.tensor([t, t]), CONVERTED),
    "at.asarray of tensors": (lambda t, v: at.asarray([t, t]), CONVERTED),
}
NOT_FREE_EITHER = {"multiply.at"}  # its target is a tensor, so nothing leaves


@pytest.mark.parametrize("name", CLOSED)
def test_what_would_lose_a_gradient_raises(name):
    way, text = CLOSED[name]
    t, v = leaf(2.0), leaf([1.0, 2.0, 3.0])
    for tracked in ((t, v), (t * 1, v * 1)):
        with pytest.raises((LostGradientError, NoRuleError, ValueError)) as caught:
            way(*tracked)
        error = caught.value
        if not isinstance(error, (LostGradientError, NoRuleError)):
            assert "setting an array element with a sequence" in str(error)
            error = error.__cause__
        assert isinstance(error, (LostGradientError, NoRuleError))
        assert text in str(error)
        with at.no_grad():
            assert way(*tracked) is not None or name in NOT_FREE_EITHER
    assert way(t.detach(), v.detach()) is not None


def test_shuffling_writes_in_place():
    with pytest.raises(InPlaceError), pytest.warns(UserWarning, match="shuffling a 'Tensor'"):
        GENERATOR.shuffle(leaf([1.0, 2.0, 3.0]))


# -- reading is free ------------------------------------------------------------------------------

FREE = {
    "tolist": (lambda t, v: v.tolist(), [1.0, 2.0, 3.0]),
    "item": (lambda t, v: (t.item(), v.item(1)), (2.0, 2.0)),
    "numpy": (lambda t, v: v.numpy().tolist(), [1.0, 2.0, 3.0]),
    "detach": (lambda t, v: v.detach().requires_grad, False),
    "f-string": (lambda t, v: f"{t:.2f}", "2.00"),
    "str": (lambda t, v: str(v.detach()), "tensor([1., 2., 3.])"),
    "repr": (lambda t, v: repr(v)[:19], "tensor([1., 2., 3.]"),
    "percent s": (lambda t, v: "%s" % t.detach(), "tensor(2.)"),  # noqa: UP031
    "bool": (lambda t, v: (bool(t), bool(t - 2)), (True, False)),
    "in": (lambda t, v: (2.0 in v, t in v, 5.0 in v), (True, True, False)),
    "len": (lambda t, v: len(v), 3),
    "shape": (lambda t, v: (np.shape(v), v.shape, np.ndim(v), np.size(v)), ((3,), (3,), 1, 3)),
    "dtype": (lambda t, v: np.result_type(v, 1.0), np.dtype(float)),
    "allclose": (lambda t, v: np.allclose(v, v), True),
}


@pytest.mark.parametrize("name", FREE)
def test_reading_is_free(name):
    read, wanted = FREE[name]
    t, v = leaf(2.0), leaf([1.0, 2.0, 3.0])
    assert read(t, v) == wanted
    assert read(t * 1, v * 1) == wanted


def test_printing_is_free(capsys):
    print(leaf(2.0) * 3)  # noqa: T201
    assert capsys.readouterr().out == "tensor(6., op=multiply)\n"


# -- constant by nature ---------------------------------------------------------------------------

CONSTANT = {
    "comparison": (lambda v: v > 1, [False, True, True]),
    "argmax": (lambda v: v.argmax(), 2),
    "argsort": (lambda v: np.argsort(-v), [2, 1, 0]),
    "indices": (lambda v: np.where(v > 1)[0], [1, 2]),
    "indices of a tensor": (lambda v: np.where(v)[0], [0, 1, 2]),
    "nonzero": (lambda v: v.nonzero()[0], [0, 1, 2]),
    "floor": (lambda v: np.floor(v), [1.0, 2.0, 3.0]),
    "round": (lambda v: np.round(v), [1.0, 2.0, 3.0]),
    "sign": (lambda v: np.sign(v), [1.0, 1.0, 1.0]),
    "//": (lambda v: v // 2, [0.0, 1.0, 1.0]),
    "isfinite": (lambda v: np.isfinite(v), [True, True, True]),
    "astype(int)": (lambda v: v.astype(int), [1, 2, 3]),
    "sum of integers": (lambda v: np.sum(v, dtype=int), 6),
    "zeros_like": (lambda v: np.zeros_like(v), [0.0, 0.0, 0.0]),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_what_is_constant_by_nature_carries_no_gradient(name):
    compute, wanted = CONSTANT[name]
    v = leaf([1.0, 2.0, 3.0])
    for given in (v, v * 1):
        result = compute(given)
        assert type(result) is at.Tensor
        assert not result.requires_grad
        assert result.tolist() == wanted


# -- doors that are not there ---------------------------------------------------------------------

ABSENT = {
    "tobytes": lambda t, v: v.tobytes(),
    "tofile": lambda t, v: v.tofile("/dev/null"),
    "memoryview": lambda t, v: memoryview(v),
    "frombuffer": lambda t, v: np.frombuffer(v),
    "bytes": lambda t, v: bytes(v),
    "struct": lambda t, v: struct.pack("d", t),
    "interface": lambda t, v: v.__array_interface__,
    "struct interface": lambda t, v: v.__array_struct__,
    "dlpack": lambda t, v: v.__dlpack__(),
    "from_dlpack": lambda t, v: np.from_dlpack(v),
    "data": lambda t, v: v.data,
    "base": lambda t, v: v.base,
    "flat": lambda t, v: v.flat,
    "view": lambda t, v: v.view(int),
    "ndarray": lambda t, v: np.ndarray((3,), float, v),
    "nditer": lambda t, v: np.nditer(v),
    "round": lambda t, v: round(t),
    "trunc": lambda t, v: math.trunc(t),
    "index": lambda t, v: operator.index(t),
    "list index": lambda t, v: [1, 2, 3][t],
    "range": lambda t, v: range(t),
    "pickled out": lambda t, v: pickle.dumps(v),
}


@pytest.mark.parametrize("name", ABSENT)
def test_doors_that_are_not_there(name):
    t, v = leaf(2.0) * 1, leaf([1.0, 2.0, 3.0]) * 1
    with pytest.raises((AttributeError, TypeError, struct.error)):
        ABSENT[name](t, v)


# -- what stays in the graph ----------------------------------------------------------------------

STAYS = {
    "copy": (lambda t, v: v.copy(), 0, 1),
    "np.copy": (lambda t, v: np.copy(v), 0, 1),
    "astype": (lambda t, v: v.astype(np.float32).astype(complex).real, 0, 1),
    "at.array": (lambda t, v: at.array(v), 0, 1),
    "at.array of tensors": (lambda t, v: at.array([t, [t, t][1], v[0]]), 2, [1, 0, 0]),
    "at.asarray": (lambda t, v: at.asarray(v), 0, 1),
    "iteration": (lambda t, v: sum(v), 0, 1),
    "unpacking": (lambda t, v: [*v][1] * t, 2, [0, 2, 0]),
    "clip": (lambda t, v: np.clip(v, min=t), 1, [0, 1, 1]),
    "clip of an array": (lambda t, v: np.clip(np.arange(4.0), min=t), 2, 0),
    "clip by name": (lambda t, v: np.clip(v, a_min=0.0, a_max=t), 1, [1, 1, 0]),
    "sum where": (lambda t, v: np.sum(v, where=v > 1), 0, [0, 1, 1]),
    "fromfunction": (lambda t, v: np.fromfunction(lambda i: i * t, (3,)), 3, 0),
    "max": (lambda t, v: max(v), 0, [0, 0, 1]),
    "math.prod": (lambda t, v: math.prod(v), 0, [6, 3, 2]),
}


@pytest.mark.parametrize("name", STAYS)
def test_what_stays_in_the_graph(name):
    compute, dt, dv = STAYS[name]
    t, v = leaf(2.0), leaf([1.0, 2.0, 3.0])
    (compute(t, v) + 0.0 * np.sum(v) + 0.0 * t).sum().backward()
    assert t.grad.item() == dt
    np.testing.assert_array_equal(v.grad.numpy(), np.broadcast_to(dv, 3))


# -- copies ---------------------------------------------------------------------------------------

DUPLICATES = [copy.copy, copy.deepcopy] + [
    lambda x, p=p: pickle.loads(pickle.dumps(x, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)
]


class Layer(at.nn.Module):
    def __init__(self, w):
        self.parts = [{"w": w}]


@pytest.mark.parametrize("duplicate", DUPLICATES)
def test_leaves_are_copied_whole(duplicate):
    for value in (1.5, np.arange(6.0).reshape(2, 3).T, [1, 2]):
        x = at.tensor(value, name="w")
        x.requires_grad = x.dtype.kind == "f"
        y = duplicate(x)
        assert repr(y) == repr(x)
        assert (y.name, y.requires_grad, y.is_leaf) == ("w", x.requires_grad, True)
        assert y.numpy().strides == x.numpy().strides
        with at.no_grad():
            y += 1
            y[...] = y * 2
        np.testing.assert_array_equal(x.numpy(), value)


@pytest.mark.parametrize("duplicate", DUPLICATES[1:])
def test_leaves_are_copied_inside_containers(duplicate):
    w = leaf([1.0, 2.0], name="w")
    for kept in ({"a": [w, w]}, Layer(w)):
        twin = duplicate(kept)
        a, b = twin["a"] if isinstance(kept, dict) else twin.parameters() * 2
        assert a is b
        assert a is not w
        assert (a.name, a.requires_grad, a.tolist()) == ("w", True, [1.0, 2.0])
    for kept in ({"a": [w * 1]}, Layer(w * 1)):
        with pytest.raises(LostGradientError, match=r"x\.copy.*\n?.*x\.detach"):
            duplicate(kept)


@pytest.mark.parametrize("duplicate", DUPLICATES)
def test_results_are_not_copied_out_of_their_graph(duplicate):
    result = leaf([1.0, 2.0]) * 2
    with pytest.raises(LostGradientError, match=r"x\.copy.*\n?.*x\.detach"):
        duplicate(result)
    assert duplicate(result.detach()).tolist() == [2.0, 4.0]


def test_buffers_pickled_out_of_band_are_not_the_tensors_own():
    x, buffers = leaf(np.arange(4.0)), []
    data = pickle.dumps(x, 5, buffer_callback=buffers.append)
    assert all(buffer.raw().readonly for buffer in buffers)
    given = [bytearray(buffer.raw()) for buffer in buffers]
    y = pickle.loads(data, buffers=given)
    for buffer in given:
        buffer[:] = bytes(len(buffer))
    assert x.tolist() == y.tolist() == [0.0, 1.0, 2.0, 3.0]


# -- the array that numpy() gives -----------------------------------------------------------------


def test_numpy_cannot_be_made_writeable():
    values = leaf(np.ones((2, 3))).numpy()
    for view in (
        values,
        values[1:],
        values.T,
        values.ravel(),
        values.view(int),
        np.asarray(values),
    ):
        assert not view.flags.writeable
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.flags.writeable = True
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.setflags(write=True)
    for write in (
        lambda a: a.fill(9.0),
        lambda a: a.sort(),
        lambda a: np.copyto(a, 9.0),
        lambda a: np.put(a, 0, 9.0),
        lambda a: np.add(a, 1.0, out=a),
        lambda a: np.random.default_rng(0).shuffle(a),
        lambda a: put(np.from_dlpack(a), 0, 9.0),
        lambda a: put(np.lib.stride_tricks.as_strided(a), 0, 9.0),
        lambda a: put(memoryview(a), (0, 0), 9.0),
    ):
        with pytest.raises((ValueError, TypeError), match=r"read-?only"):
            write(values)
    assert values.tolist() == np.ones((2, 3)).tolist()
