"""In-place writes and views: random NumPy programs, run on tensors and on arrays side by side.

A program is a list of steps in plain data. `Run` takes them in NumPy's own words, on arrays and on
tensors alike. `Reference` runs them without aliasing: a buffer is an immutable flat tensor, a view
an array of places in it, made by doing to `np.arange` what the program does to the array, and a
write makes a new flat tensor. Values must equal those of the arrays, gradients the reference's.
"""

import contextlib
import operator

import hypothesis.extra.numpy as hnp
import hypothesis.stateful as hst
import numpy as np
import pytest
from hypothesis import Phase, note, settings
from hypothesis import strategies as st

import autotensor as at
from tests.rules import close, directional, inner

BINARY = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply}
FUNCTIONS = {"sin": np.sin, "tanh": np.tanh, "square": np.square, **BINARY}
IN_PLACE = {"add": operator.iadd, "subtract": operator.isub, "multiply": operator.imul}


def part_of(x, name, *args):
    """What shares the memory of `x`, or a copy where NumPy makes one: it decides by the layout."""
    if name == "index":
        return x[args[0]]
    if name in ("broadcast_to", "expand_dims", "moveaxis"):
        return getattr(np, name)(x, *args)
    return x.T if name == "T" else getattr(x, name)(*args)


def weights(key, shape):
    return np.random.default_rng(key).uniform(-1, 1, shape)


def scalar_of(value, key):
    return np.sum(np.sin(value + 0.3 * key) * weights(key, value.shape))


class Run:
    """A program on arrays or on tensors: steps add to `values`, or change what is in there."""

    def __init__(self, leaves):
        self.tensors = isinstance(leaves[0], at.Tensor)
        self.values = [x if self.tensors else np.asarray(x) for x in leaves]
        self.kept, self.snapshots = [], []

    def step(self, step):
        getattr(self, step[0])(*step[1:])

    def read(self, i, *part):
        return part_of(self.values[i], *part) if part else self.values[i]

    def operand(self, kind, *spec):
        return spec[0] if kind == "scalar" else (weights if kind == "array" else self.read)(*spec)

    def fresh(self, value):
        # NumPy's scalars are immutable; a tensor of shape () is an array like any other.
        self.values.append((at if self.tensors else np).asarray(value))

    def new(self, shape, order):
        self.fresh((at if self.tensors else np).full(shape, 0.5, order=order))

    def call(self, quiet, name, *operands):
        with at.no_grad() if quiet else contextlib.nullcontext():
            self.fresh(FUNCTIONS[name](*(self.operand(*o) for o in operands)))

    def view(self, i, *part):
        self.fresh(self.read(i, *part))

    def write(self, form, i, index, where, name, *operands):
        x, values = self.values[i], [self.operand(*o) for o in operands]
        if form == "entries":
            x[index] = values[0]
        elif form == "update entries":
            x[index] = IN_PLACE[name](x[index], *values)
        elif form == "update":
            assert IN_PLACE[name](x, *values) is x
        elif form == "out":
            assert FUNCTIONS[name](*values, out=x, where=where) is x
        else:
            np.copyto(x, values[0], where=where)

    def drop(self, i):
        self.values[i] = None

    def keep(self, i):
        x = self.read(i)
        self.kept.append(scalar_of(x, len(self.kept)))
        self.snapshots += [x.detach(), x.numpy()] if isinstance(x, at.Tensor) else [x.copy()] * 2

    def total(self):
        """A scalar that depends on all that is alive and on what was kept on the way."""
        alive = [k for k, v in enumerate(self.values) if v is not None]
        return sum(scalar_of(self.read(k), k) for k in alive) + sum(self.kept)


class Reference(Run):
    """The same without aliasing. A variable is a buffer, a list of one flat, and places in it."""

    def __init__(self, leaves, arrays):
        super().__init__(leaves)
        self.values, self.arrays = [], arrays  # which take each step first
        for leaf in leaves:
            self.fresh(leaf)

    def fresh(self, value):
        like = self.arrays.values[len(self.values)]
        places = np.empty_like(
            like, dtype=np.int64
        )  # of the same layout, hence with the same views
        places[...] = np.arange(like.size).reshape(like.shape)
        self.values.append(([at.asarray(value).reshape(-1)], places))

    def read(self, i, *part):
        (flat,), places = self.values[i]
        places = part_of(places, *part) if part else places
        return flat[places] if np.ndim(places) else flat[int(places)]

    def view(self, i, *part):
        buffer, places = self.values[i]
        parts = part_of(places, *part)
        if isinstance(parts, np.ndarray) and np.may_share_memory(parts, places):
            self.values.append((buffer, parts))
        else:
            self.fresh(self.read(i, *part))

    def write(self, form, i, index, where, name, *operands):
        values = [self.operand(*o) for o in operands]
        if form.startswith("update"):
            values.insert(0, self.read(i, "index", index))
        value = FUNCTIONS[name](*values) if name else values[0]
        buffer, places = self.values[i]
        places = np.asarray(places[index])
        shape = np.shape(value)[::-1][: places.ndim][::-1]  # NumPy ignores leading axes of size 1
        taken = np.broadcast_to(np.arange(np.size(value)).reshape(shape), places.shape)
        where = np.broadcast_to(where, places.shape)
        source = np.full(buffer[0].shape, -1)
        source[places[where]] = taken[where]  # of several writes to one entry the last remains
        if where.any():
            buffer[0] = np.where(source >= 0, np.reshape(value, -1)[source], buffer[0])


def replay(program, leaves):
    """The scalar that a program ends in. Programs that failed are printed, to be run by this."""
    run = Run(leaves)
    for step in program:
        run.step(step)
    return run.total()


def derivatives(total, leaves):
    """The gradient of `total`, and its Hessian times a fixed vector."""
    total.backward(create_graph=True)
    first = [leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    sum(np.sum(g * weights(99, g.shape)) for g in first).backward()
    return [g.numpy() for g in first], [leaf.grad.numpy() for leaf in leaves]


def same(got, wanted):
    """Equal bit for bit."""
    got = got.numpy() if isinstance(got, at.Tensor) else got
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_array_equal(got, wanted)
    assert got.tobytes() == wanted.tobytes()


# -- random programs ------------------------------------------------------------------------------

DEEP = pytest.param(3000, 30, marks=pytest.mark.deep)
FORMS = ["out", "copyto", "entries", "update entries", "update"]
SHAPES = st.sampled_from([(3,), (4,), (2, 3), (3, 3), (3, 2), (2, 1, 3), (1, 2), (), (1,)])
PLACES = [..., np.s_[1:], np.s_[:-1], np.s_[::-1], np.s_[..., ::-1], np.s_[..., 1:], (None,)]
PLACES += [np.s_[..., :-1], 0, -1, np.s_[0, ...], np.s_[..., :1], ([0, -1, 0],)]
PARTS = [("T",), ("ravel",), ("reshape", -1), *(("index", i) for i in PLACES)]


def attempt(function, *args):
    with contextlib.suppress(IndexError, ValueError):
        return function(*args)


def indices(x):
    basic = hnp.basic_indices(x.shape, allow_newaxis=True, allow_ellipsis=True, max_dims=3)
    known = st.sampled_from(PLACES).filter(lambda i: attempt(part_of, x, "index", i) is not None)
    found = [basic, known]
    if x.ndim and x.size:
        options = {"result_shape": hnp.array_shapes(max_dims=2, max_side=3)}
        last = hnp.integer_array_indices(x.shape[-1:], **options)
        found += [hnp.integer_array_indices(s, **options) for s in (x.shape[:1], x.shape)]
        found += [last.map(lambda i: (..., *i)), hnp.arrays(bool, x.shape)]
        found += [hnp.arrays(bool, x.shape[:1])]
    return st.one_of(found)


class Programs(hst.RuleBasedStateMachine):
    """Draws programs and runs them on arrays, on tensors, and without aliasing."""

    sound = False  # so that teardown does not check what has failed already

    @hst.initialize(data=st.data(), shapes=st.lists(SHAPES, min_size=1, max_size=3))
    def begin(self, data, shapes):
        self.leaves = []
        for k, shape in enumerate(shapes):
            leaf = np.array(1.5 * weights(50 + k, shape), order=data.draw(st.sampled_from("CF")))
            leaf.flags.writeable = False  # views inherit this: they are no targets either
            self.leaves.append(leaf)
        self.arrays = Run(self.leaves)
        self.inputs = [at.tensor(x, requires_grad=True) for x in self.leaves]
        self.copies = [at.tensor(x, requires_grad=True) for x in self.leaves]
        self.tensors, self.reference = Run(self.inputs), Reference(self.copies, self.arrays)
        self.program = []
        self.do("view", 0, "copy", "C")
        self.do("new", shapes[0], "C")

    def do(self, *step):
        if step[0] in ("new", "call", "view") and len(self.alive()) > 9:
            return
        self.sound = False
        self.program.append(step)
        for run in (self.arrays, self.reference, self.tensors):
            run.step(step)
        for i, x in self.alive():
            places = self.reference.values[i][1]
            assert x.size < 2 or places.squeeze().strides == x.squeeze().strides
            np.testing.assert_allclose(self.reference.read(i).numpy(), x, rtol=1e-13, atol=1e-13)
            same(self.tensors.values[i], x)
        for got, wanted in zip(self.tensors.snapshots, self.arrays.snapshots, strict=True):
            same(got, wanted)
        self.sound = True

    def teardown(self):
        note(f"replay({getattr(self, 'program', None)})")
        if not self.sound:
            return
        first, second = derivatives(self.reference.total(), self.copies)
        # Tangents of the same layout as the leaves, since that decides what is a view.
        ends = self.leaves, self.leaves
        slope = [inner(first, self.leaves)]
        if not any(step[0] == "call" and step[1] for step in self.program):
            close(directional(lambda *xs: replay(self.program, xs), *ends), slope, 1e-4)
        live = derivatives(self.tensors.total(), self.inputs)
        close(live[0], first, 1e-9)
        close(live[1], second, 1e-9)
        close([at.jvp(lambda *xs: replay(self.program, xs), *ends)[1]], slope, 1e-9)

    def alive(self):
        return [(i, x) for i, x in enumerate(self.arrays.values) if x is not None]

    def draw_operand(self, data, i, shape, apart):
        """Something that broadcasts to `shape`, often a part of variable `i`."""
        found = [("scalar", 0.7), ("array", len(self.program), shape)]
        for j, x in self.alive():
            for part, v in [(p, attempt(part_of, x, *p)) for p in PARTS]:
                fits = v is not None and attempt(np.broadcast_shapes, v.shape, shape) == shape
                if fits and not (apart and np.may_share_memory(v, self.arrays.values[i])):
                    found += [("part", j, *part)] * (3 if i == j else 1)
        return data.draw(st.sampled_from(found))

    def draw_expression(self, data, i, shape, names, apart=False):
        """A function and operands; whatever grows is kept small."""
        name = data.draw(st.sampled_from(sorted(names)))
        operands = [self.draw_operand(data, i, shape, apart) for _ in range(1 + (name in BINARY))]
        small = name in ("sin", "tanh") or all(self.small(*o) for o in operands)
        return (name, *operands) if small else ("tanh", operands[0])

    def small(self, *operand):
        return np.max(np.abs(self.arrays.operand(*operand)), initial=0) < 2

    @hst.rule(data=st.data(), kind=st.sampled_from(["new", "quiet", *["call"] * 3, "keep", "drop"]))
    def make(self, data, kind):
        i, x = data.draw(st.sampled_from(self.alive()))
        if kind == "keep" or (kind == "drop" and i > len(self.leaves)):  # one target remains
            self.do(kind, i)
        elif kind == "new":
            self.do("new", x.shape, data.draw(st.sampled_from("CF")))
        elif kind != "drop":
            self.do("call", kind == "quiet", *self.draw_expression(data, i, x.shape, FUNCTIONS))

    @hst.rule(data=st.data(), indexed=st.booleans())
    def view(self, data, indexed):
        i, x = data.draw(st.sampled_from(self.alive()))
        axes = data.draw(st.permutations(range(x.ndim)))
        parts = [("T",), ("ravel",), ("squeeze",), ("copy", "C"), ("copy", "F")]
        parts += [("expand_dims", 0), ("moveaxis", 0, -1), ("reshape", x.shape[::-1])]
        parts += [("transpose", axes), ("swapaxes", 0, -1), ("broadcast_to", (2, *x.shape))]
        part = ("index", data.draw(indices(x))) if indexed else data.draw(st.sampled_from(parts))
        result = attempt(part_of, x, *part)
        if result is not None and result.size <= 24 and result.ndim <= 4:
            self.do("view", i, *part)

    @hst.rule(data=st.data(), form=st.sampled_from(FORMS))
    def write(self, data, form):
        i, x = data.draw(st.sampled_from([v for v in self.alive() if v[1].flags.writeable]))
        index = data.draw(indices(x)) if "entries" in form else ...
        where = data.draw(st.just(True) | hnp.arrays(bool, x.shape)) if form in FORMS[:2] else True
        # NumPy itself reads what it has already written where a mask and a value overlap.
        masked = form == "entries" and isinstance(index, np.ndarray)
        names = FUNCTIONS if form == "out" else BINARY
        name, *operands = self.draw_expression(data, i, x[index].shape, names, apart=masked)
        if form in ("copyto", "entries"):
            name, operands = None, operands[:1]
        elif form != "out":
            grows = name not in BINARY or not self.small("part", i)
            name, operands = ("multiply", [("scalar", 0.1)]) if grows else (name, operands[:1])
        self.do("write", form, i, index, where, name, *operands)


@pytest.mark.parametrize(("examples", "steps"), [(150, 15), DEEP])
def test_tensors_have_the_values_of_arrays_and_gradients_as_without_aliasing(examples, steps):
    # Without hypothesis' explanations of failures, which take minutes.
    options = {"stateful_step_count": steps, "phases": [Phase.generate, Phase.shrink]}
    hst.run_state_machine_as_test(Programs, settings=settings(max_examples=examples, **options))


# -- examples -------------------------------------------------------------------------------------

X = np.array([[0.3, -1.2, 0.8], [1.1, 0.6, -0.4], [-0.7, 0.9, 1.4]])
# Pairs of lines: a program that leaves its result in `r`, and the same without aliasing.
EXAMPLES = """
r = x.copy(); row = r[0]; row *= 2
r = np.concatenate([2 * x[:1], x[1:]])
b = x.copy(); row = b[0]; b *= x; r = row * x[1]
r = x[0] * x[0] * x[1]
b = x.copy(); u = b[0]; b[0, 1] = x[1, 2] ** 2; v = b[0]; r = u * v
r = np.stack([x[0, 0], x[1, 2] ** 2, x[0, 2]]) ** 2
b = x.copy(); y = b * b; b[0] = 5; r = y * b
r = x * x * np.where([[1], [0], [0]], 5.0, x)
r = x.copy(); r[1:] += r[:-1]
r = np.concatenate([x[:1], x[1:] + x[:-1]])
r = x.copy(); r[1:] = r[:-1]
r = x[[0, 0, 1]]
r = x.copy(); r[:] = r[::-1]
r = x[[2, 1, 0]]
r = x.copy(); r -= r.T
r = x - x.T
r = x.copy(); v = r.T[1:][:, ::-1]; v[0] = x[0] * x[1]
r = np.stack([x[:, 0], (x[0] * x[1])[[2, 1, 0]], x[:, 2]], axis=1)
b = x.copy(); c = b.T[1:].reshape(-1); c *= 2; r = c[:3] * b
r = 2 * x[:, 1] * x
r = x.copy(); f = r[1:].reshape(3, 2).T; f[0] *= x[0]
r = x * np.stack([x[0] ** 0, x[0, [0, 0, 1]] ** [1, 0, 1], x[0, [0, 2, 0]] ** [0, 1, 0]])
r = x.copy(order="F"); f = r.T.ravel(); f[:3] *= x[0]; c = r.ravel(); c *= 5
r = np.stack([x[:, 0] * x[0], x[:, 1], x[:, 2]], axis=1)
r = x.copy(); v = r[1, 1, ...]; v *= x[0, 0]; w = r[0, 0]; w += 7
r = np.where([[0, 0, 0], [0, 1, 0], [0, 0, 0]], x * x[0, 0], x)
c = at.zeros((3, 3)); v = c[1]; v += x[0]; c[2] = x[1]; v += 1; r = v * c[2] * c[1]
r = (x[0] + 1) ** 2 * x[1]
b = x.copy(); r = b[1:]; b[2] = x[0] * x[1]; del b; r *= 2
r = 2 * np.stack([x[1], x[0] * x[1]])
z = x + 1j * x * x; p = z.real; p *= 2; q = z.imag; q[0] = x[1]; r = np.real(z * z)
r = 4 * x * x - np.stack([x[1], x[1] ** 2, x[2] ** 2]) ** 2
r = x.copy(); np.multiply(r[:-1], r[1:], out=r[1:])
r = np.concatenate([x[:1], x[:-1] * x[1:]])
r = x.copy(); np.copyto(r.T, r, where=[True, False, False])
r = np.stack([x[:, 0], x[1], x[2]])
r = x.copy(); r[[0, 0]] = x[1:]
r = x[[2, 1, 2]]
r = x.copy(); r[[0, 0]] += x[1:]
r = np.stack([x[0] + x[2], x[1], x[2]])
r = x.copy(); m = np.eye(3) > 0; r[m] *= r[m]
r = np.where(np.eye(3) > 0, x * x, x)
b = x.copy(); r = np.broadcast_to(b[0], (2, 3)); b[0] *= x[1]
r = np.stack([x[0] * x[1], x[0] * x[1]])
r = x.copy(); [row.__imul__(x[0]) for row in r]
r = x * x[0]
"""
PAIRS = np.reshape(EXAMPLES.split("\n")[1:-1], (-1, 2)).tolist()


@pytest.mark.parametrize(("program", "expression"), PAIRS)
def test_examples_equal_numpy_and_the_same_without_aliasing(program, expression):
    def run(code, x):
        scope = {"x": x, "np": np, "at": at if isinstance(x, at.Tensor) else np}
        exec(code, scope)
        return scope["r"]

    def slopes(code):
        slope = at.grad(lambda x: scalar_of(run(code, x), 1))
        leaf = at.tensor(X, requires_grad=True)
        (first,), (second,) = derivatives(scalar_of(run(code, leaf), 1), [leaf])
        curve = at.grad(lambda x: np.sum(slope(x) * weights(99, X.shape)))(X)
        return [first, slope(X), second, curve, at.jvp(slope, (X,), (weights(99, X.shape),))[1]]

    same(run(program, at.tensor(X)), run(program, X))
    close([run(expression, X)], [run(program, X)], 1e-14)
    close(slopes(program), slopes(expression), 1e-11)


@pytest.mark.parametrize("part", [("index", 0), ("T",), ("reshape", -1), ("index", (0, 0, ...))])
def test_a_leaf_that_requires_grad_is_not_written_to_through_its_views(part):
    view = part_of(at.tensor(X, requires_grad=True), *part)
    with pytest.raises(at.errors.InPlaceError):
        view *= 2
