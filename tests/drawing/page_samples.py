"""Graphs as plain data, made without computing anything: what a page is shown in tests."""

import random

import numpy as np

from autotensor.drawing.data import Pulled, Step, Vertex


class Builder:
    """Adds one vertex after the other; ids count up."""

    def __init__(self):
        self.vertices = []

    def add(self, kind, name=None, *, op="", arguments=(), shape=(8, 16), **more):
        vertex = Vertex(
            len(self.vertices) + 1, kind, name, shape, "float64", op=op, arguments=arguments, **more
        )
        self.vertices.append(vertex)
        return vertex.id

    def op(self, op, *arguments, **more):
        return self.add("op", op=op, arguments=arguments, kept=1024, bytes=1024, **more)

    def dense(self, x, scope, grad=None):
        w = self.add("leaf", "weight", shape=(16, 16), scope=scope, grad=grad)
        b = self.add("leaf", "bias", shape=(16,), scope=scope, grad=grad)
        return self.op("add", self.op("inner", x, w, scope=scope), b, scope=scope)

    def finish(self):
        self.vertices[-1] = self.vertices[-1]._replace(root=True)
        return tuple(self.vertices)


def network(blocks=24):
    """A transformer without its details: 17 vertices in a block."""
    net = Builder()
    x = net.add("constant", "tokens", shape=(8,))
    table = net.add("leaf", "embedding.weight", shape=(1000, 16), scope="embedding")
    x = net.op("getitem", table, x, scope="embedding")
    for i in range(blocks):
        attention, mlp = f"blocks/{i}/attention", f"blocks/{i}/mlp"
        q = net.dense(x, f"{attention}/query", grad=0.5**i)
        k = net.dense(x, f"{attention}/key")
        v = net.dense(x, f"{attention}/value")
        scores = net.op("matmul", q, net.op("transpose", k, scope=attention), scope=attention)
        mixed = net.op("matmul", net.op("softmax", scores, scope=attention), v, scope=attention)
        x = net.op("add", x, net.dense(mixed, f"{attention}/out"), scope=f"blocks/{i}")
        h = net.op("relu", net.dense(x, f"{mlp}/0"), scope=mlp)
        x = net.op("add", x, net.dense(h, f"{mlp}/1"), scope=f"blocks/{i}")
    y = net.dense(x, "head")
    target = net.add("constant", "target")
    net.op("mean", net.op("square", net.op("subtract", y, target)), name="loss", shape=())
    return net.finish()


def small(name="x"):
    """Two layers and a loss, 12 vertices, one of which is called `name`."""
    net = Builder()
    x = net.add("constant", name, shape=(8, 3))
    h = net.op("tanh", net.dense(x, "model/0", grad=0.02), scope="model", name="h")
    y = net.dense(h, "model/1", grad=3.0)
    d = net.op("subtract", y, net.add("constant", "target"))
    net.op("mean", net.op("multiply", d, d), name="loss", shape=(), value="12.41")
    return net.finish()


def scattered(count=60, seed=0):
    """Ops of one or two operands; nearly all of what is computed is used once, some of it again."""
    draw = random.Random(seed)
    net = Builder()
    unused = []
    while len(net.vertices) < count - len(unused) + 1:
        if len(unused) < 3 or draw.random() < 0.15:
            unused.append(net.add(draw.choice(["leaf", "constant"]), f"p{len(net.vertices)}"))
            continue
        operands = [unused.pop(draw.randrange(len(unused))) for _ in range(draw.choice([1, 2]))]
        if draw.random() < 0.25:
            operands.append(draw.randrange(1, len(net.vertices) + 1))
        op = ("tanh", "add", "where")[len(operands) - 1]
        unused.append(net.op(op, *operands))
    while len(unused) > 1:
        unused.append(net.op("multiply", unused.pop(0), unused.pop(0)))
    return net.finish()


def chain(count):
    net = Builder()
    x = net.add("leaf", "x")
    for _ in range(count - 1):
        x = net.op("tanh", x)
    return net.finish()


def with_backward(vertices):
    """The vertices with those of a backward pass, a product for every operand, and its steps."""
    by_id = {vertex.id: vertex for vertex in vertices}
    net = Builder()
    net.vertices = list(vertices)
    root = vertices[-1].id
    seed = net.add("constant", shape=(), value="1", of=root)
    cotangents, steps = {root: seed}, []
    for vertex in reversed(vertices):
        if vertex.kind != "op" or vertex.id not in cotangents:
            continue
        outgoing, made = [], []
        for position, operand in enumerate(vertex.arguments):
            shape = by_id[operand].shape
            made.append(
                net.op("multiply", cotangents[vertex.id], operand, of=vertex.id, shape=shape)
            )
            cotangent = np.full(shape, vertex.id / 8)
            argument = "xyz"[position]
            rule = f"lambda g, {argument}: g * {argument}"
            outgoing.append(Pulled(argument, rule, operand, cotangent))
            if operand in cotangents:
                made.append(net.op("add", cotangents[operand], made[-1], of=vertex.id, shape=shape))
            cotangents[operand] = made[-1]
        steps.append(Step(vertex.id, np.ones(vertex.shape), tuple(outgoing), tuple(made)))
    for id, gradient in cotangents.items():
        vertex = net.vertices[gradient - 1]
        net.vertices[gradient - 1] = vertex._replace(gradient=id)
    return tuple(net.vertices), tuple(steps)
