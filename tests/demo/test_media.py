"""The demo's files are what they claim to be, taken apart here byte by byte."""

import csv
import io
import re
import struct
import zlib

import pytest

from archiver.demo.media import HEIGHT, KEY_FRAMES, WIDTH, csv_rows, pdf, png, webm

_MASTERS = {0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0x1F43B675}
_DOC_TYPE, _DURATION, _TITLE, _CODEC = 0x4282, 0x4489, 0x7BA9, 0x86
_WIDTH, _HEIGHT, _TIMESTAMP, _SIMPLE_BLOCK = 0xB0, 0xBA, 0xE7, 0xA3


def _vint_width(first: int) -> int:
    return 9 - first.bit_length()


def _ebml_leaves(data: bytes) -> list[tuple[int, bytes]]:
    """All elements that hold no others, in order. Fails if any size does not add up."""
    leaves: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        width = _vint_width(data[at])
        ident = int.from_bytes(data[at : at + width], "big")
        at += width
        width = _vint_width(data[at])
        size = int.from_bytes(data[at : at + width], "big") & ~(1 << 7 * width)
        at += width
        body = data[at : at + size]
        assert len(body) == size
        leaves += _ebml_leaves(body) if ident in _MASTERS else [(ident, body)]
        at += size
    return leaves


def _frames(data: bytes) -> list[tuple[int, bytes]]:
    """The milliseconds and the payload of every frame."""
    frames = []
    start = 0
    for ident, body in _ebml_leaves(data):
        if ident == _TIMESTAMP:
            start = int.from_bytes(body, "big")
        elif ident == _SIMPLE_BLOCK:
            track, offset, flags = struct.unpack(">BhB", body[:4])
            assert (track, flags) == (0x81, 0x80)
            frames.append((start + offset, body[4:]))
    return frames


@pytest.mark.parametrize("frame", KEY_FRAMES)
def test_embedded_frames_are_vp8_key_frames_of_the_stated_size(frame: bytes) -> None:
    assert frame[0] & 1 == 0  # the bit that says "not a key frame"
    assert frame[3:6] == b"\x9d\x01\x2a"
    assert struct.unpack("<HH", frame[6:10]) == (WIDTH, HEIGHT)


def test_webm_declares_what_it_holds() -> None:
    data = webm("Invoices, été", 75)
    assert data.startswith(b"\x1a\x45\xdf\xa3")
    held = dict(_ebml_leaves(data))
    assert held[_DOC_TYPE] == b"webm"
    assert held[_CODEC] == b"V_VP8"
    assert held[_TITLE].decode() == "Invoices, été"
    assert struct.unpack(">d", held[_DURATION]) == (75_000.0,)
    assert int.from_bytes(held[_WIDTH], "big") == WIDTH
    assert int.from_bytes(held[_HEIGHT], "big") == HEIGHT


@pytest.mark.parametrize("seconds", [1, 5, 30, 31, 600])
def test_webm_has_one_frame_a_second_from_first_to_last(seconds: int) -> None:
    frames = _frames(webm("t", seconds))
    assert [time for time, _ in frames] == [second * 1000 for second in range(seconds)]
    assert frames[0][1] == KEY_FRAMES[0]
    assert {frame for _, frame in frames} <= set(KEY_FRAMES)
    if seconds >= len(KEY_FRAMES):
        assert frames[-1][1] == KEY_FRAMES[-1]


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks = []
    at = 8
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size) == (zlib.crc32(kind + body),)
        chunks.append((kind, body))
        at += 12 + size
    return chunks


@pytest.mark.parametrize(("width", "height"), [(320, 180), (33, 7)])
def test_png_chunks_and_pixels_add_up(width: int, height: int) -> None:
    (first, header), (second, packed), last = _png_chunks(png(7, width, height))
    assert (first, second, last) == (b"IHDR", b"IDAT", (b"IEND", b""))
    assert struct.unpack(">IIBBBBB", header) == (width, height, 8, 2, 0, 0, 0)
    pixels = zlib.decompress(packed)
    assert len(pixels) == height * (1 + 3 * width)
    assert set(pixels[:: 1 + 3 * width]) == {0}


def test_png_depends_on_the_seed_alone() -> None:
    assert png(1) == png(1)
    assert png(1) != png(2)
    assert 1_000 < len(png(1)) < 20_000


def test_pdf_cross_references_point_at_the_objects() -> None:
    data = pdf("Invoice (4711)", r"back\slash", "12 € 日")
    assert data.startswith(b"%PDF-1.")
    assert data.endswith(b"%%EOF\n")
    tail = re.search(rb"startxref\n(\d+)\n", data)
    assert tail is not None
    table = data[int(tail[1]) :]
    assert table.startswith(b"xref\n0 6\n0000000000 65535 f \n")
    offsets = re.findall(rb"^(\d{10}) 00000 n $", table, re.MULTILINE)
    assert len(offsets) == 5
    for number, offset in enumerate(offsets, 1):
        assert data[int(offset) :].startswith(b"%d 0 obj\n" % number)
    assert b"/Size 6 /Root 1 0 R" in table


def test_pdf_stream_has_the_stated_length_and_escaped_text() -> None:
    data = pdf("Invoice (4711)", r"back\slash", "12 € 日")
    found = re.search(rb"<< /Length (\d+) >>\nstream\n(.*)\nendstream", data, re.DOTALL)
    assert found is not None
    assert int(found[1]) == len(found[2])
    assert rb"(Invoice \(4711\)) Tj" in found[2]
    assert rb"(back\\slash) Tj" in found[2]
    assert b"(12 \x80 ?) Tj" in found[2]


def test_csv_reads_back() -> None:
    data = csv_rows(("name", "amount"), [("a,b", 1.5), ('"é"', 2)])
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert rows == [["name", "amount"], ["a,b", "1.5"], ['"é"', "2"]]
    assert data.endswith(b"\r\n")
