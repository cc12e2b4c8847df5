"""Texts as they are read: what looks the same, or is not seen, spelled in one way.

A pattern is looked for in the folded text; the places are those of the text as it stands.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text. Character ``n`` of it stands for those from ``starts[n]`` to ``ends[n]``."""

    text: str
    starts: list[int]
    ends: list[int]

    def in_original(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of the folded text, of one character at least, stands in the original."""
        return self.starts[start], self.ends[end - 1]


def fold(text: str) -> Folded | None:
    """Fold a text by NFKC, without characters that are not seen, and with one kind of hyphen.

    Returns None where nothing becomes different.
    """
    if text.isascii():
        return None
    if all(_plain(c) == c for c in set(text)) and unicodedata.is_normalized("NFC", text):
        return None
    folded: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end, plain in pieces(text):
        folded.append(plain)
        starts += [start] * len(plain)
        ends += [end] * len(plain)
    return Folded("".join(folded), starts, ends)


def pieces(text: str) -> Iterator[tuple[int, int, str]]:
    """What belongs together in a text: beginning, end, and what it is folded to."""
    start, end, plain = 0, 0, ""
    for index, character in enumerate(text):
        piece = _plain(character)
        if not piece:
            continue
        if (
            plain
            and not piece.isascii()
            and len(joined := _nfkc(plain + piece)) < len(plain + piece)
        ):
            # An accent, a half of a syllable.
            end, plain = index + 1, joined
            continue
        if plain:
            yield start, end, plain
        start, end, plain = index, index + 1, piece
    if plain:
        yield start, end, plain


@lru_cache(maxsize=4_096)
def _plain(character: str) -> str:
    """What one character is folded to; nothing where it is not seen."""
    if character.isascii():
        return character
    if unicodedata.category(character) == "Cf" or _is_ignorable(ord(character)):
        return ""
    plain = _nfkc(character)
    return "-" if plain == "\u2212" or unicodedata.category(plain[0]) == "Pd" else plain


def _is_ignorable(point: int) -> bool:
    """Whether it is not shown although it is no format character (Default_Ignorable_Code_Point)."""
    return (
        point in (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0)
        or 0x180B <= point <= 0x180F
        or 0xFE00 <= point <= 0xFE0F
        or 0xE0000 <= point <= 0xE0FFF
    )


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
