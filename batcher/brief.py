"""What was asked, with everything that has a say in it: before the ledger is read.

Reads the manifests and the configuration, finds the endpoint, merges the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from batcher.config import (
    DEFAULT_MODEL,
    Config,
    Endpoint,
    choose_endpoint,
    fallbacks,
    read_config,
)
from batcher.errors import ManifestError, UsageError
from batcher.excerpt import Excerpt
from batcher.fleet import shard_from
from batcher.manifest import Expansion, Manifest, Problems, read_manifest
from batcher.manifest.source import FORMATS, STDIN
from batcher.selection import Selection, parse_sample, parse_shard
from batcher.settings import Settings, checked_setting, merge_settings, settings_from

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from batcher.options import Options


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked.

    Attributes:
        manifests: What says what to generate.
        endpoint: Where to send; None only for a plan that nothing needs it for.
        fallbacks: Where to send what the endpoint cannot take.
        settings: How to go about it.
        selection: Which of the requests are asked for.
    """

    manifests: tuple[Manifest, ...]
    endpoint: Endpoint | None
    fallbacks: tuple[Endpoint, ...]
    settings: Settings
    selection: Selection


def read_brief(
    options: Options, environment: Mapping[str, str], *, most_walked: int
) -> Brief:
    """Find out what was asked.

    Args:
        options: The flags.
        environment: The environment's variables.
        most_walked: How many requests may be walked, see `excerpt`.

    Raises:
        ManifestError: The manifests have mistakes.
        UsageError: An option, a setting or the configuration is wrong.
    """
    problems = Problems()
    manifests = _read_manifests(options, problems)
    config = read_config(environment)
    above = {**settings_from(environment), **options.settings}
    _check_settings(manifests, problems, above)
    endpoint = _endpoint(config, options, environment)
    if endpoint is None:
        endpoint = _own_endpoint(config, manifests, problems)
    if problems.total:
        _check_requests(manifests, problems, most_walked)
        raise ManifestError(problems.all())
    return Brief(
        manifests=tuple(manifests),
        endpoint=endpoint,
        fallbacks=fallbacks(config, endpoint) if endpoint else (),
        settings=_settings(endpoint, options, manifests, environment),
        selection=_selection(options, environment),
    )


def _check_format(options: Options) -> None:
    if options.format is not None and STDIN not in options.manifests:
        raise UsageError("--format says what standard input holds; name - as manifest")
    if options.format not in (None, *FORMATS):
        known = ", ".join(FORMATS)
        raise UsageError(f"--format: expected one of {known}, got {options.format!r}")


def _read_manifests(options: Options, problems: Problems) -> list[Manifest]:
    """Read the manifests; mistakes go to `problems`, those of requests do not yet."""
    _check_format(options)
    manifests = [
        read_manifest(path, problems, options.format) for path in options.manifests
    ]
    return [manifest for manifest in manifests if manifest is not None]


def _check_requests(
    manifests: list[Manifest], problems: Problems, most_walked: int
) -> None:
    """Find what else is wrong with manifests that are, as far as one looks (P9)."""
    whole = Expansion(manifests, model=DEFAULT_MODEL, overrides={})
    excerpt = Excerpt(whole, Selection(), most=most_walked)
    for _ in excerpt.expansion.checked(problems):
        pass


class _Said(NamedTuple):
    """What a manifest says of the run as a whole, and where."""

    file: str
    line: int
    value: object


def _check_agreement(field: str, said: Iterable[_Said], problems: Problems) -> None:
    """Refuse what the manifests of one run say differently."""
    first, *others = said
    for file, line, value in others:
        if value != first.value:
            message = (
                f"differs from {first.file}:{first.line}, which says"
                f" {str(first.value)!r}; let both say the same, or a flag decide"
            )
            problems.add(file, line, field, message)


def _check_settings(
    manifests: list[Manifest], problems: Problems, above: Collection[str]
) -> None:
    """Check each manifest's settings, and that they agree but for those set above."""
    said: dict[str, list[_Said]] = {}
    for manifest in manifests:
        for name, node in manifest.settings.items():
            try:
                value = checked_setting(name, node.plain(), "settings")
            except UsageError as error:
                message = str(error).removeprefix("settings: ")
                message = message.removeprefix(f"{name}: ")
                problems.add(manifest.path, node.line, f"settings.{name}", message)
            else:
                here = _Said(manifest.path, node.line, value)
                said.setdefault(name, []).append(here)
    for name, values in said.items():
        if name not in above:
            _check_agreement(f"settings.{name}", values, problems)


def _endpoint(
    config: Config, options: Options, environment: Mapping[str, str]
) -> Endpoint | None:
    """Find the endpoint that a flag or a variable names, which beat the manifests."""
    base_url, named = options.base_url, options.endpoint
    if base_url is None and named is None:
        base_url = environment.get("BATCHER_BASE_URL") or None
        named = environment.get("BATCHER_ENDPOINT") or None
    if base_url is None and named is None:
        return None
    return choose_endpoint(config, named=named, base_url=base_url)


def _own_endpoint(
    config: Config, manifests: list[Manifest], problems: Problems
) -> Endpoint | None:
    """Find the endpoint that the manifests name, or else the default one."""
    said = [
        _Said(manifest.path, manifest.endpoint.line, str(manifest.endpoint.value))
        for manifest in manifests
        if manifest.endpoint is not None
    ]
    if not said:
        return choose_endpoint(config, named=None, base_url=None)
    _check_agreement("endpoint", said, problems)
    found: Endpoint | None = None
    for file, line, name in said:
        try:
            found = choose_endpoint(config, named=str(name), base_url=None)
        except UsageError as error:
            problems.add(file, line, "endpoint", str(error))
    return found


def _settings(
    endpoint: Endpoint | None,
    options: Options,
    manifests: list[Manifest],
    environment: Mapping[str, str],
) -> Settings:
    layers: list[tuple[str, Mapping[str, object]]] = []
    if endpoint is not None:
        layers.append((f"endpoint {endpoint.name!r}", endpoint.run_settings))
    for manifest in manifests:
        own = {name: node.plain() for name, node in manifest.settings.items()}
        layers.append((manifest.path, own))
    for name, value in settings_from(environment).items():
        layers.append((f"BATCHER_{name.upper()}", {name: value}))
    layers.append(("command line", options.settings))
    return merge_settings(layers)


def _selection(options: Options, environment: Mapping[str, str]) -> Selection:
    shard = None
    if options.shard:
        is_auto = options.shard == "auto"
        shard = shard_from(environment) if is_auto else parse_shard(options.shard)
    sample, percent = parse_sample(options.sample) if options.sample else (None, None)
    return Selection(
        shard=shard,
        sample=sample,
        percent=percent,
        seed=options.seed,
        first=options.first,
    )
