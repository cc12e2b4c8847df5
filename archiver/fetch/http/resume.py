"""Going on with a download where it stopped, if the server still has the same file (RFC 9110, 14).

Skyvern ignores If-Range, and so do others: what the answer says of length, range and validator is
compared here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from archiver.errors import DownloadFailed
from archiver.model.paths import TEMPORARY_FOLDER
from archiver.store.lock import NOTE_ENDING, PART_ENDING
from archiver.store.staging import StagedFile
from archiver.store.storage import LocalStorage
from archiver.system.files import os_errors

_WORTH = 1 << 20
"""Bytes from which a download is worth to go on with."""
_OVERLAP = 64 << 10
_SELDOM = 64 << 20
"""Bytes between two notes, at most."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


class RemoteFile(msgspec.Struct, frozen=True):
    """What the server said of the whole file: its length in bytes and its validators."""

    length: int
    etag: str | None
    last_modified: str | None

    @property
    def strong_etag(self) -> str | None:
        """A validator that tells bytes apart, fit for If-Range."""
        etag = self.etag
        return etag if etag is not None and etag.startswith('"') and etag.isascii() else None


@dataclass(slots=True)
class DownloadState:
    """What a download did so far, whatever its end: tries, and bytes received over all of them."""

    attempts: int = 0
    received: int = 0
    served_type: str | None = None
    remote: RemoteFile | None = None
    checkpoints: "Checkpoints | None" = None
    tail: bytes = b""
    """What comes next was had before, and must be the same."""
    admit: Callable[[int], None] = lambda _: None
    """Asked whether that many bytes may come now, before they do; raises where not."""

    def start_over(self, into: StagedFile) -> None:
        """Forget what came so far: the next try begins at the beginning."""
        self.remote = None
        self.tail = b""
        into.restart()

    def check_overlap(self, piece: bytes | memoryview, into: StagedFile) -> None:
        """Compare a piece with what an earlier session had there. Raises DownloadFailed."""
        if self.tail:
            known, self.tail = self.tail[: len(piece)], self.tail[len(piece) :]
            if piece[: len(known)] != known:
                self.start_over(into)
                raise _other_file()


def range_headers(into: StagedFile, state: DownloadState) -> dict[str, str]:
    """What asks for the rest of what is there already; nothing where that cannot be continued."""
    remote = state.remote
    if remote is None or not 0 < into.size < remote.length:
        return {}
    headers = {"Range": f"bytes={into.size}-"}
    return headers | {"If-Range": remote.strong_etag} if remote.strong_etag else headers


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
    validators = (fields.get("etag"), fields.get("last-modified"))
    if status == 200:
        state.start_over(into)
        length = fields.get("content-length", "")
        state.remote = RemoteFile(int(length), *validators) if length.isdecimal() else None
        return
    remote = state.remote
    match = _CONTENT_RANGE.fullmatch(fields.get("content-range", "").strip())
    if status == 206 and asked_rest and remote is not None and match is not None:
        rest = (into.size, remote.length - 1, remote.length)
        same = validators == (remote.etag, remote.last_modified)
        length = fields.get("content-length", "")
        same &= length in ("", str(remote.length - into.size))
        if same and tuple(map(int, match.groups())) == rest:
            return
    state.start_over(into)
    raise _other_file()


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
            # Where no validator tells, the last bytes are asked for again, to be compared.
            again = _OVERLAP if note and note.remote.strong_etag is None else 0
            size, sha256, tail = file.take_over(note.size if note else 0, again)
            if note and (size, sha256) == (note.size, note.sha256):
                state.remote, state.tail = note.remote, tail
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
