"""Graphs as `autotensor.graph` makes them, built by hand: of every kind that a picture can show."""

import random

from autotensor.drawing.data import Vertex, edges_of

INFIX = {"add", "subtract", "multiply", "matmul"}


class Net:
    """Vertices one after the other; `backward` adds the rules of the ops below a loss."""

    def __init__(self):
        self.vertices = []

    def add(self, kind, name=None, shape=(), **facts):
        facts.setdefault("dtype", "float64")
        self.vertices.append(Vertex(len(self.vertices) + 1, kind, name, shape, **facts))
        return len(self.vertices)

    def leaf(self, name, shape=(), **facts):
        return self.add("leaf", name, shape, **facts)

    def op(self, op, /, *arguments, name=None, shape=None, **facts):
        if shape is None:
            shape = self.vertices[arguments[0] - 1].shape
        return self.add("op", name, shape, op=op, arguments=arguments, **facts)

    def replace(self, id, **facts):
        self.vertices[id - 1] = self.vertices[id - 1]._replace(**facts)

    def backward(self, loss):
        """The backward pass of `loss`, as rules would compute it."""
        forward = list(self.vertices)
        seed = self.add("constant", "seed", (), of=loss, value="1")
        found = {loss: seed}
        for vertex in reversed(forward):
            if vertex.kind != "op" or vertex.id not in found:
                continue
            g = found[vertex.id]
            for position, argument in enumerate(vertex.arguments):
                if isinstance(argument, str) or forward[argument - 1].kind == "constant":
                    continue
                pulled = self._rule(vertex, position, g, forward[argument - 1].shape)
                if argument in found:
                    pulled = self._made(vertex, "add", found[argument], pulled)
                found[argument] = pulled
        for vertex in forward:
            if vertex.kind == "leaf" and vertex.id in found:
                self.replace(found[vertex.id], gradient=vertex.id)
        return found

    def _made(self, vertex, op, *arguments, shape=None):
        return self.op(op, *arguments, shape=shape, of=vertex.id)

    def _rule(self, vertex, position, g, shape):
        a, *rest = vertex.arguments
        if vertex.op == "matmul" and position == 0:
            turned = self._made(vertex, "transpose", rest[0])
            return self._made(vertex, "matmul", g, turned, shape=shape)
        if vertex.op == "matmul":
            turned = self._made(vertex, "transpose", a)
            return self._made(vertex, "matmul", turned, g, shape=shape)
        if vertex.op == "multiply":
            return self._made(vertex, "multiply", g, vertex.arguments[1 - position], shape=shape)
        if vertex.op in ("tanh", "softmax"):
            square = self._made(vertex, "square", vertex.id, shape=shape)
            slope = self._made(vertex, "subtract", "1", square, shape=shape)
            return self._made(vertex, "multiply", g, slope, shape=shape)
        if vertex.op == "relu":
            mask = self._made(vertex, "greater", a, "0", shape=shape)
            return self._made(vertex, "multiply", g, mask, shape=shape)
        if vertex.op == "square":
            double = self._made(vertex, "multiply", "2", a, shape=shape)
            return self._made(vertex, "multiply", g, double, shape=shape)
        if vertex.op == "mean":
            return self._made(vertex, "broadcast_to", g, shape=shape)
        if vertex.op == "subtract" and position:
            return self._made(vertex, "negative", g, shape=shape)
        if vertex.op in ("add", "subtract") and shape != vertex.shape:
            return self._made(vertex, "sum", g, shape=shape)
        return g


def tour(backward=False):
    """A layer, relu and the mean square, as the demo trains it."""
    net = Net()
    x = net.add("constant", "x", (64, 3), bytes=1536)
    w = net.leaf("w", (3, 8), grad=0.0213 if not backward else None, bytes=192)
    b = net.leaf("b", (8,), grad=1.37 if not backward else None, bytes=64)
    y = net.add("constant", "y", (64, 8), bytes=4096)
    z = net.op("matmul", x, w, name="z", shape=(64, 8), kept=1536, line="tour.py:12", bytes=4096)
    s = net.op("add", z, b, scope="dense", bytes=4096)
    h = net.op("relu", s, name="h", kept=512, bytes=4096)
    d = net.op("subtract", h, y)
    q = net.op("square", d, kept=4096)
    loss = net.op("mean", q, name="loss", shape=(), root=True, value="12.41", grad=1.0)
    if backward:
        net.backward(loss)
    return net.vertices


def mlp(depth=4, backward=True, op="tanh"):
    net = Net()
    h = net.add("constant", "x", (32, 16))
    for i in range(depth):
        w, b = net.leaf(f"layers.{i}.weight", (16, 16)), net.leaf(f"layers.{i}.bias", (16,))
        z = net.op("add", net.op("matmul", h, w, shape=(32, 16)), b)
        h = net.op(op, z, name=f"h{i}")
    loss = net.op("mean", net.op("square", h), name="loss", shape=(), root=True)
    if backward:
        net.backward(loss)
    return net.vertices


def _block(net, x, i, opened=True):
    scope = f"block/{i}"
    shape = (128, 64)

    def leaf(name, shape):
        return net.leaf(f"blocks.{i}.{name}", shape, scope=scope)

    def op(name, /, *arguments, **facts):
        return net.op(name, *arguments, scope=scope, shape=facts.pop("shape", shape), **facts)

    q, k, v = (op("matmul", x, leaf(n, (64, 64))) for n in ("query", "key", "value"))
    scores = op("matmul", q, op("transpose", k, shape=(64, 128)), shape=(128, 128))
    scaled = op("multiply", scores, "0.125", shape=(128, 128))
    weights = op("softmax", scaled, shape=(128, 128), name="attention")
    mixed = op("matmul", op("matmul", weights, v), leaf("output", (64, 64)))
    x = op("add", x, mixed)
    inner = op("add", op("matmul", x, leaf("up", (64, 256)), shape=(128, 256)), leaf("b", (256,)))
    inner = op("relu", inner, shape=(128, 256))
    return op("add", x, op("matmul", inner, leaf("down", (256, 64))))


def transformer(blocks=24, backward=False):
    """Attention and a feed-forward part in every block, with residuals."""
    net = Net()
    x = net.op(
        "getitem",
        net.leaf("embedding", (1000, 64)),
        shape=(128, 64),
        options=(("index", "array(128,)"),),
    )
    for i in range(blocks):
        x = _block(net, x, i)
    loss = net.op("mean", net.op("square", x), name="loss", shape=(), root=True)
    if backward:
        net.backward(loss)
    return net.vertices


def folded(vertices, repeats=True):
    """`vertices` with each scope as one box, or all scopes that follow each other as one."""
    groups = {}
    for v in vertices:
        if v.scope:
            groups.setdefault((v.scope.split("/")[0] if repeats else v.scope, v.of > 0), []).append(
                v
            )
    home = {}
    boxes = {}
    for (scope, aside), members in groups.items():
        id = members[-1].id
        ids = tuple(v.id for v in members)
        home |= dict.fromkeys(ids, id)
        boxes[id] = Vertex(
            id,
            "fold",
            scope,
            members[-1].shape,
            "float64",
            members=ids,
            scope=scope,
            repeats=len({v.scope for v in members}),
            of=members[0].of if aside else 0,
        )
    for v in vertices:
        if v.id not in home:
            boxes[v.id] = v
    result = []
    for id in sorted(boxes):
        box = boxes[id]
        inputs = [v for v in vertices if home.get(v.id, v.id) == id]
        arguments = [
            home.get(a, a) if isinstance(a, int) else a for v in inputs for a in v.arguments
        ]
        if box.kind == "fold":
            arguments = list(dict.fromkeys(a for a in arguments if isinstance(a, int) and a != id))
        result.append(box._replace(arguments=tuple(arguments)))
    return result


def random_graph(count=60, seed=0, reach=12):
    draw = random.Random(seed)
    net = Net()
    for i in range(1, count + 1):
        if i < 5 or draw.random() < 0.12:
            net.leaf(f"p{i}", (8, 8))
        else:
            inputs = [draw.randrange(max(1, i - reach), i) for _ in range(draw.choice([1, 2, 2]))]
            net.op(["tanh", "add"][len(inputs) - 1], *inputs)
    used = {a for v in net.vertices for a in v.arguments}
    for v in list(net.vertices):
        if v.id not in used and v.kind == "op":
            net.replace(v.id, root=True)
    return net.vertices


def with_nan():
    net = Net()
    x = net.leaf("x", (12,), grad=float("nan"))
    y = net.op("log", x, bad="1 NaN of 12 at [3]", name="y")
    z = net.op("multiply", y, "2", bad="1 NaN of 12 at [3]")
    net.op("sum", z, name="loss", shape=(), root=True, value="nan", bad="NaN")
    return net.vertices


def everything():
    """One of each thing that can be shown, for the golden files."""
    net = Net()
    x = net.add("constant", "x", (3,), value="[1, 2, 3]", bytes=24)
    w = net.leaf("w", (3,), grad=0.0125, bytes=24)
    p = net.op("multiply", x, w, name="p", kept=24, bytes=24, line="net.py:3", scope="head")
    s = net.op("log", p, bad="1 NaN of 3 at [0]")
    f = net.add("fold", "block", (3,), arguments=(s, w), members=tuple(range(100, 131)), repeats=24)
    loss = net.op("sum", f, name="loss", shape=(), root=True, value="nan", grad=1.0, bad="NaN")
    net.add("constant", "seed", (), of=loss, value="1")
    b = net.op("broadcast_to", 7, shape=(3,), of=loss)
    b = net.add("fold", "block", (3,), arguments=(b, s), members=(140, 141), repeats=24, of=f)
    d = net.op("divide", b, p, of=s)
    net.op("multiply", d, x, of=p, gradient=w)
    return net.vertices


def long_names():
    net = Net()
    a = net.leaf("a_rather_long_name_of_a_weight_in_a_deeply_nested_model.1234", (512, 512))
    b = net.leaf("損失関数の重み行列テンソル" * 4, (512, 512), dtype="float32")
    c = net.op("einsum", a, b, name="テンソル", options=(("subscripts", "'ij,jk->ik'"),))
    net.op("sum", c, shape=(), root=True, options=(("axis", "(0, 1)"), ("keepdims", "True")))
    return net.vertices


def one(**facts):
    net = Net()
    net.leaf("x", **facts)
    return net.vertices


def roots():
    net = Net()
    x = net.leaf("x", (4,))
    for name in ("sin", "cos", "exp"):
        net.op(name, x, root=True, name=name[0])
    return net.vertices


NAMED = {
    "tour": tour,
    "tour-backward": lambda: tour(backward=True),
    "mlp-backward": mlp,
    "relu-backward": lambda: mlp(op="relu", depth=2),
    "blocks-folded": lambda: folded(transformer()),
    "blocks-unfolded": lambda: folded(transformer(), repeats=False),
    "blocks-3": lambda: transformer(3),
    "blocks-1-backward": lambda: transformer(1, backward=True),
    "random-60": random_graph,
    "random-60-1": lambda: random_graph(seed=1),
    "nan": with_nan,
    "0-d": lambda: one(value="3"),
    "empty": lambda: one(shape=(0, 3)),
    "nothing": list,
    "roots": roots,
    "long-names": long_names,
    "everything": everything,
}


def drawn(name):
    vertices = NAMED[name]()
    return vertices, edges_of(vertices)
