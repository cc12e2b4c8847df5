"""What bytes are, whatever a server calls them."""

from dataclasses import dataclass

import filetype
from filetype.types import archive, image, video

HEAD_SIZE = 8_192
"""Bytes from the beginning of a file that are enough to tell."""

_FREQUENT = (
    *(image.Jpeg(), image.Apng(), image.Png()),
    *(video.Mkv(), video.Webm(), archive.Pdf()),
)
"""What runs leave behind most of the time, in filetype's own order."""
_TEXT_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type and the ending that files of it have (without dot)."""

    name: str
    extension: str


OCTET_STREAM = MediaType("application/octet-stream", "bin")
TEXT = MediaType("text/plain", "txt")


def media_type_of(head: bytes) -> MediaType:
    """The media type of a file that begins with ``head`` (``HEAD_SIZE`` bytes or the whole file).

    Signatures are those of the library ``filetype``; what has none and reads as UTF-8 is text.
    """
    head = head[:HEAD_SIZE]
    found = filetype.match(head, _FREQUENT) or filetype.guess(head)
    if found is not None:
        return MediaType(found.mime, found.extension)
    return TEXT if head and _is_text(head) else OCTET_STREAM


def _is_text(head: bytes) -> bool:
    if not _TEXT_CONTROLS.isdisjoint(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # A character may be cut in two where the head ends.
        return error.start >= len(head) - 3 and len(head) == HEAD_SIZE
    return True
