"""The page in a browser: whole from disk, readable everywhere, inert whatever texts it is given."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.cli.running import Command, Fetch, point_to
from tests.lying_server import LyingServer, Plain, task_run, workflow_run
from tests.pictures import png
from tests.query.page.archives import NOON, Run, write_archive
from tests.query.page.browser import DESKTOP, PHONE, Opened, opened

HOSTILE = "</script><img src=x onerror=\"console.error('hacked')\">"
TEXTS = (
    HOSTILE,
    "\"><svg onload=console.error('hacked')> {{ 7 * 7 }} {% raw %}",
    "<!-- <script>console.error('hacked')</script> ]]> &lt;b&gt; \u2028 \x00 \x1b[31m",
    "javascript:console.error('hacked') datum['x'] \\u003c/script>",
    "مرحبا بالعالم: فشل تسجيل الدخول \u202e reversed \u202c",
    "A very long word " + "w" * 3_000 + " and " + "many words " * 500,
)


def page_of(runs: list[Run], folder: Path, *options: str) -> Path:
    """The page on an archive of these runs."""
    archive = write_archive(folder / "archive", runs)
    file = folder / "page.html"
    Command()("report", "--archive", archive.root, "--html", file, *options)
    return file


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose every text comes from somebody who means harm."""
    runs = [
        Run(
            f"tsk_{HOSTILE}{number}",
            "failed" if number % 2 else "completed",
            NOON - timedelta(days=number),
            reason=TEXTS[number % len(TEXTS)],
            columns={
                "run_type": f"type {HOSTILE}",
                "workflow_id": f"workflow {HOSTILE}",
                "request_engine": HOSTILE,
            },
        )
        for number in range(40)
    ]
    runs.append(Run("tsk_odd", f"status {HOSTILE}"))
    runs.append(Run("tsk_quiet", "failed", reason=None, shot=png(1)))
    return page_of(runs, tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_hostile_texts_are_shown_and_do_nothing(
    browser: Browser, hostile: Path, size: tuple[int, int]
) -> None:
    with opened(browser, hostile, size) as opened_page:
        page = opened_page.page
        assert page.locator("img[src=x], svg[onload], main script:not([type])").count() == 0
        for text in TEXTS[:2]:
            assert text in page.locator("main").inner_text()
        assert HOSTILE in page.locator("#by-status-table").inner_text()
        assert HOSTILE in page.locator("#flaky-table").inner_text()
        page.locator("#flaky-plot").scroll_into_view_if_needed()
        page.locator("#flaky-plot svg g.mark-rect path").first.hover(force=True)
        tooltip = page.locator("#vg-tooltip-element.visible")
        assert HOSTILE in tooltip.inner_text()
        assert tooltip.locator("img").count() == 0
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size[0]


def test_light_and_dark_follow_the_reader_while_the_page_is_open(
    browser: Browser, hostile: Path
) -> None:
    colors = """() => [
        getComputedStyle(document.body).backgroundColor,
        getComputedStyle(document.querySelector('#runs-over-time svg g.mark-rect path')).fill,
        getComputedStyle(document.querySelector('#runs-over-time svg .role-axis-label text')).fill,
    ]"""
    with opened(browser, hostile) as opened_page:
        light = opened_page.page.evaluate(colors)
        opened_page.page.emulate_media(color_scheme="dark")
        dark = opened_page.page.evaluate(colors)
        assert all(a != b for a, b in zip(light, dark, strict=True))
        opened_page.page.emulate_media(media="print")
        assert opened_page.page.evaluate(colors)[1:] == light[1:]


def test_the_keyboard_reaches_all_and_is_caught_nowhere(browser: Browser, hostile: Path) -> None:
    with opened(browser, hostile) as opened_page:
        page = opened_page.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        reached = set()
        for _ in range(120):
            reached.add(
                page.evaluate("document.activeElement.className || document.activeElement.tagName")
            )
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
        else:
            pytest.fail("the keyboard does not leave the page")
        assert {"A", "SUMMARY", "scroll", "enlarge"} <= reached
        page.locator("#runs-over-time summary").focus()
        page.keyboard.press("Enter")
        assert page.locator("#runs-over-time-table").is_visible()
        page.locator("button.enlarge").first.focus()
        page.keyboard.press("Enter")
        assert page.locator("dialog img").evaluate("image => image.naturalWidth") > 0
        page.keyboard.press("Escape")
        assert not page.locator("dialog").is_visible()
        assert page.evaluate("document.activeElement.className") == "enlarge"


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Opened]:
    """The page on runs that were fetched from a server, screenshots and all."""
    folder = tmp_path_factory.mktemp("fetched")
    with LyingServer() as server, pytest.MonkeyPatch.context() as patch:
        point_to(server, patch)
        for number in range(3):
            shots = [server.artifact(Plain(png(n)), "screenshot") for n in (10 + number, 20)]
            server.add_run(
                workflow_run(f"wr_{number}", "failed", screenshots=shots, failure_reason="Broke.")
            )
        server.add_run(workflow_run("wr_3"))
        server.add_run(task_run("tsk_1"))
        ids = ("wr_0", "wr_1", "wr_2", "wr_3", "tsk_1")
        Fetch(Command())(*ids, "--archive", folder / "archive")
    file = folder / "page.html"
    Command()("report", "--archive", folder / "archive", "--html", file)
    with opened(browser, file) as page:
        yield page


def test_the_last_screenshot_stands_beside_each_example(fetched: Opened) -> None:
    shown = fetched.page.locator(".run").evaluate_all(
        """runs => runs.map(run => ({
            id: run.querySelector("code").innerText,
            path: run.querySelector("figcaption code").innerText,
            width: run.querySelector("img").naturalWidth,
            reason: run.querySelector("blockquote").innerText,
        }))"""
    )
    assert len(shown) == 2
    for run in shown:
        assert run["path"].endswith(f"/{run['id']}/r1/screenshots/01.png")
        assert (run["width"], run["reason"]) == (320, "Broke.")


def test_a_page_says_what_it_is_of(fetched: Opened) -> None:
    assert fetched.page.title() == "Skyvern runs in “archive”"
    text = fetched.page.inner_text("body")
    for part in ("Runs created on ", "UTC", "3 runs did not complete", "for 1 reason"):
        assert part in text


def test_an_empty_archive_is_a_page_too(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, page_of([], tmp_path)) as page:
        assert "The archive holds no runs yet" in page.page.inner_text("main")


@pytest.mark.parametrize(
    "runs",
    [
        [Run("tsk_1", "running")],
        [Run("tsk_1", "completed", seconds=0)],
        [Run("tsk_1", "failed", None, seconds=None, columns={"run_type": None})],
        [Run("tsk_1", "queued", datetime(9999, 12, 31, 23, tzinfo=UTC))],
        [Run("tsk_1", "failed", datetime(1, 1, 1, tzinfo=UTC))],
    ],
    ids=["running", "at once", "undated", "last of days", "first of days"],
)
def test_a_single_run_is_enough(browser: Browser, tmp_path: Path, runs: list[Run]) -> None:
    with opened(browser, page_of(runs, tmp_path), PHONE) as page:
        assert page.value("runs") == "1"
        assert page.page.locator("#words").is_visible()


def test_years_and_hundreds_of_reasons_stay_readable(browser: Browser, tmp_path: Path) -> None:
    codes = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(200)]
    runs = [
        Run(f"tsk_{n}", "failed", NOON - timedelta(days=n * 5), reason=f"Cause {code}")
        for n, code in enumerate(codes)
    ]
    runs.append(Run("tsk_old", created=datetime(1970, 1, 1, tzinfo=UTC)))
    with opened(browser, page_of(runs, tmp_path), PHONE) as page:
        assert page.marks("runs-over-time") == 33
        assert "1 run created outside Mar 2024 to Nov 2026" in page.page.inner_text("#outcomes")
        assert page.page.locator("#reasons-plot svg g.mark-rect path").count() == 10
        page.page.locator("#reasons summary").click()
        assert len(page.table("reasons")) == 100
        assert "The first 100 of 200" in page.page.inner_text("#reasons")
        assert page.page.locator(".reason").count() == 10


def test_axe_finds_nothing(fetched: Opened) -> None:
    page = fetched.page
    page.eval_on_selector_all("details", "all => all.forEach(d => d.open = true)")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.emulate_media(color_scheme="dark")
    results = Axe().run(page, options={"runOnly": ["color-contrast"]})
    assert results.violations_count == 0, results.generate_report()
    levels = page.eval_on_selector_all(
        "h1, h2, h3, h4", "all => all.map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
