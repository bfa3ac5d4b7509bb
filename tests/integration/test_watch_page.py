"""Looks at a live page in a headless Chromium while a ledger grows under it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batcher.ledger.event import Event, encode
from batcher.watch import Watch
from tests.integration.chromium import CHROMIUM, LiveVisit, open_browser
from tests.unit.reports.ledger import attempt_line, draw, kept, rejected, run_line

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with open_browser() as chromium:
        yield chromium


class Night:
    """A run directory that is written to, and its page."""

    def __init__(self, folder: Path, browser: object) -> None:
        self.folder = folder
        self.image = draw(folder, "one.png")
        self.append(run_line(9), self.kept(1, "Tokyo"), self.kept(2, "Lagos"))
        self.watch = Watch(folder)
        self.browser = browser

    def kept(self, number: int, city: str, light: str = "dawn") -> Event:
        return kept(number, self.image, city=city, light=light)

    def append(self, *events: Event) -> None:
        with (self.folder / "ledger.jsonl").open("ab") as stream:
            stream.writelines(encode(event) for event in events)

    def open(self) -> LiveVisit:
        page = LiveVisit(self.browser, self.watch.control)
        page.says("No run is going on")
        return page


@pytest.fixture
def night(tmp_path: Path, browser: object) -> Iterator[Night]:
    made = Night(tmp_path, browser)
    with made.watch:
        yield made


@pytest.fixture
def page(night: Night) -> Iterator[LiveVisit]:
    visit = night.open()
    yield visit
    visit.page.context.close()
    assert visit.complaints == []


def test_a_filter_stays_and_its_counts_go_on(night: Night, page: LiveVisit) -> None:
    page.page.get_by_label("Tokyo").check()
    night.append(night.kept(3, "Tokyo", "dusk"), night.kept(4, "Oslo"))
    page.has("byId('count').textContent === '2 of 4 requests'")
    page.page.locator(".value", has_text="dusk").wait_for()
    assert page.run("document.activeElement.dataset.key") == '["city","Tokyo"]'
    assert page.page.get_by_label("Tokyo").is_checked()


def test_the_grid_gains_cells_and_keeps_the_others(
    night: Night, page: LiveVisit
) -> None:
    night.append(night.kept(3, "Tokyo", "dusk"), night.kept(4, "Tokyo"))
    page.go("grid")
    page.click(".more summary")
    page.has("document.querySelector('.more .tile') !== null")
    page.run("window.tile = document.querySelector('.more .tile')")
    night.append(night.kept(5, "Oslo"))
    page.has("document.querySelectorAll('.matrix tbody th').length === 3")
    assert page.run("window.tile.isConnected && window.tile.parentNode.open")


def test_an_unfolded_table_of_a_chart_goes_on(night: Night, page: LiveVisit) -> None:
    page.go("charts")
    page.click("summary[data-key=Outcomes]")
    night.append(rejected(3))
    row = page.page.locator("tr", has_text="Rejected: moderation")
    row.wait_for()
    assert row.is_visible()
    assert page.run("document.activeElement.dataset.key") == "Outcomes"


def test_what_is_open_is_shown_as_it_changes(night: Night, page: LiveVisit) -> None:
    night.append(attempt_line(f"{7:020x}"))
    page.click(".tile.is-unknown")
    assert "Sent, outcome not known" in page.text(".stage")
    night.append(night.kept(7, "Oslo"))
    page.page.wait_for_selector(".canvas img")
    assert page.text(".place") == "3 of 3"
    night.append(rejected(8))
    page.has("document.querySelector('.place').textContent === '3 of 4'")
    page.press("ArrowRight")
    assert "not <b>safe</b>" in page.text(".stage")


def test_a_focused_tile_stays_in_focus_as_it_changes(
    night: Night, page: LiveVisit
) -> None:
    night.append(attempt_line(f"{7:020x}"))
    page.page.locator(".tile.is-unknown").focus()
    night.append(night.kept(7, "Oslo"))
    page.page.locator(".tile.is-succeeded[data-index='2']:focus").wait_for()


def test_the_newest_may_come_first(night: Night, page: LiveVisit) -> None:
    page.page.select_option("#order", "Newest first")
    page.page.locator("[data-index='0']").focus()
    night.append(night.kept(9, "Oslo"))
    page.has("document.querySelector('.tile').dataset.index === '2'")
    assert page.run("document.activeElement.dataset.index") == "0"


def test_a_compacted_ledger_is_read_anew(night: Night, page: LiveVisit) -> None:
    ledger = night.folder / "ledger.jsonl"
    content = ledger.read_bytes() + encode(rejected(5))
    (night.folder / "new").write_bytes(content)
    (night.folder / "new").replace(ledger)
    page.has("byId('count').textContent === '3 requests'")


def test_a_page_without_requests_waits_for_them(
    tmp_path: Path, browser: object
) -> None:
    with Watch(tmp_path / "run") as watch:
        page = LiveVisit(browser, watch.look)
        assert page.text("#count") == "0 requests"
        image = draw(tmp_path / "run", "one.png", (900, 600))
        with (tmp_path / "run" / "ledger.jsonl").open("ab") as stream:
            stream.write(encode(run_line(1)) + encode(kept(1, image)))
        page.page.locator(".tile img").wait_for()
        page.await_pictures()
        assert page.run("sheet.shape") == 1.5
        page.page.context.close()
    assert page.complaints == []
