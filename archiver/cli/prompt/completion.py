"""What Tab offers at the prompt: commands, views and their columns, words of SQL."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from archiver.cli.options import FORMATS
from archiver.cli.prompt.answer import rows_asked
from archiver.cli.prompt.commands import COMMANDS
from archiver.query.sql import QueryResult

_COLUMNS = """
SELECT concat_ws('.', nullif(database_name, 'memory'), nullif(schema_name, 'main'), table_name),
    column_name
FROM duckdb_columns() WHERE NOT internal ORDER BY ALL
"""
_WORDS = """
SELECT upper(keyword_name) FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'
UNION SELECT unnest(['ANALYZE', 'BY', 'EXCLUDE', 'EXPLAIN', 'FILTER', 'OVER', 'PARTITION'])
ORDER BY 1
"""
_FUNCTIONS = """
SELECT DISTINCT function_name FROM duckdb_functions()
WHERE regexp_full_match(function_name, '[a-z]\\w*') ORDER BY 1
"""
_WORD = re.compile(r"[A-Za-z_][\w.]*\Z|\Z")
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_AFTER_TABLE_WORD = re.compile(r"\b(?:FROM|JOIN|DESCRIBE|SUMMARIZE|PIVOT)\s+\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class QueryNames:
    """What a query can name: the columns of each table, words of SQL, functions."""

    columns: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]
    functions: tuple[str, ...]


def read_names(run_query: Callable[[str], QueryResult]) -> QueryNames:
    """What there is to name now, asked of DuckDB."""
    columns: dict[str, list[str]] = {}
    for table, column in rows_asked(run_query, _COLUMNS):
        columns.setdefault(table, []).append(column)
    return QueryNames(
        {table: tuple(names) for table, names in columns.items()},
        tuple(word for (word,) in rows_asked(run_query, _WORDS)),
        tuple(name for (name,) in rows_asked(run_query, _FUNCTIONS)),
    )


class SqlCompleter(Completer):
    """Completes by what stands before: a table behind FROM, a column of the tables named before."""

    def __init__(self, names: Callable[[], QueryNames]) -> None:
        """``names`` is called when something is completed for the first time."""
        self._read = names
        self._files = PathCompleter(expanduser=True)

    @cached_property
    def _names(self) -> QueryNames:
        return self._read()

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        before = document.text_before_cursor
        if before.startswith("\\"):
            yield from self._of_command(before, complete_event)
            return
        found = _WORD.search(before)
        word = found[0] if found else ""
        seen = set()
        for candidate in self._candidates(document.text, before[: len(before) - len(word)], word):
            if candidate.lower().startswith(word.lower()) and candidate not in seen:
                seen.add(candidate)
                yield Completion(candidate, start_position=-len(word))

    def _candidates(self, text: str, before: str, word: str) -> Iterator[str]:
        columns = self._names.columns
        if "." in word:
            table = word.rpartition(".")[0]
            named = {name.lower(): name for name in columns}
            yield from (f"{table}.{name}" for name in columns.get(named.get(table.lower(), ""), ()))
        if "." in word or _AFTER_TABLE_WORD.search(before):
            yield from columns
            return
        mentioned = {name.lower() for name in _NAME.findall(text)} - {word.lower()}
        tables = [name for name in columns if name.lower() in mentioned]
        for table in tables or columns:
            yield from columns[table]
        yield from columns
        if word:
            yield from self._names.words
            yield from self._names.functions

    def _of_command(self, before: str, event: CompleteEvent) -> Iterator[Completion]:
        name, space, argument = before.partition(" ")
        if not space:
            yield from _matching(COMMANDS, name)
        elif name == r"\d":
            yield from _matching(self._names.columns, argument)
        elif name == r"\format":
            yield from _matching(FORMATS, argument)
        elif name == r"\o":
            yield from self._files.get_completions(Document(argument), event)


def _matching(names: Iterable[str], start: str) -> Iterator[Completion]:
    return (Completion(n, start_position=-len(start)) for n in names if n.startswith(start))
