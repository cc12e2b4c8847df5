"""The artifacts that an answer of the API offers."""

import re
from collections.abc import Iterator

import msgspec

from archiver.domain.reading import Reader
from archiver.errors import AnswerInvalid
from archiver.model.artifact import ArtifactKind, ArtifactSource
from archiver.model.urls import without_query

_CONTENT_PATH = re.compile(r"/artifacts/([A-Za-z0-9_-]{1,128})/content(?:[?#]|$)", re.ASCII)


def read_sources(read: Reader, signed: Reader | None = None) -> tuple[ArtifactSource, ...]:
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
    read: Reader


def _offers(read: Reader) -> Iterator[_Offer]:
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
            file = Reader(entry, read.problems, at)
            url = _leading_somewhere(file, "url", file.text("url"))
            yield _Offer(ArtifactKind.DOWNLOAD, ordinal, url, file)
        else:
            read.note(at, "expected an object")


def _leading_somewhere(read: Reader, name: str, url: str | None) -> str | None:
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
