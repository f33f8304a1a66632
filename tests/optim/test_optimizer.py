"""What all optimizers have in common: the loop over parameters, and what they refuse."""

import math

import numpy as np
import pytest

import autotensor as at
from autotensor.optim import SGD, Adam, AdamW, Optimizer

KINDS = {
    "sgd": lambda parameters, lr=0.1: SGD(parameters, lr),
    "momentum": lambda parameters, lr=0.1: SGD(parameters, lr, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda parameters, lr=0.1: SGD(parameters, lr, momentum=0.9, nesterov=True),
    "adam": lambda parameters, lr=0.1: Adam(parameters, lr, weight_decay=0.1),
    "adamw": lambda parameters, lr=0.1: AdamW(parameters, lr, weight_decay=0.1),
}
each_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


def leaf(data, **options):
    return at.tensor(data, requires_grad=True, **options)


def take_steps(optimizer, parameter, count=3):
    for _ in range(count):
        optimizer.zero_grad()
        (parameter * parameter.conj()).real.sum().backward()
        optimizer.step()


@each_kind
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_dtype_and_shape_of_a_parameter_stay(make, dtype, shape):
    w = leaf(np.ones(shape, dtype))
    optimizer = make([w], np.float64(0.1))
    take_steps(optimizer, w, 1)
    optimizer.lr = np.float64(0.05)  # as a schedule computed by NumPy sets it
    take_steps(optimizer, w, 2)
    assert w.dtype == dtype
    assert w.shape == shape
    assert w.is_leaf
    assert w.requires_grad
    assert abs(w.numpy()).max() < 1


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        (Adam, {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.1}),
        (AdamW, {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.1}),
    ],
)
def test_hyper_parameters_computed_by_numpy_do_not_widen_float32(kind, options):
    scalars = {"nesterov": bool, "betas": lambda pair: tuple(map(np.float64, pair))}
    options = {name: scalars.get(name, np.float64)(value) for name, value in options.items()}
    w = leaf(np.ones(2, np.float32))
    take_steps(kind([w], 0.1, **options), w)
    assert w.dtype == np.float32


@each_kind
def test_a_parameter_without_a_gradient_stays(make):
    used, unused = leaf([1.0]), leaf([1.0])
    optimizer = make([unused, used])
    take_steps(optimizer, used)
    assert used.item() != 1.0
    assert unused.item() == 1.0


@each_kind
def test_a_state_of_its_own_for_every_parameter(make):
    together = leaf([1.0, 2.0]), leaf(3.0)
    optimizer = make(together)
    for _ in range(4):
        optimizer.zero_grad()
        ((together[0] ** 2).sum() + together[1] ** 3).backward()
        optimizer.step()

    first, second = leaf([1.0, 2.0]), leaf(3.0)
    for w, loss in ((first, lambda w: (w**2).sum()), (second, lambda w: w**3)):
        optimizer = make([w])
        for _ in range(4):
            optimizer.zero_grad()
            loss(w).backward()
            optimizer.step()
    np.testing.assert_array_equal(together[0].numpy(), first.numpy())
    np.testing.assert_array_equal(together[1].numpy(), second.numpy())


@each_kind
def test_lr_may_change_between_steps(make):
    w = leaf([1.0])
    optimizer = make([w])
    optimizer.lr = 0.0
    take_steps(optimizer, w)
    assert w.item() == 1.0
    optimizer.lr = 0.1
    take_steps(optimizer, w)
    assert w.item() < 1.0


@each_kind
def test_a_step_changes_no_array_that_somebody_holds(make):
    w = leaf([1.0, 2.0])
    optimizer = make([w])
    held = []
    for _ in range(3):
        value = w.numpy()
        optimizer.zero_grad()
        (w * w).sum().backward()
        held += [(array, array.copy()) for array in (value, w.grad.numpy())]
        optimizer.step()
    for array, copy in held:
        np.testing.assert_array_equal(array, copy)


@each_kind
def test_a_step_between_forward_and_backward_does_not_change_the_gradient(make):
    w = leaf([1.0, 2.0])
    optimizer = make([w])
    w.grad = at.ones(2)
    loss = (w * w).sum()
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    assert w.grad.tolist() == [2.0, 4.0]


@each_kind
def test_a_step_records_nothing(make):
    w = leaf([1.0])
    optimizer = make([w])
    w.grad = at.ones(1) * leaf([2.0])  # a gradient with a graph of its own
    optimizer.step()
    assert w.is_leaf


def test_zero_grad_sets_none():
    w = leaf([1.0])
    w.grad = at.ones(1)
    optimizer = SGD([w], 0.1)
    optimizer.zero_grad()
    assert w.grad is None


def test_parameters_may_come_from_a_generator():
    model = at.nn.Dense(2, 1)
    optimizer = SGD((p for p in model.parameters()), 0.1)
    assert len(optimizer.parameters) == 2


def test_an_optimizer_of_ones_own_needs_only_update():
    class Halve(Optimizer):
        def update(self, value, grad, state):
            return value / 2

    w = leaf([4.0])
    w.grad = at.ones(1)
    Halve([w], 0.1).step()
    assert w.tolist() == [2.0]


def test_init_runs_once_per_parameter_before_its_first_step():
    class Count(Optimizer):
        def init(self, value):
            return {"start": value.copy(), "steps": 0}

        def update(self, value, grad, state):
            state["steps"] += 1
            return state["start"] + state["steps"]

    w = leaf([4.0])
    optimizer = Count([w], 0.1)
    for _ in range(3):
        w.grad = at.ones(1)
        optimizer.step()
    assert w.tolist() == [7.0]


def test_an_optimizer_without_update_says_so():
    w = leaf([1.0])
    w.grad = at.ones(1)
    with pytest.raises(NotImplementedError, match="Optimizer does not define update"):
        Optimizer([w], 0.1).step()


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_a_bad_learning_rate_is_named(kind, bad):
    with pytest.raises(ValueError, match=f"^lr must be finite and at least 0, got {bad}"):
        kind([leaf([1.0])], bad)


@pytest.mark.parametrize(
    ("kind", "option", "message"),
    [
        (SGD, {"momentum": -0.1}, "^momentum must be at least 0 and below 1, got -0.1"),
        (SGD, {"momentum": 1.0}, "^momentum "),
        (SGD, {"momentum": math.nan}, "^momentum "),
        (SGD, {"weight_decay": -1.0}, "^weight_decay "),
        (SGD, {"nesterov": True}, "^nesterov needs a momentum"),
        (Adam, {"betas": (1.0, 0.9)}, r"^betas\[0\] "),
        (Adam, {"betas": (0.9, -0.1)}, r"^betas\[1\] "),
        (Adam, {"eps": 0.0}, "^eps must be finite and greater than 0, got 0.0"),
        (Adam, {"eps": -1e-8}, "^eps "),
        (Adam, {"weight_decay": math.inf}, "^weight_decay "),
        (AdamW, {"betas": (0.9, 1.0)}, r"^betas\[1\] "),
        (AdamW, {"weight_decay": -1.0}, "^weight_decay "),
    ],
)
def test_a_bad_hyper_parameter_is_named(kind, option, message):
    with pytest.raises(ValueError, match=message):
        kind([leaf([1.0])], 0.1, **option)


def test_no_parameters_are_an_error():
    with pytest.raises(ValueError, match="at least one parameter, got none"):
        SGD([], 0.1)


def test_a_single_tensor_is_not_a_list_of_parameters():
    with pytest.raises(TypeError, match=r"write \[w\]"):
        SGD(leaf([1.0, 2.0]), 0.1)


def test_an_array_is_not_a_parameter():
    with pytest.raises(TypeError, match="parameter 1 must be a Tensor, got ndarray"):
        SGD([leaf([1.0]), np.ones(1)], 0.1)


def test_a_constant_is_not_a_parameter():
    with pytest.raises(ValueError, match=r"parameter 0 \('c'\) .* it does not require grad"):
        SGD([at.tensor([1.0], name="c")], 0.1)


def test_a_result_is_not_a_parameter():
    with pytest.raises(
        ValueError, match=r"parameter 1 must be a leaf .* it is the result of an op"
    ):
        SGD([leaf([1.0]), leaf([1.0]) * 2], 0.1)


def test_a_parameter_given_twice_is_an_error():
    w = leaf([1.0], name="w")
    with pytest.raises(ValueError, match=r"parameter 1 \('w'\) is given twice"):
        SGD([w, w], 0.1)
