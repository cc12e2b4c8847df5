"""The command group, and the one place where errors become exit codes."""

import gc
import os
import signal
import sys
import threading
from pathlib import Path

import click
from click.core import ParameterSource

from archiver.cli import streams
from archiver.cli.command import Group
from archiver.cli.commands.demo import demo
from archiver.cli.commands.export import export
from archiver.cli.commands.fetch import fetch
from archiver.cli.commands.help import help_topic
from archiver.cli.commands.hold import accept, hold, release
from archiver.cli.commands.ledger import check_proof, keygen, ledger, prove
from archiver.cli.commands.query import query
from archiver.cli.commands.reindex import reindex
from archiver.cli.commands.remove import erase, prune
from archiver.cli.commands.report import report
from archiver.cli.commands.show import show
from archiver.cli.commands.verify import verify
from archiver.cli.output.text import printable
from archiver.errors import ArchiverError, ExitCode
from archiver.system.files import words_of
from archiver.system.limits import limit_of
from archiver.version import __version__

_NEWLINE = "\n"


@click.group(
    cls=Group,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "ARCHIVER",
        "max_content_width": 100,
    },
)
@click.version_option(__version__, prog_name="archiver")
def cli(**_options: Path | None) -> None:
    """Keep what Skyvern browser runs left behind: fetch runs, check them, query them.

    The API's key and address come from SKYVERN_API_KEY and SKYVERN_BASE_URL. Each option of a
    command may also be set by a variable, as ARCHIVER_FETCH_SETTLE for --settle of fetch, or in the
    config file.
    """


cli.add_section("Everyday", fetch, query, report, show, export)
cli.add_section("Proof", verify, ledger, prove, check_proof, keygen)
cli.add_section("Keeping and forgetting", hold, release, accept, prune, erase)
cli.add_section("Upkeep", reindex, help_topic, demo)


class WithoutUnused:
    """Says that some modules are not installed which no command has use for.

    Where they are, pyarrow imports pandas and NumPy for 0.4 s and 70 MB, and httpx a command of its
    own with all that it prints with. Each of these can do without.
    """

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        if name in ("pandas", "numpy", "httpx._main"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def main() -> None:
    """Run the command and end the process with its exit code."""
    # Little of what is made is ever garbage of the kind that is looked for.
    gc.set_threshold(20_000)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as for SIGINT: it ends with 130
    sys.meta_path.insert(0, WithoutUnused())
    streams.prepare()
    code = streams.finish(run(sys.argv[1:]))
    if threading.active_count() > 1:
        # Threads that still wait for a server have nothing left to do; nobody waits for them.
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command with ``arguments``; errors go to standard error, the exit code comes back."""
    try:
        result = cli.main(arguments, prog_name="archiver", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        if (variable := _variable_of(error)) is not None:
            click.echo(f"The value is that of the variable {variable}", err=True)
        return error.exit_code
    except ArchiverError as error:
        click.echo(f"Error: {printable(str(error), keep=_NEWLINE)}", err=True)
        return error.exit_code
    except SystemExit:
        # click ends so where a pipe broke: whoever read standard output (head, less) has seen
        # enough.
        return ExitCode.OK
    except (MemoryError, RuntimeError, ImportError) as error:
        limit = limit_of(error)
        if limit is None:
            raise
        click.echo(f"Error: {limit}", err=True)
        return limit.exit_code
    except OSError as error:
        said = printable(words_of(error))
        click.echo(f"Error: the system refuses: {said}. Check the disk and its limits", err=True)
        return ExitCode.INCOMPLETE
    return int(result or ExitCode.OK)


def _variable_of(error: click.ClickException) -> str | None:
    """The variable of the environment that has a value which cannot be used."""
    if not isinstance(error, click.BadParameter) or error.ctx is None or error.param is None:
        return None
    name, named = error.param.name or "", error.param.envvar
    if error.ctx.get_parameter_source(name) is not ParameterSource.ENVIRONMENT:
        return None
    return named if isinstance(named, str) else f"{error.ctx.auto_envvar_prefix}_{name.upper()}"


if __name__ == "__main__":
    main()
