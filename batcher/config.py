"""Where to send: endpoints, their keys, and the user's files that name them.

A manifest names an endpoint and never holds a URL or a key.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec

from batcher.errors import UsageError
from batcher.pricing import Price
from batcher.settings import check_known, merge_settings, setting_types

DEFAULT_MODEL = "gpt-image-2-pro"
SANDBOX = "sandbox"

_FILE_KEYS = ("default_endpoint", "endpoints")
_PROFILE_KEYS = ("base_url", "key_env", "fallback", "model", "prices")
_PACE = ("ipm", "rpm")


class Secret:
    """A key that does not print itself; `reveal` it only into a header."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the key itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A named place to send to.

    Attributes:
        name: The profile's name.
        base_url: Up to and with `/v1`.
        key_variables: The environment variables that hold its keys, of one account.
        fallback: Names of the endpoints that take what this one cannot.
        model: The model of requests that name none.
        settings: What it sets.
        prices: USD per image, as the user set them.
    """

    name: str
    base_url: str
    key_variables: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    model: str = DEFAULT_MODEL
    settings: Mapping[str, object] = {}
    prices: tuple[Price, ...] = ()

    @property
    def is_built_in(self) -> bool:
        """Tell whether it is the sandbox that a run starts itself."""
        return self.base_url == BUILT_IN[SANDBOX].base_url

    @property
    def run_settings(self) -> Mapping[str, object]:
        """What it sets for a whole run; beside others, its pace is its own alone."""
        if not self.fallback:
            return self.settings
        return {name: v for name, v in self.settings.items() if name not in _PACE}

    def pace(self) -> dict[str, float | None]:
        """Give the `ipm` and `rpm` that it sets, None for no limit."""
        settings = merge_settings([(f"endpoint {self.name!r}", self.settings)])
        return {name: getattr(settings, name) for name in _PACE}

    def keys(self, environment: Mapping[str, str]) -> dict[str, Secret]:
        """Find the keys, by the names under which the ledger knows them.

        Raises:
            UsageError: A variable is not set.
        """
        if not self.key_variables:
            return {self.name: Secret(SANDBOX)}
        if len(self.key_variables) == 1:
            return {self.name: self._key(self.key_variables[0], environment)}
        return {
            f"{self.name}:{variable}": self._key(variable, environment)
            for variable in self.key_variables
        }

    def _key(self, variable: str, environment: Mapping[str, str]) -> Secret:
        value = environment.get(variable, "").strip()
        if not value:
            raise UsageError(
                f"endpoint {self.name!r} has no key: set {variable}, or rehearse for"
                " free with --endpoint sandbox"
            )
        if not value.isascii() or not value.isprintable() or " " in value:
            raise UsageError(f"{variable} is not a key: it holds unusual characters")
        return Secret(value)


BUILT_IN = {
    "octopusx": Endpoint(
        name="octopusx",
        base_url="https://octopusx.ai/v1",
        key_variables=("OCTOPUSX_API_KEY",),
    ),
    "openai": Endpoint(
        name="openai",
        base_url="https://api.openai.com/v1",
        key_variables=("OPENAI_API_KEY",),
    ),
    SANDBOX: Endpoint(name=SANDBOX, base_url="http://127.0.0.1/v1"),
}


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the user's files say.

    Attributes:
        endpoints: Every profile by name, the built-in ones included.
        default_endpoint: The one to use when nothing names another.
    """

    endpoints: Mapping[str, Endpoint]
    default_endpoint: str | None = None


def read_config(environment: Mapping[str, str]) -> Config:
    """Read `~/.config/batcher/config.toml` and `./batcher.toml`, the nearer wins.

    Raises:
        UsageError: A file is wrong; the message names it.
    """
    endpoints = dict(BUILT_IN)
    default: str | None = None
    for path in _config_paths(environment):
        content = _read_toml(path)
        for key in content:
            check_known(key, _FILE_KEYS, f"{path}: unknown key")
        default = _text(content, "default_endpoint", f"{path}") or default
        profiles = content.get("endpoints", {})
        if not isinstance(profiles, dict):
            raise UsageError(f"{path}: expected [endpoints.NAME] tables")
        for name, profile in profiles.items():
            where = f"{path}: endpoints.{name}"
            if not isinstance(profile, dict):
                raise UsageError(f"{where}: expected a table")
            endpoints[name] = _read_endpoint(
                name, profile, below=endpoints.get(name), where=where
            )
    return Config(endpoints=endpoints, default_endpoint=default)


def choose_endpoint(
    config: Config, *, named: str | None, base_url: str | None
) -> Endpoint | None:
    """Find the endpoint; None when nothing names one.

    Args:
        config: What the user's files say.
        named: A profile's name, from a flag, the environment or the manifest.
        base_url: An ad hoc URL, which beats a name.

    Raises:
        UsageError: There is no such profile, or the URL is none.
    """
    if base_url is not None:
        return Endpoint(
            name="ad-hoc",
            base_url=checked_base_url(base_url, "--base-url"),
            key_variables=("BATCHER_API_KEY",),
        )
    name = named or config.default_endpoint
    if name is None:
        return None
    if name not in config.endpoints:
        near = difflib.get_close_matches(name, config.endpoints, n=1)
        known = ", ".join(sorted(config.endpoints))
        hint = f"did you mean {near[0]!r}" if near else f"known: {known}"
        raise UsageError(
            f"there is no endpoint {name!r}; {hint}; another goes into batcher.toml"
            f" as [endpoints.{name}]"
        )
    return config.endpoints[name]


NO_ENDPOINT = (
    "no endpoint: name one with --endpoint (octopusx needs OCTOPUSX_API_KEY, openai"
    " OPENAI_API_KEY), give --base-url with BATCHER_API_KEY, or rehearse for free with"
    " --endpoint sandbox"
)


def checked_base_url(url: str, where: str) -> str:
    """Bring a base URL into the form that ends in its version, without a slash.

    Raises:
        UsageError: It is no http(s) URL, or it holds a user name or a password.
    """
    try:
        parts = urlsplit(url.strip())
        has_key = bool(parts.username or parts.password or parts.query)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        usable = has_key = False
    if has_key:
        raise UsageError(f"{where}: a key goes into an environment variable, not here")
    if not usable or parts.fragment or any(mark in url.strip() for mark in " \t\n\\"):
        raise UsageError(f"{where}: expected http(s)://host/v1, got {url!r}")
    path = parts.path.rstrip("/").removesuffix("/images/generations")
    return urlunsplit((parts.scheme, parts.netloc, path or "/v1", "", ""))


def _config_paths(environment: Mapping[str, str]) -> list[Path]:
    home = environment.get("XDG_CONFIG_HOME")
    folder = Path(home) if home else Path.home() / ".config"
    paths = (folder / "batcher" / "config.toml", Path("batcher.toml"))
    return [path for path in paths if path.is_file()]


def _read_toml(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except (OSError, tomllib.TOMLDecodeError, UnicodeError) as error:
        raise UsageError(f"{path}: {error}") from error


def _read_endpoint(
    name: str, profile: Mapping[str, object], *, below: Endpoint | None, where: str
) -> Endpoint:
    """Read a profile over the one of its name that a farther file or batcher has."""
    if "key" in profile or "api_key" in profile:
        raise UsageError(f"{where}: a key goes into a variable, named by key_env")
    for key in profile:
        check_known(key, (*_PROFILE_KEYS, *setting_types()), f"{where}: unknown key")
    url = _text(profile, "base_url", where)
    if url is None and below is None:
        raise UsageError(f"{where}: base_url is missing")
    own = {k: v for k, v in profile.items() if k not in _PROFILE_KEYS}
    merge_settings([(where, own)])
    changes: dict[str, object] = {
        "base_url": checked_base_url(url, f"{where}.base_url") if url else None,
        "key_variables": _texts(profile, "key_env", where),
        "fallback": _texts(profile, "fallback", where),
        "model": _text(profile, "model", where),
        "prices": _read_prices(profile.get("prices", []), where) or None,
        "settings": {**(below.settings if below else {}), **own},
    }
    base = below or Endpoint(name=name, base_url="", key_variables=("BATCHER_API_KEY",))
    given = {key: value for key, value in changes.items() if value is not None}
    return msgspec.structs.replace(base, **given)


def _read_prices(prices: object, where: str) -> tuple[Price, ...]:
    """Read `prices = {model = usd}` or a list of tables."""
    if isinstance(prices, dict):
        prices = [{"model": model, "usd": usd} for model, usd in prices.items()]
    try:
        return msgspec.convert(prices, tuple[Price, ...], strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: prices: {error}") from error


def _texts(
    content: Mapping[str, object], key: str, where: str
) -> tuple[str, ...] | None:
    """Read one text or a list of them."""
    value = content.get(key)
    if isinstance(value, list) and value and len(set(map(str, value))) == len(value):
        return tuple(_text({key: each}, key, where) or "" for each in value)
    text = _text(content, key, where)
    return None if text is None else (text,)


def fallbacks(config: Config, endpoint: Endpoint) -> tuple[Endpoint, ...]:
    """Find the endpoints that take what one cannot; raises `UsageError`."""
    for name in endpoint.fallback:
        if name not in config.endpoints or name == endpoint.name:
            raise UsageError(
                f"endpoint {endpoint.name!r}: fallback: there is no other {name!r}"
            )
    return tuple(config.endpoints[name] for name in endpoint.fallback)


def _text(content: Mapping[str, object], key: str, where: str) -> str | None:
    value = content.get(key)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise UsageError(f"{where}: {key}: expected text, got {value!r}")
    return value
