"""The command: ``python -m tests.benchmarks``."""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks import ours
from tests.benchmarks.comparing import OURS, SECONDS, Contender, Line
from tests.benchmarks.content import serve_runs
from tests.benchmarks.measuring import BenchmarkFailed
from tests.benchmarks.rows import ROWS, Row
from tests.benchmarks.serving import serving
from tests.benchmarks.surroundings import Setting, machine
from tests.benchmarks.table import EXPLANATION, as_json, markdown

_QUICK_SIZE = 1 / 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparisons that are asked for and print their table.

    1 where a bar is missed, 2 where something did not do its work at all.
    """
    options = _parser().parse_args(arguments)
    if options.list:
        sys.stdout.writelines(f"{row.name:15}{row.what}\n" for row in ROWS)
        return 0
    chosen = [row for row in ROWS if not options.only or row.name in options.only]
    with ExitStack() as stack:
        if options.folder is not None:
            options.folder.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder)
        folder = Path(stack.enter_context(temporary))
        server = stack.enter_context(serving(folder, plain=options.plain_server))
        setting = Setting(
            folder=folder,
            server=server,
            rounds=options.rounds or (1 if options.quick else 3),
            size=options.size or (_QUICK_SIZE if options.quick else 1.0),
            quick=options.quick,
            full=options.full,
            extra=tuple(word for text in options.option for word in shlex.split(text)),
            skyvern_python=options.skyvern_python,
            say=_say,
        )
        title = machine(setting)
        _say(title)
        lines, failed = _run(setting, chosen)
    sys.stdout.write(f"{title}\n\n{markdown(lines)}\n\n{EXPLANATION}\n")
    if options.json is not None:
        result = {"machine": title, "lines": [as_json(line) for line in lines]}
        options.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return 2 if failed else int(any(line.met is False for line in lines))


def _run(setting: Setting, rows: Sequence[Row]) -> tuple[list[Line], bool]:
    """The lines of all rows; and whether one of them could not be measured."""
    with setting.served_data() as root:
        few = serve_runs(root, setting.server.base_url, 2, [("download", 1_000)])
        setting.warm_up(Contender(OURS, lambda: ours.fetch(setting, few)))
    lines: list[Line] = []
    failed = False
    for row in rows:
        try:
            lines += row.run(setting)
        except BenchmarkFailed as error:
            failed = True
            _say(f"{row.name} FAILED: {error}")
            lines.append(Line(row.name, row.what, SECONDS, note="**failed**"))
    return lines, failed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Compares archiver with other tools on this machine. The bars are meant for "
        "size 1; where less is done, starting up counts for more.",
    )
    add = parser.add_argument
    add("--only", action="append", choices=[row.name for row in ROWS], help="(repeatable)")
    add("--list", action="store_true", help="name the comparisons and do nothing")
    add("--rounds", type=int, help="how often each takes its turn [default: 3]")
    add("--size", type=float, help="scales files and numbers of runs [default: 1]")
    add("--quick", action="store_true", help="one round, 1/32 of the size, no warming up")
    add("--full", action="store_true", help="32 downloads of 1 GiB, then of 10 GiB at once")
    add("--folder", type=Path, help="where to put the data [default: a temporary folder]")
    add("--json", type=Path, metavar="FILE", help="write every single figure here")
    add(
        "--option",
        action="append",
        default=[],
        metavar="'--NAME VALUE'",
        help="more options for archiver fetch (repeatable; with = where it begins with a dash)",
    )
    add(
        "--skyvern-python",
        default=sys.executable,
        metavar="PATH",
        help="an interpreter that has the package skyvern [default: this one]",
    )
    add("--plain-server", action="store_true", help="do without nginx where it is installed")
    return parser


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
