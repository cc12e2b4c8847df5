"""Text is known by its content, in whatever encoding; no recording and no picture is text."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.artifact import HEAD_SIZE, text_of
from tests.lying_server import png, read, webm

WORDS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co"], exclude_characters="\ufeff\ufffd"),
    min_size=1,
    max_size=60,
)
MEDIA = {
    "webm": read(webm()),
    "png": read(png()),
    "jpg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01",
    "gif": b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0!\xf9\x04\0",
    "bmp": b"BM" + struct.pack("<IHHI", 70, 0, 0, 54),
    "webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    "mp4": b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41",
    "avi": b"RIFF\x24\x10\0\0AVI LIST",
    "mpeg-ts": b"\x47\x40\0\x10\0\0\xb0\x0d" + b"\xff" * 180,
    "ogg": b"OggS\0\x02" + bytes(8),
    "mp3": b"ID3\x03\0\0\0\0\0\x21",
    "pdf": b"%PDF-1.7\n1 0 obj",
    "nothing but NUL": bytes(100),
    "NUL and others in turn": bytes(range(256)) * 2,
}


@given(WORDS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_words_are_text_in_every_encoding_that_says_so(words: str, encoding: str) -> None:
    assert text_of(words.encode(encoding)) == words


@given(WORDS, st.sampled_from(["latin-1", "cp1251", "shift-jis", "gb18030", "euc-kr"]))
def test_words_are_text_in_other_encodings_too(words: str, encoding: str) -> None:
    assert (
        text_of(b"It says: " + words.encode(encoding, "ignore").replace(b"\x7f", b"")) is not None
    )


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60))
def test_words_need_no_mark(words: str) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        assert text_of(words.encode(encoding)) == words


@given(st.binary(max_size=60), st.sampled_from(["", " \r\n\t", "\ufeff"]))
def test_what_begins_as_a_page_is_text_whatever_comes_behind(rest: bytes, before: str) -> None:
    for begin in ("<!DOCTYPE html>", "<?xml version='1.0'?>", "<Error>", "<p>", '{"detail"', '{ "'):
        assert text_of(f"{before}{begin}".encode() + rest) is not None


@pytest.mark.parametrize("head", MEDIA.values(), ids=MEDIA)
def test_no_medium_is_text(head: bytes) -> None:
    assert text_of(head) is None
    assert text_of(head + b" and words" * 2_000) is None


@pytest.mark.parametrize("slip", [b"\0", b"\a"])
@pytest.mark.parametrize("at", [0, 3, 11])
def test_a_single_slip_does_not_make_a_medium_of_words(slip: bytes, at: int) -> None:
    words = b"upstream is busy"
    assert text_of(words[:at] + slip + words[at:]) == words.decode()


def test_nothing_is_no_text() -> None:
    assert text_of(b"") is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_a_character_cut_in_two_does_not_count(encoding: str) -> None:
    for begin in range(4):
        head = ("a" * begin + "😀" * HEAD_SIZE).encode(encoding)[:HEAD_SIZE]
        assert text_of(head) is not None
