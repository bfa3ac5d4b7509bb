"""What holds for every test: how hypothesis looks for counterexamples, and Ctrl-C.

The suite says the same each time it is run, however busy the machine is: the examples
follow from the test, and none has a time limit of its own. To look elsewhere, run
`pytest tests/unit --hypothesis-profile=default`.
"""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# In the background of a script it is ignored, also by the commands that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")
