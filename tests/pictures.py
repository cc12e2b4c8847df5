"""Pictures for tests, made from nothing but the standard library."""

import hashlib
import struct
import zlib


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


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)
