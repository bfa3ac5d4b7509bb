from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.config import (
    BUILT_IN,
    DEFAULT_MODEL,
    Config,
    Endpoint,
    Secret,
    checked_base_url,
    choose_endpoint,
    fallbacks,
    read_config,
)
from batcher.errors import UsageError
from batcher.settings import (
    Settings,
    checked_setting,
    merge_settings,
    setting_types,
    settings_from,
)

KEY = "sk-0123456789"

Configure = Callable[[str, str], Config]


@pytest.fixture
def configure(tmp_path: Path) -> Iterator[Configure]:
    """Reads a user's file and a nearer one, in a folder of its own."""
    before = Path.cwd()
    near = tmp_path / "project"
    near.mkdir()
    os.chdir(near)

    def read(far: str, nearer: str) -> Config:
        home = tmp_path / "home" / "batcher"
        home.mkdir(parents=True, exist_ok=True)
        (home / "config.toml").write_text(far)
        (near / "batcher.toml").write_text(nearer)
        return read_config({"XDG_CONFIG_HOME": str(tmp_path / "home")})

    yield read
    os.chdir(before)


@pytest.mark.parametrize("show", [repr, str, format, "{!r:>3}".format, "%s".__mod__])
def test_a_key_does_not_print_itself(show: Callable[[object], str]) -> None:
    assert KEY not in show(Secret(KEY))
    assert KEY not in show([Secret(KEY)])
    assert Secret(KEY).reveal() == KEY


def test_a_key_is_in_no_log_copy_or_attribute(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(KEY)
    logging.getLogger("x").warning("key %s %r", secret, {"key": secret})
    assert KEY not in caplog.text
    assert KEY not in repr(copy.copy(secret))
    assert not hasattr(secret, "__dict__")


def endpoint(**changes: object) -> Endpoint:
    fields = {
        "name": "lab",
        "base_url": "http://x/v1",
        "key_variables": ("LAB",),
        **changes,
    }
    return Endpoint(**fields)  # type: ignore[arg-type]  # as the test sets them


def revealed(place: Endpoint, environment: Mapping[str, str]) -> dict[str, str]:
    return {name: key.reveal() for name, key in place.keys(environment).items()}


def test_a_key_comes_from_its_variable() -> None:
    assert revealed(endpoint(), {"LAB": f" {KEY}\n"}) == {"lab": KEY}
    assert revealed(endpoint(key_variables=()), {}) == {"lab": "sandbox"}


def test_each_of_several_keys_has_its_variables_name() -> None:
    several = endpoint(key_variables=("A", "B"))
    assert revealed(several, {"A": "a", "B": "b"}) == {"lab:A": "a", "lab:B": "b"}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "endpoint 'lab' has no key: set LAB, or rehearse for free with"),
        (" ", "endpoint 'lab' has no key: set LAB, or rehearse for free with"),
        ("a b", "LAB is not a key: it holds unusual characters"),
        ("a\nb", "LAB is not a key: it holds unusual characters"),
        ("schlüssel", "LAB is not a key: it holds unusual characters"),
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(
    value: str | None, told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        endpoint().keys({} if value is None else {"LAB": value})
    assert str(caught.value).startswith(told)
    assert value is None or not value.strip() or value not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "fitted"),
    [
        ("concurrency", "8", 8),
        ("concurrency", 8, 8),
        ("ipm", "0.5", 0.5),
        ("ipm", None, None),
        ("concurrency", None, 8),
        ("max_spend", "12.50", Decimal("12.50")),
        ("max_spend", 0.1, Decimal("0.1")),
        ("max_spend", 0, Decimal(0)),
        ("adaptive", "false", False),
        ("adaptive", True, True),
        ("on_unknown", "skip", "skip"),
        ("retry", {"server": "3"}, {"server": 3}),
        ("stop_on", ["moderation"], ("moderation",)),
    ],
)
def test_a_setting_is_read_from_text_too(
    name: str, value: object, fitted: object
) -> None:
    found = checked_setting(name, value, "flags")
    assert found == fitted
    assert type(found) is type(fitted)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "concurency",
            8,
            "flags: unknown setting 'concurency'; did you mean 'concurren",
        ),
        (
            "max-attempts",
            8,
            "flags: unknown setting 'max-attempts'; did you mean 'max_",
        ),
        ("zzz", 8, "flags: unknown setting 'zzz'; known: concurrency, ipm, rpm"),
        ("concurrency", "x", "flags: concurrency: expected a whole number, got 'x'"),
        (
            "concurrency",
            0,
            "flags: concurrency: must be above 0, at most 1,000,000,000",
        ),
        ("concurrency", "-1", "flags: concurrency: must be above 0, at most"),
        ("concurrency", True, "flags: concurrency: expected a whole number, got Tr"),
        ("concurrency", 1.5, "flags: concurrency: expected a whole number, got 1."),
        ("concurrency", 10**400, "flags: concurrency: must be above 0, at most"),
        ("timeout", "nan", "flags: timeout: "),
        ("timeout", "inf", "flags: timeout: "),
        ("timeout", "1e400", "flags: timeout: expected a number, got '1e400'"),
        ("ipm", "fast", "flags: ipm: expected a number, got 'fast'"),
        ("adaptive", "maybe", "flags: adaptive: expected true or false, got 'maybe'"),
        ("max_spend", "all", "flags: max_spend: expected an amount in USD, got 'all'"),
        ("stop_on", 5, "flags: stop_on: expected a list of error classes, got 5"),
        (
            "max_spend",
            "nan",
            "flags: max_spend: must be 0 or more, at most 1,000,000,0",
        ),
        (
            "max_spend",
            "sNaN",
            "flags: max_spend: must be 0 or more, at most 1,000,000,",
        ),
        ("max_spend", "Infinity", "flags: max_spend: must be 0 or more, at most 1,000"),
        ("max_spend", "1e99999999", "flags: max_spend: must be 0 or more, at most 1,0"),
        ("max_spend", -1, "flags: max_spend: must be 0 or more, at most 1,000,000,000"),
        ("on_unknown", "maybe", "flags: on_unknown: expected 'retry' or 'skip', got"),
        ("retry", "server", "flags: retry: expected attempts by error class such as"),
        ("retry", {"sever": 3}, "flags: retry: unknown class 'sever'; did you mean 's"),
        ("stop_on", ["x"], "flags: stop_on: unknown class 'x'; known: connect, rate_"),
        ("retry", {"server": 0}, "flags: retry.server: must be 1 or more: 0"),
        ("retry", {"server": "x"}, "flags: retry: expected attempts by error class"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_with_its_place(
    name: str, value: object, told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        checked_setting(name, value, "flags")
    assert str(caught.value).startswith(told)


@given(
    st.sampled_from(sorted(setting_types())),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.decimals()
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.sampled_from(["server", "x"]), st.integers(), max_size=2),
)
def test_whatever_the_value_a_setting_fits_or_is_refused(
    name: str, value: object
) -> None:
    try:
        fitted = checked_setting(name, value, "flags")
    except UsageError:
        return
    assert checked_setting(name, fitted, "flags") == fitted


def test_the_last_layer_that_sets_something_wins() -> None:
    merged = merge_settings(
        [
            ("endpoint", {"concurrency": 2, "ipm": 5, "timeout": 9}),
            ("manifest", {"concurrency": 3, "ipm": None}),
            ("environment", settings_from({"BATCHER_CONCURRENCY": "4"})),
            ("flags", {"max_spend": "1"}),
        ]
    )
    assert merged == Settings(concurrency=4, timeout=9.0, max_spend=Decimal(1))


def test_the_environment_sets_what_its_variables_name() -> None:
    environment = {
        "BATCHER_IPM": " 60 ",
        "BATCHER_RPM": "",
        "BATCHER_RETRY": "x",
        "BATCHER_OTHER": "x",
        "IPM": "1",
    }
    assert settings_from(environment) == {"ipm": "60"}


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://x.test/v1", "https://x.test/v1"),
        (" https://x.test/v1/ ", "https://x.test/v1"),
        ("https://x.test", "https://x.test/v1"),
        ("https://x.test/", "https://x.test/v1"),
        ("http://127.0.0.1:8080/v1/images/generations", "http://127.0.0.1:8080/v1"),
        ("https://x.test/api/v3", "https://x.test/api/v3"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
    ],
)
def test_a_base_url_ends_in_its_version(url: str, checked: str) -> None:
    assert checked_base_url(url, "--base-url") == checked


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "--base-url: expected http(s)://host/v1, got ''"),
        ("x.test/v1", "--base-url: expected http(s)://host/v1, got 'x.test/v1'"),
        ("ftp://x.test", "--base-url: expected http(s)://host/v1, got 'ftp://x.test'"),
        ("https://", "--base-url: expected http(s)://host/v1, got 'https://'"),
        ("https://x:99999/v1", "--base-url: expected http(s)://host/v1"),
        ("https://[x/v1", "--base-url: expected http(s)://host/v1"),
        ("https://a b/v1", "--base-url: expected http(s)://host/v1"),
        ("https://x/v1#y", "--base-url: expected http(s)://host/v1"),
        (f"https://{KEY}@x/v1", "--base-url: a key goes into an environment variable"),
        (f"ftp://u:{KEY}@x/v1", "--base-url: a key goes into an environment variable"),
        (f"https://x/v1?key={KEY}", "--base-url: a key goes into an environment vari"),
    ],
)
def test_what_is_no_base_url_is_refused_and_no_key_shown(url: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked_base_url(url, "--base-url")
    assert str(caught.value).startswith(told)
    assert KEY not in str(caught.value)


def test_without_files_there_is_what_batcher_brings(tmp_path: Path) -> None:
    config = read_config({"XDG_CONFIG_HOME": str(tmp_path)})
    assert {"octopusx", "openai", "sandbox"} <= config.endpoints.keys()
    assert config.endpoints["octopusx"].base_url == "https://octopusx.ai/v1"


FULL = """
default_endpoint = "lab"
[endpoints.lab]
base_url = "https://lab.test"
key_env = "LAB_KEY"
model = "gpt-image-1"
ipm = 60
retry = {server = 3}
prices = [{model = "gpt-image-1", usd = 0.04}]
"""


def test_a_profile_says_where_and_how(configure: Configure) -> None:
    config = configure(FULL, "")
    lab = config.endpoints["lab"]
    assert config.default_endpoint == "lab"
    assert (lab.name, lab.base_url) == ("lab", "https://lab.test/v1")
    assert (lab.key_variables, lab.model) == (("LAB_KEY",), "gpt-image-1")
    assert lab.settings == {"ipm": 60, "retry": {"server": 3}}
    assert [price.model for price in lab.prices] == ["gpt-image-1"]


def test_the_nearer_file_wins_and_the_rest_stays(configure: Configure) -> None:
    near = "[endpoints.lab]\nipm = 5\nconcurrency = 2\n[endpoints.octopusx]\nrpm = 9\n"
    config = configure(FULL, near)
    lab, octopusx = config.endpoints["lab"], config.endpoints["octopusx"]
    assert lab.settings == {"ipm": 5, "retry": {"server": 3}, "concurrency": 2}
    assert (lab.base_url, lab.key_variables) == ("https://lab.test/v1", ("LAB_KEY",))
    assert len(lab.prices) == 1
    assert octopusx.base_url == BUILT_IN["octopusx"].base_url
    assert octopusx.key_variables == ("OCTOPUSX_API_KEY",)
    assert config.default_endpoint == "lab"
    assert configure(FULL, 'default_endpoint = "x"').default_endpoint == "x"


def test_a_profile_may_have_several_keys_and_others_to_fall_back_on(
    configure: Configure,
) -> None:
    near = '[endpoints.openai]\nkey_env = ["A", "B"]\nfallback = "octopusx"'
    config = configure("", near)
    openai = config.endpoints["openai"]
    assert openai.key_variables == ("A", "B")
    assert fallbacks(config, openai) == (config.endpoints["octopusx"],)
    config = configure("", f"{near}\nipm = 9\nconcurrency = 2")
    beside, alone = config.endpoints["openai"], config.endpoints["octopusx"]
    assert beside.run_settings == {"concurrency": 2}
    assert beside.pace() == {"ipm": 9, "rpm": None}
    assert msgspec.structs.replace(beside, fallback=()).run_settings["ipm"] == 9
    assert alone.pace() == {"ipm": None, "rpm": None}
    for wrong in ("nowhere", "openai"):
        config = configure("", f'[endpoints.openai]\nfallback = ["{wrong}"]')
        with pytest.raises(UsageError, match=f"there is no other '{wrong}'"):
            fallbacks(config, config.endpoints["openai"])


def test_a_new_profile_has_defaults(configure: Configure) -> None:
    near = '[endpoints.x]\nbase_url = "http://x"\nprices = {"a*" = 0.5}'
    found = configure("", near).endpoints["x"]
    assert (found.key_variables, found.model) == (("BATCHER_API_KEY",), DEFAULT_MODEL)
    assert [(price.model, price.usd) for price in found.prices] == [
        ("a*", Decimal("0.5"))
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a = ", "batcher.toml: Invalid value (at end of document)"),
        ("a = 1", "batcher.toml: unknown key 'a'; known: default_endpoint, endpoints"),
        ("endpoint = 1", "batcher.toml: unknown key 'endpoint'; did you mean 'endpoin"),
        (
            "default_endpoint = 1",
            "batcher.toml: default_endpoint: expected text, got 1",
        ),
        ("endpoints = 1", "batcher.toml: expected [endpoints.NAME] tables"),
        ("endpoints.x = 1", "batcher.toml: endpoints.x: expected a table"),
        ("[endpoints.x]", "batcher.toml: endpoints.x: base_url is missing"),
        ("[endpoints.x]\nbase_url = 5", "batcher.toml: endpoints.x: base_url: expecte"),
        ("[endpoints.x]\nbase_url = ''", "batcher.toml: endpoints.x: base_url: expect"),
        ("[endpoints.x]\nbase_url = 'x'", "batcher.toml: endpoints.x.base_url: expect"),
        ("[endpoints.openai]\nkey = 'k'", "batcher.toml: endpoints.openai: a key goes"),
        ("[endpoints.openai]\nkey_evn = 'K'", "batcher.toml: endpoints.openai: unknow"),
        ("[endpoints.openai]\nkey_env = []", "batcher.toml: endpoints.openai: key_en"),
        ("[endpoints.openai]\nkey_env = [5]", "batcher.toml: endpoints.openai: key_e"),
        ("[endpoints.openai]\nipm = 'x'", "batcher.toml: endpoints.openai: ipm: expec"),
        ("[endpoints.openai]\nprices = 5", "batcher.toml: endpoints.openai: prices: "),
    ],
)
def test_a_file_that_is_wrong_is_named(
    configure: Configure, content: str, told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        configure("", content)
    assert str(caught.value).startswith(told)


def test_a_file_that_is_no_text_is_named(configure: Configure) -> None:
    configure("", "")
    Path("batcher.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(UsageError, match=r"batcher\.toml: .*decode"):
        read_config({"XDG_CONFIG_HOME": "/nowhere"})


def choose(
    named: str | None = None, base_url: str | None = None, **own: object
) -> object:
    default = own.get("default")
    config = Config(
        endpoints=BUILT_IN,
        default_endpoint=default if isinstance(default, str) else None,
    )
    return choose_endpoint(config, named=named, base_url=base_url)


def test_an_endpoint_is_named_by_a_flag_a_default_or_a_url() -> None:
    assert choose("openai", default="sandbox") is BUILT_IN["openai"]
    assert choose(default="sandbox") is BUILT_IN["sandbox"]
    assert choose() is None
    ad_hoc = choose("openai", "https://x.test")
    assert isinstance(ad_hoc, Endpoint)
    assert ad_hoc.base_url == "https://x.test/v1"
    assert ad_hoc.key_variables == ("BATCHER_API_KEY",)


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("opeani", "there is no endpoint 'opeani'; did you mean 'openai'"),
        ("lab", "there is no endpoint 'lab'; known: octopusx, openai, sandbox"),
    ],
)
def test_an_endpoint_that_is_not_there_is_told(named: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(named)
    assert str(caught.value).startswith(told)
    words = f"; another goes into batcher.toml as [endpoints.{named}]"
    assert str(caught.value).endswith(words)


def test_the_environment_is_a_parameter() -> None:
    environment: Mapping[str, str] = {"HOME": "/nowhere"}
    assert read_config(environment).endpoints
