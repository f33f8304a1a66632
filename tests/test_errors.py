"""Every error text, raised by the misuse it is for, and held to its form."""

import inspect
import pickle

import numpy as np
import pytest

import autotensor as at
from autotensor import errors
from autotensor.engine.primitive import TABLE, elementwise


@pytest.fixture(autouse=True)
def table():
    """The table as it was, after the test."""
    before = dict(TABLE)
    yield
    TABLE.clear()
    TABLE.update(before)


def leaf(value=2.0, **kwargs):
    return at.tensor(value, requires_grad=True, **kwargs)


def cube(x):
    return x**3


def op_with(rule, function=cube):
    return at.custom_op(x=rule)(function)


def by_values(g, x):
    return 3 * x.numpy() ** 2


class Saving(at.compat.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.h = 3 * x * x
        return x**3

    @staticmethod
    def backward(ctx, g):
        return g * ctx.h


def used_twice():
    y = np.exp(leaf([1.0, 2.0]))
    y.sum().backward()
    y.sum().backward()


def write_through_a_quiet_view():
    h = leaf([1.0, 2.0]) * 1.0
    with at.no_grad():
        v = h[:1]
        v.name = "v"
    v *= 3.0


def in_place(x, other):
    x += other


def root_of_negative():
    x = leaf([4.0, -3e-9], name="x")
    with at.detect_anomaly(), np.errstate(invalid="ignore"):
        np.sqrt(x)


def root_of_zero():
    x = leaf([4.0, 0.0], name="x")
    with at.detect_anomaly(), np.errstate(all="ignore"):
        (np.sqrt(x) * 0.0).sum().backward()


def run_again():
    factors = iter([1.0, 2.0])

    def noisy(x):
        return x * next(factors)

    at.checkpoint(noisy, leaf()).backward()


def leaky_rule():
    @at.custom_op(x=lambda g, x: g * x.item())
    def op(x):
        return x

    at.source(op)(1.0)


def put_where_computed():
    def f(x):
        y = x * 1.0
        np.put(y, np.argmax(x), 0.0)
        return np.sum(y)

    at.source(f)(np.ones(2))


def written_after_adoption():
    array = np.ones(3)
    view = array[:]
    x = leaf(array, copy=False, name="x")
    loss = (x * x).sum()
    view[0] = 2.0
    loss.backward()


def frozen_result():
    h = leaf() * 2
    h.requires_grad = False


# Per text: the misuse, what it raises, and the text.
MISUSE = {
    "non_scalar": (
        lambda: np.exp(leaf(np.ones(32))).backward(),
        ValueError,
        "backward() needs a scalar; this tensor has shape (32,). Use y.sum().backward() or "
        "y.mean().backward(),\nor pass a gradient of shape (32,): y.backward(np.ones(32)).",
    ),
    "not_scalar_output": (
        lambda: at.grad(np.sin)(np.ones((2, 3))),
        ValueError,
        "at.grad needs a function with a scalar result; this one returned shape (2, 3). Reduce it "
        "with .sum() or .mean(),\nor use at.vjp, which takes a cotangent.",
    ),
    "not_a_tensor_output": (
        lambda: at.vjp(lambda x: x.item(), 2.0),
        TypeError,
        "at.vjp needs a function that returns a Tensor; this one returned float.\n"
        "Was it converted on the way (float(), .numpy(), .item())?",
    ),
    "no_matrix_norm": (
        lambda: at.grad(lambda x: np.linalg.norm(x, 2))(np.ones((2, 3))),
        TypeError,
        "np.linalg.norm of a matrix has no derivative for ord=2, but it has for 'fro' and None,\n"
        "and as a norm of vectors (axis=0, x.ravel()) for every number. "
        "Use x.detach() if no derivative is wanted.",
    ),
    "nothing_to_differentiate": (
        lambda: (at.tensor(2.0) * 3).backward(),
        RuntimeError,
        "backward() found nothing to differentiate: no leaf of this graph has requires_grad=True. "
        "Set it on the leaves you want,\nw = at.tensor(..., requires_grad=True); "
        "setting it on the loss would not help.",
    ),
    "graph_freed": (
        used_twice,
        RuntimeError,
        "this graph was already used by backward() and what it kept is freed "
        "(first reached at exp of shape (2,)).\nPass retain_graph=True the first time, or compute "
        "the loss again. To differentiate a sum, add the losses first.",
    ),
    "seed_shape": (
        lambda: leaf(np.ones((2, 3, 4))).backward(np.ones((2, 5, 6))),
        ValueError,
        "the gradient has shape (2, 5, 6), the tensor has shape (2, 3, 4): they differ in axes "
        "1, 2. Pass np.broadcast_to(..., (2, 3, 4)) if that is meant.",
    ),
    "gradient_shape": (
        lambda: op_with(lambda g: np.ones((3, 2)))(leaf([1.0, 2.0])).sum().backward(),
        ValueError,
        "the rule of cube for argument 'x' returned shape (3, 2), but the argument has shape "
        "(2,).\nThe argument was broadcast: sum over axes (0,).",
    ),
    "gradient_type": (
        lambda: op_with(lambda g: None)(leaf()).backward(),
        TypeError,
        "the rule of cube for argument 'x' returned NoneType; a rule returns an array of the "
        "argument's shape.",
    ),
    "gradient_dtype": (
        lambda: op_with(lambda g: np.array(["a", "b"]))(leaf([1.0, 2.0])).sum().backward(),
        TypeError,
        "the rule of cube returned dtype <U1; its argument has dtype float64.",
    ),
    "bad_tangent": (
        lambda: at.jvp(
            at.custom_op(x=lambda g: g, jvp=lambda t: t[:1])(cube), (np.ones(2),), (np.ones(2),)
        ),
        TypeError,
        "the jvp of cube for argument 'x' returned shape (1,); a jvp returns an array of the "
        "result's shape (2,), or a tuple of such for several results.",
    ),
    "rule_not_differentiable": (
        lambda: at.grad(at.grad(op_with(by_values)))(2.0),
        TypeError,
        "the rule of cube for argument 'x' (test_errors.py:"
        f"{by_values.__code__.co_firstlineno}) left NumPy on Tensors, so it has no derivative of "
        "its own.\nWrite it with NumPy functions and operators on its arguments, give a jvp= for "
        "forward mode, or differentiate once only.",
    ),
    "not_one_array": (
        lambda: op_with(lambda g: g, lambda x: [x, x])(leaf()),
        TypeError,
        "<lambda> returned a list; only an array, a number, or without elementwise=True and "
        "linear=True a tuple of them, can carry a gradient.",
    ),
    "no_gradient_for": (
        lambda: at.custom_op(vjp=lambda g: (g, None))(lambda x, y: x + y)(
            leaf(), leaf()
        ).backward(),
        TypeError,
        "the rule of <lambda> returned no gradient for argument 'y', which requires grad here; it "
        "returned one for x, y.\nNone is for an argument that cannot have a gradient; where it is "
        "zero, return zeros.",
    ),
    "gradient_count": (
        lambda: at.custom_op(vjp=lambda g: (g,))(lambda x, y: x + y)(leaf(), leaf()).backward(),
        TypeError,
        "the rule of <lambda> returned 1 gradients for its 2 arguments. Return a tuple in the "
        "order x, y, with None where there is no gradient,\nor a dict by name, or name arguments "
        "without gradient in nondiff=.",
    ),
    "saved_intermediate": (
        lambda: at.grad(at.grad(Saving.apply))(2.0),
        TypeError,
        "Saving: ctx.h was computed in forward, so a second derivative would take it as "
        "constant.\nSave inputs and outputs only, and compute it from them in backward.",
    ),
    "leaf_in_place": (
        lambda: in_place(leaf(name="w"), 1.0),
        RuntimeError,
        "leaf 'w' requires grad and cannot be changed in place while gradients are recorded.\n"
        "For an update step: with at.no_grad(): w -= lr * w.grad. "
        "To change a value on the way: x = w.copy() first.",
    ),
    "quiet_view": (
        write_through_a_quiet_view,
        RuntimeError,
        "the tensor 'v' of shape (1,) is a view, taken under no_grad(), of a tensor that has a "
        "gradient,\nand a write to it would be lost to that gradient. Take the view again while "
        "gradients are recorded, or write under no_grad().",
    ),
    "no_rule_for_option": (
        lambda: np.clip(leaf([1.0, 2.0]), 0.0, 1.0, where=np.array([True, False])),
        TypeError,
        "np.clip has no derivative with the option 'where', which its declaration does not name. "
        "Leave it out: write np.where(mask, f(x), x) for where=,\nor use x.detach() if no "
        "derivative is wanted.",
    ),
    "write_shape": (
        lambda: in_place(at.zeros(2), np.ones((3, 2))),
        ValueError,
        "a result of shape (3, 2) does not fit in place into a tensor of shape (2,). "
        "Write x = x + y instead of x += y.",
    ),
    "write_dtype": (
        lambda: in_place(at.zeros(2), 1j),
        TypeError,
        "a result of dtype complex128 cannot be written in place into a tensor of dtype float64. "
        "Write x = x + y, or convert first with .astype(complex128).",
    ),
    "filled_ndarray": (
        lambda: np.exp(leaf([1.0, 2.0]), out=np.zeros(2)),
        TypeError,
        "the destination is a plain ndarray, so the gradient would be lost. Build it with "
        "np.stack([...]) or np.concatenate,\nor start from at.zeros(...) and assign there.",
    ),
    "adopted_changed": (
        written_after_adoption,
        RuntimeError,
        "the array of shape (3,) that the tensor 'x' adopted was written to, through another view "
        "of it,\nand a gradient needs its old values. Write after backward(), or let "
        "at.tensor(..., copy=True) copy it.",
    ),
    "lost_gradient": (
        lambda: float(leaf(name="w")),
        TypeError,
        "float() of the tensor 'w' of shape () would lose its gradient. "
        "Use x.item() for the value, np functions to go on.",
    ),
    "copy_of_tracked": (
        lambda: at.tensor(leaf([1.0, 2.0], name="w")),
        TypeError,
        "at.tensor() makes a new leaf, and the tensor 'w' of shape (2,) has a graph that would be "
        "lost.\nUse x.copy() to copy it within the graph, or x.detach() to leave it.",
    ),
    "no_dtype_for_grad": (
        lambda: leaf([1, 2]),
        TypeError,
        "requires_grad=True needs a float or complex array; got int64. Use x.astype(float).",
    ),
    "not_numeric": (
        lambda: at.tensor(["a", "b"]),
        TypeError,
        "a tensor holds numbers or booleans; got an array of dtype <U1 and shape (2,). "
        "Are the rows of equal length?",
    ),
    "requires_grad_of_result": (
        frozen_result,
        TypeError,
        "requires_grad can be changed on leaves only; this tensor is the result of an op. "
        "Use x.detach() for a constant with its value.",
    ),
    "no_rule": (
        lambda: np.sum(np.ones(2) * leaf(), initial=leaf()),
        TypeError,
        "np.sum has no derivative for argument 'initial'. Write it with functions that have one,\n"
        "or use x.detach() if none is wanted.",
    ),
    "no_complex_rule": (
        lambda: np.sign(leaf(1 + 2j)),
        TypeError,
        "np.sign is constant almost everywhere for real input, but not for complex input, "
        "where it has no rule here. Write it with np.abs and a division.",
    ),
    "real_only": (
        lambda: np.maximum(leaf(1 + 2j), 0),
        TypeError,
        "np.maximum has a derivative for real input only; got complex128. "
        "Apply it to np.real(x), np.imag(x) or np.abs(x).",
    ),
    "complex_root": (
        lambda: (leaf(1 + 2j) * 2).backward(),
        TypeError,
        "backward() needs a real scalar to ascend; this tensor is complex128. Use np.real(y) or "
        "np.abs(y)**2, or pass a gradient: y.backward(1.0).",
    ),
    "complex_seed": (
        lambda: (leaf(1.0) * 2).backward(1j),
        TypeError,
        "the gradient passed is complex128, the tensor float64: its imaginary part would be "
        "dropped. Pass its real part.",
    ),
    "untraced_rule": (
        leaky_rule,
        TypeError,
        "at.source() cannot write a rule that takes numbers out of a Tensor, here by item(): they "
        "would be those of this call.\nWrite the rule with NumPy functions and operators on its "
        "arguments, or make an op, by custom_op, of what leaves NumPy.",
    ),
    "untraced_array": (
        lambda: at.source(lambda x, y: np.sum(x * np.array([y, y])))(1.0, np.ones(2)),
        TypeError,
        "at.source() cannot write what converts a Tensor to an ndarray: it would be the one of "
        "this call.\nWrite np.stack([a, b]) for np.array([a, b]), and x for np.asarray(x); "
        "x.numpy() says that its numbers are constants.",
    ),
    "untraced": (
        put_where_computed,
        TypeError,
        "at.source() cannot write np.put into a Tensor at places that were computed: it reads "
        "them as numbers.\nWrite it with an index, x[index] = v or x[index] += v.",
    ),
    "recomputed_otherwise": (
        run_again,
        RuntimeError,
        "at.checkpoint ran noisy again for the gradient, and it computed or read something else "
        "than the first time.\nLeave what it reads unchanged until backward(), and pass the "
        "Generator that it draws from as an argument.",
    ),
    "unknown_rule_name": (
        lambda: op_with(lambda g, y: g),
        TypeError,
        "the rule of cube for 'x' asks for 'y', which cube does not have. "
        "Valid names: x, out, shape.",
    ),
    "unknown_argument": (
        lambda: at.custom_op(y=lambda g: g)(cube),
        TypeError,
        "cube has no argument 'y' to give a rule to. Its arguments: x.",
    ),
    "declared_twice": (
        lambda: elementwise(np.sin, np.cos),
        TypeError,
        "sin: it has a rule already; at.register(..., override=True) replaces it",
    ),
    "bad_declaration": (
        lambda: op_with(np.cos),
        TypeError,
        "cube: the rule for 'x' must be a Python function of plain parameters",
    ),
    "non_finite": (
        root_of_negative,
        FloatingPointError,
        f"np.sqrt (test_errors.py:{root_of_negative.__code__.co_firstlineno + 3}) made 1 NaN of 2 "
        "at [1]: its input was -3e-9 and came from leaf 'x'.\nShapes: (2,) to (2,). Give it input "
        "that it is defined for and that does not overflow: np.clip(x, low, high), or "
        "np.where(mask, x, 1), before the call.",
    ),
    "non_finite_pull": (
        root_of_zero,
        FloatingPointError,
        f"the backward pass of np.sqrt (test_errors.py:{root_of_zero.__code__.co_firstlineno + 3}) "
        "made 1 NaN of 2 at [1] for 'x': its derivative is inf, the cotangent 0.0, its result "
        "0.0.\nLeave such entries out by a selection, np.where(x > 0, np.sqrt(x), 0): an entry "
        "that a selection did not take contributes exactly zero.",
    ),
    "not_a_leaf": (
        lambda: pickle.dumps(leaf([1.0]) * 2),
        TypeError,
        "the tensor of shape (1,) is the result of an op: only leaves can be pickled or "
        "deep-copied.\nUse x.copy() to copy it within the graph, or x.detach() to take its value "
        "out.",
    ),
}

HELPERS = {"called"}  # parts of texts
WARNINGS = {"non_leaf_grad"}
REPORTS = {"finite", "non_finite_held"}  # of explain_nan; see test_anomaly


@pytest.mark.parametrize("name", MISUSE)
def test_misuse_raises_the_text(name):
    misuse, builtin, text = MISUSE[name]
    with pytest.raises(errors.AutotensorError) as caught:
        misuse()
    assert str(caught.value) == text
    assert isinstance(caught.value, builtin)


def test_every_text_has_its_misuse():
    texts = {
        name
        for name, function in vars(errors).items()
        if inspect.isfunction(function) and function.__module__.startswith(errors.__name__)
    }
    assert texts == MISUSE.keys() | HELPERS | WARNINGS | REPORTS


@pytest.mark.parametrize("name", MISUSE)
def test_texts_are_short_enough_to_be_read(name):
    lines = MISUSE[name][2].splitlines()
    assert len(lines) <= 4
    assert all(line == line.strip() and len(line) < 180 for line in lines)


def test_errors_are_kinds_of_the_nearest_builtin():
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, errors.AutotensorError)
        assert kind is errors.AutotensorError or len(kind.__bases__) == 2
        assert kind.__doc__


def test_a_gradient_asked_of_a_result_warns():
    for name, text in [
        (None, "h.grad is None because h is not a leaf; call h.retain_grad() before backward()."),
        ("z", "z.grad is None because z is not a leaf; call z.retain_grad() before backward()."),
    ]:
        result = leaf() * 2
        result.name = name
        with pytest.warns(UserWarning, match="is not a leaf") as caught:
            assert result.grad is None
        assert [str(w.message) for w in caught] == [text]
        assert caught[0].filename == __file__


# -- the same text in other words -----------------------------------------------------------------

VARIANTS = [
    (
        lambda: leaf(np.ones((2, 3))).backward(),
        "this tensor has shape (2, 3). Use y.sum().backward() or y.mean().backward(),\n"
        "or pass a gradient of shape (2, 3): y.backward(np.ones((2, 3))).",
    ),
    (lambda: leaf([1.0]).backward(1.0), "(1,): it has 0 axes instead of 1."),
    (lambda: leaf([1.0, 2.0]).backward(np.ones(3)), "(2,): they differ in axis 0."),
    (
        lambda: at.jvp(cube, (1.0,), (np.ones(2),)),
        "the tangent has shape (2,), the tensor has shape (): it has 1 axes instead of 0.",
    ),
    (
        lambda: op_with(lambda g: np.ones(5))(leaf([1.0, 2.0])).sum().backward(),
        "Return an array of shape (2,).",
    ),
    (
        lambda: op_with(lambda g: np.ones((2, 4)))(leaf(np.ones((2, 1)))).sum().backward(),
        "The argument was broadcast: sum over axes (1,).",
    ),
    (lambda: in_place(leaf(), 1.0), "leaf requires grad and cannot be changed in place"),
    (lambda: np.asarray(leaf([1.0])), "converting to an ndarray of the tensor of shape (1,) would"),
    (lambda: np.nansum(leaf([1.0])), "np.nansum has no derivative for argument 'a'. Give"),
    (lambda: np.nansum(leaf([1.0])), "is wanted. Nearest with a rule: np.sum"),
    (lambda: np.add.accumulate(leaf([1.0])), "np.add.accumulate has no derivative"),
    (lambda: np.linalg.cond(leaf([1.0])), "at.register(np.linalg.cond, x=lambda g, …: …)"),
    (lambda: in_place(np.zeros(2), leaf([1.0, 2.0])), "the destination is a plain ndarray"),
]


@pytest.mark.parametrize(("misuse", "part"), VARIANTS, ids=range(len(VARIANTS)))
def test_texts_speak_of_what_was_done(misuse, part):
    with pytest.raises(errors.AutotensorError) as caught:
        misuse()
    assert part in str(caught.value)
