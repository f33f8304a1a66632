"""Where random numbers come from, and that they can be drawn again."""

import collections
import functools
import types

import numpy as np
import pytest

from autotensor import replay

GLOBAL = np.random.default_rng(1)
ELSEWHERE = np.random.default_rng(2)


def of_global(x):
    return x + GLOBAL.uniform()


def through_a_helper(x):
    return [of_global(v) for v in x]


class Slotted:
    __slots__ = ("rng",)

    def __init__(self, rng):
        self.rng = rng

    def draw(self):
        return self.rng.uniform()


class Callable:
    def __call__(self):
        return GLOBAL.uniform()


def closing_over(rng):
    return lambda: rng.uniform()


def with_default(rng):
    def f(a=rng, *, b=1):
        return a.uniform()

    return f


def with_keyword_default(rng):
    def f(*, b=rng):
        return b.uniform()

    return f


def with_attribute(rng):
    def f():
        return f.rng.uniform()

    f.rng = rng
    return f


def decorated(rng):
    return functools.wraps(closing_over(rng))(lambda: None)


def looped(rng):
    items = [rng]
    items.append(items)
    return items


WAYS = {
    "itself": lambda rng: rng,
    "its bits": lambda rng: rng.bit_generator,
    "closure": closing_over,
    "inner function": lambda rng: lambda: lambda: rng,
    "default": with_default,
    "keyword default": with_keyword_default,
    "attribute of a function": with_attribute,
    "wrapped": decorated,
    "partial": lambda rng: functools.partial(max, rng),
    "partial keyword": lambda rng: functools.partial(max, key=rng),
    "bound method": lambda rng: Slotted(rng).draw,
    "bound method of its own": lambda rng: rng.uniform,
    "attribute": lambda rng: types.SimpleNamespace(a=types.SimpleNamespace(rng=rng)),
    "slot": Slotted,
    "containers": lambda rng: ([{"a": ({1: rng},)}],),
    "others": lambda rng: collections.deque([frozenset([rng])]),
    "loop": looped,
}


def sources(*starts):
    return [source for source, _ in replay.random_states(*starts)]


@pytest.mark.parametrize("way", WAYS)
def test_a_generator_is_found(way):
    for rng in (np.random.default_rng(0), np.random.RandomState(0)):
        if way == "its bits" and isinstance(rng, np.random.RandomState):
            continue
        start = WAYS[way](rng)
        assert getattr(rng, "bit_generator", rng) in sources(start)


def test_globals_are_found_where_code_names_them():
    assert GLOBAL.bit_generator in sources(of_global)
    assert GLOBAL.bit_generator in sources(through_a_helper)
    assert GLOBAL.bit_generator in sources(lambda: lambda: GLOBAL)
    assert GLOBAL.bit_generator in sources(Callable())
    assert ELSEWHERE.bit_generator not in sources(of_global, through_a_helper, Callable())


def test_every_source_is_found_once():
    rng = np.random.default_rng(0)
    twin = np.random.Generator(rng.bit_generator)
    assert sources(rng, [rng], rng.bit_generator, twin) == [np.random, rng.bit_generator]


def test_an_object_that_can_say_nothing_is_passed_over():
    def f():
        return later

    assert sources(f, None, 1, "a", object(), np.sum, np.sin, max) == [np.random]
    later = 1


KINDS = {
    "PCG64": lambda: np.random.default_rng(0),
    "MT19937": lambda: np.random.Generator(np.random.MT19937(0)),
    "SFC64": lambda: np.random.Generator(np.random.SFC64(0)),
    "Philox": lambda: np.random.Generator(np.random.Philox(0)),
    "RandomState": lambda: np.random.RandomState(0),
    "RandomState of PCG64": lambda: np.random.RandomState(np.random.PCG64(0)),
    "global": lambda: np.random,
}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_drawn_again_and_go_on_after(kind):
    source = KINDS[kind]()
    draw = lambda: source.normal(size=3).tolist()  # noqa: E731
    draw()
    states = replay.random_states(source)
    first = draw()
    with replay.replayed(states):
        assert draw() == first
    second = draw()
    with pytest.raises(KeyError), replay.replayed(states):
        {}[str(draw())]
    with replay.replayed(states):
        assert [draw(), draw(), draw()][:2] == [first, second]
    third = draw()
    with replay.replayed(states):
        assert [draw(), draw(), draw()] == [first, second, third]
