"""What the figures were measured on: processor, versions, one thread."""

import os
import platform
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.contenders import LIBRARIES


def processor() -> str:
    """Name of the processor and how many cores the machine has."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} cores, of which one is used"


def versions() -> str:
    """Python, NumPy, and the libraries that are compared."""
    found = [f"Python {platform.python_version()}", f"numpy {np.__version__}"]
    for library in LIBRARIES.values():
        version = version_of(library)
        if version is None:
            missing = find_spec(library) is None
            version = "not installed" if missing else "from the checkout"
        found.append(f"{library} {version}")
    return ", ".join(found)


def version_of(library: str) -> str | None:
    """The version of a library that is installed, without what says how it was built."""
    try:
        return metadata.version(library).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def hold_to_one_thread() -> None:
    """Set what the environment variables of this package do not reach, and float64 for JAX."""
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
    if find_spec("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)
