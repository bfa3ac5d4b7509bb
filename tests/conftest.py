"""How hypothesis looks for counterexamples.

The suite says the same each time it is run, however busy the machine is: the examples
follow from the test, and none has a time limit of its own. To look elsewhere, run
`pytest tests/unit --hypothesis-profile=default`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")
