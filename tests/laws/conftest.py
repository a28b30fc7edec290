"""Laws are judged by what they say, not by how busy the machine is; a quick run tries fewer examples."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings


def pytest_configure(config: pytest.Config) -> None:
    """Before the laws are read. Those that name their number of examples keep it."""
    examples = 25 if config.getoption("--quick") else 100
    settings.register_profile(
        "laws", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=examples
    )
    settings.load_profile("laws")
