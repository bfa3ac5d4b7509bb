"""Becomes another program that is hung up on when its parent dies.

Run by path, not imported: `python leash.py PARENT PROGRAM ARGUMENT…`. A cluster's
worker that is killed takes its shard along this way (prctl(2), PR_SET_PDEATHSIG, which
outlives execve), and so the shard can be taken over at once. A parent of several
threads hands its children on from one to the next as it dies, and each time they are
told: so it is SIGHUP, which drains a run however often it comes, and never cancels it.

Set here rather than between fork and exec, where a process of many threads must not run
Python. Elsewhere than on Linux the shard would go on alone, fenced by its lease.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent, *program = sys.argv[1:]
    if sys.platform == "linux":
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the parent may be under nohup
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)
        if os.getppid() != int(parent):
            sys.exit("the worker died before its shard began")
    os.execv(program[0], program)  # noqa: S606 - the worker's own interpreter
