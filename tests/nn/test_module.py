"""Module: which parameters it finds, in what order, and what it calls them."""

import numpy as np
import pytest

import autotensor as at
from autotensor import nn


def parameter(name=None):
    return at.tensor([1.0, 2.0], requires_grad=True, name=name)


class Holder(nn.Module):
    """Takes whatever attributes it is given."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


def names(module):
    return [name for name, _ in module.named_parameters()]


def test_parameters_come_in_the_order_of_the_attributes():
    first, second, third = parameter(), parameter(), parameter()
    module = Holder(z=first, inner=Holder(y=second), a=third)
    assert names(module) == ["z", "inner.y", "a"]
    assert all(a is b for a, b in zip(module.parameters(), [first, second, third], strict=True))


def test_parameters_are_found_in_lists_tuples_and_dicts():
    module = Holder(
        blocks=[Holder(w=parameter()), (Holder(w=parameter()), parameter())],
        heads={"left": Holder(w=parameter()), "right": parameter()},
    )
    assert names(module) == [
        "blocks.0.w",
        "blocks.1.0.w",
        "blocks.1.1",
        "heads.left.w",
        "heads.right",
    ]


def test_only_leaves_that_require_grad_are_parameters():
    w = parameter()
    module = Holder(
        w=w, constant=at.ones(2), result=w * 2, array=np.ones(2), number=3.0, text="w", none=None
    )
    assert names(module) == ["w"]
    w.requires_grad = False
    assert names(module) == []


def test_a_shared_parameter_comes_once_with_its_first_path():
    w = parameter()
    module = Holder(a=w, b=w, inner=Holder(c=w))
    assert names(module) == ["a"]


def test_a_shared_module_comes_once():
    inner = Holder(w=parameter())
    assert names(Holder(encoder=inner, decoder=inner)) == ["encoder.w"]


def test_a_module_that_refers_back_to_its_owner_is_no_endless_walk():
    owner = Holder(w=parameter())
    owner.child = Holder(owner=owner, v=parameter())
    assert names(owner) == ["w", "child.v"]


def test_modules_nested_deeper_than_the_recursion_limit():
    module = Holder(w=parameter())
    for _ in range(3000):
        module = Holder(m=module)
    assert len(module.parameters()) == 1


def test_parameters_without_a_name_are_named_by_their_path():
    model = nn.Sequential(nn.Dense(3, 2), nn.Relu(), nn.Dense(2, 1, bias=False))
    found = model.named_parameters()
    assert [p.name for _, p in found] == [path for path, _ in found]
    assert names(model) == ["layers.0.weight", "layers.0.bias", "layers.2.weight"]


def test_a_name_given_by_the_user_stays():
    module = Holder(w=parameter(name="mine"))
    assert names(module) == ["w"]
    assert module.w.name == "mine"


def test_naming_keeps_the_gradient():
    module = Holder(w=parameter())
    (module.w * module.w).sum().backward()
    module.parameters()
    assert module.w.grad.tolist() == [2.0, 4.0]


def test_zero_grad_sets_none():
    module = Holder(inner=[Holder(w=parameter())], v=parameter())
    sum((p * p).sum() for p in module.parameters()).backward()
    assert all(p.grad is not None for p in module.parameters())
    module.zero_grad()
    assert all(p.grad is None for p in module.parameters())


def test_calling_a_module_is_calling_the_method_of_its_class():
    class Double(nn.Module):
        def __call__(self, x, *, times=2):
            return x * times

    assert Double.__call__ is vars(Double)["__call__"]
    assert Double()(at.ones(2), times=3).tolist() == [3.0, 3.0]


def test_a_module_without_call_says_so():
    with pytest.raises(NotImplementedError, match="Holder does not define __call__"):
        Holder()(at.ones(2))


def test_repr_names_the_class():
    assert repr(Holder()) == "Holder()"
