"""The command group, and the one place where errors become exit codes."""

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from archiver import __version__
from archiver.cli.demo import demo
from archiver.cli.fetch import fetch
from archiver.cli.query import query
from archiver.cli.reindex import reindex
from archiver.cli.show import show
from archiver.cli.verify import verify
from archiver.errors import ArchiverError, ExitCode, UsageError

_DEFAULT_CONFIG = "archiver.toml"

EPILOG = """
\b
Exit codes:
  0    all that was asked for is held, or not settled yet
  2    wrong usage
  3    some runs or artifacts could not be had
  4    verify found damage
  10   not an archive, or one of a newer format
  11   another writer holds the archive
  12   the API refused the key
  130  interrupted
After 3, 11, 12 and 130 the same command again picks up where it stopped.
"""


@click.group(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "ARCHIVER",
        "max_content_width": 100,
    },
    epilog=EPILOG,
)
@click.version_option(__version__, prog_name="archiver")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"TOML file with options [default: {_DEFAULT_CONFIG} where present]",
)
@click.pass_context
def cli(context: click.Context, config: Path | None) -> None:
    """Keep what Skyvern browser runs left behind: fetch runs, check them, query them.

    The API's key and address come from SKYVERN_API_KEY and SKYVERN_BASE_URL.
    """
    context.default_map = _defaults(config, {name: cli.commands[name] for name in cli.commands})


for _command in (fetch, query, show, verify, reindex, demo):
    cli.add_command(_command)


def main() -> None:
    """Run the command and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command with ``arguments``; errors go to standard error, the exit code comes back."""
    try:
        result = cli.main(arguments, prog_name="archiver", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ArchiverError as error:
        click.echo(f"Error: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read standard output has seen enough (head, less). Nothing more can be said there.
        sys.stdout = None  # keeps the interpreter from flushing it
        return ExitCode.OK
    return int(result or ExitCode.OK)


def _defaults(config: Path | None, commands: Mapping[str, click.Command]) -> dict[str, Any]:
    """Defaults from the TOML file: ``archive`` for all commands, a table for each command."""
    path = config or Path(_DEFAULT_CONFIG)
    try:
        options = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if config is None:
            return {}
        raise UsageError(f"the config file {path} does not exist") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"the config file {path} cannot be read: {error}") from None
    shared = {name: value for name, value in options.items() if not isinstance(value, dict)}
    unknown = [name for name in shared if name != "archive"]
    unknown += [name for name, value in options.items() if _is_unknown_table(name, value, commands)]
    defaults: dict[str, Any] = {}
    for name, command in commands.items():
        table = options.get(name, {})
        known = {parameter.name for parameter in command.params if parameter.name != "archive"}
        values = {key.replace("-", "_"): value for key, value in table.items()}
        unknown += [f"{name}.{key}" for key in values if key not in known | {"archive"}]
        defaults[name] = {**shared, **values}
    if unknown:
        raise UsageError(
            f"the config file {path} has options that do not exist: {', '.join(sorted(unknown))}",
            hint="`archiver COMMAND --help` lists the options of a command",
        )
    return defaults


def _is_unknown_table(name: str, value: object, commands: Mapping[str, click.Command]) -> bool:
    return isinstance(value, dict) and name not in commands


if __name__ == "__main__":
    main()
