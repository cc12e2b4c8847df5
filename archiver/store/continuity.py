"""Whether the last writer was at work on this very copy of the archive, and left what it should.

The file of the first lock says so: it is no truth of its own, and may go with ``tmp``. Then, and
in every copy that was not made by moving the folder, the next writer looks at all runs once.
"""

import contextlib
from collections.abc import Iterable

import msgspec

from archiver.errors import ArchiverError
from archiver.model.paths import ARCHIVE_FILE, LEDGER_FOLDER, TEMPORARY_FOLDER
from archiver.store.names import is_journal
from archiver.store.storage import LocalStorage

_FILE = f"{TEMPORARY_FOLDER}/lock"


class LastWriter(msgspec.Struct, frozen=True):
    """What the lock's file says: which ``copy`` of the archive the last writer wrote to, and of
    which sessions there must be journals, for what they committed may be in no list yet."""

    copy: str
    journals: tuple[str, ...]


_LAST_WRITER = msgspec.json.Decoder(LastWriter)


def last_writer(storage: LocalStorage) -> LastWriter | None:
    """Return what the lock's file says; None where it says nothing."""
    try:
        return _LAST_WRITER.decode(storage.read(_FILE))
    except (ArchiverError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def is_continued(storage: LocalStorage, last: LastWriter | None) -> bool:
    """Tell whether lists and journals name all that was ever committed here."""
    there = [name for name in storage.own_names(LEDGER_FOLDER) if is_journal(name)]
    return (
        last is not None
        and last.copy == _copy(storage)
        and all(any(name.startswith(one) for name in there) for one in last.journals)
    )


def note_writer(storage: LocalStorage, journals: Iterable[str] | None) -> None:
    """Write into the lock's file which sessions have journals; nothing where that is not known.

    In its place, for it is locked. Where it cannot be written it says nothing.
    """
    with contextlib.suppress(OSError), storage.locate(_FILE).open("r+b") as file:
        file.truncate()
        if journals is not None:
            last = LastWriter(_copy(storage), tuple(journals))
            file.write(msgspec.json.encode(last, enc_hook=str) + b"\n")


def _copy(storage: LocalStorage) -> str:
    """What is another in each copy: of a file that nothing changes, when its node last did."""
    status = storage.locate(ARCHIVE_FILE).stat()
    return f"{status.st_ino}-{status.st_ctime_ns}"
