"""Going on with a download where it stopped, if the server still has the same file (RFC 9110, 14).

Skyvern ignores If-Range, and so do others: what the answer says of length, range and validator is
compared here. Where no strong validator tells, the last bytes come once more, to be compared too.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from archiver.errors import DownloadFailed
from archiver.fetch.http.retry import Refusals
from archiver.model.paths import TEMPORARY_FOLDER
from archiver.store.lock import NOTE_ENDING, PART_ENDING
from archiver.store.staging import StagedFile
from archiver.store.storage import LocalStorage
from archiver.system.files import os_errors

_WORTH = 1 << 20
"""Bytes from which a download is worth to go on with."""
_OVERLAP = 64 << 10
"""Bytes that are asked for again."""
_SELDOM = 64 << 20
"""Bytes between two notes, at most."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


class RemoteFile(msgspec.Struct, frozen=True):
    """What the server said of the whole file: its length in bytes, its validators, how it comes."""

    length: int
    etag: str | None
    last_modified: str | None
    encoding: str | None = None

    @property
    def strong_etag(self) -> str | None:
        """A validator that tells bytes apart, fit for If-Range."""
        etag = self.etag
        if etag is None or not etag.startswith('"') or not etag.isascii():
            return None
        # nginx, Apache and others make it of time and length: two versions may have the same.
        parts = etag.strip('"').lower().split("-")
        is_of_length = len(parts) > 1 and {f"{self.length:x}", str(self.length)} & set(parts)
        return None if is_of_length else etag


@dataclass(slots=True)
class DownloadState:
    """What a download did so far, whatever its end: tries, and bytes received over all of them."""

    attempts: int = 0
    received: int = 0
    served_type: str | None = None
    remote: RemoteFile | None = None
    checkpoints: "Checkpoints | None" = None
    refusals: Refusals = field(default_factory=Refusals)
    tail: bytes = b""
    """What comes next is there already, and must be the same."""
    admit: Callable[[int], None] = lambda _: None
    """Asked whether that many bytes may come now, before they do; raises where not."""
    show: Callable[[int, int | None], None] = lambda _size, _total: None
    """Told how much is there, and of how much, as it comes."""

    def start_over(self, into: StagedFile) -> None:
        """Forget what came so far: the next try begins at the beginning."""
        self.remote = None
        self.tail = b""
        into.restart()

    def check_overlap(self, piece: bytes | memoryview, into: StagedFile) -> bytes | memoryview:
        """Compare a piece with what is there already, and return what is new of it.

        Raises DownloadFailed.
        """
        known, self.tail = self.tail[: len(piece)], self.tail[len(piece) :]
        if piece[: len(known)] != known:
            self.start_over(into)
            raise _other_file()
        return piece[len(known) :]


def range_headers(into: StagedFile, state: DownloadState) -> dict[str, str]:
    """What asks for the rest of what is there already; nothing where it is better begun again."""
    remote, state.tail = state.remote, b""
    if remote is None or not _WORTH <= into.size < remote.length:
        return {}
    if remote.strong_etag:
        return {"Range": f"bytes={into.size}-", "If-Range": remote.strong_etag}
    state.tail = into.last(_OVERLAP)
    return {"Range": f"bytes={into.size - len(state.tail)}-"}


def check_response(
    status: int,
    fields: Mapping[str, str],
    asked_rest: bool,
    into: StagedFile,
    state: DownloadState,
) -> None:
    """Make ``into`` fit the answer: go on if it is the rest of the same file, else begin again.

    ``fields`` are the answer's headers by name in lower case.
    """
    remote, first = state.remote, into.size - len(state.tail)
    said = tuple(fields.get(name) for name in ("etag", "last-modified", "content-encoding"))
    length, span = fields.get("content-length", ""), _span(status, fields)
    if asked_rest and remote is not None and span == (first, remote.length - 1, remote.length):
        same = said == (remote.etag, remote.last_modified, remote.encoding)
        if same and length in ("", str(remote.length - first)):
            return
    state.start_over(into)
    if status == 200:
        state.remote = RemoteFile(int(length), *said) if length.isdecimal() else None
    elif span is not None and span[:2] == (0, span[2] - 1) and length in ("", str(span[2])):
        state.remote = RemoteFile(span[2], *said)  # a range that is the whole
    else:
        raise _other_file()


def _span(status: int, fields: Mapping[str, str]) -> tuple[int, int, int] | None:
    """The first and the last byte of a range, and the length of the whole; None if it is none."""
    match = _CONTENT_RANGE.fullmatch(fields.get("content-range", "").strip())
    if status != 206 or match is None:
        return None
    return int(match[1]), int(match[2]), int(match[3])


def _other_file() -> DownloadFailed:
    return DownloadFailed(
        "storage no longer has the same file to go on with", retry=True, at_once=True
    )


class _Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How far a download came. ``sha256`` is of the first ``size`` bytes."""

    address: str | None
    remote: RemoteFile = msgspec.field(name="whole")
    size: int
    sha256: str


_CHECKPOINT = msgspec.json.Decoder(_Checkpoint)


class Checkpoints:
    """Notes beside a large download how far it came, so that a later session can go on with it.

    Nothing is synced: what a note says of the bytes is checked before they are used.
    """

    def __init__(
        self,
        storage: LocalStorage,
        name: str,
        address: str | None,
        may_keep: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """``name`` names the artifact, ``address`` says where it is, without what is secret.

        ``may_keep`` says whether a validator may be written down.
        """
        self._may_keep = may_keep
        self._storage = storage
        self._part = f"{name}{PART_ENDING}"
        self._name = name
        self._address = address
        self._next = _WORTH

    @property
    def _note(self) -> Path:
        return self._storage.locate(f"{TEMPORARY_FOLDER}/{self._name}{NOTE_ENDING}")

    def begin(self) -> tuple[StagedFile, DownloadState]:
        """The file to write into, with what an earlier session left of it."""
        state = DownloadState(checkpoints=self)
        file = self._storage.stage(self._part)
        if file.was_there:
            file.companion = str(self._note)
            note = self._read_note()
            file.take_over(note.size if note else 0)
            if note and (file.size, file.sha256) == (note.size, note.sha256):
                state.remote = note.remote
            else:
                file.restart()
        return file, state

    def save_if_due(self, file: StagedFile, remote: RemoteFile | None) -> None:
        """Note where the download stands, now and then."""
        if file.size >= self._next and remote is not None:
            self.save(file, remote)
            self._next = file.size + max(_WORTH, min(file.size // 8, _SELDOM))

    def save(self, file: StagedFile, remote: RemoteFile | None) -> bool:
        """Note where the download stands. False where it is not worth to go on with."""
        if remote is None or file.size < _WORTH:
            return False
        if not all(self._may_keep(said) for said in (remote.etag, remote.last_modified) if said):
            return False
        note = _Checkpoint(address=self._address, remote=remote, size=file.size, sha256=file.sha256)
        file.companion = str(self._note)
        aside = self._note.with_suffix(".new")
        with os_errors(f"write {self._note}"):
            aside.write_bytes(msgspec.json.encode(note, enc_hook=str))
            aside.replace(self._note)
        return True

    def _read_note(self) -> _Checkpoint | None:
        try:
            note = _CHECKPOINT.decode(self._note.read_bytes())
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return note if note.address == self._address else None
