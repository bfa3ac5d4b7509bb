"""What the ledger names and the manifest no longer asks for.

Either the manifest was edited, or the run directory is another one's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from batcher.choice import was_bought
from batcher.errors import UsageError
from batcher.ledger import FILE_NAME, names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from batcher.ledger import Reading, Standings
    from batcher.manifest import Expansion
    from batcher.models import Request
    from batcher.stores import Directory


MOST_NAMED = 10_000
"""Orphans that a run's line names; of more, none is known to be accepted."""


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """What was bought and is not asked for any more.

    Attributes:
        changed: Requests that have the name of one of them, and other content.
        orphaned: Ids of those whose name nobody has.
        accepted: Those of these that the last run was let go on without.
    """

    changed: int = 0
    orphaned: frozenset[str] = frozenset()
    accepted: frozenset[str] = frozenset()

    def named(self, *, is_all: bool) -> tuple[str, ...]:
        """Name the orphans that a run accepts to lack by going on.

        A run that sends nothing new accepts them, too: to remove a row, and to add
        none, is no edit of it. Rows that are added later are then bought unasked.

        Args:
            is_all: All of them: the user says so, or the run asks for the whole
                manifest, so that none of them was edited into what is not asked for.
        """
        named = self.orphaned if is_all else self.accepted
        return tuple(sorted(named)) if len(named) <= MOST_NAMED else ()


def compare(
    orphans: frozenset[str],
    standings: Standings,
    directory: Directory,
    *,
    every: Iterable[Request],
    asked: Callable[[], Iterable[Request]],
) -> Gone:
    """Tell the requests that replace bought ones, and the bought ones left over.

    Args:
        orphans: Ids that the ledger names and the manifest does not.
        standings: Where the ledger's requests stand.
        directory: Where the ledger is.
        every: The manifest's requests; may be walked again.
        asked: Gives those that are asked for in this run.
    """
    bought = frozenset(id_ for id_ in orphans if was_bought(standings.get(id_)))
    names = names_of(directory, bought) if bought else {}
    taken = taken_names(every, names) if names else frozenset()
    changed = sum(
        request.name in taken and standings.get(request.id) is None
        for request in (asked() if taken else ())
    )
    orphaned = frozenset(id_ for id_ in bought if names.get(id_) not in taken)
    before = standings.run.orphans if standings.run is not None else ()
    accepted = orphaned.intersection(before)
    return Gone(changed=changed, orphaned=orphaned, accepted=accepted)


def taken_names(
    requests: Iterable[Request], orphans: Mapping[str, str]
) -> frozenset[str]:
    """Find the names of orphaned requests that others have now.

    Args:
        requests: The manifest's requests.
        orphans: Names of the orphaned ids.
    """
    names = frozenset(orphans.values())
    return frozenset(request.name for request in requests if request.name in names)


def check_owner(
    orphans: frozenset[str],
    reading: Reading,
    expansion: Expansion,
    *,
    out: str,
    accepts_changes: bool,
) -> None:
    """Refuse a folder whose ledger is another manifest's, or another program's.

    Raises:
        UsageError: It is; the message names the manifests it was made from.
    """
    standings, file = reading.standings, f"{f'{out}/{FILE_NAME}'!r}"
    run = standings.run
    if reading.damaged and run is None and not len(standings):
        raise UsageError(
            f"{file} is no ledger that batcher can read; choose another --out"
        )
    if run is None or not len(standings) or len(orphans) < len(standings):
        return
    recorded = {Path(m.get("path", "")).name for m in run.manifests}
    own = {Path(m.path).name for m in expansion.manifests}
    if recorded and not recorded & own and not accepts_changes:
        raise UsageError(
            f"{file} is the ledger of {', '.join(sorted(recorded))};"
            " choose another --out, or add to it with --accept-changes"
        )
