"""A small network layer, made of nothing but ops: no derivative is written here."""

from autotensor.nn.layers import Dense as Dense
from autotensor.nn.layers import Relu as Relu
from autotensor.nn.layers import Sequential as Sequential
from autotensor.nn.losses import MSE as MSE
from autotensor.nn.module import Module as Module
from autotensor.ops.activation import logsumexp as logsumexp
from autotensor.ops.activation import relu as relu
from autotensor.ops.activation import sigmoid as sigmoid
from autotensor.ops.activation import softmax as softmax

__all__ = [
    "MSE",
    "Dense",
    "Module",
    "Relu",
    "Sequential",
    "logsumexp",
    "relu",
    "sigmoid",
    "softmax",
]
