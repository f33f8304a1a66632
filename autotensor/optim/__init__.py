"""Optimizers: published update formulas on plain arrays, one file per family."""

from autotensor.optim.adam import Adam as Adam
from autotensor.optim.adam import AdamW as AdamW
from autotensor.optim.optimizer import Optimizer as Optimizer
from autotensor.optim.sgd import SGD as SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
