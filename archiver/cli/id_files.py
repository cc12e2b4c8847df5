"""Files with run ids: what each is, by its content, and the ids in it. Nothing is passed over.

An ending counts for CSV, TSV and Parquet; everything else, and standard input, is known by how it
begins. A text that no tool can have meant as it stands (a quote that is not closed, a column that
stands twice, more cells than columns) is refused with its line.
"""

import contextlib
import csv
import gzip
import io
import itertools
import json
import os
import shlex
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, TextIO, TypeAlias, cast

import click
import pyarrow as pa
import pyarrow.parquet as pq

from archiver.errors import UsageError
from archiver.model.urls import is_id

STANDARD_INPUT = "-"
Found: TypeAlias = Iterator[tuple[str, str]]
"""Where something stands, in words, and what stands there, which is to be an id."""
_HEAD = 1 << 16
_LONGEST_FIELD = 1 << 30
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_PACKED = {
    b"\x28\xb5\x2f\xfd": "zstd -dc",
    b"BZh": "bzip2 -dc",
    b"\xfd7zXZ\x00": "xz -dc",
    b"\x04\x22\x4d\x18": "lz4 -dc",
}
_ZIP, _OLD_OFFICE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SPREADSHEETS = (b"[Content_Types].xml", b"xl/", b"opendocument.spreadsheet")
_BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_TABLES = {".csv": ",;\t", ".tsv": "\t", ".tab": "\t"}
_DELIMITERS = ",\t;"
_QUOTES = 'In CSV a " that is text is doubled, and its cell stands in quotes'


@dataclass(frozen=True, slots=True)
class IdFile:
    """A file, or standard input where ``name`` is ``-``; tables have the ids in ``column``."""

    name: str
    column: str

    @property
    def title(self) -> str:
        return "standard input" if self.name == STANDARD_INPUT else self.name

    def read(self) -> Found:
        """Yield what is to be an id, and its place. Raises UsageError for what cannot be read."""
        try:
            if self.name == STANDARD_INPUT:
                yield from self._unpacked(_standard_input(), "")
            else:
                path = Path(self.name).expanduser()
                inner = Path(path.stem) if path.suffix.lower() == ".gz" else path
                with path.open("rb") as file:
                    yield from self._unpacked(file, inner.suffix.lower())
        except UnicodeDecodeError as error:
            raise self._not_text(error) from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UsageError(
                f"{self.title} cannot be unpacked: {error}", hint="Is it whole? `gzip -t` checks it"
            ) from None
        except (OSError, RuntimeError) as error:  # RuntimeError: ~ of a user that there is not
            said = getattr(error, "strerror", None) or error
            raise UsageError(f"cannot read {self.title}: {said}") from None

    def _unpacked(self, file: IO[bytes], ending: str) -> Found:
        head = file.read(_HEAD)
        stream = _Replayed(head, file)
        if head.startswith(_GZIP):
            with gzip.open(io.BufferedReader(stream)) as unpacked:
                yield from self._unpacked(cast("IO[bytes]", unpacked), ending)
            return
        if head.startswith(_PARQUET) or (head and ending in (".parquet", ".pq")):
            yield from self._of_parquet(stream, file)
            return
        self._require_text(head)
        buffered = io.BufferedReader(stream, _HEAD)
        text = io.TextIOWrapper(buffered, encoding=_encoding(head), newline="")
        yield from self._of_lines(_Lines(text), ending)

    def _require_text(self, head: bytes) -> None:
        """Raises UsageError for what is packed, or a spreadsheet, with what to do about it."""
        for magic, command in _PACKED.items():
            if head.startswith(magic):
                raise UsageError(f"{self.title} is packed", hint=self._piped(command))
        is_sheet = any(name in head for name in _SPREADSHEETS)
        if head.startswith(_OLD_OFFICE) or (head.startswith(_ZIP) and is_sheet):
            raise UsageError(
                f"{self.title} is a spreadsheet",
                hint="Save it as “CSV UTF-8” in the program that it is of, and give that file",
            )
        if head.startswith(_ZIP):
            raise UsageError(f"{self.title} is a ZIP file", hint=self._piped("unzip -p"))

    def _not_text(self, error: UnicodeDecodeError) -> UsageError:
        piped = self._piped("iconv -f WINDOWS-1252 -t UTF-8")
        return UsageError(
            f"{self.title} is not {error.encoding.upper()} text",
            hint=f"If it is of Windows: {piped}" if error.encoding == "utf-8" else None,
        )

    def _piped(self, command: str) -> str:
        """What to type: the file through ``command``, into the command that runs."""
        context = click.get_current_context(silent=True)
        ours = context.command_path if context else "archiver fetch"
        source = "… |" if self.name == STANDARD_INPUT else ""
        named = "" if source else f" {shlex.quote(self.name)}"
        return f"{source} {command}{named} | {ours} --ids -".strip()

    def _of_lines(self, lines: "_Lines", ending: str) -> Found:
        first = lines.first()
        if not first:
            return
        delimiters = _TABLES.get(ending)
        if delimiters is None and _is_json(first):
            yield from self._of_json(lines)
            return
        delimiter = _delimiter(first, self.column, delimiters)
        if delimiter is None:
            yield from self._of_text(lines)
        elif delimiter == "\t":
            yield from self._of_table(lines, map(_tab_separated, lines))
        else:
            csv.field_size_limit(_LONGEST_FIELD)  # exports have whole outputs in their cells
            yield from self._of_table(lines, csv.reader(lines, delimiter=delimiter, strict=True))

    def _of_text(self, lines: "_Lines") -> Found:
        title = self.title
        for number, line in enumerate(lines.rest(), start=1):
            # A URL may have a # in it; behind a blank it begins a comment all the same.
            text = line.partition(" #" if "://" in line else "#")[0].strip()
            if text:
                yield f"{title}, line {number}", text

    def _of_table(self, lines: "_Lines", rows: Iterator[list[str]]) -> Found:
        """``rows`` are made of ``lines``: a row is of all lines that were taken for it."""
        lines.keeps = True
        names: list[str] | None = None
        at = 0
        while (row := self._row(lines, rows)) is not None:
            if not any(row) or (len(row) == 1 and not row[0].strip()):
                continue
            place = f"{self.title}, line {lines.taken[0][0]}"
            if names is None:
                names = [name.strip() for name in row]
                at = self._index(names)
                continue
            if len(row) > len(names) and any(row[len(names) :]):
                raise UsageError(
                    f"{place}: it has {len(row)} cells, and there are {len(names)} columns",
                    hint="A cell with the delimiter in it must stand in quotes",
                )
            if len(row) <= at:
                raise UsageError(f"{place}: it ends before the column {self.column!r}")
            if len(lines.taken) > 1:
                self._require_one(lines, len(names), at, row[at].strip(), place)
            if text := row[at].strip():
                yield place, text

    def _row(self, lines: "_Lines", rows: Iterator[list[str]]) -> list[str] | None:
        lines.taken.clear()
        try:
            return next(rows, None)
        except csv.Error as error:
            first = lines.taken[0][0]
            said = str(error)
            if "unexpected end" in said:
                said = "a quote that begins there is not closed"
            elif "expected after" in said:
                said = f"there is text behind a closing quote (up to line {lines.number})"
            raise UsageError(f"{self.title}, line {first}: {said}", hint=_QUOTES) from None

    def _require_one(self, lines: "_Lines", columns: int, at: int, own: str, place: str) -> None:
        """Raises UsageError where a row's text in quotes looks like rows that were swallowed.

        Those have other ids than the row's ``own``, which stands on one of its lines, too.
        """
        for number, line in lines.taken:
            for mark in _DELIMITERS:
                cells = line.split(mark)
                other = cells[at].strip() if len(cells) == columns > 1 else own
                if other != own and is_id(other):
                    raise UsageError(
                        f"{place}: a quote goes on to line {lines.number}, over what looks like a "
                        f"row with {other} in line {number}",
                        hint=_QUOTES,
                    )

    def _of_json(self, lines: "_Lines") -> Found:
        """A value a line; or one for all of it, whose entries are taken where it is a list."""
        if self._is_whole(lines.first()):
            for line in lines:
                place = f"{self.title}, line {lines.number}"
                if line.strip():
                    yield from self._of_entry(self._decoded(line, place), place)
            return
        document = self._decoded("".join(lines), self.title)
        if isinstance(document, list):
            for number, entry in enumerate(document, start=1):
                yield from self._of_entry(entry, f"{self.title}, entry {number}")
        else:
            yield from self._of_entry(document, self.title)

    def _is_whole(self, line: str) -> bool:
        """Whether a line has a value of its own, of which others may follow."""
        try:
            self._decoded(line, "")
        except UsageError:
            return line.endswith("}")
        return not line.startswith("[")

    def _decoded(self, text: str, place: str) -> Any:
        try:
            return json.loads(text, object_pairs_hook=partial(_object, self.column))
        except _TwiceError:
            raise UsageError(f"{place}: the field {self.column!r} stands there twice") from None
        except json.JSONDecodeError as error:
            line = f", line {error.lineno}" if error.lineno > 1 else ""
            raise UsageError(f"{place}{line}: not JSON") from None
        except (ValueError, RecursionError):
            raise UsageError(f"{place}: not JSON") from None

    def _of_entry(self, entry: Any, place: str) -> Found:
        if isinstance(entry, dict):
            if self.column not in entry:
                raise UsageError(f"{place}: no field {self.column!r}", hint="Name it with --column")
            if entry[self.column] is not None:
                yield place, str(entry[self.column]).strip()
        else:
            yield place, entry.strip() if isinstance(entry, str) else json.dumps(entry)

    def _of_parquet(self, stream: io.RawIOBase, file: IO[bytes]) -> Found:
        source: Any = file
        if isinstance(file, io.BufferedReader) and file.seekable():
            file.seek(0)
        else:
            source = io.BytesIO(stream.readall())
        number = 0
        try:
            with pq.ParquetFile(source) as table:  # closes no file that it is given
                self._index(table.schema_arrow.names)
                for batch in table.iter_batches(columns=[self.column]):
                    for value in batch.column(0).to_pylist():
                        number += 1
                        if value is not None:
                            text = value.decode() if isinstance(value, bytes) else str(value)
                            yield f"{self.title}, row {number}", text.strip()
        except UnicodeDecodeError:
            raise UsageError(f"{self.title}, row {number}: its bytes are no UTF-8 text") from None
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise UsageError(f"{self.title} cannot be read as Parquet: {error}") from None

    def _index(self, names: Sequence[str]) -> int:
        """Which column has the ids. Raises UsageError where none has, or several might."""
        if self.column not in names:
            raise UsageError(
                f"{self.title} has no column {self.column!r}, only {', '.join(names) or 'none'}",
                hint="Name the column with --column",
            )
        if names.count(self.column) > 1:
            raise UsageError(
                f"{self.title} has the column {self.column!r} twice",
                hint="Give one of them another name: nobody can tell which has the ids",
            )
        return names.index(self.column)


class _TwiceError(ValueError):
    """A field that a JSON object has twice."""


def _object(column: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if sum(name == column for name, _ in pairs) > 1:
        raise _TwiceError
    return dict(pairs)


class _Replayed(io.RawIOBase):
    """A stream whose beginning was read already. Closing it leaves the other open."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest if len(head) == _HEAD else None  # at an end a terminal waits for more

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)]
        self._head = self._head[len(data) :]
        if not data and self._rest is not None:
            data = self._rest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Lines:
    """Lines as they stand in a file. Where it ``keeps`` them, ``taken`` are those of one row."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._pending: list[str] = []
        self.number = 0
        self.keeps = False
        self.taken: list[tuple[int, str]] = []

    def first(self) -> str:
        """The first line that is not blank, without blanks around; it is still to come."""
        for line in self._pending:
            if line.strip():
                return line.strip()
        for line in self._text:
            self._pending.append(line)
            if line.strip():
                return line.strip()
        return ""

    def rest(self) -> Iterator[str]:
        """The lines, uncounted."""
        return itertools.chain(self._pending, self._text)

    def __iter__(self) -> Iterator[str]:
        for line in self.rest():
            self.number += 1
            if self.keeps:
                self.taken.append((self.number, line))
            yield line


def _standard_input() -> IO[bytes]:
    if sys.stdin is None:
        raise UsageError("there is no standard input to read run ids from")
    with contextlib.suppress(OSError, ValueError):
        os.set_blocking(sys.stdin.fileno(), True)  # else what is not there yet looks like the end
    return sys.stdin.buffer


def _encoding(head: bytes) -> str:
    """By the byte order mark; without one, UTF-16 is known by the zeros beside each letter."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    zeros = [byte == 0 for byte in head[:4]]
    if zeros == [False, True, False, True]:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False, True, False] else "utf-8-sig"


def _is_json(first: str) -> bool:
    if first.startswith(("{", "[")):
        return True
    try:
        text = json.loads(first) if first.startswith('"') else None
    except ValueError:
        return False
    return isinstance(text, str) and is_id(text)


def _delimiter(first: str, column: str, given: str | None) -> str | None:
    """What separates the cells of a table with such a first line; None where it is no table."""
    if given is None and (first.startswith("#") or is_id(first)):
        return None
    for mark in given or _DELIMITERS:
        if column in _names(first, mark):
            return mark
    if given is not None:
        return given[0]
    tables = (mark for mark in _DELIMITERS if mark in first)
    return next((mark for mark in tables if not any(map(is_id, first.split(mark)))), None)


def _names(first: str, mark: str) -> list[str]:
    if mark == "\t":
        return _tab_separated(first)
    return [name.strip() for name in next(csv.reader([first], delimiter=mark), [])]


def _tab_separated(line: str) -> list[str]:
    return line.rstrip("\r\n").split("\t")
