"""The page put together from what is known of an archive."""

import base64
import functools
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from archiver.query.page import wording
from archiver.query.page.content import Page, Picture, Section
from archiver.query.page.durations import durations
from archiver.query.page.facts import Facts
from archiver.query.page.failures import failures, flaky
from archiver.query.page.outcomes import outcomes
from archiver.query.page.overview import archived, headlines, lately
from archiver.query.page.timeline import before, timeline, utc_day
from archiver.query.reports.options import Filters
from archiver.store.storage import LocalStorage
from archiver.version import __version__


def build(
    storage: LocalStorage,
    facts: Facts,
    pictures: Sequence[Picture],
    filters: Filters,
    now: datetime,
) -> Page:
    """Return the page's content. ``pictures`` are those of ``facts.examples``, one for each."""
    return Page(
        title=f"Skyvern runs in “{storage.root.name}”",
        period=_period(facts),
        generated=wording.moment(now),
        generated_exact=now.astimezone(UTC).isoformat(timespec="seconds"),
        filters=_filters(filters),
        location=str(storage.root),
        summary=_summary(facts, filters, now),
        headlines=headlines(facts),
        sections=_sections(facts, pictures),
    )


def _sections(facts: Facts, pictures: Sequence[Picture]) -> list[Section]:
    if not facts.total.runs:
        return []
    counts = {
        row[facts.by.value]: row["runs"]
        for row in facts.periods.select([facts.by.value, "runs"]).to_pylist()
        if row[facts.by.value] is not None
    }
    drawn = timeline(facts.by, counts)
    return [
        lately(facts, utc_day(facts.compared_until - timedelta(microseconds=1))),
        outcomes(facts, drawn),
        failures(facts, pictures),
        durations(facts, drawn),
        flaky(facts),
        archived(facts),
    ]


def _period(facts: Facts) -> str:
    first, last = facts.total.first_created_at, facts.total.last_created_at
    if first is None or last is None:
        return "No run has a date of creation"
    begin, end = wording.day(first.astimezone(UTC)), wording.day(last.astimezone(UTC))
    return f"Runs created on {begin}" if begin == end else f"Runs created from {begin} to {end}"


def _filters(filters: Filters) -> list[str]:
    chosen = []
    if filters.since:
        chosen.append(f"created from {wording.moment(filters.since)} on")
    if filters.until:
        chosen.append(f"created before {wording.moment(filters.until)}")
    for name, values in (
        ("type", filters.run_types),
        ("status", filters.statuses),
        ("workflow", filters.workflows),
    ):
        if values:
            chosen.append(f"{name} {' or '.join(values)}")
    return chosen


def _summary(facts: Facts, filters: Filters, now: datetime) -> str:
    total = facts.total
    if not total.runs:
        return (
            "The archive holds no runs that were asked for here."
            if _filters(filters)
            else "The archive holds no runs yet. “archiver fetch” brings them."
        )
    text = (
        f"Of {wording.counted(total.final, 'finished run')}, "
        f"{wording.count(total.completed)} completed and {wording.count(total.failures)} did not."
        if total.final
        else f"{wording.counted(total.runs, 'run')}, none of which has finished yet."
    )
    earlier = before(filters, now)
    if earlier and earlier.since and earlier.until:
        if facts.before and facts.before.runs:
            text += (
                f" “Before” is the time from {wording.moment(earlier.since)} "
                f"to {wording.moment(earlier.until)}."
            )
        else:
            text += " There are no runs of the time before to compare with."
    return text


_EXPORTED = "window.vegaEmbed = vegaEmbed;"
_PACKAGE = "archiver.query.page"
_FILES = resources.files(_PACKAGE)
_VEGA_LITE = "6.4"
"""The version for which ``charts.json.j2`` is written."""


def render(page: Page) -> str:
    """Return the page's HTML, which needs no other file."""
    scripts = (_in_element(_vega(), "script"), _in_element(_text("page.js"), "script"))
    style = _in_element(_text("page.css"), "style")
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_digest(style)}; script-src {' '.join(map(_digest, scripts))}"
    )
    environment = Environment(
        loader=PackageLoader(_PACKAGE, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Not sorted: fields keep the order in which they were written.
    environment.policies["json.dumps_kwargs"] = {
        "sort_keys": False,
        "ensure_ascii": False,
        "separators": (",", ":"),
        "allow_nan": False,
    }
    return environment.get_template("page.html.j2").render(
        page=page,
        policy=policy,
        scripts=[Markup(script) for script in scripts],  # noqa: S704 -- the package's own
        style=Markup(style),  # noqa: S704 -- the package's own
        version=__version__,
    )


def _text(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


@functools.cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script.

    It takes a second to put it together.
    """
    return vl_convert.javascript_bundle(_EXPORTED, vl_version=_VEGA_LITE)


def _in_element(text: str, element: str) -> str:
    """``text`` so that it can stand in this element: it must not end it."""
    return text.replace(f"</{element}", f"<\\/{element}")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
