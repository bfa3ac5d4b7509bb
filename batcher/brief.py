"""What was asked, with everything that has a say in it: before the ledger is read.

Reads the manifests and the configuration, finds the endpoint, merges the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    from collections.abc import Mapping

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
    manifests = _read_manifests(options, most_walked)
    config = read_config(environment)
    endpoint = _endpoint(config, options, manifests, environment)
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


def _read_manifests(options: Options, most_walked: int) -> list[Manifest]:
    """Read the manifests; where one is wrong, check all that can be checked (P9)."""
    _check_format(options)
    problems = Problems()
    manifests = [
        read_manifest(path, problems, options.format) for path in options.manifests
    ]
    known = [manifest for manifest in manifests if manifest is not None]
    for manifest in known:
        _check_settings(manifest, problems)
    if problems.total:
        whole = Expansion(known, model=DEFAULT_MODEL, overrides={})
        excerpt = Excerpt(whole, Selection(), most=most_walked)
        for _ in excerpt.expansion.checked(problems):
            pass
        raise ManifestError(problems.all())
    return known


def _check_settings(manifest: Manifest, problems: Problems) -> None:
    for name, node in manifest.settings.items():
        try:
            checked_setting(name, node.plain(), "settings")
        except UsageError as error:
            message = str(error).removeprefix("settings: ").removeprefix(f"{name}: ")
            problems.add(manifest.path, node.line, f"settings.{name}", message)


def _endpoint(
    config: Config,
    options: Options,
    manifests: list[Manifest],
    environment: Mapping[str, str],
) -> Endpoint | None:
    wanted = {m.endpoint: m for m in manifests if m.endpoint is not None}
    if len(wanted) > 1 and not (options.endpoint or options.base_url):
        names = ", ".join(sorted(wanted))
        raise UsageError(f"the manifests name several endpoints: {names}; pass one")
    base_url = options.base_url
    named = options.endpoint
    if base_url is None and named is None:
        base_url = environment.get("BATCHER_BASE_URL") or None
        named = environment.get("BATCHER_ENDPOINT") or next(iter(wanted), None)
    return choose_endpoint(config, named=named, base_url=base_url)


def _settings(
    endpoint: Endpoint | None,
    options: Options,
    manifests: list[Manifest],
    environment: Mapping[str, str],
) -> Settings:
    layers: list[tuple[str, Mapping[str, object]]] = []
    if endpoint is not None:
        layers.append((f"endpoint {endpoint.name!r}", endpoint.settings))
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
