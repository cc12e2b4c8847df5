"""The artifacts that an answer of the API offers."""

import re

from archiver.domain.artifact import ArtifactKind, ArtifactSource
from archiver.domain.reading import Reader

_CONTENT_PATH = re.compile(r"/artifacts/([A-Za-z0-9_-]{1,128})/content(?:[?#]|$)", re.ASCII)


def read_sources(read: Reader) -> tuple[ArtifactSource, ...]:
    """The artifacts that an answer offers: recording, screenshots, downloads, in this order."""
    sources = []
    recording_url = read.text("recording_url")
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
        if (url := Reader({at: entry}, read.problems, secrets=read.secrets).text(at)) is not None:
            artifact_id = artifact_id_of(url)
            sources.append(
                ArtifactSource(ArtifactKind.SCREENSHOT, ordinal, url, artifact_id=artifact_id)
            )
        elif entry is None:
            read.note(at, "expected a string, found null")
    for ordinal, value in enumerate(read.entries("downloaded_files"), start=1):
        if isinstance(value, dict):
            at = f"downloaded_files[{ordinal - 1}]"
            entry_reader = Reader(value, read.problems, at, read.secrets)
            sources.append(_read_download(entry_reader, ordinal))
        else:
            read.note(f"downloaded_files[{ordinal - 1}]", "expected an object")
    return tuple(sources)


def _read_download(read: Reader, ordinal: int) -> ArtifactSource:
    url = read.text("url")
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
