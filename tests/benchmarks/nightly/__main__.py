"""The command: ``python -m tests.benchmarks.nightly ARCHIVE RUNS``.

Makes an archive of three years of nightly sessions, to the end of November 2026, with a record in
the ledger for each. The tables are as ``fetch`` leaves them when their files were merged, or, of
the last month, not yet. What the tables only name is left out: the folders of the runs, so that
``verify`` and ``reindex`` (without ``--compact``) have nothing to do here.
"""

import argparse
import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby, repeat
from operator import attrgetter
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from archiver.model.ids import digest_of_lines, sha256_of
from archiver.model.ledger import LedgerRecord, encode_record
from archiver.model.paths import LEDGER_FOLDER, TABLES_FOLDER, TEMPORARY_FOLDER
from archiver.model.schema import ARTIFACTS, DOCUMENTS, ERRORS, FETCHES, RUNS, Table
from archiver.session import open_for_writing
from archiver.store.archive_file import TOOL
from archiver.store.storage import LocalStorage
from archiver.tables.files import RowGroups
from archiver.tables.write import WRITE_ORDER, encode, flush_name, flush_path
from tests.benchmarks.nightly import tables
from tests.benchmarks.nightly.artifacts import artifacts
from tests.benchmarks.nightly.runs import (
    NIGHTS,
    Night,
    first_revisions,
    nights,
    second_revisions,
)

_FLUSH_ROWS = 700
"""About as many runs as ``fetch`` writes at once."""
_ROW_GROUP_BYTES = 256 << 20
_SEED = 5
_Said: TypeAlias = dict[str, tuple[int, str]]
"""What the ledger says of a session: how many runs were asked for, and the digest of their ids."""


@dataclass(frozen=True, slots=True)
class Month:
    """The sessions of a month, and the night before the first."""

    name: str
    before: Night | None
    nights: tuple[Night, ...]
    is_merged: bool

    def runs(self) -> Iterator[pa.Table]:
        """The rows of ``runs`` that each session wrote."""
        before = self.before
        for night in self.nights:
            rows = [first_revisions(night)]
            if before is not None:
                rows.append(second_revisions(before, night))
            yield pa.concat_tables(rows).combine_chunks()
            before = night


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the archive that is asked for."""
    options = _parser().parse_args(arguments)
    root = options.archive
    last = "" if options.merged else "2026-11"
    all_nights = nights(options.runs, options.nights)
    months: list[Month] = []
    for name, group in groupby(all_nights, attrgetter("month")):
        of_month = tuple(group)
        before = months[-1].nights[-1] if months else None
        months.append(Month(name, before, of_month, name != last))
    with open_for_writing(root, all_nights[0].began, b"\0\0\0\0") as writer:
        storage = writer.storage
        with contextlib.ExitStack() as stack:
            each: Callable[..., Iterable[_Said]] = map
            if options.processes > 1:
                each = stack.enter_context(ProcessPoolExecutor(options.processes)).map
            parts = list(each(_write_month, repeat(root), months, repeat(options.document_bytes)))
        _write_ledger(storage, all_nights, {k: v for part in parts for k, v in part.items()})
        _join([_ids_path(storage, month) for month in months], options.ids)


def _join(parts: Sequence[Path], whole: Path | None) -> None:
    if whole is not None:
        with whole.open("wb") as ids:
            for path in parts:
                with path.open("rb") as part:
                    shutil.copyfileobj(part, ids)
    for path in parts:
        path.unlink()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.nightly",
        description="Makes an archive of three years of nightly sessions: its tables and ledger.",
    )
    add = parser.add_argument
    add("archive", type=Path, help="the archive's folder, empty or not there")
    add("runs", type=int, help="how many; 3 %% of them have two revisions")
    add("--ids", type=Path, help="write the runs' ids here, one a line")
    add("--document-bytes", type=int, default=4_000, help="of a completed run [default: 4000]")
    add("--merged", action="store_true", help="merge the files of the last month too")
    add("--nights", type=int, default=NIGHTS, help=f"the last of them [default: {NIGHTS}]")
    add("--processes", type=int, default=2, help="[default: 2]")
    return parser


def _write_month(root: Path, month: Month, document_bytes: int) -> _Said:
    """Write a month's tables, and its ids aside."""
    storage = LocalStorage(root)
    storage.accept_root()
    chance = np.random.default_rng((_SEED, month.nights[0].number))
    sessions = list(month.runs())
    ids = [rows["run_id"].to_pylist() for rows in sessions]
    firsts = [
        text
        for rows, of_session in zip(sessions, ids, strict=True)
        for text, revision in zip(of_session, rows["revision"].to_pylist(), strict=True)
        if revision == 1
    ]
    _ids_path(storage, month).write_text("".join(f"{text}\n" for text in firsts))
    if month.is_merged:
        name = flush_name(month.nights[-1].session, 2)
        _write_merged(storage, month, name, pa.concat_tables(sessions), document_bytes, chance)
    else:
        for night, rows in zip(month.nights, sessions, strict=True):
            _write_flushes(storage, night, rows, document_bytes, chance)
    return {
        night.session: (rows.num_rows, digest_of_lines(sorted(asked)))
        for night, rows, asked in zip(month.nights, sessions, ids, strict=True)
    }


def _write_merged(
    storage: LocalStorage,
    month: Month,
    name: str,
    unsorted: pa.Table,
    document_bytes: int,
    chance: np.random.Generator,
) -> None:
    runs = _sorted(RUNS, unsorted.combine_chunks())
    counted = runs.num_rows
    for table, rows, pieces in (
        (RUNS, counted, iter([runs])),
        (ARTIFACTS, 3 * counted, iter([artifacts(runs, chance)])),
        (ERRORS, counted, iter([tables.errors(runs)])),
        (FETCHES, counted, iter([_sorted(FETCHES, tables.fetches(runs, chance))])),
        (DOCUMENTS, counted, tables.documents(runs, document_bytes, chance)),
    ):
        path = f"{TABLES_FOLDER}/{flush_path(table, month.name, name)}"
        storage.make_folder(path.rpartition("/")[0])
        with storage.create(path) as file, RowGroups(table, file, rows, _ROW_GROUP_BYTES) as groups:
            for piece in pieces:
                groups.add(piece)


def _write_flushes(
    storage: LocalStorage,
    night: Night,
    rows: pa.Table,
    document_bytes: int,
    chance: np.random.Generator,
) -> None:
    for number, first in enumerate(range(0, rows.num_rows, _FLUSH_ROWS), 1):
        runs = _sorted(RUNS, rows.slice(first, _FLUSH_ROWS))
        of_flush = {
            RUNS: runs,
            ARTIFACTS: artifacts(runs, chance),
            ERRORS: tables.errors(runs),
            FETCHES: _sorted(FETCHES, tables.fetches(runs, chance)),
            DOCUMENTS: pa.concat_tables(tables.documents(runs, document_bytes, chance)),
        }
        for table in WRITE_ORDER:
            if table in of_flush and of_flush[table].num_rows:
                path = flush_path(table, night.month, flush_name(night.session, number))
                storage.put(f"{TABLES_FOLDER}/{path}", encode(table, of_flush[table]))


def _sorted(table: Table, rows: pa.Table) -> pa.Table:
    return rows.sort_by([(key, "ascending") for key in table.sorted_by]).combine_chunks()


def _write_ledger(storage: LocalStorage, sessions: list[Night], said: _Said) -> None:
    previous: tuple[str | None, str | None] = None, None
    storage.make_folder(LEDGER_FOLDER)
    for night in sessions:
        asked, ids_sha256 = said[night.session]
        record = LedgerRecord(
            session=night.session,
            tool=TOOL,
            started_at=night.began,
            finished_at=night.began + timedelta(seconds=60 + asked / 20),
            interrupted=False,
            ids_asked=asked,
            ids_sha256=ids_sha256,
            runs={"asked": asked, "fetched": asked},
            artifacts={},
            manifests=asked,
            manifests_sha256=digest_of_lines([]),
            bytes_downloaded=asked * 1_000_000,
            previous_session=previous[0],
            previous_sha256=previous[1],
        )
        data = encode_record(record)
        storage.locate(f"{LEDGER_FOLDER}/{night.session}.json").write_bytes(data)
        previous = night.session, sha256_of(data)


def _ids_path(storage: LocalStorage, month: Month) -> Path:
    return storage.locate(f"{TEMPORARY_FOLDER}/{month.name}.ids")


if __name__ == "__main__":
    main()
