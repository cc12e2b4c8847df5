"""Archives that many sessions have written to, without any of their runs but in the tables."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from archiver.model.schema import ARTIFACTS, DOCUMENTS, FETCHES, RUNS
from archiver.session import open_for_writing
from archiver.store.lock import Writer
from archiver.tables.write import RowBuffer, flush_name
from tests.tables.test_parquet import row

RUNS_A_NIGHT = 3


def run_ids(nights: int) -> Iterator[str]:
    """The ids of the runs of so many nights."""
    for number in range(nights * RUNS_A_NIGHT):
        yield f"tsk_{600_000 + number * 7_919 % 100_000}"


def spend_nights(archive: Path, nights: int, at: datetime, *, first: int = 0) -> None:
    """Write the tables of so many sessions, all at one time; the ``first`` nights are over."""
    ids = list(run_ids(first + nights))
    for night in range(first, first + nights):
        with open_for_writing(archive, at, night.to_bytes(4)) as writer:
            spend_night(writer, ids[night * RUNS_A_NIGHT : (night + 1) * RUNS_A_NIGHT], at)


def spend_night(
    writer: Writer,
    ids: Sequence[str],
    at: datetime,
    number: int = 1,
    *,
    documents: Sequence[str] = (),
) -> None:
    """Write a flush: for each run a row in each table, two in artifacts, none in errors.

    ``documents`` are those of more revisions.
    """
    buffer = RowBuffer()
    for revision, document in enumerate(documents, 2):
        others = row(DOCUMENTS, key=ids[0])
        buffer.add(DOCUMENTS, [(ids[0], revision, None, document, *others[4:])], at)
    for table in (DOCUMENTS, ARTIFACTS, ARTIFACTS, RUNS, FETCHES):
        buffer.add(table, [row(table, key=key) for key in ids], at)
    buffer.write(writer.storage, flush_name(writer.session, number))
