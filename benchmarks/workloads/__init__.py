"""What is timed, by name: at the size that the README shows, at a smaller and a larger one."""

from benchmarks.contenders import Workload
from benchmarks.workloads import (
    attention,
    chain,
    cnn,
    deep_chain,
    elementwise,
    gather,
    mlp,
    rnn,
    training,
)

WORKLOADS: dict[str, list[Workload]] = {
    "training-step": training.WORKLOADS,
    "chain": chain.WORKLOADS,
    "deep-chain": deep_chain.WORKLOADS,
    "elementwise": elementwise.FLOAT64,
    "elementwise-float32": elementwise.FLOAT32,
    "rnn": rnn.WORKLOADS,
    "gather": gather.WORKLOADS,
    "cnn": cnn.WORKLOADS,
    "mlp": mlp.WORKLOADS,
    "attention": attention.WORKLOADS,
}
