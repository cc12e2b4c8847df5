"""Documents into tables, as ``fetch`` does with the API's answers, in one process on one core.

Prints the seconds that it took; making the documents does not count. Arguments: a folder for the
tables, the number of documents.
"""

import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from archiver.fetch.answer import read_answer
from archiver.fetch.revision import ArtifactOutcome, Recorded, entry_for, next_revision
from archiver.model.artifact import ArtifactState
from archiver.model.ids import RunId, SessionId, sha256_of
from archiver.model.manifest import Manifest
from archiver.model.paths import run_folder
from archiver.model.rows import Fetched, Outcome, RevisionRows, fetch_row, revision_rows
from archiver.model.schema import FETCHES
from archiver.session import open_for_writing
from archiver.store.lock import Writer
from archiver.tables.rebuild import FLUSH_BYTES, add_rows
from archiver.tables.write import RowBuffer, flush_name
from tests.benchmarks.content import document, linked_files, run_id

SESSION = SessionId("20261124T010203.000Z-0011aabb")
AT = datetime(2026, 11, 24, 1, 2, 3, 456789, UTC)
_TOOL = "skyvern-archiver"
_BATCH = 1_000


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
    with open_for_writing(folder, AT, b"\x00\x11\xaa\xbb") as writer:
        seconds = _write_tables(writer, count)
    sys.stdout.write(f"{seconds}\n")


def _write_tables(writer: Writer, count: int) -> float:
    buffer = RowBuffer()
    seconds = 0.0
    flushes = 0
    for answers in _batches(count):
        started = time.perf_counter()
        for asked, body in answers:
            project(buffer, asked, body)
            if buffer.bytes >= FLUSH_BYTES:
                flushes += 1
                buffer.write(writer.storage, flush_name(SESSION, flushes))
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    buffer.write(writer.storage, flush_name(SESSION, flushes + 1))
    return seconds + time.perf_counter() - started


def project(buffer: RowBuffer, asked: RunId, body: bytes) -> tuple[Manifest, RevisionRows]:
    """From the answer's bytes to its rows: those of a run whose artifacts are left out."""
    answer = read_answer(body, sha256_of(body), asked, AT, ("benchmark-key-0123456789",))
    settlements: list[ArtifactOutcome] = [
        Recorded(entry_for(source, ArtifactState.EXCLUDED, SESSION, reason="left out"))
        for source in answer.sources
    ]
    new = next_revision(
        asked,
        answer,
        None,
        settlements,
        settled=True,
        fetched_at=AT,
        session=SESSION,
        tool=_TOOL,
    )
    assert new is not None
    folder = run_folder(answer.run.run_id, answer.run.created_at)
    rows = revision_rows(new.manifest, answer.run, answer.document, folder)
    add_rows(buffer, rows, new.manifest.fetched_at)
    fetched = Fetched(SESSION, asked, asked, Outcome.FETCHED, 200, None, 1, 0, 0, 0.001, AT)
    buffer.add(FETCHES, [fetch_row(fetched)], AT)
    return new.manifest, rows


def _batches(count: int) -> Iterator[list[tuple[RunId, bytes]]]:
    for first in range(0, count, _BATCH):
        numbers = range(first, min(count, first + _BATCH))
        yield [
            (RunId(run_id(number)), document(number, linked_files("http://127.0.0.1:8000", number)))
            for number in numbers
        ]


if __name__ == "__main__":
    main()
