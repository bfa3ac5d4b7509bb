"""The ways in which the sandbox can misbehave, as one table, and who meets which."""

from batcher.sandbox.faults.choice import (
    FAULTS,
    FaultRule,
    choose,
    list_faults,
    parse_faults,
)
from batcher.sandbox.faults.fault import HONEST, Call, Fault, Fetch

__all__ = [
    "FAULTS",
    "HONEST",
    "Call",
    "Fault",
    "FaultRule",
    "Fetch",
    "choose",
    "list_faults",
    "parse_faults",
]
