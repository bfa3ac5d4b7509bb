"""Who holds a shard: a process, on a machine, since a time.

One that died on this very machine is known to be gone at once; of any other, only
silence tells.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from batcher.fleet.purse import Note

__all__ = ["TTL", "Holder", "decoded", "here"]

TTL = 60.0
"""Seconds after which a holder that does not write is taken for dead."""


def here() -> str | None:
    """Name what this process's number means something in; None where that is unknown.

    A boot of a machine and a namespace of process numbers: two containers of one host
    may count their processes apart (proc(5), `boot_id`; pid_namespaces(7)).
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    with suppress(OSError):
        return f"{boot.read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    return None


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a shard, for people, and what it has of the fleet's money.

    Attributes:
        host: Machine's name.
        machine: What `pid` is a number in, see `here`.
        pid: Process on it.
        since: When it began.
        ttl: Seconds of silence after which it may be taken for dead; 0 for unknown.
        note: What whoever holds the shard next has to know.
    """

    host: str = msgspec.field(default_factory=socket.gethostname)
    machine: str | None = msgspec.field(default_factory=here)
    pid: int = msgspec.field(default_factory=os.getpid)
    since: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    ttl: float = TTL
    note: Note = Note()

    @property
    def is_gone(self) -> bool:
        """Tell whether the process is surely dead; a frozen one is not."""
        if self.machine is None or self.machine != here():
            return False
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except FileNotFoundError:
            return not _is_there(self.pid)
        except OSError:
            return False
        # A killed process that its parent has not waited for runs no more (proc(5)).
        return stat.rpartition(")")[2].split()[0] in {"Z", "X"}


def _is_there(pid: int) -> bool:
    """Ask the kernel: another user's process may be hidden (proc(5), `hidepid`)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def decoded(data: bytes | None) -> Holder:
    """Read a holder's file; one that cannot be read names nobody."""
    try:
        return msgspec.json.decode(data or b"", type=Holder)
    except msgspec.DecodeError:
        epoch = datetime.fromtimestamp(0, UTC)
        return Holder(host="unknown", machine=None, pid=0, since=epoch, ttl=0.0)
