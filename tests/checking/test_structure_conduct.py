"""What functions and rules must not do: write, remember, vary, not be linear (G02 … G13)."""

import numpy as np
import pytest

import autotensor as at
from autotensor.checking import conduct
from autotensor.checking.problem import Problem
from autotensor.checking.run import Run
from autotensor.engine.primitive import Op
from tests.checking.structural import failing, sine

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
STORE = {}


@pytest.fixture(autouse=True)
def store():
    STORE.clear()


# G02: f writes to its inputs.


@at.custom_op(x=lambda g: 2 * g)
def doubles_in_place(x):
    x *= 2
    return x


@at.custom_op(x=lambda g: g)
def adds_past_the_flag(x):
    out = x + 1
    np.add.at(x, (0, 0), 1.0)
    return out


def writes_an_entry(x):
    y = np.sin(x)
    x[0, 1] = 7.0
    return y


def adds_in_place(x):
    x += 1
    return x * 1


@pytest.mark.parametrize(
    "function", [doubles_in_place, adds_past_the_flag, writes_an_entry, adds_in_place]
)
def test_a_function_that_writes_to_its_inputs_is_caught(function):
    check, text = failing(function, X)
    assert check == "G02"
    assert "f writes to its inputs" in text


def test_the_entry_that_was_written_is_named():
    _, text = failing(writes_an_entry, X)
    assert "x[0, 1]" in text
    assert "7 after" in text


def writes_to_a_copy(x):
    y = x.copy()
    y[0] = 0.0
    y += x
    return y


def test_a_function_may_write_to_what_it_made():
    assert at.gradcheck(writes_to_a_copy, X)
    assert at.gradcheck(lambda x: np.sum(np.copy(x) * np.zeros_like(x) + x), X)


# G03: f is not deterministic.

GENERATOR = np.random.default_rng(5)


def dropout(x):
    return np.where(GENERATOR.random(x.shape) < 0.5, x, 0.0)


def dropout_of_old(x):
    return x * (np.random.rand(*x.shape) < 0.5)  # noqa: NPY002 - which users write


@pytest.mark.parametrize("function", [dropout, dropout_of_old])
def test_dropout_without_a_seed_is_named(function):
    check, text = failing(function, X)
    assert check == "G03"
    assert "dropout without a seed" in text
    assert "it draws from" in text


def counting(x):
    STORE["calls"] = STORE.get("calls", 0) + 1
    return x * STORE["calls"]


@pytest.mark.parametrize("function", [counting, lambda x: x + GENERATOR.normal()])
def test_other_functions_that_vary_are_caught(function):
    check, text = failing(function, X)
    assert check == "G03"
    assert "dropout" not in text


def test_a_shape_that_varies_is_caught():
    def function(x):
        STORE["calls"] = STORE.get("calls", 0) + 1
        return x[: STORE["calls"]]

    assert failing(function, X)[0] == "G03"


def seeded_dropout(x):
    return x * (np.random.default_rng(0).random(x.shape) < 0.5)


MASK = RNG.random(X.shape) < 0.5


@pytest.mark.parametrize(
    "function", [seeded_dropout, lambda x: x * MASK, lambda x: x + 0 * counting(x)]
)
def test_functions_that_only_look_random_are_right(function):
    assert at.gradcheck(function, X)


def test_sums_in_another_order_are_deterministic_enough():
    def function(x):
        STORE["calls"] = STORE.get("calls", 0) + 1
        return np.sum(x) if STORE["calls"] % 2 else np.sum(x[::-1])

    assert at.gradcheck(function, RNG.normal(size=50))


# G08: a rule writes into what it is given.


def scales_g(g, x):
    g *= np.cos(x)
    return g


def writes_by_out(g, x):
    return np.multiply(g, np.cos(x), out=g)


def writes_to_x(g, x):
    np.cos(x, out=x)
    return g * x


def sorts_x(g, x):
    result = g * np.cos(x)
    x.sort()
    return result


def adds_at_g(g, x):
    result = g * np.cos(x)
    np.add.at(g, (0, 0), 1.0)
    return result


def unlocks_g(g, x):
    result = g * np.cos(x)
    g = g.view()
    g.flags.writeable = True
    g[0] = 0
    return result


def zeroes_some_of_g(g, x):
    result = g * np.cos(x)
    g[x < 0] = 0
    return result


def scales_g_if_it_may(g, x):
    return np.multiply(g, np.cos(x), out=g if g.flags.writeable else None)


def writes_to_x_if_it_may(g, x):
    return g * np.cos(x, out=x if x.flags.writeable else None)


WRITES = [scales_g, writes_by_out, writes_to_x, sorts_x, adds_at_g, zeroes_some_of_g, unlocks_g]


@pytest.mark.parametrize("rule", WRITES)
def test_rules_that_write_are_caught(rule):
    check, text = failing(sine(rule), X)
    assert check == "G08"
    assert "the rule of sine for 'x' " in text


@pytest.mark.parametrize("rule", WRITES)
def test_rules_that_write_are_caught_inside_a_longer_function(rule):
    op = sine(rule)
    assert failing(lambda x: np.sum(np.exp(op(x + 1)) * x), X)[0] == "G08"
    assert failing(lambda x: np.sum(op(x)), X)[0] == "G08"


@pytest.mark.parametrize("rule", [scales_g_if_it_may, writes_to_x_if_it_may])
def test_rules_of_the_table_that_write_where_they_may_are_caught(rule):
    check, _ = failing(Op(lambda x: np.sin(x), "rule", "x", {"x": rule}), X)
    assert check == "G08"


def test_a_rule_that_writes_to_the_result_is_caught():
    def rule(g, out):
        out *= g
        return out

    @at.custom_op(x=rule)
    def exp(x):
        return np.exp(x)

    check, text = failing(exp, X)
    assert check == "G08"
    assert "writes to out" in text


def test_a_rule_that_writes_to_an_option_is_caught():
    def rule(g, x, weights):
        result = g * weights
        weights[0] = 9
        return result

    @at.custom_op(x=rule)
    def weighted(x, weights):
        return x * weights

    check, text = failing(lambda x: weighted(x, np.arange(4)), X)
    assert check == "G08"
    assert "writes to weights" in text


def fills_a_new_array(g, x):
    c = np.zeros(x.shape)
    c[...] = g
    c *= np.cos(x)
    return c


def writes_to_a_copy_of_g(g, x):
    g = g.copy()
    g *= np.cos(x)
    return g


@pytest.mark.parametrize("rule", [fills_a_new_array, writes_to_a_copy_of_g])
def test_rules_that_write_to_their_own_arrays_are_right(rule):
    assert at.gradcheck(sine(rule), X)


def test_a_rule_that_cannot_stand_a_read_only_g_is_caught():
    def rule(g, x):
        if not g.flags.writeable:
            raise ValueError("buffer source array is read-only")
        return g * np.cos(x)

    check, text = failing(sine(rule), X)
    assert check == "G08"
    assert "raises for read-only arrays" in text


# G09: results share memory.

BUFFER = np.zeros(X.shape)


def returns_a_buffer(g, x):
    np.multiply(g, np.cos(x), out=BUFFER)
    return BUFFER


def returns_a_view_of_a_buffer(g, x):
    BUFFER[...] = g * np.cos(x)
    return BUFFER[:, :]


def returns_a_locked_view_of_a_buffer(g, x):
    BUFFER[...] = g * np.cos(x)
    return np.broadcast_to(BUFFER, x.shape)


CACHE = {}


def returns_a_cached_array(g, x):
    key = x.tobytes() + g.tobytes()
    if key not in CACHE:
        CACHE[key] = g * np.cos(x)
    return CACHE[key]


@pytest.mark.parametrize(
    "rule",
    [
        returns_a_buffer,
        returns_a_view_of_a_buffer,
        returns_a_locked_view_of_a_buffer,
        returns_a_cached_array,
    ],
)
def test_rules_that_return_a_static_array_are_caught(rule):
    check, text = failing(sine(rule), X)
    assert check == "G09"
    assert "shares memory with its next" in text


def test_a_buffer_that_two_arguments_share_is_caught():
    def into_buffer(g):
        BUFFER[...] = 2 * g
        return BUFFER

    @at.custom_op(x=lambda g: into_buffer(g), y=lambda g: into_buffer(g))
    def twice_the_sum(x, y):
        return 2 * (x + y)

    check, text = failing(twice_the_sum, [X, X[::-1]])
    assert check == "G09"
    assert "with that of the rule of twice_the_sum for 'x'" in text


def test_a_result_that_is_an_input_is_caught():
    @at.custom_op(x=lambda g, x: x if np.all(g == 1) else g * x)
    def half_square(x):
        return np.sum(x * x) / 2

    check, text = failing(half_square, X)
    assert check == "G09"
    assert "shares memory with x" in text


NOTHING = np.zeros(())


@at.custom_op(x=lambda g, x: np.broadcast_to(NOTHING, x.shape))
def step(x):
    return np.sign(x)


@at.custom_op(x=lambda g: g.T)
def transposed(x):
    return x.T.copy()


@at.custom_op(x=lambda g: g, y=lambda g: g)
def total(x, y):
    return x + y


@at.custom_op(x=lambda g, x: np.broadcast_to(g, x.shape))
def summed(x):
    return np.sum(x)


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (step, X),
        (transposed, X),
        (total, [X, 2 * X]),
        (summed, X),
        (lambda x: total(x, x) * transposed(transposed(x)), X),
        (lambda x: np.sum(transposed(total(x, x))), X),
        (lambda x: np.stack([x[0], x[1]]) + x[:2], X),
    ],
)
def test_rules_may_return_g_or_a_view_of_it(function, inputs):
    assert at.gradcheck(function, inputs, order=2)


# G10: a rule is not deterministic.


def noisy(g, x):
    return g * np.cos(x) + 1e-9 * g * GENERATOR.random(x.shape)


def alternating(g, x):
    STORE["calls"] = STORE.get("calls", 0) + 1
    return g * np.cos(x) * (1 + STORE["calls"] % 2)


def right_once(g, x):
    STORE["calls"] = STORE.get("calls", 0) + 1
    return g * np.cos(x) * (STORE["calls"] < 2)


@pytest.mark.parametrize("rule", [noisy, alternating, right_once])
def test_rules_that_vary_are_caught(rule):
    check, text = failing(sine(rule), X)
    assert check == "G10"
    assert "the rule is not deterministic: x[" in text
    op = sine(rule)
    STORE.clear()
    check, text = failing(lambda x: np.sum(np.exp(op(x))), X)
    assert check == "G10"
    assert "it begins in the rule of sine for 'x'" in text or rule is not noisy


# G11: a rule is not linear in g.

NOT_LINEAR = {
    "abs": lambda g, x: np.abs(g) * np.cos(x),
    "only positive": lambda g, x: g * (g > 0) * np.cos(x),
    "squared": lambda g, x: g**2 * np.cos(x),
    "cubed": lambda g, x: g**3 * np.cos(x),
    "sign": lambda g, x: np.sign(g) * np.cos(x),
    "offset": lambda g, x: g * np.cos(x) + 1e-9,
    "ignored": lambda g, x: np.cos(x),
    "clipped at 1": lambda g, x: np.clip(g, -1, 1) * np.cos(x),
    "clipped at 5": lambda g, x: np.clip(g, -5, 5) * np.cos(x),
    "clipped at 100": lambda g, x: np.clip(g, -100, 100) * np.cos(x),
    "clipped at 1e9": lambda g, x: np.clip(g, -1e9, 1e9) * np.cos(x),
    "clipped by norm": lambda g, x: g * min(1, 1e3 / np.linalg.norm(g)) * np.cos(x),
    "normalised": lambda g, x: g / np.linalg.norm(g) * np.cos(x),
    "small ones dropped": lambda g, x: np.where(np.abs(g) < 1e-6, 0, g) * np.cos(x),
    "tiny ones dropped": lambda g, x: np.where(np.abs(g) < 1e-12, 0, g) * np.cos(x),
    "rounded": lambda g, x: np.round(g, 4) * np.cos(x),
    "guarded": lambda g, x: g * np.abs(g) / (np.abs(g) + 1e-3) * np.cos(x),
    "all of one sign": lambda g, x: np.cos(x) * g * (-1 if np.sum(g) < 0 else 1),
}


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_rules_that_are_not_linear_are_caught(name):
    check, text = failing(sine(NOT_LINEAR[name]), X)
    assert check == "G11"
    assert "x[" in text


@pytest.mark.parametrize("name", ["abs", "only positive", "clipped at 5", "offset", "squared"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64, complex])
def test_rules_that_are_not_linear_are_caught_in_other_dtypes(name, dtype):
    z = np.dtype(dtype).kind == "c"
    rules = {
        "abs": lambda g, x: (np.abs(g) if z else abs(g)) * np.conj(np.cos(x)),
        "only positive": lambda g, x: g * (g.real > 0) * np.conj(np.cos(x)),
        "clipped at 5": lambda g, x: (
            (np.clip(g.real, -5, 5) + 1j * np.clip(g.imag, -5, 5) if z else np.clip(g, -5, 5))
            * np.conj(np.cos(x))
        ),
        "offset": lambda g, x: g * np.conj(np.cos(x)) + np.asarray(0.01, dtype),
        "squared": lambda g, x: g * g * np.conj(np.cos(x)),
    }
    check, _ = failing(sine(rules[name]), (X + 1j * X[::-1] if z else X).astype(dtype))
    assert check == "G11"


def test_a_rule_that_raises_for_no_gradient_is_caught():
    def rule(g, x):
        assert np.any(g)
        return g * np.cos(x)

    check, text = failing(sine(rule), X)
    assert check == "G11"
    assert "raises for some g" in text


LINEAR = {
    "large derivatives": (lambda x: np.exp(200 * x), np.array([3.0, -3.0, 0.1])),
    "derivatives near overflow": (np.exp, np.array([88.0, -80.0, 0.0], np.float32)),
    "small derivatives": (lambda x: 1e-290 * np.sin(x), X),
    "cancelling terms": (lambda x: np.var(1e6 + x), X),
    "an ill-conditioned matrix": (
        lambda x: np.linalg.solve(np.vander(np.linspace(1, 2, 8)), x),
        RNG.normal(size=8),
    ),
    "conjugates": (lambda z: np.conj(z) * np.abs(z), X + 1j * X[::-1]),
    "half precision": (lambda x: np.sum(np.tanh(x) * x), RNG.normal(size=200).astype(np.float16)),
}


@pytest.mark.parametrize("name", LINEAR)
def test_rules_that_are_linear_up_to_rounding_are_right(name):
    function, inputs = LINEAR[name]
    run = Run(Problem("f", function, [inputs], ["x"]), 1, None, None, 0)
    assert conduct.linear_in_g(run) is None
    assert conduct.deterministic_rule(run) is None
    assert conduct.no_stale_state(run) is None
    assert conduct.two_graphs(run) is None


# G12 and G13: rules that read what f left behind.


def remembering(rule, value=lambda x: x.copy()):
    @at.custom_op(x=rule)
    def sine(x):
        STORE["x"] = value(x)
        return np.sin(x)

    return sine


STALE = {
    "the last input": remembering(lambda g: g * np.cos(STORE["x"])),
    "the last derivative": remembering(lambda g: g * STORE["x"], np.cos),
    "the last signs": remembering(
        lambda g, x: np.where(STORE["x"], 1, 1) * g * np.cos(np.abs(x) * (2 * STORE["x"] - 1)),
        lambda x: x > 0,
    ),
    "the last order": remembering(
        lambda g, x: g * np.cos(np.sort(x, None)[STORE["x"]].reshape(x.shape)),
        lambda x: np.argsort(np.argsort(x, None)),
    ),
    "the last shape": remembering(
        lambda g, x: (g * np.cos(x)).reshape(STORE["x"]), lambda x: x.shape
    ),
    "the last length": remembering(lambda g, x: g * np.cos(x) * 3 / STORE["x"], lambda x: len(x)),
}


@pytest.mark.parametrize("name", STALE)
def test_rules_that_use_the_last_call_are_caught(name):
    assert failing(STALE[name], X)[0] == "G12"
    op = STALE[name]
    assert failing(lambda x: np.sum(np.exp(op(x))), X)[0] == "G12"


@pytest.mark.parametrize("value", [np.cos, lambda x: np.sign(x), lambda x: np.argsort(x, None)])
def test_the_last_call_is_noticed_where_f_takes_one_shape_only(value):
    def rule(g, x):
        right = np.array_equal(STORE["x"], value(x))
        return g * np.cos(x) if right else g

    @at.custom_op(x=rule)
    def sine(x):
        assert x.shape == X.shape
        STORE["x"] = value(x)
        return np.sin(x)

    check, text = failing(sine, X)
    assert check == "G12"
    assert "by itself" in text


def stack(pop):
    saved = []

    @at.custom_op(x=lambda g: g * np.cos(saved.pop(pop)))
    def sine(x):
        saved.append(x.copy())
        return np.sin(x)

    return sine


@pytest.mark.parametrize("pop", [0, -1])
def test_rules_that_keep_a_stack_are_caught(pop):
    assert failing(stack(pop), X)[0] in ("G04", "G10", "G11", "G12", "G13")


def test_a_queue_that_is_not_emptied_is_caught_by_two_graphs():
    saved = []

    @at.custom_op(x=lambda g: g * np.cos(saved[-1] if len(saved) < 2 else saved[-2]))
    def sine(x):
        saved.append(x.copy())
        del saved[:-2]
        return np.sin(x)

    run = Run(Problem("sine", sine, [X], ["x"]), 1, None, None, 0)
    assert "two graphs" in conduct.two_graphs(run).title


def test_a_graph_that_can_be_walked_once_is_caught():
    used = set()

    def rule(g, x):
        first = id(x.base) not in used if x.base is not None else id(x) not in used
        used.add(id(x if x.base is None else x.base))
        return g * np.cos(x) * first

    assert failing(sine(rule), X)[0] in ("G10", "G11", "G13")


def memoised():
    known = {}

    @at.custom_op(x=lambda g, x: g * known[x.tobytes()])
    def sine(x):
        known[x.tobytes()] = np.cos(x)
        return np.sin(x)

    return sine


def test_state_that_does_no_harm_is_right():
    assert at.gradcheck(memoised(), X)
    assert at.gradcheck(remembering(lambda g, x: g * np.cos(x)), X)


def test_functions_that_are_recomputed_are_right():
    def segment(x):
        return np.sin(x) * x, np.exp(x)

    assert at.gradcheck(lambda x: np.sum(at.checkpoint(segment, x)[0] * x), X, order=2)
    assert at.gradcheck(lambda x: at.checkpoint(segment, x), X)


def test_a_wrong_rule_inside_what_is_recomputed_is_caught():
    op = sine(lambda g, x: np.abs(g) * np.cos(x))
    assert failing(lambda x: at.checkpoint(lambda y: op(y) * y, x), X)[0] == "G11"


def test_functions_of_a_narrow_domain_are_right():
    assert at.gradcheck(lambda x: np.log(x) + np.sqrt(1 - x), np.array([0.1, 0.5, 0.99]))

    def strict(x):
        assert x.shape == X.shape
        if np.any(np.abs(x.numpy() - X) > 0.2):
            raise ValueError("far from where it is defined")
        return np.sin(x)

    assert at.gradcheck(strict, X)
