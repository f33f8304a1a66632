"""The check that every rule of the table goes through, and the data it runs on.

`check` compares both modes, at orders 1 and 2, with finite differences. Inputs lie on a grid whose
offset differs from input to input, so that no entry comes near a kink or a tie.
"""

import numpy as np

import autotensor as at
from autotensor.engine.primitive import TABLE, Composite, Op
from tests.kinks import KINKS

STEP = 1e-3


def entries():
    """``(name, entry)`` for everything in the table that has a derivative."""
    found = [entry for entry in TABLE.values() if isinstance(entry, (Op, Composite))]
    return sorted(((entry.name, entry) for entry in found), key=lambda pair: pair[0])


def values(rng, shape, domain, place, dtype):
    """Entries of the domain, on a grid with an offset of its own for each `place`."""
    size = int(np.prod(shape))
    ties = domain not in ("distinct", "apart")
    grid = np.arange(-16, 17) if ties else np.arange(-size, size + 1)
    k = rng.choice(grid, size=size, replace=ties)
    offset = 0.013 + 0.044 * place
    x = k / 8 + offset
    if domain == "positive":
        x = np.abs(x) + 0.5
    elif domain in ("nonzero", "apart"):
        x = np.where(x < 0, x - 0.5, x + 0.5)
    elif domain == "unit":
        x = x / 2.6
    x = x.reshape(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * (rng.integers(-4, 5, size=shape) / 16 + offset)
    return x.astype(dtype)


def arguments(entry, case, rng, dtype):
    """A call of the case: a function of the input arrays alone, and these arrays."""
    inputs, plan = [], {}
    for name, given in case.items():
        domain = entry.domain.get(name)
        if domain is None or not isinstance(given, (tuple, list)):
            plan[name] = given
        elif isinstance(given, list):
            plan[name] = [len(inputs) + k for k in range(len(given))], True
            inputs += [values(rng, s, domain, len(inputs) + k, dtype) for k, s in enumerate(given)]
        else:
            plan[name] = len(inputs), False
            inputs.append(values(rng, given, domain, len(inputs), dtype))

    def function(*arrays):
        named = {}
        for name, given in plan.items():
            if entry.domain.get(name) is None or not isinstance(given, tuple):
                named[name] = given
            else:
                places, sequence = given
                named[name] = [arrays[k] for k in places] if sequence else arrays[places]
        return invoke(entry, named)

    return function, inputs


def invoke(entry, named):
    """Call the function of `entry` as NumPy would: inputs by position, options by keyword."""
    call = entry if isinstance(entry, Op) and not _is_numpy(entry) else entry.function
    params = entry.params if isinstance(entry, Op) else entry.inputs
    count = entry.positional if isinstance(entry, Op) else len(params)
    if "subscripts" in named:
        return _einsum(call, **named)
    args = [named.pop(name) for name in params[:count] if name in named]
    return call(*args, **named)


def _einsum(call, subscripts, operands, **options):
    """The call with its subscripts as a string, or as a list of labels behind each operand."""
    if isinstance(subscripts, str):
        return call(subscripts, *operands, **options)
    labelled = [part for pair in zip(operands, subscripts, strict=False) for part in pair]
    return call(*labelled, *subscripts[len(operands) :], **options)


def _is_numpy(entry):
    module = getattr(entry.function, "__module__", "") or ""
    return module.startswith(("numpy", "_operator")) or isinstance(entry.function, np.ufunc)


def directional(function, inputs, tangents):
    """The derivative along `tangents`, by central differences of fourth order."""

    def at_step(h):
        moved = function(*(x + h * t for x, t in zip(inputs, tangents, strict=True)))
        return [np.asarray(y) for y in moved] if isinstance(moved, tuple) else [np.asarray(moved)]

    ends = [at_step(k * STEP) for k in (1, -1, 2, -2)]
    return [(8 * (a - b) - (c - d)) / (12 * STEP) for a, b, c, d in zip(*ends, strict=True)]


def inner(a, b):
    return sum(np.sum(np.conj(x) * y).real for x, y in zip(a, b, strict=True))


def like(rng, x):
    v = rng.uniform(0.5, 1.5, np.shape(x)) * rng.choice([-1, 1], np.shape(x))
    if np.asarray(x).dtype.kind == "c":
        v = v + 1j * rng.uniform(-1, 1, np.shape(x))
    return np.asarray(v, np.asarray(x).dtype)[()]


def arrays(result):
    result = result if isinstance(result, tuple) else (result,)
    return [r.numpy() if isinstance(r, at.Tensor) else np.asarray(r) for r in result]


def close(got, wanted, rtol=1e-6):
    scale = max([np.max(np.abs(w), initial=0.0) for w in wanted], default=0.0) + 1.0
    for a, b in zip(got, wanted, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


def check_function(function, inputs, rng, rtol=1e-6):
    """Reverse and forward mode of `function` against finite differences and each other."""
    value, pullback = at.vjp(function, *inputs)
    tangents = [like(rng, x) for x in inputs]
    outputs = arrays(value)
    plain = arrays(function(*inputs))
    close(outputs, plain)
    assert [y.dtype for y in outputs] == [y.dtype for y in plain]
    cotangents = [like(rng, y) for y in outputs]
    wanted = directional(function, inputs, tangents)
    gradients = arrays(pullback(*cotangents))
    for g, x in zip(gradients, inputs, strict=True):
        assert g.shape == np.shape(x)
        assert g.dtype == np.asarray(x).dtype
    scale = 1 + sum(np.sum(np.abs(c * w)) for c, w in zip(cotangents, wanted, strict=True))
    assert abs(inner(cotangents, wanted) - inner(gradients, tangents)) <= rtol * scale
    _, pushed = at.jvp(function, inputs, tangents)
    close(arrays(pushed), wanted, rtol)


def check(entry, case, rng, dtype=np.float64, order=1, only=None):
    """Check one case of one rule; `only` makes all inputs but one constant.

    Order 1 uses each input three times, so that its cotangents have to be added up.
    """
    function, inputs = arguments(entry, case, rng, dtype)
    if only is not None and inputs:
        function, inputs = _others_fixed(function, inputs, only % len(inputs))
    if order == 1:
        check_function(lambda *args: (function(*args), function(*args), *args), inputs, rng)
        return
    count = len(inputs)
    cotangents = [like(rng, y) for y in arrays(function(*inputs))]

    def gradient(*args):
        return at.vjp(function, *args[:count])[1](*args[count:])

    def pushed(*args):
        return at.jvp(function, args[:count], args[count:])[1]

    check_function(gradient, [*inputs, *cotangents], rng)
    check_function(pushed, [*inputs, *(like(rng, x) for x in inputs)], rng)


def check_kinks(entry):
    """Check both modes at what `KINKS` says of `entry`."""
    for kink in KINKS:
        if kink.name == entry.name:
            for example in kink.examples:
                _check_kink(entry, *example)


@np.errstate(all="ignore")
def _check_kink(entry, call, first, second=None):
    def function(*args):
        return invoke(entry, {**call, **dict(zip(first, args, strict=True))})

    def gradients(*args):
        value, pullback = at.vjp(function, *args)
        return pullback(np.ones_like(value))

    inputs = [np.array(call[name]) for name in first]
    tangents = [np.arange(1.0, x.size + 1).reshape(x.shape).astype(x.dtype) for x in inputs]
    _close(gradients(*inputs), first.values())
    for k, wanted in enumerate(first.values()):  # one by one, since sums hide what is infinite
        of_one, (x,) = _others_fixed(function, inputs, k)
        pushed = at.jvp(of_one, (x,), (tangents[k],))[1]
        along = np.real(np.conj(wanted) * tangents[k])
        if not getattr(entry, "broadcasts", False):
            pushed, along = np.sum(pushed), np.sum(along)
        _close([pushed], [along])
    if second is not None:
        _check_second(gradients, function, inputs, tangents, second)


def _check_second(gradients, function, inputs, tangents, second):
    """The gradients' derivative along `tangents`, by all four ways but the one up twice."""
    count = tuple(range(len(inputs)))

    def down(*args):
        return sum(np.sum(t * g.real) for t, g in zip(tangents, gradients(*args), strict=True))

    def up(*args):
        return np.sum(at.jvp(function, args, tangents)[1])

    wanted = list(second.values())
    _close(at.grad(lambda *args: down(*args).real, count)(*inputs), wanted)
    _close(at.grad(up, count)(*inputs), wanted)
    _close(at.jvp(gradients, inputs, tangents)[1], wanted)


def _close(got, wanted):
    for a, b in zip(got, wanted, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def _others_fixed(function, inputs, only):
    def of_one(x):
        return function(*inputs[:only], x, *inputs[only + 1 :])

    return of_one, [inputs[only]]
