import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.artifact import HEAD_SIZE, media_type_of
from archiver.model.paths import safe_name

SIGNATURES = [
    b"\x89PNG\r\n\x1a\n",
    b"\x1aE\xdf\xa3",
    b"PK\x03\x04",
    b"RIFF",
    b"\x00\x00\x00\x18ftyp",
    b"\xff\xd8\xff",
    b"%PDF",
    b"\x1f\x8b",
    b"II*\x00",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
]
WEBM = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm"
MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"


@pytest.mark.parametrize(
    ("head", "name", "extension"),
    [
        (WEBM + b"\0" * 64, "video/webm", "webm"),
        (MP4 + b"\0" * 64, "video/mp4", "mp4"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png", "png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg", "jpg"),
        (b"%PDF-1.7\n", "application/pdf", "pdf"),
        (b"PK\x03\x04" + b"\0" * 30, "application/zip", "zip"),
        (b"\x1f\x8b\x08\0", "application/gzip", "gz"),
        (b"number,total\nINV-001,5\n", "text/plain", "txt"),
        ("naïve, 日本語\r\n".encode(), "text/plain", "txt"),
        (b"", "application/octet-stream", "bin"),
        (b"\0\0\0\0", "application/octet-stream", "bin"),
        (b"caf\xe9", "application/octet-stream", "bin"),
    ],
)
def test_the_bytes_tell(head: bytes, name: str, extension: str) -> None:
    found = media_type_of(head)
    assert (found.name, found.extension) == (name, extension)


@given(st.builds(bytes.__add__, st.sampled_from([b"", *SIGNATURES]), st.binary(max_size=80)))
def test_any_bytes_have_a_type_and_an_ending_fit_for_a_path(head: bytes) -> None:
    found = media_type_of(head)
    assert re.fullmatch(r"[a-z]+/[a-zA-Z0-9.+-]+", found.name)
    assert re.fullmatch(r"[a-z0-9]{1,8}", found.extension)
    assert safe_name(f"x.{found.extension}") == f"x.{found.extension}"


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_file_cut_short_anywhere_has_a_type(signature: bytes) -> None:
    for length in range(len(signature) + 1):
        media_type_of(signature[:length])


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_a_character_cut_in_two_where_the_head_ends_is_still_text(cut: int) -> None:
    text = ("a" * (HEAD_SIZE - cut) + "😀").encode()[:HEAD_SIZE]
    assert media_type_of(text).name == "text/plain"


def test_a_character_cut_in_two_where_the_file_ends_is_not_text() -> None:
    assert media_type_of("abc😀".encode()[:-1]).name == "application/octet-stream"


def test_only_the_head_counts() -> None:
    assert media_type_of(b"a" * HEAD_SIZE + b"\xff\0").name == "text/plain"
