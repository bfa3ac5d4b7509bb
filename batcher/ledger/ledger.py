"""The open end of a ledger, wherever it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from batcher.ledger.event import Event
    from batcher.ledger.fold import Standings


class Ledger(Protocol):
    """Takes lines, in order, and folds each as it takes it.

    `append` and `safe` belong to the event loop; `sync` and `close` block, and `sync`
    may run in a thread at the same time as all of them. Whatever cannot be kept raises
    `StoreError`; what was acknowledged before stays kept.
    """

    @property
    def standings(self) -> Standings:
        """What the ledger says, the lines just appended included."""

    def append(self, event: Event) -> None:
        """Write one line; it need not be safe yet."""

    async def safe(self) -> None:
        """Return once all that was appended so far survives this process's death."""

    def sync(self) -> None:
        """Bring all that was appended so far to where it survives a power cut."""

    def close(self) -> None:
        """Sync, and let go."""
