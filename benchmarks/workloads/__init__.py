"""What is timed, by name: at the size that the README shows, at a smaller and a larger one."""

from benchmarks.contenders import Workload
from benchmarks.workloads import attention, chain, deep_chain, mlp, training

WORKLOADS: dict[str, list[Workload]] = {
    "training-step": training.WORKLOADS,
    "chain": chain.WORKLOADS,
    "deep-chain": deep_chain.WORKLOADS,
    "mlp": mlp.WORKLOADS,
    "attention": attention.WORKLOADS,
}
