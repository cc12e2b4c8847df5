"""An archive that holds very many complete runs, as its tables say: all that asking for them needs.

Its table files are as large as those of ``fetch``; documents, artifacts and the runs' own folders
are left out. Arguments: the archive's folder, a file for the ids, the number of runs.
"""

import sys
from datetime import timedelta
from pathlib import Path

from archiver.ledger.records import append_record
from archiver.model.ids import RunId, digest_of_lines
from archiver.model.ledger import LedgerRecord
from archiver.model.rows import Fetched, Outcome, Row, fetch_row
from archiver.model.schema import FETCHES, RUNS
from archiver.session import open_for_writing
from archiver.store.archive_file import TOOL
from archiver.store.lock import Writer
from archiver.tables.rebuild import FLUSH_BYTES
from archiver.tables.write import RowBuffer, flush_name
from tests.benchmarks.content import document, linked_files, run_id
from tests.benchmarks.projecting import AT, project

_BASE_URL = "http://127.0.0.1:8000"


def main() -> None:
    root, ids, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    with open_for_writing(root, AT, b"\x00\x11\xaa\xbb") as writer:
        _write_tables(writer, count)
        run_ids = [run_id(number) for number in range(count)]
        record = LedgerRecord(
            session=writer.session,
            tool=TOOL,
            started_at=AT,
            finished_at=AT,
            ids_asked=count,
            ids_sha256=digest_of_lines(sorted(run_ids)),
            runs={"asked": count, "fetched": count},
        )
        append_record(writer.storage, record)
        writer.clear_journals()
    ids.write_text("".join(f"{asked}\n" for asked in run_ids))


def _write_tables(writer: Writer, count: int) -> None:
    per_flush, row = _model()
    names = RUNS.column_names
    places = [names.index(name) for name in ("run_id", "path", "session", "fetched_at")]
    buffer = RowBuffer()
    for flush, first in enumerate(range(0, count, per_flush), 1):
        at = AT + timedelta(seconds=flush)
        for number in range(first, min(count, first + per_flush)):
            asked = RunId(run_id(number))
            values = list(row)
            folder = f"{str(row[places[1]]).rpartition('/tsk_')[0]}/{asked}/r1"
            for place, value in zip(places, (asked, folder, writer.session, at), strict=True):
                values[place] = value
            buffer.add(RUNS, [tuple(values)], at)
            fetched = Fetched(
                writer.session, asked, asked, Outcome.FETCHED, 200, None, 1, 0, 0, 0.001, at
            )
            buffer.add(FETCHES, [fetch_row(fetched)], at)
        buffer.write(writer.storage, flush_name(writer.session, flush))


def _model() -> tuple[int, Row]:
    """How many runs ``fetch`` writes at once, and the row of one in the table ``runs``."""
    buffer = RowBuffer()
    body = document(0, linked_files(_BASE_URL, 0))
    _, rows = project(buffer, RunId(run_id(0)), body)
    return -(-FLUSH_BYTES // buffer.bytes), rows.run


if __name__ == "__main__":
    main()
