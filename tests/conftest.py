"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A machine may be busy with other work: how fast it draws examples decides no test.
settings.register_profile("on any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("on any machine")
