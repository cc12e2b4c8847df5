"""Real files made from nothing but the standard library: WebM, PNG, PDF and CSV.

Each function is pure: the same arguments give the same bytes (with the same zlib, for PNG).
"""

import csv
import hashlib
import io
import struct
import zlib
from base64 import b64decode
from collections.abc import Iterable, Sequence

WIDTH = 320
"""Pixels across in every frame."""

HEIGHT = 180
"""Pixels down in every frame."""

KEY_FRAMES: tuple[bytes, ...] = (
    b64decode(
        """
        UBoAnQEqQAG0AD85msJbLysmpCcROYngJwlpbuFxHgD+OjRrsB7U4Ek8nQa7L685l1h7m5zzLia/QuyPiI2jrmjk
        yi9S5af5szQxEbo3ReoZzGzh3yt5Wz4BDop5s+wVdbGTYOG+l9bCfOaeDFthiTS/OpgLHt5cHhk4BJ9IgqzQpEye
        W8v1tdq0nAMRXIUITS4x7Q166rTojc/hy/hV1sZNg4b6XStnwBZuM9ppg2q8WnzkbJUIVT+jYNiLrEifafMG12uj
        lRtOeokT2TslnpPjRQ6Dar4zRIlAAP17Li4Ep9lRASwd/tv8PqIgC3KV/pFOWrD2yOYII4ioiuLgCSFFZf11ibFS
        auxBiEDdmApxgKcYCnGApqRIB4TibQxCOy3Iq4YS7WT/GO4OVoAAFO0tXW2o17bCs4aMQAGsE7hXs89N9x76RQrb
        H+vgCoRz/8TxdvpoDTjH7qpAFUEECq6QAAA=
        """
    ),
    b64decode(
        """
        UBsAnQEqQAG0AD85mMFZLysnI6oRuYngJwlnbuFwbgD+NejaipJChBn9LvEFL5XCNkfBGyPgjZHwRjIixKyRT1WH
        PHk3BG4MbwqGtSd3y+WZQdCBHBwM/O3axKw42Z8ORP96PBaCP6UEIxIAz87dpyFU0WkFhsDWHZ/CnmyG7gZAsH7k
        cjkccg9b1qd5VxaNshYCxaeHw2dWxsL/yYX5cjkfBjLVstlss/ErQQ+oWgFV/NEA33MlvNYZaLEBC0DcGs0PO8HP
        ZgpnmWgbv5zktc2hDm8gbg5tDihuDm0IbPTmfiAA/V7FQTNouJVcu+X/7b8N0HfSAcUm+f//poos1E9J6x2ClEmm
        ASmRqQiaXlnf8WHkE7tRuIcruLLMwgg5xvy3q2FUiojycP0Zd+uHhliGNeTCzeVnWqBiLqy93lRqR8p+8hlKtvej
        H3ox96MfLOGQGcGKyTlpmrudlPQF+uphhAjZBmP6sMXDj3sk/ZCPkS2nLEf+vvlD2LHP/Urxn7EGgACSkAAZsgAA
        AAA=
        """
    ),
    b64decode(
        """
        cBsAnQEqQAG0AD85lr9XLyumo6zyCZHgJwlnbuFwbgD+NNiD+52BH+f6CBhj/gHvIjyyBADCBQNxATRvNmt95ooP
        pjZH9hz7TAkiOsHNiqM+mo9oP9RFMJRu9AsulwoKCsdL1n7/URTCUbzn2FZ1TtIYqhLXSrLsOfaYF3iXX6BZdLhQ
        UDLTc9UO6DPymBd4lbapVvEDMSDriSLkNIEXHoBZdLg9yDSDZAFfpVrB7zZZKDVQj5WfYyTaPXryDk+0nx4DU44I
        PINhsr/Rs/UtMVghX6lpl91+v1+v1+v1+v1+v17QAP1ewfvoN2elQHc98v/3E/pACZ+FVdf4slD+DIz0SKopmA0J
        12UiFRmG7ZRL5hSrjiy2urUAMRztdq1ejj7qT2m3Bx8r9mwB7TeFHICIdkAIaCfGZjgT+ecR0B2ufquxc/U4zNo6
        JfMKp81s0aSIy5Hi8snK/ZrvJyZDz6ct32m/8rtv+IocKkPDUYu+LX6EBNXoP+eb+zcvprUeiifV4fpHSgJVw163
        //e3n7tz+/zN68u8cUAAAAAAAAAAAAAA
        """
    ),
    b64decode(
        """
        cBwAnQEqQAG0AD85lL5VLyumoy/SKZngJwlnbuFwbgD+Neq6ipKIH+X2ES9CMehrzRUCsh8wxoS2sAXSj4Y3PsP4
        uqdR+RrDHiD+Ztfm1+0ImRwk+w/i6p0tUdfzFVXPWXRwBoLqnUfkawx2TaUOshnNkQ+LOvn2H8XVOo/ISbst2sMe
        pZzRQGguqdR+RrDHZNt58IHXUs6Hb/5lMoAuqdc3e82rRlI2q56y6OANBdU6j8jWGOybb0M4GCT2zoh+kgEYYo3J
        AIwpRXwtHNhIBGfkd6K26K+oWQ6GWZNt0V9TVauQpRZmMpwMDIAA/WesscD9fD2bVYLj/3RD5AJUbouD/8alxacS
        bGGxbPKqrLZ3AN6WTBhC2LRBGRhpUgS3e6GMVE798Yphr9unzYPcWDRhwAAAvAKO5LUanVHHq/Cnpq5C650SUcnz
        lW2SJqCc28TxS6QUHfdwW+EOSkUc94OMUxAobHG25I49MIhcu6GIcTjkQjC9Xe4AAAAAEeu/U0j4esIEGWI/97dv
        dOpr/M3hxs9vd0+PkACEkAAAAAAAAA==
        """
    ),
    b64decode(
        """
        kBwAnQEqQAG0AD85lL5VLyumoy/SKZngJwlnbuFwbgD+Neq6ipKIH+X2ES9CMehrzRUCsh8wxoS2sAXSj4Y3PsP4
        uqdR+RrDHiD+Ztfm1+0ImRwk+w/i6p0tUdfzFVXPWXRwBoLqnUfkawx2TaUOshnNkQ+LOvn2H8XVOo/ISbst2sMe
        pZzRQGguqdR+RrDHZNt58IHXUs6Hb/5lMoAuqdc3e82rRlI2q56y6OANBdU6j8jWGOybb0M4GCT2zoh+kgEYYo3J
        AIwpRX1X1SN/Udfe1IkkAjClFfULIdDLMm26K+pqtXIUoszGU0wAAP1nrLHA/Xw9m1WC4/90Q+QCVG6Lg//GpcWn
        EmxhsWzyqqy2dwDelkwYQti0QRkYaVIEt3uhjFRO/fGKYa/bp82D3Fg0YcAAALwCjuS1Gp1Rx6vwp6auQuudElHJ
        85VtkiagnNvE8UukFB33cFvhDkpFHPeDjFMQKGxxtuSOPTCIXLuhiHE45EIwvV3uAAAAABHrv1NI+HrCAI4sR/72
        7e6dTX+ZvDjZ7e7p4QAEDIAAAAAAAA==
        """
    ),
    b64decode(
        """
        kBwAnQEqQAG0AD85lL5VLyumoy/SKZngJwlnbuFwbgD+Neq6ipKxH+X2ES9CMehrzRUCsh8wxoS2sAXSj4Y3PsP4
        uqdR+RrDHiD+Ztfm1+0ImRwk+w/i6p0tUdfzFVXPWXRwBoLqnUfkawx2TaUOshnNkQ+LOvn2H8XVOo/ISbst2sMe
        pZzRQGguqdR+RrDHZNt58IHXUs6Hb/5lMoAuqdc3e82rRlI2q56y6OANBdU6j8jWGOybb0M4GCT2zoh+kgEYYo3J
        AIwpRX1X1UVxLftglNVq5ClFfU1WrjUBUQpRX1NVq5ClFfU1abzAAP1nrw0x4bCEobei1v90RMQDudmrp/+piezI
        TtXmtSf0qtyThgF9bSEXfEDhU1VBrb4Q7/kLs0nDuKX19dM5d62ftG4S5SAAAS7Wa1tEyLkuS3fsXHjeQuue0nvR
        dC2vrngPDpbX1l9/q2Jr5VIyVigRrQxFXRe2YYEqkaKhDvL9927oYhxXpUPMz0iVgAAAAA+IECBAgQH0gAnAtB/v
        bt7p1Nf5m8ONnt7iAAPaQAAAAAA=
        """
    ),
)
"""The frames in the order of the story. Each stands alone, so any sequence of them plays."""


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
