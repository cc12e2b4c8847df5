"""Text for people: sizes as they read them, and nothing that moves their cursor."""

import json
import re
import sys
from typing import Any

import click


def printable(text: str, keep: str = "") -> str:
    """``text`` without control characters, which a server may have put there; ``keep`` stay."""
    return "".join(
        c if c.isprintable() or c in keep else ("⏎" if c == "\n" else "\ufffd") for c in text
    )


def visible(text: str) -> str:
    """``text`` with control characters, but line ends, as JSON escapes them: it says the same."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


class _Terminal:
    """A stream for text that shows control characters instead of sending them to a terminal."""

    def __init__(self, out: Any) -> None:
        self._out = out

    def write(self, text: str) -> None:
        self._out.write(visible(text))


def visible_on_terminals(out: Any) -> Any:
    """``out`` where it is a file or a pipe, which get all as it is; else one that shows it."""
    return _Terminal(out) if out.isatty() else out


def print_json(document: object) -> None:
    """Print the one document of ``--json``; times are ISO 8601 in UTC, as ``…T10:00:00+00:00``."""
    from archiver.model.rows import json_value  # what it imports, --help has no use for

    text = json.dumps(json_value(document), indent=2, ensure_ascii=False)
    click.echo(visible(text) if sys.stdout.isatty() else text)


def about(name: str, said: str) -> str:
    """What is said of something, with its name before it, and there alone."""
    if (found := re.search(rf"( for )?\b{re.escape(name)}\b", said)) is not None:
        said = f"{said[: found.start()]}{'' if found[1] else 'it'}{said[found.end() :]}"
    return f"{name}: {said}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with what is counted: ``1 run``, ``2 runs``, ``1,000 runs``."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def readable_bytes(count: float) -> str:
    """A number of bytes as people read it, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
