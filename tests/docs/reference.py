"""The page of reference, made from the commands themselves and from ``schemas/``.

``python -m tests.docs.reference`` writes ``archiver/docs/reference.md`` anew.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from archiver.cli.command import EXIT_CODES, Command
from archiver.cli.main import cli
from tests.docs.examples import DOCS, ROOT

PAGE = DOCS / "reference.md"
COMMAND = "python -m tests.docs.reference"
_NO_GROUPS: Mapping[str, Sequence[str]] = {}
_CODE = re.compile(r"(`[^`]*`)")
_OPENING = f"""\
# Reference: every command, option, variable and config key; tables, views, exit codes

This page is made from the commands themselves and from `schemas/`: `{COMMAND}` writes it anew.

- [Where options come from](#where-options-come-from)
- [Exit codes](#exit-codes)
- [Variables that are no options](#variables-that-are-no-options)
- [Commands](#commands)
- [Tables and views](#tables-and-views)

## Where options come from

Each option can be given in three places. The command line comes first, then the environment, then
the config file.

- **Variables.** `ARCHIVER_FETCH_SETTLE=1h` is `archiver fetch --settle 1h`. A switch takes `1` or
  `0`. An option that may be repeated takes several values with spaces between them, or, where a
  value may hold spaces (`--redact`, `--without-name` and the like), one a line.
  A variable that begins as those of a command do and is none of its options is refused (2).
- **Config file.** What `--config` (`ARCHIVER_CONFIG`) names, else the first that is there of
  `archiver.toml` in the current folder, in `~/.config/archiver` (or `$XDG_CONFIG_HOME/archiver`)
  and in `/etc`. It has a table for each command; a key is the option's name, a switch is `true` or
  `false`, and an option that may be repeated is a list. `archive`, `sign-key`, `tsa-url`
  and `tsa-timeout` may also stand above all tables: then they count for each command that has them.
  A key that is no option is refused (2).
- **Values.** Durations are `30s`, `10m`, `2h`, `1d`, `2w`, `7y`, or `0`; a timeout may be a number
  of seconds. Sizes are bytes: `500`, `20MB`, `1.5GiB`. Moments are UTC: `2026-11-25`,
  `2026-11-25T14:30`, or `30d` for 30 days ago.
  A `~` at the beginning of a path is the home; URLs such as `s3://…` are no paths, and refused.

Below, each option is followed by its variable and its key, as in `fetch.settle`: `settle` in the
table `[fetch]`.
"""
_VARIABLES = {
    "SKYVERN_API_KEY": "The API's key. It is never taken from the command line.",
    "SKYVERN_BASE_URL": "The API's address [default: https://api.skyvern.com].",
    "ARCHIVER_KEY_PASSPHRASE": "The passphrase of the signing key, where it has one.",
    "http_proxy, https_proxy, all_proxy": "The proxies that requests go through.",
    "no_proxy": "Hosts that are asked without a proxy.",
    "SSL_CERT_FILE, SSL_CERT_DIR": "Certificates to believe in place of the system's.",
    "PAGER": "The program that shows what does not fit on a terminal; empty: none.",
    "NO_COLOR": "Where it is set, nothing is coloured.",
}
_ALL_REVISIONS = {
    "runs": "run_revisions",
    "documents": "document_revisions",
    "artifacts": "artifact_revisions",
    "errors": "error_revisions",
}


def reference() -> str:
    """Return the page as it must be now."""
    # As the command makes it: what a command says of its help is made once in a process.
    root = click.Context(cli, info_name="archiver", **cli.context_settings)
    parts = [
        _OPENING,
        _exit_codes(),
        _variables(),
        "## Commands\n",
        "Of the program itself, before the command:\n",
        _options(root, ""),
        *(_command(name, command, root) for name, command in _commands()),
        _tables(),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _exit_codes() -> str:
    rows = [(str(code), meaning) for code, meaning in EXIT_CODES.items()]
    return (
        "## Exit codes\n\n"
        + _table(("code", "meaning"), rows)
        + "\nAfter 3, 11, 12 and 130 the same command again picks up where it stopped."
        + " 1 is a bug: please report it.\n"
    )


def _variables() -> str:
    known = dict(_VARIABLES)
    for _, command in _commands():
        for name, meaning in command.environment.items():
            known.setdefault(name, meaning)
    rows = [
        (", ".join(f"`{one}`" for one in name.split(", ")), _escaped(meaning))
        for name, meaning in known.items()
    ]
    return "## Variables that are no options\n\n" + _table(("variable", "meaning"), rows)


def _commands() -> Iterator[tuple[str, Command]]:
    """The commands in the order in which the program's help lists them."""
    for names in cli.sections.values():
        for name in names:
            command = cli.commands[name]
            assert isinstance(command, Command)
            yield name, command


def _command(name: str, command: Command, root: click.Context) -> str:
    context = click.Context(command, info_name=name, parent=root)
    usage = " ".join([f"archiver {name}", *command.collect_usage_pieces(context)])
    parts = [f"### archiver {name}\n", f"```text\n{usage}\n```\n", *_paragraphs(command.help or "")]
    parts.append(_options(context, name, command.groups))
    parts.append("For example:\n")
    parts += [f"- `{line}`  \n  {_escaped(meaning)}" for line, meaning in command.examples.items()]
    parts.append("\nExit codes:\n")
    parts += [f"- {code}: {_escaped(text)}" for code, text in sorted(command.exit_codes.items())]
    parts.append("")
    return "\n".join(parts)


def _paragraphs(text: str) -> Iterator[str]:
    """The text of a command, its tables as code."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield f"```text\n{paragraph[2:]}\n```\n"
        else:
            yield _escaped(" ".join(paragraph.split())) + "\n"


def _options(
    context: click.Context, command: str, groups: Mapping[str, Sequence[str]] = _NO_GROUPS
) -> str:
    """A command's options, in the groups of its help."""
    options = {
        option.name or "": option
        for option in context.command.params
        if isinstance(option, click.Option) and option.expose_value and not option.hidden
    }
    lines = []
    for heading, names in groups.items():
        lines += [f"**{heading}**\n"]
        lines += [_option(options.pop(name), context, command) for name in names]
        lines[-1] += "\n"
    if groups and options:
        lines += ["**Other options**\n"]
    lines += [_option(option, context, command) for option in options.values()]
    return "\n".join(lines).rstrip() + "\n" if lines else ""


def _option(option: click.Option, context: click.Context, command: str) -> str:
    record = option.get_help_record(context)
    assert record is not None
    extra: Mapping[str, Any] = {**option.get_help_extra(context)}
    more = [f"default: {extra['default']}"] if "default" in extra else []
    more += [str(extra["range"])] if "range" in extra else []
    text = _escaped(" ".join([option.help or "", *([f"[{'; '.join(more)}]"] if more else [])]))
    places = [f"`{variable}`" for variable in _variable_of(option, context)]
    if command:
        places.append(f"`{command}.{_key_of(option)}`")
    return f"- `{record[0]}`: {text.strip()} {' · '.join(places)}".rstrip()


def _variable_of(option: click.Option, context: click.Context) -> list[str]:
    if isinstance(option.envvar, str):
        return [option.envvar]
    if option.envvar:
        return list(option.envvar)
    prefix = context.auto_envvar_prefix
    if not option.allow_from_autoenv or not prefix:
        return []
    return [f"{prefix}_{option.name}".upper()]


def _key_of(option: click.Option) -> str:
    return next(name for name in option.opts if name.startswith("--")).removeprefix("--")


def _tables() -> str:
    parts = [
        "## Tables and views\n",
        "`runs`, `documents`, `artifacts` and `errors` have one row for each run's latest revision"
        " in `archiver query`; all revisions stand in "
        + ", ".join(f"`{name}`" for name in _ALL_REVISIONS.values())
        + ". `fetches` and `checks` are logs. The views below the tables are derived from them."
        " All times are UTC. A column that may be null has a `?` behind its type. JSON is text;"
        " `->>` takes it apart.\n",
    ]
    for kind in ("table", "view"):
        for path in sorted((ROOT / f"schemas/{kind}s").glob("*.json")):
            described = json.loads(path.read_bytes())
            name = described[kind]
            row = f"A row is {described['row']}."
            if (all_of := _ALL_REVISIONS.get(name)) is not None:
                row += f" All of them: `{all_of}`."
            columns = [
                (
                    f"`{column['name']}`",
                    f"{column['type']}{'?' if column['nullable'] else ''}",
                    _escaped(column["meaning"])
                    + (f" ({column['unit']})" if column["unit"] else ""),
                )
                for column in described["columns"]
            ]
            parts += [f"### {kind.title()} {name}\n", row + "\n"]
            parts += [_table(("column", "type", "meaning"), columns)]
    return "\n".join(parts)


def _table(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [names, ("---",) * len(names), *rows]
    cells = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, but for what stands in backticks."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(
        part if part.startswith("`") else re.sub(r"([*<\[\]])", r"\\\1", part) for part in parts
    )


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
    sys.exit(0)
