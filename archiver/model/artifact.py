"""Artifacts: what a run left behind, and what became of each."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import filetype
import msgspec
from filetype.types import archive, image, video

from archiver.errors import AnswerInvalid
from archiver.model.document import FieldReader
from archiver.model.ids import Sha256
from archiver.model.urls import without_query


class ArtifactKind(StrEnum):
    """What kind of thing an artifact is."""

    RECORDING = "recording"
    SCREENSHOT = "screenshot"
    DOWNLOAD = "download"


KINDS: frozenset[str] = frozenset(ArtifactKind)
"""Those that this version knows; archives may have others."""
MEDIA: frozenset[str] = frozenset({ArtifactKind.RECORDING, ArtifactKind.SCREENSHOT})
"""Those that are never empty, and never text: what is, is an error of whoever sent it."""


class ArtifactState(StrEnum):
    """What became of an artifact (design, section 2)."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    MISMATCH = "mismatch"
    GONE = "gone"
    FAILED = "failed"
    EXCLUDED = "excluded"

    @property
    def has_bytes(self) -> bool:
        """Whether the archive holds the artifact's bytes."""
        return self in _WITH_BYTES

    @property
    def is_gap(self) -> bool:
        """Whether the artifact could not be had, so that the run is not complete."""
        return self in _GAPS


_WITH_BYTES = frozenset({ArtifactState.VERIFIED, ArtifactState.UNVERIFIED})
_GAPS = frozenset({ArtifactState.MISMATCH, ArtifactState.FAILED})


class ArtifactSource(msgspec.Struct, frozen=True):
    """One artifact as the API's answer offers it.

    ``url`` is a credential as long as it carries a signature: it is never written anywhere, but
    ``address``, the same without what is secret, is. Both are None where the API names an artifact
    without saying where it is. ``filename`` may be masked, ``true_name`` is not, and
    not written either. ``expected_size`` is in bytes, ``modified_at`` in UTC. Identity
    inside a run: kind and ordinal (from 1).
    """

    kind: ArtifactKind
    ordinal: int
    url: str | None
    filename: str | None = None
    expected_sha256: Sha256 | None = None
    expected_size: int | None = None
    modified_at: datetime | None = None
    artifact_id: str | None = None
    archived: bool = False
    address: str | None = None
    true_name: str | None = None

    def __post_init__(self) -> None:
        if self.true_name is None and self.filename is not None:
            msgspec.structs.force_setattr(self, "true_name", self.filename)
        if self.address is None and self.url is not None:
            msgspec.structs.force_setattr(self, "address", without_query(self.url))

    def __repr__(self) -> str:
        return f"ArtifactSource({self.kind} {self.ordinal})"


_CONTENT_PATH = re.compile(r"/artifacts/([A-Za-z0-9_-]{1,128})/content(?:[?#]|$)", re.ASCII)


def read_sources(
    read: FieldReader, signed: FieldReader | None = None
) -> tuple[ArtifactSource, ...]:
    """The artifacts that an answer offers: recording, screenshots, downloads, in this order.

    ``read`` reads a masked answer, ``signed`` the same as it came: its URLs are the ones that lead
    to the artifacts, its names the true ones. Raises AnswerInvalid where the two do not offer the
    same.
    """
    if signed is None:
        return tuple(_source(offer, offer.url) for offer in _offers(read))
    true = [(offer.url, _name(offer)) for offer in _offers(signed)]
    try:
        offers = zip(_offers(read), true, strict=True)
        return tuple(_source(offer, url, name) for offer, (url, name) in offers)
    except ValueError:
        text = "the API's answer has names of fields that hide others when masked"
        raise AnswerInvalid(text) from None


class _Offer(msgspec.Struct):
    """An artifact in an answer: ``read`` reads the object that names it."""

    kind: ArtifactKind
    ordinal: int
    url: str | None
    read: FieldReader


def _offers(read: FieldReader) -> Iterator[_Offer]:
    url = _leading_somewhere(read, "recording_url", read.text("recording_url"))
    if url is not None or read.boolean("recording_archived") is True:
        yield _Offer(ArtifactKind.RECORDING, 1, url, read)
    for ordinal, entry in enumerate(read.entries("screenshot_urls"), start=1):
        at = f"screenshot_urls[{ordinal - 1}]"
        if (url := _leading_somewhere(read, at, read.text_of(at, entry))) is not None:
            yield _Offer(ArtifactKind.SCREENSHOT, ordinal, url, read)
    for ordinal, entry in enumerate(read.entries("downloaded_files"), start=1):
        at = f"downloaded_files[{ordinal - 1}]"
        if isinstance(entry, dict):
            file = FieldReader(entry, read.problems, at)
            url = _leading_somewhere(file, "url", file.text("url"))
            yield _Offer(ArtifactKind.DOWNLOAD, ordinal, url, file)
        else:
            read.note(at, "expected an object")


def _leading_somewhere(read: FieldReader, name: str, url: str | None) -> str | None:
    """The URL, None where it leads nowhere: to follow it would lead to the API's root."""
    # What begins with a letter is not empty without its query: most URLs need no closer look.
    if url is None or url[:1].isalpha() or without_query(url).strip():
        return url
    read.note(name, "an empty URL")
    return None


def _name(offer: _Offer) -> str | None:
    return offer.read.text("filename") if offer.kind is ArtifactKind.DOWNLOAD else None


def _source(offer: _Offer, url: str | None, true_name: str | None = None) -> ArtifactSource:
    """The artifact of an offer, to be had at ``url``."""
    kind, ordinal, shown, read = offer.kind, offer.ordinal, offer.url, offer.read
    address = None if shown is None else without_query(shown)
    if kind is not ArtifactKind.DOWNLOAD:
        return ArtifactSource(
            kind,
            ordinal,
            url,
            artifact_id=artifact_id_of(shown),
            archived=shown is None,
            address=address,
        )
    return ArtifactSource(
        kind,
        ordinal,
        url,
        filename=read.text("filename"),
        true_name=true_name,
        expected_sha256=read.checksum("checksum"),
        expected_size=read.size("file_size"),
        modified_at=read.timestamp("modified_at"),
        artifact_id=read.text("artifact_id") or artifact_id_of(shown),
        address=address,
    )


def artifact_id_of(url: str | None) -> str | None:
    """The service's id of an artifact, as its content URL names it; None in any other URL."""
    match = _CONTENT_PATH.search(url) if url else None
    return match[1] if match else None


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


TRUE_MEDIA = frozenset(
    {"video/webm", "video/x-matroska", "video/mp4", "image/png", "image/apng", "image/jpeg"}
)
"""Media types whose signatures no text has, by which recordings and pictures are known."""
SMALL = 1 << 20
"""No error page has so many bytes."""
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before the shorter one that it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PAGE = re.compile(r"\s*(?:<[a-z!?/]|\{\s*\")", re.IGNORECASE)
_NO_TEXT = re.compile(r"[^\x08-\x0d\x1b\x20-\x7e\x80-\ufffc\U00010000-\U0010ffff]")


def text_of(head: bytes) -> str | None:
    """Return the text that bytes begin with, in whatever encoding, None where they are no text.

    ``head`` is as of :func:`media_type_of`, whose signatures are no proof: ``BM`` begins words too.
    What begins as markup or JSON is text; so is what has no control characters, for every recording
    and every picture has some in its first bytes; a single NUL or BEL is a slip of a text.
    """
    text = _decoded(_without_slip(head[:HEAD_SIZE]))
    is_plain = text and not _NO_TEXT.search(text.rstrip("\ufffd"))
    return text if _PAGE.match(text) or (is_plain and not text.startswith("%PDF-")) else None


def _without_slip(head: bytes) -> bytes:
    words = head.translate(None, b"\0\a")
    return words if len(words) == len(head) - 1 and _is_text(words) else head


def _decoded(head: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "replace")
    if len(head) > 1 and not any(head[1::2]):
        return head.decode("utf-16-le", "replace")
    if len(head) > 1 and not any(head[::2]):
        return head.decode("utf-16-be", "replace")
    if _is_text(head):
        return head.decode("utf-8", "replace")
    return head.decode("latin-1")
