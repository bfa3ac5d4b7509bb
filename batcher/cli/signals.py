"""Has signals interrupt a run."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batcher.control import Control

INTERRUPTIONS = {signal.SIGINT: 130, signal.SIGTERM: 143}
HUNG_UP = 129


def attend_signals(control: Control) -> None:
    """Pass signals on to a run of the running event loop.

    SIGHUP says that whoever began the run is gone: a terminal that was closed, or a
    fleet's driver that was killed, which its children are told by each of its threads
    as it dies (see `engines.leash`). Under `nohup` it is ignored, as that asks.
    """
    loop = asyncio.get_running_loop()
    for number, code in INTERRUPTIONS.items():
        loop.add_signal_handler(number, control.interrupt, code)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, control.hang_up, HUNG_UP)
