"""Drives a headless Chromium, and notes what a page did that it should not have."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright, of the extra [dev]"
)
PATIENCE = 60_000
"""Milliseconds that a page on a busy machine may take to show what it should."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)


class Visit:
    """A page that was opened, and what it did that it should not have done."""

    allowed: tuple[str, ...] = ("file:", "data:", "blob:")

    def __init__(self, browser: Any, url: str, **context: object) -> None:
        self.page = browser.new_context(**context).new_page()
        self.page.set_default_timeout(PATIENCE)
        self.complaints: list[str] = []
        self.tolerated = ""
        self.page.on("console", lambda message: self.complain(message.text))
        self.page.on("pageerror", lambda error: self.complain(str(error)))
        self.page.on("dialog", lambda dialog: self.complain(dialog.message))
        self.page.on("request", self.judge)
        self.page.goto(url)

    def complain(self, words: str) -> None:
        if not self.tolerated or self.tolerated not in words:
            self.complaints.append(words)

    def tolerate(self, words: str) -> None:
        """Take what holds these words for no complaint, come already or still to."""
        self.tolerated = words
        self.complaints = [each for each in self.complaints if words not in each]

    def judge(self, request: Any) -> None:
        if not request.url.startswith(self.allowed):
            self.complain(request.url)

    def count(self, selector: str) -> int:
        return int(self.page.locator(selector).count())

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).first.inner_text())

    def click(self, selector: str) -> None:
        self.page.locator(selector).first.click()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def run(self, script: str) -> object:
        result: object = self.page.evaluate(script)
        return result

    def go(self, view: str) -> None:
        self.click(f"[data-view={view}]")
        self.page.wait_for_selector(f"#{view}:not([hidden]) > *")

    def await_pictures(self) -> None:
        self.page.wait_for_function(
            "() => [...document.images].every((i) => i.complete && i.naturalWidth > 0)"
        )


class LiveVisit(Visit):
    """A page that is served."""

    allowed = ("http://127.0.0.1:", "data:", "blob:")

    def says(self, words: str) -> None:
        """Wait for what the status line says of the run."""
        self.page.wait_for_function(
            "(words) => document.getElementById('live-words').textContent === words",
            arg=words,
        )

    def has(self, script: str) -> None:
        self.page.wait_for_function(f"() => {script}")


@contextmanager
def open_browser() -> Iterator[object]:
    with playwright.sync_playwright() as drivers:
        chromium = drivers.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()
