"""What is kept of a run: options, and what fetch is told of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from archiver.cli.options import Line, Size
from archiver.errors import UsageError

if TYPE_CHECKING:
    from archiver.adapters.patterns import RedactionRules
    from archiver.fetch.plan import Selection

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

KINDS = ("recording", "screenshot", "download")


def selection_options(command: CommandT) -> CommandT:
    """Which artifacts are kept, and what is masked."""
    for option in (
        click.option(
            "--max-file-size",
            type=Size(),
            help="Leave larger files out, for example 500MB [default: none]",
        ),
        click.option(
            "--redact-path",
            type=Line(),
            multiple=True,
            metavar="JSONPATH",
            help="Mask what stands there in answers, for example '$.output.name' (repeatable).",
        ),
        click.option(
            "--redact",
            type=Line(),
            multiple=True,
            metavar="REGEX",
            help="Mask what matches in all texts that are kept, by *** (RE2; repeatable).",
        ),
        click.option(
            "--without-type",
            type=Line(),
            multiple=True,
            metavar="PATTERN",
            help="Leave files of such a media type out, for example 'video/*' (repeatable).",
        ),
        click.option(
            "--without-name",
            type=Line(),
            multiple=True,
            metavar="PATTERN",
            help="Leave files of such a name out, for example '*.exe' (repeatable).",
        ),
        click.option(
            "--without",
            multiple=True,
            type=click.Choice(KINDS),
            help="Leave artifacts of this kind out (repeatable).",
        ),
        click.option(
            "--only",
            multiple=True,
            type=click.Choice([*KINDS, "none"]),
            help="Keep only artifacts of this kind (repeatable); none: the metadata alone.",
        ),
    ):
        command = option(command)
    return command


def selection(options: dict[str, Any]) -> "Selection":
    """Which artifacts the user wants. Raises UsageError where that contradicts itself."""
    from archiver.fetch.plan import Selection
    from archiver.model.artifact import ArtifactKind

    only, without = _chosen_kinds(options)
    kinds = frozenset(
        kind for kind in ArtifactKind if (kind in only if only else kind not in without)
    )
    names, types = options["without_name"], options["without_type"]
    for pattern in types:
        if "/" not in pattern:
            raise UsageError(
                f"--without-type {pattern!r} is no pattern of media types",
                hint="They have a slash, as in 'video/*'",
            )
    return Selection(kinds, options["max_file_size"], names, types)


def redaction_rules(options: dict[str, Any]) -> "RedactionRules":
    """What the user wants masked. Raises UsageError where a pattern or a path is none."""
    from archiver.adapters.patterns import RedactionRules

    return RedactionRules(options["redact"], options["redact_path"]).checked()


def _chosen_kinds(options: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``--only`` and ``--without``: one of them; the command line overrides the environment's or
    the config file's."""
    only, without = options["only"], options["without"]
    if only and without:
        source = click.get_current_context().get_parameter_source
        given = {name: source(name) is ParameterSource.COMMANDLINE for name in ("only", "without")}
        if given["only"] == given["without"]:
            raise UsageError("--only and --without exclude each other")
        return (only, ()) if given["only"] else ((), without)
    return only, without
