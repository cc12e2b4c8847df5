"""A page as a real browser shows it, with all that went wrong noted."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
DESKTOP = (1200, 900)
PHONE = (360, 740)


def find_browser() -> str:
    """The path of a Chromium; the test is skipped where there is none, or fails if it must be."""
    asked = os.environ.get("ARCHIVER_TEST_BROWSER", "")
    found = (
        shutil.which(asked)
        if asked and asked != "required"
        else next(filter(None, map(shutil.which, _NAMES)), None)
    )
    if found is not None:
        return found
    message = (
        f"there is no browser {asked}"
        if asked and asked != "required"
        else "there is no Chromium here: `apt-get install chromium` brings it, "
        "or ARCHIVER_TEST_BROWSER names one"
    )
    if asked:
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def running_browser() -> Iterator[Browser]:
    path = find_browser()
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS)) as browser,
    ):
        yield browser


class Opened:
    """A page that was opened from disk; its charts are drawn."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        page.context.on("request", lambda request: self.requests.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-charts=drawn]", state="attached")

    def table(self, name: str) -> list[dict[str, Any]]:
        """A table's rows: exact values where there are some, else the text, None for no value."""
        rows = self.page.evaluate(_TABLE, f"{name}-table")
        assert isinstance(rows, list)
        return rows

    def marks(self, name: str) -> int:
        """How many marks a chart has."""
        marks = self.page.locator(f"#{name}-plot svg g.role-mark").locator("path, line, text")
        return marks.count()

    def value(self, name: str) -> str | None:
        """The exact value of a figure at the top."""
        return self.page.locator(f"#figure-{name} .figure").get_attribute("data-value")


_TABLE = """name => {
    const table = document.getElementById(name);
    const names = [...table.querySelectorAll("thead th")].map(th => th.dataset.column);
    return [...table.querySelectorAll("tbody tr")].map(row => Object.fromEntries(
        [...row.children].map((cell, place) => {
            const exact = cell.querySelector("[data-value]");
            const nothing = cell.querySelector(".nothing");
            return [names[place], nothing ? null : exact ? exact.dataset.value : cell.textContent];
        })));
}"""


@contextmanager
def opened(
    browser: Browser,
    file: Path,
    size: tuple[int, int] = DESKTOP,
    scheme: Literal["light", "dark"] = "light",
) -> Iterator[Opened]:
    """The page, opened from disk. At the end nothing was complained of and nothing was loaded."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
    )
    with context:
        page = Opened(context.new_page(), file)
        yield page
        assert page.complaints == []
        assert [url for url in page.requests if not url.startswith("data:")] == [file.as_uri()]
