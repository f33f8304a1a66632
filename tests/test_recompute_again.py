"""Checkpoints: how the second run goes, and what happens if it goes otherwise than the first."""

import contextvars
import threading

import numpy as np
import pytest

import autotensor as at
from autotensor import recompute
from autotensor.errors import RecomputeError

X = np.array([0.5, -1.0, 2.0])


def leaf(value, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


def counted(function):
    def run(*args, **kwargs):
        run.times += 1
        return function(*args, **kwargs)

    run.times = 0
    return run


# -- how often it runs, and how -------------------------------------------------------------------


def test_one_run_serves_all_inputs_and_all_results():
    w = leaf(3.0)
    f = counted(lambda a, b: (a * b * w, a + b, a - w))
    x, y = leaf(X), leaf(X)
    loss = np.sum(sum(at.checkpoint(f, x, y)))
    assert f.times == 1
    loss.backward(retain_graph=True)
    assert f.times == 2
    loss.backward(create_graph=True)
    assert f.times == 3
    at.grad(lambda z: z * loss)(1.0)  # does not lead there
    assert f.times == 3
    f.times = 0
    at.jvp(lambda *xs: at.checkpoint(f, *xs), (X, X), (X, X))
    assert f.times == 2


def test_without_recording_it_is_a_plain_call():
    f = counted(lambda a: a)
    x = leaf(X)
    with at.no_grad():
        assert at.checkpoint(f, x) is x
    assert f.times == 1


def test_without_anything_tracked_it_is_the_value():
    assert at.checkpoint(lambda a, b: a + b, 1, b=2) == 3
    assert at.checkpoint(np.sum, X) == X.sum()
    constant = at.checkpoint(np.exp, at.tensor(X))
    assert constant.is_leaf
    assert not constant.requires_grad
    assert not at.checkpoint(at.no_grad()(np.exp), leaf(X)).requires_grad


def test_the_second_run_finds_what_was_on_and_off():
    seen = []
    variable = contextvars.ContextVar("variable", default="unset")

    def f(a):
        seen.append(((a * 2).requires_grad, np.geterr()["divide"], variable.get()))
        return a * a / 0.0 if len(seen) > 2 else a * a

    x = leaf(X)
    token = variable.set("set")
    with np.errstate(divide="ignore"):
        y = at.checkpoint(f, x).sum()
    variable.reset(token)
    with at.no_grad():
        y.backward()
    assert seen == [(True, "ignore", "set")] * 2
    assert variable.get() == "unset"
    np.testing.assert_allclose(x.grad.numpy(), 2 * X)


def test_backward_may_run_in_another_thread():
    x = leaf(X)
    y = at.checkpoint(np.exp, x).sum()
    thread = threading.Thread(target=y.backward)
    thread.start()
    thread.join()
    np.testing.assert_allclose(x.grad.numpy(), np.exp(X))


# -- writing --------------------------------------------------------------------------------------


def test_arguments_have_the_values_that_they_had():
    x, w = leaf(X), leaf([2.0, 3.0, 4.0])
    h, array, pair = x * 1.0, X.copy(), [at.tensor(X), 1.0]
    y = at.checkpoint(lambda a, w, b, pair: a**2 * w * b * pair[0] * pair[1], h, w, array, pair)
    h *= 100.0
    array *= 100.0
    pair[0] += 1.0
    pair[1] = 100.0
    with at.no_grad():
        w -= 100.0
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * X * [2.0, 3.0, 4.0] * X * X)
    np.testing.assert_allclose(w.grad.numpy(), X**4)


def test_what_the_function_writes_into_its_arguments_stays_inside():
    def f(a, c):
        a *= 3.0
        a[0] = 5.0
        c += 1.0
        return a * a * c

    x, c = leaf(X), at.tensor(1.0)
    h = x * 1.0
    at.checkpoint(f, h, c).sum().backward()
    assert h.tolist() == X.tolist()
    assert c.item() == 1.0
    np.testing.assert_allclose(x.grad.numpy(), [0.0, *(36 * X[1:])])

    def g(a, array):
        array[0] = 1.0
        return a * array

    with pytest.raises(ValueError, match="read-only"):
        at.checkpoint(g, x, X.copy())


def test_a_result_may_be_written_to():
    x = leaf(X)
    y = at.checkpoint(np.exp, x)
    y *= 2.0
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp(X))


# -- a second run unlike the first ----------------------------------------------------------------


CHANGED = {
    "value": lambda a, w, c, i: a * w,
    "sign, with the same result": lambda a, w, c, i: w**2 + a,
    "what is multiplied by zero": lambda a, w, c, i: np.sin(a * w) * 0.0,
    "constant": lambda a, w, c, i: (a - a) * c,
    "index": lambda a, w, c, i: (a - a)[i],
    "nested": lambda a, w, c, i: at.checkpoint(lambda: w**2 + a),
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_is_read_must_not_change(what):
    x, w, c, index = leaf(X), leaf(X), at.tensor(X), np.array([0, 0, 2])
    y = at.checkpoint(lambda a: CHANGED[what](a, w, c, index), x).sum()
    with at.no_grad():
        w[...] = -w
    c[...] = -c
    index[...] = 1
    with pytest.raises(RecomputeError):
        y.backward()
    assert x.grad is None


def test_the_function_must_do_the_same_again():
    x, other = leaf(X), leaf(X)
    state = []

    def again():
        state.append(0)
        return len(state) > 1

    for function in (
        lambda a: a + again(),
        lambda a: a * (other if again() else x),  # of the same value
        lambda a: a * leaf(1.0),
        lambda a: np.sin(a - a) if again() else np.square(a - a),
        lambda a: a - x if again() else x - a,
        lambda a: (a.detach(), a) if again() else (a, a.detach()),
        lambda a: (a * 2, a * 2) if again() else (a * 2, (a * 2).detach()),
        lambda a: (a * 2).astype(np.float32 if again() else float),
        lambda a: (a * 2, 1.0) if again() else (a * 2, at.tensor(1.0)),
    ):
        state.clear()
        result = at.checkpoint(function, x)
        y = result[0] if isinstance(result, tuple) else result
        with pytest.raises(RecomputeError):
            y.sum().backward()


def test_an_error_of_the_second_run_leaves_no_trace():
    rng = np.random.default_rng(0)
    first = True

    def f(a):
        nonlocal first
        noise = rng.uniform(size=3) + np.random.uniform(size=3)  # noqa: NPY002
        if first:
            first = False
            return a * noise
        raise KeyError("f")

    x = leaf(X)
    y = at.checkpoint(f, x).sum()
    x.requires_grad = False
    before = rng.bit_generator.state, np.random.get_state()[1].tolist()  # noqa: NPY002
    with pytest.raises(KeyError):
        y.backward()
    assert (rng.bit_generator.state, np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    assert (leaf(1.0) * 2).requires_grad
    assert not x.requires_grad


def test_equal_values_have_equal_checksums_and_others_have_not():
    values = [
        X,
        X[::-1],
        X.reshape(3, 1),
        X.astype(np.float32),
        X.astype(np.longdouble),
        X + 0j,
        (X.astype(np.clongdouble),),
        np.float64(0.5),
        np.zeros(0),
        np.zeros((0, 2)),
        True,
        1,
        1.0,
        {"axis": 0},
        {"axis": 1},
        slice(1, None),
        (slice(2), [X]),
    ]
    sums = [recompute._checksum(v) for v in values]
    assert len(set(sums)) == len(values)
    padded = np.array([1, 2], np.longdouble)
    padded.view(np.uint8).reshape(2, -1)[:, 10:] = 255
    assert recompute._checksum(padded) == recompute._checksum(np.array([1, 2], np.longdouble))
    assert recompute._checksum(np.asfortranarray(np.eye(3))) == recompute._checksum(np.eye(3))
