"""`batcher ctl`: hands on a running night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batcher.cli.words import usd

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from batcher.fleet import Crew
    from batcher.governor import Snapshot
    from batcher.remote import Command
    from batcher.stores import Directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", metavar="DIR", help="where the run writes")
    parser.add_argument(
        "name",
        metavar="COMMAND",
        help="pause, resume, stop, status, concurrency N, ipm N, rpm N, max-spend USD",
    )
    parser.add_argument("value", nargs="?", metavar="N")
    parser.add_argument("--json", action="store_true", help="where it stands as JSON")


def execute(parsed: argparse.Namespace) -> int:
    """Send one command and print where the run stands, or who is told."""
    from batcher.cli.encode import print_json  # noqa: PLC0415 - `--help` does without
    from batcher.remote import parse_command  # noqa: PLC0415
    from batcher.stores import open_directory  # noqa: PLC0415

    command = parse_command(parsed.name, parsed.value)
    reply = _told(open_directory(parsed.folder), command)
    if parsed.json:
        print_json(reply)
    else:
        for label, words in reply_rows(reply):
            print(f"{label:<14} {words}")
    return 0


def reply_rows(reply: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Say for people what a reply says for programs, label by label."""
    from msgspec import convert  # noqa: PLC0415 - `--help` does without

    from batcher.governor import Snapshot  # noqa: PLC0415 - see above

    for name, value in reply.items():
        if name == "in_flight":  # the first of those that are a standing
            yield from standing_rows(convert(reply, Snapshot, strict=False))
        elif name not in Snapshot.__struct_encode_fields__ and value:
            label = "kept" if name == "succeeded" else name.replace("_", " ")
            yield label, f"{value:,}" if isinstance(value, int) else str(value)


def standing_rows(standing: Snapshot) -> Iterator[tuple[str, str]]:
    """Say the pace and the money; what is not known, or nothing, is left out."""
    from batcher.cli.view import pause_words  # noqa: PLC0415 - see above

    yield "in flight", f"{standing.in_flight:,} of at most {standing.concurrency:,}"
    yield "pace", f"{standing.rate:,.1f} images/min"
    if standing.limit is not None:
        learned = ", as learned" if standing.is_learned else ""
        yield "limit", f"{standing.limit:,.1f} images/min{learned}"
    if standing.paused is not None:
        yield "paused", pause_words(standing)
    yield "spent", usd(standing.spent)
    if standing.reserved:
        yield "reserved", f"{usd(standing.reserved)} for what is in flight"
    if standing.unknown:
        yield "maybe billed", usd(standing.unknown)
    if standing.left is not None:
        yield "left to spend", usd(standing.left)


def _told(directory: Directory, command: Command) -> Mapping[str, object]:
    """Tell a fleet by a file, a run of this machine by its socket.

    Raises:
        UsageError: Nobody is at work, or the run refuses the command.
        StoreError: The run directory cannot be read or written.
    """
    from batcher.cli.folder import crew_of  # noqa: PLC0415 - see above
    from batcher.errors import UsageError  # noqa: PLC0415
    from batcher.remote import send  # noqa: PLC0415
    from batcher.stores import LocalDirectory  # noqa: PLC0415

    crew = crew_of(directory)
    if crew is not None:
        ask = _described if command.name == "status" else _ordered
        workers = {
            "workers": len(crew.shards),
            "shards": ", ".join(sorted(crew.shards)),
        }
        return {**ask(directory, command, crew), **workers}
    if isinstance(directory, LocalDirectory):
        return send(directory.folder, command)
    raise UsageError(f"no run is going on in {str(directory)!r}")


def _ordered(directory: Directory, command: Command, _: Crew) -> Mapping[str, object]:
    """Give an order to all workers, who read it at their next sign of life.

    Raises:
        UsageError: They cannot obey it.
    """
    from batcher import fleet  # noqa: PLC0415 - most runs are of one worker
    from batcher.errors import UsageError  # noqa: PLC0415
    from batcher.fleet.purse import has_purse  # noqa: PLC0415
    from batcher.ledger.event import now  # noqa: PLC0415

    if command.name == "max-spend" and not has_purse(directory):
        words = "counts no money as a whole: it began without max_spend, or just now"
        raise UsageError(
            f"this fleet {words}; stop it and go on with --max-spend {command.value}"
        )
    order = fleet.Order(name=command.name, value=command.value, at=now())
    return {"order": fleet.send(directory, order), "command": command.name}


def _described(directory: Directory, _: Command, crew: Crew) -> Mapping[str, object]:
    """Say where a fleet stands, as far as its ledger and its orders tell."""
    from batcher.control import described  # noqa: PLC0415 - see above
    from batcher.fleet_view import view_of  # noqa: PLC0415

    view = view_of(directory, crew)
    return described(view.count, view.snapshot(), "")
