"""``archiver help``: topics, pages as terminals and pipes get them, the help of commands."""

import pytest

from archiver.cli.commands.help import TOPICS, read_page
from tests.cli.running import Command
from tests.cli.terminals import terminal


def test_without_a_topic_all_are_listed_with_a_line_each(archiver: Command) -> None:
    lines = archiver("help").out.splitlines()
    for topic in TOPICS:
        (line,) = [line for line in lines if line.split()[:1] == [topic]]
        assert 20 < len(line) <= 100


@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_is_plain_text_where_nobody_looks(archiver: Command, topic: str) -> None:
    page = archiver("help", topic)
    assert page.out == read_page(topic)
    assert "\x1b" not in page.out
    assert page.err == ""


def test_a_topic_may_be_written_as_one_says_it(archiver: Command) -> None:
    assert archiver("help", "Every", "Night").out == read_page("every-night")


def test_the_help_of_a_command_is_its_own(archiver: Command) -> None:
    assert archiver("help", "fetch").out == archiver("fetch", "--help").out
    assert archiver("help", "check-proof").out == archiver("check-proof", "--help").out


@pytest.mark.parametrize(
    ("topic", "meant"),
    [("prooff", "proof"), ("question", "questions"), ("fech", "fetch"), ("night", "every-night")],
)
def test_a_topic_that_is_none_is_wrong_usage_and_near_ones_are_named(
    archiver: Command, topic: str, meant: str
) -> None:
    ran = archiver("help", topic, code=2)
    assert f"there is no topic '{topic}'. Did you mean " in ran.err
    assert meant in ran.err.partition("?")[0]
    assert ", ".join(TOPICS) in ran.err


def test_a_topic_that_is_like_none_gets_the_list(archiver: Command) -> None:
    ran = archiver("help", "\x1b[31mxyz", code=2)
    assert "Did you mean" not in ran.err
    assert "\x1b" not in ran.err
    assert ", ".join(TOPICS) in ran.err


def test_a_terminal_gets_the_page_in_colour_with_links_to_type() -> None:
    with terminal("help", "start", columns=80, PAGER="") as shown:
        text = shown.until("Six states of an artifact")
        text += shown.end()
    assert shown.code == 0
    assert "**" not in text
    assert "Proof (archiver help proof)" in " ".join(text.split())
    assert ".md" not in text
    # Lines of code are not folded.
    assert "ledger/<session>.head               the digests of its record, signature (.sig)" in text


def test_a_terminal_gets_the_page_in_its_pager() -> None:
    with terminal("help", "proof", columns=80, PAGER="head -n 3") as shown:
        text = shown.end()
    assert shown.code == 0
    assert "Proof: is it intact" in text
    assert "Handing runs over" not in text
