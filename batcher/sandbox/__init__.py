"""An images gateway on this machine, to rehearse against for nothing.

It speaks real HTTP, draws real pictures, limits, charges and journals, and plays every
way in which gateways are known to misbehave (`list_faults`). A prompt can ask for one
itself: `sandbox:truncate` meets it at every attempt, `sandbox:truncate*2` at the first
two. It shares no code with the rest of batcher, so that neither hides the other's bugs.

Sources given as `§2.4` or as a number are sections of the gateway notes, and items of
their checklist (`reference/gateway.md`).
"""

from batcher.sandbox.faults import FaultRule, list_faults, parse_faults
from batcher.sandbox.journal import Journal
from batcher.sandbox.options import SandboxOptions, parse_latency
from batcher.sandbox.server import Sandbox, serve

__all__ = [
    "FaultRule",
    "Journal",
    "Sandbox",
    "SandboxOptions",
    "list_faults",
    "parse_faults",
    "parse_latency",
    "serve",
]
