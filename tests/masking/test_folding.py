"""What is written so that it looks the same is found as if it were written plainly."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.masking.folding import fold
from archiver.masking.redaction import RedactionRules
from tests.model.strategies import ANY_TEXT

UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\ufe0f\u180e\u200e\u202e\U000e0020\u3164"
SECRET = "Jane-Doe 47é"
PATTERN = r"Jane-Doe \d+é"


def masked(text: str, *patterns: str) -> str:
    redaction = RedactionRules(patterns).checked().redaction()
    assert redaction is not None
    return redaction.text(text)


def full_width(character: str) -> str:
    if character == " ":
        return "\u3000"
    wide = chr(ord(character) + 0xFEE0)
    return wide if "!" <= character <= "~" else unicodedata.normalize("NFD", character)


@st.composite
def spelled(draw: st.DrawFn) -> str:
    """The secret in a spelling that is read as it is."""
    alike = {"-": "\u2010\u2011\u2013\u2212\uff0d", " ": "\u00a0\u2009\u202f"}
    parts = [draw(st.sampled_from([c, full_width(c), *alike.get(c, "")])) for c in SECRET]
    glue = [draw(st.text(st.sampled_from(UNSEEN), max_size=2)) for _ in parts[1:]]
    return "".join(part + unseen for part, unseen in zip(parts, [*glue, ""], strict=True))


BESIDE = st.text(st.sampled_from("abc １２Ａé\u200b\u00ad.,日本"), max_size=6).map(
    lambda text: unicodedata.normalize("NFC", text)
)


@given(spelled(), BESIDE, BESIDE)
def test_no_spelling_gets_past_a_pattern_and_all_around_it_stays(
    secret: str, before: str, behind: str
) -> None:
    assert masked(f"{before}|{secret}|{behind}", PATTERN) == f"{before}|***|{behind}"


@given(spelled(), spelled(), BESIDE)
def test_a_pattern_in_one_spelling_finds_every_other(
    pattern: str, secret: str, beside: str
) -> None:
    assert masked(f"{beside}|{secret}|{beside}", pattern) == f"{beside}|***|{beside}"


@given(ANY_TEXT)
def test_a_folded_text_is_normal_and_each_character_has_its_place(text: str) -> None:
    folded = fold(text)
    if folded is None:
        assert unicodedata.is_normalized("NFC", text)
        return
    assert len(folded.text) == len(folded.starts) == len(folded.ends)
    places = list(zip(folded.starts, folded.ends, strict=True))
    assert places == sorted(places)
    assert all(0 <= start < end <= len(text) for start, end in places)


@pytest.mark.parametrize(
    ("text", "pattern", "left"),
    [
        ("１２３-４５-６７８９", r"\d{3}-\d{2}-\d{4}", "***"),
        ("jane@example.com → ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ", r"[a-z]+@[a-z.]+", "*** → ***"),
        ("ｆulﬁl the oﬃce", "office|fulfil", "*** the ***"),
        ("①② and ²", r"\d", "*** and ***"),
        ("Ｊｏｈｎ", "Ｊｏｈｎ", "***"),
        ("Abc and abc", "Ａbc", "*** and abc"),
        ("M\u00fcller, Mu\u0308ller", "Mu\u0308ller", "***, ***"),
        ("finn, ﬁnn", "ﬁnn", "***, ***"),
        ("f(x) ｆ（ｘ） fx", "f（x）", "*** *** fx"),
        ("Ab Cd", "[Ａ-Ｚ]b", "*** Cd"),
        ("a* ** b", "＊", "a* ** b"),
        ("John", "Jo\u200bhn", "***"),
        ("12-34", "12\u201134", "***"),
        ("soft\u00adhyphen", "softhyphen", "***"),
        ("x\u200b", "x", "***\u200b"),
        ("\u200bx", "x", "\u200b***"),
        ("ｶﾞ", "ガ", "***"),
        ("\u1112\u1161\u11ab", "한", "***"),
        ("Jo%E2%80%8Bhn", "John", "***"),
        ("Jo&shy;hn &amp; co", "John", "*** & co"),
        ("half \ud83d Ｊohn", "John", "half \ufffd ***"),
        ("日本語", "x", "日本語"),
        ("１２３", "x", "１２３"),
    ],
)
def test_texts(text: str, pattern: str, left: str) -> None:
    assert masked(text, pattern) == left
    assert masked(left, pattern) == left
