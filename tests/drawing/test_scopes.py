"""Scopes of modules and of `at.scope`: their names and nesting, and what they leave behind."""

import copy
import dataclasses
import gc
import pickle
import weakref

import numpy as np
import pytest

import autotensor as at


def scopes(g):
    return {v.name or v.op or v.kind: v.scope for v in g.nodes}


class Block(at.nn.Module):
    def __init__(self):
        self.first = at.nn.Dense(2, 2)

    def __call__(self, x, *, twice=False):
        with at.scope("attend"):
            x = np.tanh(self.first(x))
        return np.exp(self.first(x)) if twice else x


class Exp(at.nn.Module):
    def __call__(self, x):
        return np.exp(x)


def test_layers_are_called_by_path_and_class():
    model = at.nn.Sequential(at.nn.Dense(2, 2), at.nn.Relu())
    found = scopes(at.graph(model(at.ones(2))))
    assert found["layers.0.weight"] == found["inner"] == "Sequential/layers.0 (Dense)"
    assert found["relu"] == "Sequential/layers.1 (Relu)"


def test_scopes_and_modules_nest_in_the_order_they_began():
    block = Block()
    with at.scope("outer/part"):
        y = block(at.ones(2), twice=True)
    found = scopes(at.graph(y))
    assert found["tanh"] == "outer/part/Block/attend"
    assert found["y"] == "outer/part/Block"
    inner = [v.scope for v in at.graph(y).nodes if v.op == "inner"]
    assert inner == ["outer/part/Block/attend/first (Dense)", "outer/part/Block/first (Dense)"]
    assert found["first.weight"] == "outer/part/Block"


def test_calls_without_a_caller_are_numbered():
    x = at.tensor(np.ones(2), requires_grad=True)
    one, other = Exp(), Exp()
    found = [v.scope for v in at.graph(other(one(one(x)))).nodes]
    assert found == ["", "Exp", "Exp.2", "Exp.3"]


def test_a_module_that_is_gone_has_the_name_of_its_class():
    y = at.nn.Sequential(Exp(), np.tanh, Exp())(at.tensor(-1.0, requires_grad=True))
    found = [v.scope for v in at.graph(y).nodes][1:]
    assert found == ["Sequential/Exp", "Sequential/tanh", "Sequential/Exp.2"]


def test_layers_that_note_nothing_are_where_their_parameters_are_used():
    class Two(at.nn.Module):
        def __init__(self):
            self.enter, self.leave = at.nn.Dense(2, 3), at.nn.Dense(3, 2)

        def __call__(self, x):
            for _ in range(2):
                x = self.leave(np.tanh(self.enter(x)))
            return x

    two = Two()
    found = [v.scope for v in at.graph(two(at.ones((1, 2)))).nodes if v.op]
    wanted = [
        s
        for n in ("", ".2")
        for s in [f"/enter (Dense){n}"] * 2 + [""] + [f"/leave (Dense){n}"] * 2
    ]
    assert found == [f"Two{s}" for s in wanted]


def test_functions_and_modules_in_a_sequential():
    model = at.nn.Sequential(at.nn.Dense(2, 2), np.tanh, at.nn.Sequential(at.nn.Relu()), Exp())
    found = [v.scope for v in at.graph(model(at.ones((1, 2)))).nodes if v.op]
    assert found == [
        "Sequential/layers.0 (Dense)",
        "Sequential/layers.0 (Dense)",
        "Sequential/tanh",
        "Sequential/layers.2 (Sequential)/layers.0 (Relu)",
        "Sequential/layers.3 (Exp)",
    ]


def test_a_call_of_super_is_no_scope_of_its_own():
    class Louder(at.nn.Relu):
        def __call__(self, x):
            return 2.0 * super().__call__(x)

    louder = Louder()
    y = louder(at.tensor(1.0, requires_grad=True))
    assert [v.scope for v in at.graph(y).nodes] == ["Louder", "Louder", "Louder"]


def test_results_in_tuples_and_results_that_are_arguments():
    class Split(at.nn.Module):
        def __call__(self, x):
            return np.exp(x), x

    split = Split()
    x = at.tensor(1.0, requires_grad=True)
    a, b = split(x)
    assert b is x
    assert [v.scope for v in at.graph(a + b).nodes] == ["", "Split", ""]
    for _ in range(3):
        at.nn.Sequential()(x)
    assert x._node.notes is None


def test_notes_keep_no_module_alive_and_make_no_cycle():
    gc.disable()
    try:
        model = at.nn.Sequential(at.nn.Relu())
        seen = weakref.ref(model)
        y = model(at.tensor(1.0, requires_grad=True))
        node = weakref.ref(y)
        del model
        assert seen() is None
        del y
        assert node() is None
    finally:
        gc.enable()


def test_calls_keep_their_signature_and_modules_can_be_pickled():
    model = at.nn.MSE()
    assert "prediction" in type(model).__call__.__doc__
    loss = model(prediction=at.ones(2), target=np.zeros(2))
    assert loss.item() == 1.0
    with pytest.raises(TypeError, match="argument"):
        model(at.ones(2))
    again = pickle.loads(pickle.dumps(at.nn.Sequential(at.nn.Dense(2, 1))))
    assert again.named_modules()[0][0] == "layers.0"


class Plain(at.nn.Module):
    def __init__(self):
        self.w = at.tensor(2.0, requires_grad=True)

    def __call__(self, x):
        return self.w * x

    def __getstate__(self):
        return dict(self.__dict__)


class Slotted(at.nn.Module):
    __slots__ = ("w",)

    def __init__(self):
        self.w = at.tensor(2.0, requires_grad=True)

    def __call__(self, x):
        return self.w * x


@dataclasses.dataclass(frozen=True)
class Frozen(at.nn.Module):
    w: at.Tensor

    def __call__(self, x):
        return self.w * x


@pytest.mark.parametrize(
    "make", [Plain, Slotted, lambda: Frozen(at.tensor(2.0, requires_grad=True))]
)
def test_modules_of_every_kind_are_called_and_copied(make):
    module = make()
    assert module(at.tensor(3.0)).item() == 6
    copies = [copy.copy(module), copy.deepcopy(module), pickle.loads(pickle.dumps(module))]
    for other in copies:
        assert other.w.item() == 2
        other(at.tensor(3.0))
        assert other.tag.module() is other


def test_drawing_is_the_same_before_and_after_backward():
    model = at.nn.Sequential(at.nn.Dense(2, 2), at.nn.Relu())
    loss = model(at.ones(2)).sum()
    before = at.graph(loss)
    loss.backward()
    assert [v.scope for v in before.nodes] == [v.scope for v in at.graph(loss).nodes]
    assert before.scopes == (
        "Sequential",
        "Sequential/layers.0 (Dense)",
        "Sequential/layers.1 (Relu)",
    )


def test_a_subclass_that_inherits_its_call_is_drawn_like_its_parent():
    class Wide(at.nn.Dense):
        pass

    model = at.nn.Sequential(Wide(2, 2), at.nn.Relu())
    found = {v.op: v.scope for v in at.graph(model(at.ones((1, 2)))).nodes}
    assert found["inner"] == "Sequential/layers.0 (Wide)"
