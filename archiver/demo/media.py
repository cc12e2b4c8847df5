"""Real files made from nothing but the standard library: WebM, PNG, PDF and CSV.

Each function is pure: the same arguments give the same bytes (with the same zlib, for PNG).
"""

import csv
import hashlib
import io
import struct
import zlib
from collections.abc import Iterable, Sequence

from archiver.demo.vp8_frames import HEIGHT, KEY_FRAMES, WIDTH

# A frame's time is a signed 16-bit number of milliseconds after its cluster's: 32 s at most.
_CLUSTER_SECONDS = 30


def webm(title: str, seconds: int) -> bytes:
    """Make a playable VP8 recording of 320x180 pixels with one frame a second.

    It plays for ``seconds`` and takes about 400 bytes for each. ``title`` goes into the file's
    metadata, so that two recordings of one length differ.
    """
    head = _element(
        0x1A45DFA3,  # EBML
        _unsigned(0x4286, 1),  # EBMLVersion
        _unsigned(0x42F7, 1),  # EBMLReadVersion
        _unsigned(0x42F2, 4),  # EBMLMaxIDLength
        _unsigned(0x42F3, 8),  # EBMLMaxSizeLength
        _element(0x4282, b"webm"),  # DocType
        _unsigned(0x4287, 2),  # DocTypeVersion
        _unsigned(0x4285, 2),  # DocTypeReadVersion
    )
    info = _element(
        0x1549A966,  # Info
        _unsigned(0x2AD7B1, 1_000_000),  # TimestampScale: nanoseconds in a tick
        _element(0x4489, struct.pack(">d", seconds * 1000)),  # Duration
        _element(0x7BA9, title.encode()),  # Title
        _element(0x4D80, b"archiver demo"),  # MuxingApp
        _element(0x5741, b"archiver demo"),  # WritingApp
    )
    video = _element(
        0xE0,  # Video
        _unsigned(0xB0, WIDTH),  # PixelWidth
        _unsigned(0xBA, HEIGHT),  # PixelHeight
    )
    entry = _element(
        0xAE,  # TrackEntry
        _unsigned(0xD7, 1),  # TrackNumber
        _unsigned(0x73C5, 1),  # TrackUID
        _unsigned(0x83, 1),  # TrackType: video
        _unsigned(0x9C, 0),  # FlagLacing
        _element(0x86, b"V_VP8"),  # CodecID
        video,
    )
    tracks = _element(0x1654AE6B, entry)  # Tracks
    # The story is spread over the whole length.
    frames = [KEY_FRAMES[second * len(KEY_FRAMES) // seconds] for second in range(seconds)]
    clusters = [
        _cluster(start, frames[start : start + _CLUSTER_SECONDS])
        for start in range(0, seconds, _CLUSTER_SECONDS)
    ]
    return head + _element(0x18538067, info, tracks, *clusters)  # Segment


def png(seed: int, width: int = 320, height: int = 180) -> bytes:
    """Make a picture of ``width`` x ``height`` pixels: a bar chart that depends on ``seed``."""
    bars = [hashlib.sha256(f"{seed}/{bar}".encode()).digest() for bar in range(8)]
    pixels = bytearray()
    for y in range(height):
        pixels.append(0)  # the row's filter: none
        row = bytearray()
        for number, bar in enumerate(bars):
            wide = width * (number + 1) // len(bars) - width * number // len(bars)
            inside = y * 256 >= height * bar[3]
            shade = 128 + 127 * y // height
            row += bytes(c * shade // 255 if inside else 244 for c in bar[:3]) * wide
        pixels += row
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _png_chunk(b"IHDR", header),
            _png_chunk(b"IDAT", zlib.compress(bytes(pixels), 6)),
            _png_chunk(b"IEND", b""),
        )
    )


def pdf(*lines: str) -> bytes:
    """Make a PDF of one A4 page with these lines of text, the first of them as the heading.

    Characters that Windows-1252 lacks become question marks.
    """
    content = b"\n".join(
        b"BT /F1 %d Tf 72 %d Td (%s) Tj ET" % (12 if n else 20, 770 - 24 * n, _pdf_text(line))
        for n, line in enumerate(lines)
    )
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
        b" /Resources << /Font << /F1 4 0 R >> >> >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    )
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")  # four high bytes: not a text file
    table = [b"0000000000 65535 f \n"]
    for number, body in enumerate(objects, 1):
        table.append(b"%010d 00000 n \n" % len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n%s" % (len(table), b"".join(table))
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(table), start)
    return bytes(out)


def csv_rows(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Make a CSV file: UTF-8, comma, CRLF, with a header line."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def _cluster(start: int, frames: Sequence[bytes]) -> bytes:
    """One WebM cluster that begins at second ``start``, one frame a second."""
    return _element(
        0x1F43B675,  # Cluster
        _unsigned(0xE7, start * 1000),  # Timestamp
        *(
            # SimpleBlock: track 1, time after the cluster's start, flag "key frame"
            _element(0xA3, struct.pack(">BhB", 0x81, second * 1000, 0x80) + frame)
            for second, frame in enumerate(frames)
        ),
    )


def _unsigned(ident: int, value: int) -> bytes:
    return _element(ident, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _element(ident: int, *parts: bytes) -> bytes:
    """One EBML element: its id, its size as the shortest possible vint, its content."""
    body = b"".join(parts)
    # All ones would mean "size unknown", so each width stops one short of that.
    width = next(n for n in range(1, 9) if len(body) < (1 << 7 * n) - 1)
    size = (len(body) | 1 << 7 * width).to_bytes(width, "big")
    return ident.to_bytes((ident.bit_length() + 7) // 8, "big") + size + body


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def _pdf_text(line: str) -> bytes:
    text = line.encode("cp1252", "replace")
    return text.replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
