"""Everything that is decided before anything is sent.

Takes the brief, reads the ledger and makes the plan. Writes nothing.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from batcher.brief import read_brief
from batcher.choice import Choice
from batcher.config import DEFAULT_MODEL, NO_ENDPOINT, Endpoint
from batcher.errors import ManifestError, StoreError, UsageError
from batcher.excerpt import MOST_WALKED, Excerpt
from batcher.ledger import FILE_NAME, Reading, State, read_ledger
from batcher.ledger.event import Retry, encode
from batcher.ledger.presence import presence
from batcher.manifest import Expansion, Problems
from batcher.manifest.duplicate import Repetitions, name_clashes
from batcher.marks import SELECTS_NONE, read_where
from batcher.models import Problem
from batcher.options import Options, check_options
from batcher.orphan import Gone, check_owner, compare
from batcher.planner import Planner, key_of
from batcher.record import request_fields
from batcher.selection import Selection
from batcher.stores import LocalDirectory, open_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from batcher.models import Request
    from batcher.plan import Plan


class Job:
    """A run that is ready to start.

    Args:
        options: What was asked.
        environment: The environment's variables.
        most_walked: How many requests may be walked, see `excerpt`.
        checking: Passes the manifest's requests on, as they are checked.

    Attributes:
        options: What was asked.
        out: The run directory as the user named it; it may not exist yet.
        directory: The same, to read from.
        shard: Which part of how many, `(2, 5)`; None for all.
        endpoint: Where to send; None only for a plan that nothing needs it for.
        settings: How to go about it.
        expansion: The manifest's requests.
        reading: The ledger as it stands.
        choice: Which ended requests are sent again.
        plan: What the run will do, an estimate where `excerpt.refusal` says so.
        excerpt: What of the manifests' requests is looked at.
        count: The requests asked for, by where they stand.
        remarks: What deserves a look, with its place.
        accepts: Ids that were bought and that this run accepts to lack.
    """

    def __init__(
        self,
        options: Options,
        environment: Mapping[str, str],
        *,
        most_walked: int = MOST_WALKED,
        checking: Callable[[Iterator[Request]], Iterator[Request]] = iter,
    ) -> None:
        self._checking = checking
        self.options = options
        self.environment = environment
        check_options(options)
        self._where = read_where(options.where, options.marks)
        self._is_chosen: dict[int, bool] = {}
        brief = read_brief(options, environment, most_walked=most_walked)
        manifests = brief.manifests
        self.remarks = [remark for m in manifests for _, remark in m.remarks]
        self.endpoint, self.fallbacks = brief.endpoint, brief.fallbacks
        self.settings = brief.settings
        self.shard = brief.selection.shard
        self.out = options.out or default_out([each.name for each in manifests])
        self.directory = open_directory(self.out)
        model = self.endpoint.model if self.endpoint else DEFAULT_MODEL
        whole = Expansion(
            manifests,
            model=model,
            overrides=options.fields,
            each=self.settings.duplicates == "each",
        )
        self.excerpt = Excerpt(whole, brief.selection, most=most_walked)
        if self._where is not None:
            self.excerpt.check_size()
        self.expansion = self.excerpt.expansion
        self.remarks += self.excerpt.remarks
        self.choice = Choice.of(
            options.retry,
            retry_unknown=self.settings.on_unknown == "retry",
            buy_lost_urls=self.settings.on_lost_url == "buy",
        )
        self.reading = self._read_ledger()
        self._selection = self.excerpt.selection
        self._in_shard = 0
        self._own_keys: frozenset[int] | None = None
        self._repetitions = Repetitions()
        self.plan = self._make_plan()

    @property
    def folder(self) -> Path | None:
        """The run directory's folder; None in an object store."""
        directory = self.directory
        return directory.folder if isinstance(directory, LocalDirectory) else None

    @property
    def is_shared(self) -> bool:
        """Tell whether others may work in the run directory at the same time.

        A driver does, also where it has but one shard to hand out.
        """
        is_handed_out = self.options.orders_after is not None
        return self.folder is None or is_handed_out or (self.shard or (1, 1))[1] > 1

    def owns(self, id_: str) -> bool:
        """Tell whether a request is this run's, by the id that a ledger names.

        A shard of what is too much to be walked is known by its requests alone.
        """
        if self.excerpt.is_whole:
            try:
                return self.excerpt.selection.has_id(id_)
            except ValueError:  # none of ours: somebody else wrote it
                return False
        if self._own_keys is None:
            self._own_keys = frozenset(key_of(each.id) for each in self.expansion)
        return key_of(id_) in self._own_keys

    def requests(self) -> Iterator[Request]:
        """Walk what is asked for in this run, each request once.

        Raises:
            UsageError: It is too much to be walked.
        """
        self.excerpt.check_size()
        return self._asked()

    def _asked(self) -> Iterator[Request]:
        asked = filter(self._is_asked, self._unique())
        return self._selection.choose(asked, self._in_shard)

    def _is_asked(self, request: Request) -> bool:
        """Tell whether `--where` selects a request, as it stood when first seen.

        Later it may stand elsewhere, and `--first` would then mean others.
        """
        if self._where is None:
            return True
        key = key_of(request.id)
        if key not in self._is_chosen:
            standing = self.reading.standings.get(request.id)
            fields = request_fields(request, standing)
            self._is_chosen[key] = self._where.matches(fields)
        return self._is_chosen[key]

    def _unique(self) -> Iterator[Request]:
        seen: set[int] = set()
        for request in self.expansion:
            key = key_of(request.id)
            if key not in seen:
                seen.add(key)
                yield request

    def _read_ledger(self) -> Reading:
        folder = self.folder
        if folder is not None and folder.exists() and not folder.is_dir():
            raise UsageError(f"--out: {self.out!r} is not a folder")
        try:
            return read_ledger(self.directory, holds=presence(self.directory))
        except StoreError as error:
            raise UsageError(str(error)) from error

    def _make_plan(self) -> Plan:
        planner = self._planner()
        problems = Problems()
        for request in self._counted(planner, problems):
            if self.options.force:
                self._put_back(request.id)
            planner.choose(request)
        if planner.clashes:
            again = self.expansion.checked(Problems())
            name_clashes(again, planner.clashes, problems)
        if planner.is_empty and self.excerpt.is_whole and not problems.total:
            file = self.expansion.manifests[0].path
            problems.add(file, None, None, "asks for nothing: it has no rows")
        if problems.total:
            raise ManifestError(problems.all())
        self.remarks += self._repetitions.told(self.expansion.checked(Problems()))
        self.count = planner.count
        gone = self._gone(planner.orphans())
        is_of_all = self._where is None and self._selection == Selection()
        self.accepts = gone.named(is_all=is_of_all or self.options.accept_changes)
        plan = planner.finish(
            changed=gone.changed,
            orphaned=len(gone.orphaned),
            accepted=len(gone.accepted),
        )
        plan = self.excerpt.estimate(plan, self._planner)
        if self._where is not None and plan.total == 0:
            remark = Problem(
                file="--where", line=None, field=None, message=SELECTS_NONE
            )
            self.remarks.append(remark)
        remarks = Counter(c for m in self.expansion.manifests for c, _ in m.remarks)
        warnings = dict(sorted((remarks + Counter(plan.warnings)).items()))
        return msgspec.structs.replace(plan, warnings=warnings)

    def _gone(self, orphans: frozenset[str]) -> Gone:
        """Tell what was bought and is gone, of a manifest that was walked to its end.

        Raises:
            UsageError: The ledger is another manifest's.
        """
        check_owner(
            orphans,
            self.reading,
            self.expansion,
            out=self.out,
            accepts_changes=self.options.accept_changes,
        )
        if not orphans or not self.excerpt.is_whole:
            return Gone()
        return compare(
            orphans,
            self.reading.standings,
            self.directory,
            every=self.expansion,
            asked=self.requests,
        )

    def _planner(self) -> Planner:
        prices = self.endpoint.prices if self.endpoint else ()
        return Planner(self.reading.standings, self.choice, prices)

    def _counted(self, planner: Planner, problems: Problems) -> Iterator[Request]:
        """Check every request of the manifest, and give those that are selected."""
        unique = self._added(planner, problems)
        if self._selection.is_sampled:
            in_shard = filter(self._selection.has_shard, unique)
            self._in_shard = sum(map(self._is_asked, in_shard))
            if not problems.total:
                yield from self._asked()
            return
        asked = unique if self._where is None else filter(self._is_asked, unique)
        yield from self._selection.choose(asked, 0)
        for _ in unique:
            pass

    def _added(self, planner: Planner, problems: Problems) -> Iterator[Request]:
        """Count every request of the manifest, and give each once."""
        for request in self._checking(self.expansion.checked(problems)):
            if planner.add(request):
                yield request
            else:
                self._repetitions.add(request)

    def _put_back(self, id_: str) -> None:
        """Let a kept request stand as pending, in this process alone.

        The ledger says that it is kept until its next attempt: a forced run that is
        stopped leaves those it did not come to as they were.
        """
        standings = self.reading.standings
        standing = standings.get(id_)
        if standing is None or standing.state is not State.SUCCEEDED:
            return
        line = Retry.put_back(id_, standing.attempts, "forced")
        if standing.open_usd is not None:  # a forced attempt was interrupted
            standings.take(encode(msgspec.structs.replace(line, maybe_billed=True)))
        standings.take(encode(line))


def default_out(names: Sequence[str]) -> str:
    """Name the run directory of manifests after the first of them.

    Raises:
        UsageError: It would be a new one, and another of them has one already: in
            another order they would have gone on there.
    """
    first, *others = [f"runs/{name}" for name in names]
    if not Path(first, FILE_NAME).exists():
        for other in others:
            if Path(other, FILE_NAME).exists():
                raise UsageError(
                    f"{other!r} holds what one of these manifests made, and {first!r}"
                    " would begin anew; choose one with --out"
                )
    return first


def require_endpoint(job: Job) -> Endpoint:
    """Give the job's endpoint; raises `UsageError` when nothing names one."""
    if job.endpoint is None:
        raise UsageError(NO_ENDPOINT)
    return job.endpoint
