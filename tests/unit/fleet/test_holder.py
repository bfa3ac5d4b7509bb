from __future__ import annotations

import os
import signal
import subprocess
import sys

import msgspec
import pytest

from batcher.fleet import Holder, Note
from batcher.fleet.holder import decoded, here


def encoded(holder: Holder) -> bytes:
    return msgspec.json.encode(holder)


def test_a_holder_names_this_process() -> None:
    holder = Holder()
    assert (holder.pid, holder.machine) == (os.getpid(), here())
    assert not holder.is_gone
    assert decoded(encoded(holder)) == holder


def test_its_note_goes_with_it() -> None:
    note = Note(session=3, slots=((1, 2), (4, 1)))
    assert decoded(encoded(Holder(note=note))).note == note


@pytest.mark.parametrize("data", [None, b"", b"{", b'{"pid": "x"}', b"[]"])
def test_what_cannot_be_read_names_nobody_and_is_not_known_to_be_gone(
    data: bytes | None,
) -> None:
    holder = decoded(data)
    assert holder.pid == 0
    assert not holder.is_gone


def test_a_process_that_was_killed_is_gone_before_its_parent_has_noticed() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = Holder(pid=process.pid)
    assert not holder.is_gone
    os.kill(process.pid, signal.SIGSTOP)
    assert not holder.is_gone, "a frozen one may send again"
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert holder.is_gone
    process.communicate()
    assert holder.is_gone


@pytest.mark.parametrize("machine", [None, "another boot pid:[1]"])
def test_of_another_machine_only_silence_tells(machine: str | None) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert not Holder(pid=process.pid, machine=machine).is_gone
    assert Holder(pid=process.pid).is_gone
