"""Settings of the whole test run: hypothesis profiles, and a drawing backend without a screen."""

import os
import tempfile

import pytest
from hypothesis import HealthCheck, settings

# Set before anything imports matplotlib.
os.environ["MPLBACKEND"] = "Agg"

# Hypothesis caches what it learns about the source; it does so outside the tree, for this run only.
_hypothesis_home = tempfile.TemporaryDirectory(prefix="autotensor-hypothesis-")
os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = _hypothesis_home.name

# How long one example takes says more about the machine than about the code, hence no deadline;
# failing examples are printed (print_blob) to be made into tests, not kept in a database.
_common = {"deadline": None, "database": None, "print_blob": True}
settings.register_profile("dev", max_examples=30, **_common)
settings.register_profile("ci", max_examples=50, derandomize=True, **_common)
settings.register_profile(
    "intense",
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    **_common,
)
# `--hypothesis-profile` is read later than this and wins.
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_configure(config: pytest.Config) -> None:
    """Remove hypothesis' cache when the run ends."""
    config.add_cleanup(_hypothesis_home.cleanup)
