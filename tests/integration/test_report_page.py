"""Opens a report from disk in a headless Chromium, as its reader would."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from batcher.reports import write_report
from tests.integration.chromium import CHROMIUM, Visit, open_browser
from tests.unit.reports.ledger import (
    attempt_line,
    draw,
    kept,
    rejected,
    run_line,
    write_ledger,
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script><!--",
    "' \\' \" ${1} ` \u2028 \\u003cb>",
    "\u202egnp.exe مرحبا שלום 🦄🇯🇵",
    "__proto__ constructor",
)
CITIES = ("Tokyo", "Lagos", "Oslo")
LIGHTS = ("dawn", "dusk")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with open_browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report of six images on two axes, one lost, and of what went wrong."""
    folder = tmp_path_factory.mktemp("night #1 100%")
    places = [(city, light) for city in CITIES for light in LIGHTS]
    results = [
        kept(
            number,
            draw(folder, f"{city}/at {light} #%.png"),
            city=city,
            light=light,
            prompt=f"a poster of {city}",
        )
        for number, (city, light) in enumerate(places)
    ]
    hostile = [
        kept(100 + number, draw(folder, f"h{number}.png"), prompt=text, name=text)
        for number, text in enumerate(HOSTILE)
    ]
    refused = rejected(50, city="Oslo", light="noon")
    (folder / results[0].images[0].path).unlink()
    ended = (*results, *hostile, refused)
    write_ledger(folder, (run_line(13, ipm=60), *ended, attempt_line("f" * 20)))
    return write_report(folder).page.as_uri()


@pytest.fixture
def visit(browser: object, report: str) -> Iterator[Callable[..., Visit]]:
    """Opens the report; every test also asserts that nothing was complained of."""
    visits: list[Visit] = []

    def open_page(url: str = report, **context: object) -> Visit:
        visits.append(Visit(browser, url, **context))
        return visits[-1]

    yield open_page
    for each in visits:
        complaints = each.complaints
        each.page.context.close()
        assert complaints == []


def test_it_opens_from_disk_with_every_picture(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.await_pictures()
    assert page.text("#count") == "13 requests"
    assert page.count(".tile") == 13
    assert page.count(".tile img") == 10


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_is_wider_than_its_screen(
    visit: Callable[..., Visit], width: int, scheme: str
) -> None:
    page = visit(viewport={"width": width, "height": 844}, color_scheme=scheme)
    for view in ("sheet", "grid", "charts"):
        page.go(view)
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), view


def test_hostile_prompts_are_shown_as_text(visit: Callable[..., Visit]) -> None:
    page = visit()
    for number, text in enumerate(HOSTILE):
        page.click(f'[data-index="{6 + number}"]')
        assert page.run("lightbox.request.prompt") == text
        shown = "document.querySelector('.panel .prompt').textContent"
        assert page.run(shown) == text
        page.press("Escape")
    assert page.count("img[src=x]") == 0


def test_the_policy_refuses_markup_and_foreign_addresses(
    visit: Callable[..., Visit],
) -> None:
    page = visit()
    refused = page.run(
        """(() => { try { document.body.innerHTML = "<b>x</b>"; return false; }
                    catch (error) { return error instanceof TypeError; } })()"""
    )
    assert refused
    assert page.run("fetch('http://127.0.0.1:9/').then(() => 1, () => 0)") == 0
    assert any("Content Security Policy" in each for each in page.complaints)
    page.complaints.clear()


def test_a_page_from_disk_controls_nothing(visit: Callable[..., Visit]) -> None:
    page = visit()
    assert not page.page.locator("#live").is_visible()
    assert page.run("typeof REPORT.live") == "undefined"


def test_what_has_no_image_says_why(visit: Callable[..., Visit]) -> None:
    page = visit()
    assert "not <b>safe</b>" in page.text(".tile.is-rejected")
    assert "maybe billed" in page.text(".tile.is-unknown")
    assert "The file is gone." in page.text('[data-index="0"]')


def test_facets_narrow_what_is_shown(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.click(".value:has-text('Oslo')")
    assert page.text("#count") == "3 of 13 requests"
    page.click(".value:has-text('dusk')")
    assert page.text("#count") == "1 of 13 requests"
    page.click("#clear")
    assert page.text("#count") == "13 requests"


def test_the_search_looks_in_prompts(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.press("/")
    page.page.keyboard.type("POSTER lagos")
    assert page.text("#count") == "2 of 13 requests"


def test_the_grid_has_the_axes_as_headings(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.go("grid")
    heads = page.page.locator(".matrix tbody th").all_inner_texts()
    assert heads == list(CITIES)
    assert page.page.locator(".matrix thead th").all_inner_texts() == [
        "dawn",
        "dusk",
        "noon",
    ]
    assert page.count(".matrix td .tile") == 7
    assert page.count(".matrix td.empty") == 2


def test_the_lightbox_shows_the_full_image_and_its_story(
    visit: Callable[..., Visit],
) -> None:
    page = visit()
    page.click('[data-index="1"]')
    page.await_pictures()
    source = page.page.locator(".canvas img").get_attribute("src")
    assert source == "../Tokyo/at%20dusk%20%23%25.png"
    panel = page.text(".panel")
    for words in ("a poster of Tokyo", "gpt-image-2-pro", "$0.04", "1.5 s", "dusk"):
        assert words in panel


def test_the_keyboard_is_enough(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.press("ArrowDown", "ArrowRight", "ArrowRight", "Enter")
    assert page.run("lightbox.isOpen && lightbox.position") == 2
    page.press("ArrowRight", "p", "Escape")
    page.page.locator('[data-index="3"]:focus').wait_for()
    page.press("ArrowLeft", "x")
    assert page.run("[...marks.values()]") == ["pick", "reject"]
    page.press("x", "?")
    assert page.run("marks.size") == 1
    assert page.page.locator("#help").is_visible()
    page.press("Enter")  # its one button closes it
    assert not page.page.locator("#help").is_visible()


def test_marks_outlive_the_page_and_are_saved_as_csv(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    page = visit(accept_downloads=True)
    for number, mark in ((8, "p"), (1, "x")):
        page.page.locator(f'[data-index="{number}"]').focus()
        page.press(mark)
    page.page.reload()
    assert page.text("#save") == "Save 2 marks"
    with page.page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "marks.csv")
    with (tmp_path / "marks.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert rows == [
        {"id": f"{1:020x}", "name": "cube 1", "mark": "reject"},
        {"id": f"{102:020x}", "name": HOSTILE[2], "mark": "pick"},
    ]


def test_the_charts_say_in_words_what_they_draw(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.go("charts")
    assert page.count(".charts svg[role=img] > title") == 4
    assert page.count(".charts svg[role=img] > desc") == 4
    assert page.count(".charts details table") == 4
    assert "held to 60 a minute" in page.text(".charts")
    assert "$0.44 for 11 requests" in page.text(".charts figure:last-child")


def test_a_mark_is_told_to_assistive_software(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.click('[data-index="1"]')
    page.press("p")
    states = "[...document.querySelectorAll('.marks button')].map((b) => b.ariaPressed)"
    assert page.run(states) == ["true", "false"]
    page.press("Escape")
    label = page.page.locator('[data-index="1"]').get_attribute("aria-label")
    assert label == "cube 1; kept; picked"


def test_every_control_has_a_name(visit: Callable[..., Visit]) -> None:
    page = visit()
    page.click('[data-index="1"]')
    nameless = page.run(
        """[...document.querySelectorAll("button, input, select, a")].filter((e) =>
             !(e.ariaLabel || e.textContent.trim() || (e.labels && e.labels.length)))
             .map((e) => e.outerHTML)"""
    )
    assert nameless == []


def test_ten_thousand_tiles_take_few_elements(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    total = 10_000
    image = draw(tmp_path, "one.png", (64, 64))
    results = (kept(number, image, angle=number % 9) for number in range(total))
    write_ledger(tmp_path, (run_line(total), *results))
    page = visit(write_report(tmp_path).page.as_uri())
    assert page.text("#count") == "10,000 requests"
    assert page.run("document.querySelectorAll('*').length < 800")
    page.run("scrollTo(0, document.body.scrollHeight)")
    page.page.wait_for_selector(f'[data-index="{total - 1}"]')
    assert page.run("document.querySelectorAll('*').length < 800")
    size = page.run("document.querySelector('.tile').parentNode.ariaSetSize")
    assert size == str(total)
