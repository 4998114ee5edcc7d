"""What holds for all tests: no machine is too slow for them, and pages of cases are written by one process alone."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# A machine may be busy with other work: how fast it draws examples decides no test.
settings.register_profile("on any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("on any machine")


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("UPDATE_CASES") and config.getoption("dist", "no") != "no":
        raise pytest.UsageError("UPDATE_CASES writes the pages of cases, which several processes cannot: leave -n out")
