"""`checkpoint`: a call whose graph is not kept, but made again when a gradient needs it.

A checkpoint is one node, *recompute*, and above it one node *checkpoint* per result. What the node
keeps is the call. Its rule makes the call again and walks the graph of that; the cotangents of all
results come down to it together (`_Cotangents`), so that one such walk serves all inputs.
"""

from __future__ import annotations

import contextvars
import operator
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from autotensor import errors
from autotensor.array import Tensor
from autotensor.dispatch import SCALARS, record
from autotensor.engine.deferred import Deferred
from autotensor.engine.forward import forward
from autotensor.engine.graph import Leaf, Node
from autotensor.engine.modes import TRACE, enable_grad, mode, no_grad, recording
from autotensor.engine.primitive import Op
from autotensor.engine.reverse import reverse
from autotensor.replay import random_states, replayed
from autotensor.transforms import open_alias

__all__ = ["checkpoint"]


def checkpoint(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """The value of ``function(*args, **kwargs)``, computed again when a gradient needs its graph.

    Of the call only the arguments and the results are kept, not what was computed in between: a
    chain of n such segments holds n arrays and the graph of one segment, for the price of a second
    forward pass. Gradients of every order, and forward mode, are those of the plain call, also with
    respect to Tensors that `function` reads without being given them, like the parameters of a
    module. Where nothing is recorded or tracked it is just the call. Only structural zeros do not
    pass: an entry that a selection outside did not take is an ordinary 0 inside, and the other way.

    Parameters
    ----------
    function : callable
        Returns a Tensor, or tuples, lists or dicts of them. It must do the same when it is run
        again, and side effects happen again. It is given Tensors of its own: what it writes into
        them in place stays inside.
    *args, **kwargs
        Its arguments, with the values they have now: arrays are copied, and read-only to it.

    Returns
    -------
    Whatever `function` returns.

    Raises
    ------
    RecomputeError
        In the backward pass, if the second run computed or read something else than the first.

    Notes
    -----
    Random numbers are drawn again as they were: from NumPy's global state, and from each
    `numpy.random.Generator` or `numpy.random.RandomState` that can be reached from `function` and
    its arguments through closures, defaults, globals it names, bound objects, attributes and
    containers. After the second run they stand where they stood before it.

    With ``create_graph=True`` the graph of the second run is kept, as part of the gradient's.

    References
    ----------
    A. Griewank, A. Walther, "Algorithm 799: revolve", ACM TOMS 26 (2000), on the trade of memory
    for time; T. Chen, B. Xu, C. Zhang, C. Guestrin, "Training Deep Nets with Sublinear Memory
    Cost" (2016), whose segments these are.

    Examples
    --------
    >>> import autotensor as at, numpy as np
    >>> w = at.tensor([0.5, 2.0], requires_grad=True)
    >>> def segment(x):
    ...     return np.tanh(w * x) ** 2
    >>> x = at.tensor([1.0, -1.0], requires_grad=True)
    >>> np.sum(at.checkpoint(segment, x)).backward()
    >>> x.grad, w.grad
    (tensor([ 0.36343099, -0.27243737]), tensor([0.72686198, 0.13621869]))
    """
    if not recording() or mode.get() & TRACE:
        return function(*args, **kwargs)
    call = _Call(function, args, kwargs)
    first = call.run()
    if not first.inputs:
        return first.result
    call.remember(first)
    count = len(call.inputs)
    plan = RECOMPUTE.plan((1 << count) - 1, count + 1, False)
    node = Node(plan, (*call.inputs, None), (call,), {}, (), _MANY)
    places = iter(range(len(first.roots)))

    def cut(value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.requires_grad:
            return value
        data = np.array(value._data)[()]  # it may be a view of what others hold
        return record(CHECKPOINT, 1, (node,), (), data, {"place": next(places)})

    return _mapped(cut, first.result)


class _Kept(NamedTuple):
    """An argument that was a Tensor: its value at the time of the call, its node if tracked."""

    value: Tensor
    node: Node | Leaf | None


class _Run(NamedTuple):
    """What came of running the function once.

    `made` are the nodes of its graph, `roots` those of its tracked results. `inputs` has what the
    graph begins with: the node there, and who it is: the place of an argument, or the node itself.
    """

    result: Any
    roots: list[Any]
    made: list[Node]
    inputs: dict[Node | Leaf, Any]
    checksum: int


class _Call:
    """A call that can be made again."""

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.function = function
        self.given = _mapped(_kept, (args, kwargs))
        # Recording or not, and whatever else is on or off for the code that runs now.
        self.context = contextvars.copy_context()
        self.random = random_states(function, args, kwargs)

    def remember(self, first: _Run) -> None:
        """Note what the run met, to find it again."""
        self.who = list(first.inputs.values())
        self.inputs = [
            node if node is who else node.parents[0] for node, who in first.inputs.items()
        ]
        self.checksum = first.checksum

    def run(self) -> _Run:
        """Run the function on aliases of the arguments."""
        aliases: list[Any] = []

        def opened(value: Any) -> Any:
            if not isinstance(value, _Kept):
                return value
            if value.node is None:
                return value.value.detach()
            alias = open_alias(Tensor(value.value._data, value.node))
            aliases.append(alias._node)
            return alias

        args, kwargs = _mapped(opened, self.given)
        start = Leaf((), _MANY).number
        result = self.function(*args, **kwargs)
        outputs: list[Tensor] = []
        _mapped(lambda v: outputs.append(v) if isinstance(v, Tensor) else None, result)
        roots = [y._node for y in outputs if y.requires_grad]
        made, outside = _reached(roots, start)
        places = {alias: place for place, alias in enumerate(aliases)}
        outside.sort(key=lambda node: places.get(node, len(places) + node.number))
        inputs = {node: places.get(node, node) for node in outside}
        # All that a gradient depends on: results alone can be equal where it is not, as for w**2
        # when w has changed its sign.
        order: dict[Any, int] = {node: i for i, node in enumerate([*made, *outside])}
        values = [(order.get(y._node), y._data) for y in outputs]
        held = [
            (node.plan.op.name, [order.get(p, p) for p in node.parents], node.kept, node.options)
            for node in made
        ]
        return _Run(result, roots, made, inputs, _checksum((values, held)))

    def again(self) -> tuple[list[Any], list[Any]]:
        """Run it as it was run first; the nodes of its results, and of aliases of its inputs."""
        with _tracked(self.inputs), replayed(self.random):
            return self.context.copy().run(self._again)

    def _again(self) -> tuple[list[Any], list[Any]]:
        # The walk is to end at aliases, because hooks of the inputs themselves would run twice.
        # They have to be older than the run: numbers rise from parents to children.
        stand_ins = {who: _alias(who) for who in self.who if type(who) is not int}
        run = self.run()
        if run.checksum != self.checksum or set(run.inputs.values()) != set(self.who):
            raise errors.recomputed_otherwise(_name(self.function))
        for node in run.made:
            if any(parent in stand_ins for parent in node.parents):
                node.parents = tuple([stand_ins.get(p, p) for p in node.parents])
        aliases = {who: node for node, who in run.inputs.items()} | stand_ins
        return [stand_ins.get(root, root) for root in run.roots], [aliases[w] for w in self.who]

    def pull(self, cotangents: dict[int, Any]) -> list[Any]:
        """The cotangents of the inputs, from those of the results in their places."""
        roots, inputs = self.again()
        recorded = isinstance(next(iter(cotangents.values())), Tensor)
        with enable_grad() if recorded else no_grad():
            seeds: dict[Any, Any] = {}
            for place, g in cotangents.items():
                root = roots[place]
                seeds[root] = seeds[root] + g if root in seeds else g
            found = reverse(seeds, set(inputs), wrap=Tensor if recorded else None)
        return [found.get(node, _zeros(node)) for node in inputs]

    def push(self, tangents: dict[int, Any]) -> list[Any]:
        """The tangents of the results, from those of the inputs in their places."""
        roots, inputs = self.again()
        recorded = any(isinstance(t, Tensor) for t in tangents.values())
        with enable_grad() if recorded else no_grad():
            start = {inputs[place]: t for place, t in tangents.items()}
            found = forward(roots, start, Tensor, record=recorded)
        return [found.get(root, _zeros(root)) for root in roots]


# -- the two ops ----------------------------------------------------------------------------------

# The dtype of a recompute node, which stands for several results at once.
_MANY = np.dtype(object)


class _Cotangents(Deferred):
    """The cotangents of the results of a call, by their places: what comes down to its node."""

    __slots__ = ("of_inputs", "values")
    shape = ()

    def __init__(self, place: int, g: Any) -> None:
        self.values = {place: g}
        self.of_inputs: list[Any] | None = None

    def absorb(self, other: Any) -> bool:
        self.values |= other.values
        return True

    def add_to(self, total: Any, mine: bool) -> _Cotangents:
        return self

    def of_input(self, call: _Call, place: int) -> Any:
        """The cotangent of one input; the first one asked for makes the call again."""
        if self.of_inputs is None:
            self.of_inputs = call.pull(self.values)
        return self.of_inputs[place]


class _Tangents:
    """The tangents of the inputs of a call, by their places: what goes up from its node."""

    __slots__ = ("call", "of_inputs", "of_results")
    shape = ()
    dtype = _MANY

    def __init__(self, call: _Call, of_inputs: dict[int, Any]) -> None:
        self.call = call
        self.of_inputs = of_inputs
        self.of_results: list[Any] | None = None

    def __add__(self, other: _Tangents) -> _Tangents:
        return _Tangents(self.call, self.of_inputs | other.of_inputs)

    def of_result(self, place: int) -> Any:
        """The tangent of one result; the first one asked for makes the call again."""
        if self.of_results is None:
            self.of_results = self.call.push(self.of_inputs)
        return self.of_results[place]


RECOMPUTE = Op(
    checkpoint,
    "rule",
    "[inputs], call",
    {
        "inputs": lambda g, call, i: g.of_input(call, i),
        # Never tracked: the call is an input so that it is kept, and freed, as an array would be.
        "call": lambda g: g,
    },
    jvps={"inputs": lambda t, call, i: _Tangents(call, {i: t})},
    name="recompute",
)
CHECKPOINT = Op(
    operator.getitem,
    "rule",
    "results, place",
    {"results": lambda g, place: _Cotangents(place, g)},
    jvps={"results": lambda t, place: t.of_result(place)},
    name="checkpoint",
)

# -- graphs ---------------------------------------------------------------------------------------


def _reached(roots: Iterable[Any], start: int) -> tuple[list[Node], list[Node | Leaf]]:
    """The nodes below `roots` that were made since `start`, and those outside that they meet.

    A leaf is outside whenever it was made, because its gradient is asked for by itself.
    """
    made: list[Node] = []
    outside: list[Node | Leaf] = []
    seen = dict.fromkeys(roots)  # in order, so that two runs are walked alike
    stack = list(seen)
    while stack:
        node = stack.pop()
        if node.plan is None or node.number < start:
            if node.requires_grad:
                outside.append(node)
            continue
        made.append(node)
        for slot in node.plan.slots:
            parent = node.parents[slot]
            if parent not in seen:
                seen[parent] = None
                stack.append(parent)
    return made, outside


def _alias(node: Node | Leaf) -> Any:
    """The node of an alias of whatever tensor `node` belongs to."""
    value = np.broadcast_to(node.dtype.type(0), node.shape)  # an alias has no use for it
    return open_alias(Tensor(value, node))._node


@contextmanager
def _tracked(nodes: Iterable[Node | Leaf]) -> Iterator[None]:
    """Track, for the block, the leaves that were tracked once, like the aliases of a transform."""
    frozen = [node for node in nodes if isinstance(node, Leaf) and not node.requires_grad]
    for leaf in frozen:
        leaf.requires_grad = True
    try:
        yield
    finally:
        for leaf in frozen:
            leaf.requires_grad = False


def _zeros(node: Node | Leaf) -> Any:
    return np.zeros(node.shape, node.dtype)[()]


# -- values ---------------------------------------------------------------------------------------


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """`value` with everything in its tuples, lists and dicts replaced by ``function`` of it."""
    kind = type(value)
    if kind is tuple or kind is list:
        return kind([_mapped(function, v) for v in value])
    if kind is dict:
        return {key: _mapped(function, v) for key, v in value.items()}
    return function(value)


def _kept(value: Any) -> Any:
    """An argument as it is now, whatever is written to it later."""
    if isinstance(value, Tensor):
        return _Kept(value.detach(), value._node if value.requires_grad else None)
    if isinstance(value, np.ndarray):
        value = np.array(value, subok=True)
        value.flags.writeable = False
    return value


def _checksum(value: Any, crc: int = 0) -> int:
    """A number that tells values apart: those of arrays and scalars, also inside containers."""
    if isinstance(value, (np.ndarray, np.generic)):
        crc = zlib.crc32(f"{value.dtype}{value.shape}".encode(), crc)
        if value.dtype.char in "gG":  # their padding holds anything
            with np.errstate(all="ignore"):
                value = value.astype("D" if value.dtype.kind == "c" else "d")
        return zlib.crc32(np.ascontiguousarray(value).data, crc)
    if isinstance(value, (tuple, list)):
        for part in value:
            crc = _checksum(part, crc)
    elif isinstance(value, dict):
        crc = _checksum([*value.items()], crc)
    elif isinstance(value, _Call):
        crc = _checksum(value.checksum, crc)
    elif type(value) in SCALARS or isinstance(value, (str, slice)):
        crc = zlib.crc32(repr(value).encode(), crc)
    return crc


def _name(function: Any) -> str:
    return getattr(function, "__name__", None) or type(function).__name__
