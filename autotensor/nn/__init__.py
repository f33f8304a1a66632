"""A small network layer, made of nothing but ops: no derivative is written here."""

from autotensor.nn.convolution import AvgPool2d as AvgPool2d
from autotensor.nn.convolution import Conv2d as Conv2d
from autotensor.nn.convolution import Flatten as Flatten
from autotensor.nn.convolution import MaxPool2d as MaxPool2d
from autotensor.nn.embedding import Embedding as Embedding
from autotensor.nn.functions import cross_entropy as cross_entropy
from autotensor.nn.functions import layer_norm as layer_norm
from autotensor.nn.layers import Dense as Dense
from autotensor.nn.layers import Relu as Relu
from autotensor.nn.layers import Sequential as Sequential
from autotensor.nn.losses import MSE as MSE
from autotensor.nn.losses import CrossEntropy as CrossEntropy
from autotensor.nn.module import Module as Module
from autotensor.nn.normalization import LayerNorm as LayerNorm
from autotensor.ops.activation import log_softmax as log_softmax
from autotensor.ops.activation import logsumexp as logsumexp
from autotensor.ops.activation import relu as relu
from autotensor.ops.activation import sigmoid as sigmoid
from autotensor.ops.activation import softmax as softmax
from autotensor.ops.convolution import conv2d as conv2d
from autotensor.ops.normalization import standardize as standardize
from autotensor.ops.pooling import avg_pool2d as avg_pool2d
from autotensor.ops.pooling import max_pool2d as max_pool2d

__all__ = [
    "MSE",
    "AvgPool2d",
    "Conv2d",
    "CrossEntropy",
    "Dense",
    "Embedding",
    "Flatten",
    "LayerNorm",
    "MaxPool2d",
    "Module",
    "Relu",
    "Sequential",
    "avg_pool2d",
    "conv2d",
    "cross_entropy",
    "layer_norm",
    "log_softmax",
    "logsumexp",
    "max_pool2d",
    "relu",
    "sigmoid",
    "softmax",
    "standardize",
]
