"""The artifacts that an answer of the API offers."""

import re
from dataclasses import replace

from archiver.domain.artifact import ArtifactKind, ArtifactSource
from archiver.domain.reading import Reader
from archiver.domain.url_masking import without_query
from archiver.errors import AnswerInvalid

_CONTENT_PATH = re.compile(r"/artifacts/([A-Za-z0-9_-]{1,128})/content(?:[?#]|$)", re.ASCII)


def read_sources(read: Reader) -> tuple[ArtifactSource, ...]:
    """The artifacts that an answer offers: recording, screenshots, downloads, in this order."""
    sources = []
    recording_url = read_url(read, "recording_url")
    archived = recording_url is None and read.boolean("recording_archived") is True
    if recording_url is not None or archived:
        sources.append(
            ArtifactSource(
                ArtifactKind.RECORDING,
                1,
                recording_url,
                artifact_id=artifact_id_of(recording_url),
                archived=archived,
            )
        )
    for ordinal, entry in enumerate(read.entries("screenshot_urls"), start=1):
        at = f"screenshot_urls[{ordinal - 1}]"
        if (url := read_url(Reader({at: entry}, read.problems), at)) is not None:
            artifact_id = artifact_id_of(url)
            sources.append(
                ArtifactSource(ArtifactKind.SCREENSHOT, ordinal, url, artifact_id=artifact_id)
            )
        elif entry is None:
            read.note(at, "expected a string, found null")
    for ordinal, value in enumerate(read.entries("downloaded_files"), start=1):
        if isinstance(value, dict):
            at = f"downloaded_files[{ordinal - 1}]"
            sources.append(_read_download(Reader(value, read.problems, at), ordinal))
        else:
            read.note(f"downloaded_files[{ordinal - 1}]", "expected an object")
    return tuple(sources)


def signed_sources(signed: Reader, masked: Reader) -> tuple[ArtifactSource, ...]:
    """The artifacts as a masked answer offers them, with the URLs of the answer as it came.

    Raises AnswerInvalid where the two do not offer the same.
    """
    originals, sources = read_sources(signed), read_sources(masked)
    if len(originals) != len(sources):
        raise AnswerInvalid("the API's answer has names of fields that hide others when masked")
    pairs = zip(originals, sources, strict=True)
    return tuple(replace(source, url=original.url) for original, source in pairs)


def read_url(read: Reader, name: str) -> str | None:
    """The URL of an artifact. One that leads nowhere is none: it would lead to the API's root."""
    url = read.text(name)
    if url is not None and not without_query(url).strip():
        read.note(name, "an empty URL")
        return None
    return url


def _read_download(read: Reader, ordinal: int) -> ArtifactSource:
    url = read_url(read, "url")
    return ArtifactSource(
        ArtifactKind.DOWNLOAD,
        ordinal,
        url,
        filename=read.text("filename"),
        expected_sha256=read.checksum("checksum"),
        expected_size=read.size("file_size"),
        modified_at=read.timestamp("modified_at"),
        artifact_id=read.text("artifact_id") or artifact_id_of(url),
    )


def artifact_id_of(url: str | None) -> str | None:
    """The service's id of an artifact, as its content URL names it; None in any other URL."""
    match = _CONTENT_PATH.search(url) if url else None
    return match[1] if match else None
