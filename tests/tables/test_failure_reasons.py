"""Failure reasons: what differs from run to run becomes a mark, what tells causes apart stays."""

from collections.abc import Iterator
from datetime import UTC, datetime

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.tables.reasons import with_reason


class Normalizer:
    """Normalizes texts as the views do it, many at once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __call__(self, *texts: str | None) -> list[str | None]:
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE given AS SELECT unnest($texts::VARCHAR[]) AS "
            "failure_reason, generate_subscripts($texts::VARCHAR[], 1) AS place",
            {"texts": list(texts)},
        )
        query = f"SELECT reason FROM ({with_reason('given')}) ORDER BY place"
        return [reason for (reason,) in self._connection.execute(query).fetchall()]


@pytest.fixture(scope="module")
def normalized() -> Iterator[Normalizer]:
    with duckdb.connect(":memory:") as connection:
        yield Normalizer(connection)


EXPECTED: dict[str | None, str | None] = {
    # Addresses
    "Cannot open https://a.example:8080/p?x=1&y='2'#z, then": "Cannot open <url><text>#z, then",
    "Cannot open (https://a.example/x).": "Cannot open (<url>).",
    "See https://a.example/Foo_(bar) or http://[::1]:80/!": "See <url> or <url>!",
    "HTTPS://A.EXAMPLE/ and file:///tmp/a": "<url> and <url>",
    "http:// is no address": "http:// is no address",
    "‘https://a.example/’ «https://b.example/» is down": "<text> <text> is down",
    "mail to jürgen.x+1@exämple.com failed": "mail to <email> failed",
    # Quoted texts
    "Element \"a\" not in “b”, „c“, «d», »e«, ‘f’, ‚g‘, ‹h›, `i`, 「j」 or 'k'": (
        "Element <text> not in " + "<text>, " * 8 + "<text> or <text>"
    ),
    'No "it\'s" and no \'say "hi"\' here': "No <text> and no <text> here",
    'It said "no \\"x\\" here" twice': "It said <text> twice",
    "'a' 'b' ['c', 'd'] x='e' ''": "<text> <text> [<text>, <text>] x=<text> <text>",
    "'it's here' and 'об'єкт'": "<text> and <text>",
    '"two\nlines" and\r\n\tmore': "<text> and more",
    # Apostrophes quote nothing
    "Can't find the user's list, don't know why": "Can't find the user's list, don't know why",
    "the users' data isn't there": "the users' data isn't there",
    "l'été d'hiver; п'ять м'яч": "l'été d'hiver; п'ять м'яч",
    'not "closed': 'not "closed',
    "rock 'n roll": "rock 'n roll",
    # Times
    "at 2026-11-24T10:15:00.123Z": "at <time>",
    "at 2026-11-24 10:15:00 +01:00": "at <time>",
    "at 11/24/2026, 10:15:00 AM": "at <time>",
    "at 24.11.2026 10:15 UTC": "at <time>",
    "at Tue, 24 Nov 2026 10:15:00 GMT": "at <time>",
    "at Tue Nov 24 2026 10:15:00 GMT+0000 (UTC)": "at <time> (UTC)",
    "at 10:15:30 or 3:07 pm": "at <time> or <time>",
    "app.js:10:15 failed in May": "app.js:<number> failed in May",
    # Ids
    "Run tsk_600323886590930490 of wr_1, wpid_abc": "Run <id> of <id>, <id>",
    "tsk_v2_600329012207751808 and pbs_6": "<id> and <id>",
    "6F9619FF-8b86-d011-b42d-00c04fc964ff at 0xdeadbeef": "<id> at <id>",
    "key AbC123xYz of element_id_7": "key <id> of <id>",
    # What only looks like one
    "net::ERR_HTTP2_PROTOCOL_ERROR": "net::ERR_HTTP<number>_PROTOCOL_ERROR",
    "net::ERR_NAME_NOT_RESOLVED": "net::ERR_NAME_NOT_RESOLVED",
    "SQL ERROR_1045 in a_total, utf8": "SQL ERROR_<number> in a_total, utf<number>",
    # Numbers
    "12 of 1,234.5 at 10.0.0.1:8080, -5, +7 %": (
        "<number> of <number> at <number>, <number>, <number> %"
    ),
    "waited 30000ms (#3), step-4": "waited <number>ms (#<number>), step-<number>",
    # What is none
    "  a \n\n b\t": "a b",
    "<url> <number>": "<url> <number>",
    "": None,
    " \r\n\t ": None,
    None: None,
}


def test_every_reason_becomes_what_is_written_here(normalized: Normalizer) -> None:
    found = dict(zip(EXPECTED, normalized(*EXPECTED), strict=True))
    assert found == EXPECTED


DIFFERENT = (
    "net::ERR_HTTP2_PROTOCOL_ERROR at https://a.example/",
    "net::ERR_HTTP2_INADEQUATE_TRANSPORT_SECURITY at https://a.example/",
    "net::ERR_NAME_NOT_RESOLVED at https://a.example/",
    "The user can't log in, it's locked",
    "The user can't log out, it's locked",
    "The user can't log in",
    "a_total is missing",
    "w_total is missing",
    "Failed to click 'x'",
    "Failed to type 'x'",
    "об'єкт не знайдено, п'ять спроб",
    "об'єкт закрито, п'ять спроб",
)


def test_different_causes_stay_different(normalized: Normalizer) -> None:
    assert len(set(normalized(*DIFFERENT))) == len(DIFFERENT)


def test_what_was_normalized_stays_as_it_is(normalized: Normalizer) -> None:
    once = normalized(*EXPECTED, *DIFFERENT)
    assert normalized(*once) == once


# Kinds of things that differ from run to run

WORDS = st.text("abc XYZ.,;:!?0123456789-_/äéßжщ語🧾", max_size=20)
NAMES = st.text("abcxyz0123456789-._~äж", min_size=1, max_size=12)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
FORMATS = (
    *("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%S+00:00", "%m/%d/%Y, %I:%M:%S %p"),
    *("%d.%m.%Y", "%a, %d %b %Y %H:%M:%S GMT", "%B %d, %Y at %I:%M %p", "%H:%M:%S", "%d %B %Y"),
)
QUOTES = ('""', "''", "“”", "„“", "«»", "»«", "‘’", "‚‘", "‹›", "``", "「」", "『』")


def urls() -> st.SearchStrategy[str]:
    end = st.text("abc019-_~%äж", min_size=1, max_size=8)
    return st.builds(
        "{}://{}/{}?q={}{}".format, st.sampled_from(["https", "ftp"]), NAMES, NAMES, NAMES, end
    )


def ids() -> st.SearchStrategy[str]:
    prefixes = st.sampled_from(["tsk", "tsk_v2", "wr", "stp", "a", "o", "bp"])
    snowflakes = st.builds("{}_{}".format, prefixes, st.integers(1, 2**63))
    return snowflakes | st.uuids(version=4).map(str) | st.uuids().map(lambda of: of.hex)


def numbers() -> st.SearchStrategy[str]:
    whole = st.integers(-(10**20), 10**20)
    texts = ("{}", "{:,}", "{:+}")
    return st.builds(str.format, st.sampled_from(texts), whole) | st.decimals(
        -1000, 1000, places=2
    ).map(str)


def quoted() -> st.SearchStrategy[str]:
    return st.builds(lambda marks, text: marks[0] + text + marks[1], st.sampled_from(QUOTES), WORDS)


def times() -> st.SearchStrategy[str]:
    return st.builds(lambda at, form: at.strftime(form), MOMENTS, st.sampled_from(FORMATS))


KINDS = {"<url>": urls(), "<id>": ids(), "<number>": numbers(), "<text>": quoted()}
KINDS["<time>"] = times()
AROUND = (
    ("", ""),
    ("Can't open ", ", it's gone"),
    ("The page (", ") didn't load."),
    ("Of the users' ", ";\nnext"),
    ("Schlüssel: ", " …"),
)


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
@pytest.mark.parametrize("mark", KINDS)
def test_another_of_the_kind_leaves_the_reason_as_it_is(
    normalized: Normalizer, mark: str, data: st.DataObject
) -> None:
    things = data.draw(st.lists(KINDS[mark], min_size=30, max_size=30))
    marked = normalized(*(before + mark + after for before, after in AROUND))
    texts = [before + thing + after for thing in things for before, after in AROUND]
    found = normalized(*texts)
    assert dict(zip(texts, found, strict=True)) == dict(
        zip(texts, marked * len(things), strict=True)
    )


@settings(max_examples=10, deadline=None, derandomize=True, database=None)
@given(st.lists(st.text(max_size=60), min_size=20, max_size=40))
def test_any_text_is_taken(normalized: Normalizer, texts: list[str]) -> None:
    whole = [text.encode("utf-8", "replace").decode() for text in texts]
    for reason in normalized(*whole):
        assert reason is None or reason.strip(" ") == reason != ""
