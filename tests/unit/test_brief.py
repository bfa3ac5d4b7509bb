from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from batcher.brief import Brief, read_brief
from batcher.errors import ManifestError, UsageError
from batcher.options import Options

Read = Callable[..., Brief]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads the brief of some manifests, named `0.yaml` and so on."""

    def read_texts(
        *texts: str, environment: Mapping[str, str] | None = None, **options: object
    ) -> Brief:
        paths = [tmp_path / f"{number}.yaml" for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(f"{text}\nrequests: [{{prompt: x}}]\n")
        names = tuple(map(str, paths))
        return read_brief(
            Options(manifests=names, **options),  # type: ignore[arg-type]  # as a test
            {"XDG_CONFIG_HOME": str(tmp_path), **(environment or {})},
            most_walked=1000,
        )

    return read_texts


def told(read: Read, *texts: str, **options: object) -> list[str]:
    """What is wrong with some manifests, without their folder."""
    with pytest.raises(ManifestError) as caught:
        read(*texts, **options)
    return [
        str(problem).replace(problem.file.rpartition("/")[0] + "/", "")
        for problem in caught.value.problems
    ]


CHEAP = "settings: {max_spend: 1, concurrency: 2}"
DEAR = "name: dear\nsettings:\n  max_spend: 100\n  concurrency: 2.0"
FREE = "settings: {concurrency: '2'}"


def test_settings_of_manifests_that_agree_are_merged(read: Read) -> None:
    settings = read(FREE, CHEAP).settings
    assert (settings.concurrency, settings.max_spend) == (2, Decimal(1))


def test_a_setting_that_differs_between_manifests_is_a_mistake(read: Read) -> None:
    (problem,) = told(read, FREE, CHEAP, DEAR)
    assert problem == (
        "2.yaml:3: settings.max_spend: differs from 1.yaml:1, which says '1'; let both"
        " say the same, or a flag decide"
    )
    assert told(read, DEAR, CHEAP)[0].startswith(
        "1.yaml:1: settings.max_spend: differs from 0.yaml:3, which says '100'"
    )


@pytest.mark.parametrize(
    "above",
    [
        {"settings": {"max_spend": "5"}},
        {"environment": {"BATCHER_MAX_SPEND": "5"}},
    ],
    ids=["flag", "variable"],
)
def test_what_beats_the_manifests_settles_what_differs(
    read: Read, above: dict[str, object]
) -> None:
    assert read(CHEAP, DEAR, **above).settings.max_spend == Decimal(5)


OCTOPUSX, OPENAI = "endpoint: octopusx", "endpoint: openai"


def test_endpoints_that_differ_between_manifests_are_a_mistake(read: Read) -> None:
    (problem,) = told(read, "name: a", OCTOPUSX, OCTOPUSX, f"seed: 5\n{OPENAI}")
    assert problem == (
        "3.yaml:2: endpoint: differs from 1.yaml:1, which says 'octopusx'; let both say"
        " the same, or a flag decide"
    )


@pytest.mark.parametrize(
    ("above", "name"),
    [
        ({"endpoint": "sandbox"}, "sandbox"),
        ({"base_url": "http://127.0.0.1/v1"}, "ad-hoc"),
        ({"environment": {"BATCHER_ENDPOINT": "sandbox"}}, "sandbox"),
        ({"environment": {"BATCHER_BASE_URL": "http://127.0.0.1/v1"}}, "ad-hoc"),
    ],
    ids=["flag", "url", "variable", "url-variable"],
)
def test_an_endpoint_named_above_the_manifests_beats_theirs(
    read: Read, above: dict[str, object], name: str
) -> None:
    found = read(OCTOPUSX, OPENAI, "endpoint: nowhere", **above).endpoint
    assert found is not None
    assert found.name == name


def test_the_endpoint_that_manifests_agree_on_is_found(read: Read) -> None:
    found = read(OCTOPUSX, OCTOPUSX).endpoint
    assert found is not None
    assert found.name == "octopusx"
    assert read("name: none").endpoint is None


def test_an_endpoint_that_is_not_known_is_one_mistake_of_all(read: Read) -> None:
    problems = told(
        read, "name: x\nendpoint: nowhere\nsettings: {ipm: fast}\noutput: '{{ nope }}'"
    )
    assert [problem.partition(" ")[0] for problem in problems] == [
        *("0.yaml:3:", "0.yaml:2:", "0.yaml:4:")
    ]
    assert problems[0] == ("0.yaml:3: settings.ipm: expected a number, got 'fast'")
    assert problems[1].startswith(
        "0.yaml:2: endpoint: there is no endpoint 'nowhere'; known: "
    )


def test_an_endpoint_that_a_flag_names_wrongly_is_no_manifests_mistake(
    read: Read,
) -> None:
    with pytest.raises(UsageError, match="there is no endpoint 'nowhere'") as caught:
        read(OCTOPUSX, endpoint="nowhere")
    assert not isinstance(caught.value, ManifestError)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "csv"}, "--format says what standard input holds; name - as man"),
        ({"manifests": ("-",), "format": "x"}, "--format: expected one of yaml, csv"),
    ],
)
def test_a_format_that_says_nothing_is_refused(
    options: dict[str, object], words: str
) -> None:
    asked = Options(**{"manifests": ("m.yaml",), **options})  # type: ignore[arg-type]  # as a test says
    with pytest.raises(UsageError) as caught:
        read_brief(asked, {}, most_walked=1)
    assert str(caught.value).startswith(words)


def test_a_shard_is_one_of_several_or_what_the_scheduler_says(read: Read) -> None:
    assert read("name: a", shard="2/3").selection.shard == (2, 3)
    array = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_MIN": "0"}
    array |= {"SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MAX": "3"}
    array |= {"SLURM_ARRAY_TASK_STEP": "1"}
    selection = read("name: a", shard="auto", environment=array).selection
    assert selection.shard == (2, 4)
