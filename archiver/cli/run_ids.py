"""Run ids from arguments, files and standard input. All are checked before anything starts."""

import codecs
import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.errors import InvalidRunId, UsageError
from archiver.model.ids import RunId
from archiver.tables.choose import Choice, Where

STANDARD_INPUT = "-"
_MOST_ERRORS = 10
_LONGEST_FIELD = 1 << 30


@dataclass(frozen=True, kw_only=True)
class IdArguments:
    """Run ids, and files that have them in ``column``."""

    run_ids: Sequence[str]
    ids: Sequence[str]
    column: str

    def read(self) -> list[RunId]:
        """Return every id once. Raises UsageError where one is no run id, or there are none."""
        return read_ids(self.run_ids, self.ids, self.column)


@dataclass(frozen=True, kw_only=True)
class ChoiceArguments(IdArguments):
    """Runs of the archive: ids, or a condition over the view runs."""

    where: str | None

    @property
    def is_given(self) -> bool:
        return self.where is not None or bool(self.run_ids or self.ids)

    def choice(self) -> Choice:
        """Return the runs that are meant. Raises UsageError where that is not clear."""
        if not self.is_given:
            raise UsageError(
                "it is not said which runs",
                hint="Name ids, or use --ids FILE or --where SQL",
            )
        if self.where is None:
            return self.read()
        if self.run_ids or self.ids:
            raise UsageError(
                "runs are chosen by their ids or by --where, not both",
                hint="Put the ids into the condition: run_id IN ('tsk_1', 'tsk_2') AND …",
            )
        return Where(self.where)


def read_ids(arguments: Sequence[str], files: Sequence[str], column: str) -> list[RunId]:
    """Every id once, in the order given: arguments first, then files.

    Files are plain text (an id a line, ``#`` begins a comment), or by their ending CSV, NDJSON or
    Parquet with the ids in ``column``; ``-`` is standard input. Raises UsageError that names file
    and line of what is no run id, and when there are no ids at all.
    """
    errors: list[str] = []
    ids: dict[RunId, None] = {}
    for place, text in _places(arguments, files, column):
        try:
            ids[RunId(text)] = None
        except InvalidRunId as error:
            errors.append(f"{place}: {error.message}")
            if len(errors) == _MOST_ERRORS:
                errors.append("…")
                break
    if errors:
        raise UsageError(
            "nothing was done, these are no run ids:\n  " + "\n  ".join(errors) + "\n"
            "Run ids look like tsk_123, tsk_v2_123 or wr_123"
        )
    if not ids:
        raise UsageError(
            "no run ids were given",
            hint="Give them as arguments, with --ids FILE, or with --ids - on standard input",
        )
    return list(ids)


def _places(
    arguments: Sequence[str], files: Sequence[str], column: str
) -> Iterator[tuple[str, str]]:
    for number, text in enumerate(arguments, start=1):
        if text == STANDARD_INPUT:
            yield from _of_file(text, column)
        else:
            yield f"argument {number}", text
    for name in files:
        yield from _of_file(name, column)


def _of_file(name: str, column: str) -> Iterator[tuple[str, str]]:
    ending = Path(name).suffix.lower()
    try:
        if ending in (".parquet", ".pq"):
            yield from _of_parquet(name, column)
        elif ending in (".csv", ".tsv"):
            yield from _of_csv(name, column, "\t" if ending == ".tsv" else ",")
        elif ending in (".ndjson", ".jsonl"):
            yield from _of_ndjson(name, column)
        else:
            yield from _of_text(name)
    except OSError as error:
        raise UsageError(f"cannot read {_title(name)}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{_title(name)} is not UTF-8 text") from None


def _of_text(name: str) -> Iterator[tuple[str, str]]:
    title = _title(name)
    for number, line in enumerate(_open(name), start=1):
        text = line.partition("#")[0].strip()
        if text:
            yield f"{title}, line {number}", text


def _of_csv(name: str, column: str, delimiter: str) -> Iterator[tuple[str, str]]:
    csv.field_size_limit(_LONGEST_FIELD)  # exports have whole outputs in their cells
    reader = csv.DictReader(_open(name), delimiter=delimiter)
    try:
        _check_column(name, column, list(reader.fieldnames or ()))
        for row in reader:
            text = (row[column] or "").strip()
            if text:
                yield f"{name}, line {reader.line_num}", text
    except csv.Error as error:
        raise UsageError(f"{name}, line {reader.line_num}: {error}") from None


def _of_ndjson(name: str, column: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_open(name), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            raise UsageError(f"{name}, line {number}: not JSON") from None
        if not isinstance(entry, dict) or column not in entry:
            raise UsageError(
                f"{name}, line {number}: no field {column!r}", hint="Name it with --column"
            )
        if entry[column] is not None:
            yield f"{name}, line {number}", str(entry[column]).strip()


def _of_parquet(name: str, column: str) -> Iterator[tuple[str, str]]:
    try:
        with pq.ParquetFile(name) as file:
            _check_column(name, column, file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(columns=[column]):
                for value in batch.column(0).to_pylist():
                    number += 1
                    if value is not None:
                        yield f"{name}, row {number}", str(value).strip()
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise UsageError(f"{name} cannot be read as Parquet: {error}") from None


def _check_column(name: str, column: str, columns: Sequence[str]) -> None:
    if column not in columns:
        raise UsageError(
            f"{name} has no column {column!r}, only {', '.join(columns) or 'none'}",
            hint="Name the column with --column",
        )


def _open(name: str) -> Iterator[str]:
    if name == STANDARD_INPUT:
        if sys.stdin is None:
            raise UsageError("there is no standard input to read run ids from")
        # Whatever the locale says: ids are ASCII, and a byte order mark is no part of one.
        for line in codecs.iterdecode(sys.stdin.buffer, "utf-8-sig"):
            yield from io.StringIO(line, newline=None)
        return
    with Path(name).open(encoding="utf-8-sig", newline="") as file:
        yield from file


def _title(name: str) -> str:
    return "standard input" if name == STANDARD_INPUT else name
