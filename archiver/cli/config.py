"""The optional TOML file: defaults for every option of every command."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from archiver.cli.param_types import Duration, Size
from archiver.errors import UsageError

DEFAULT_CONFIG = "archiver.toml"
_SHARED = ("archive", "sign-key", "sign_key", "tsa-url", "tsa_url")
"""Options that many commands have: given once, outside the tables, they are for all of them."""


def read_defaults(
    config: Path | None, commands: Mapping[str, click.Command]
) -> dict[str, dict[str, Any]]:
    """Each command's defaults: what many have, as ``archive``, and a table for each command.

    Keys are the options' names, with dashes or underscores. Without ``config`` the default file is
    read if it is there. Raises UsageError that names file and option.
    """
    import tomllib

    path = config or Path(DEFAULT_CONFIG)
    try:
        options = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if config is None:
            return {}
        raise UsageError(f"the config file {path} does not exist") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"the config file {path} cannot be read: {error}") from None
    unknown = [name for name in options if name not in _SHARED and name not in commands]
    defaults = {}
    for name, command in commands.items():
        table = options.get(name, {})
        if not isinstance(table, dict):
            raise UsageError(f"the config file {path}: {name} must be a table, [{name}]")
        # The demo makes an archive of its own, never in the user's.
        shared = [key for key in _SHARED if key in options and name != "demo"]
        given, _ = _of_command(command, {key: options[key] for key in shared})
        values, strange = _of_command(command, table)
        values = {**given, **values}
        unknown += [f"{name}.{key}" for key in strange]
        defaults[name] = values
    if unknown:
        raise UsageError(
            f"the config file {path} has options that do not exist: {', '.join(sorted(unknown))}",
            hint="`archiver COMMAND --help` lists the options of a command",
        )
    return defaults


def _of_command(
    command: click.Command, table: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """A command's values by parameter name, and the keys that are none of its options."""
    options = {
        name.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.expose_value
        for name in parameter.opts
        if name.startswith("--")
    }
    values: dict[str, Any] = {}
    strange = []
    for key, value in table.items():
        option = options.get(key.replace("_", "-"))
        if option is None or option.name is None:
            strange.append(key)
        else:
            values[option.name] = _checked(key, value, option)
    return values, strange


def _checked(key: str, value: Any, option: click.Option) -> Any:
    """A value as click converts it. Raises UsageError where it is of a type that makes no sense."""
    entries = value if option.multiple and isinstance(value, list) else [value]
    for entry in entries:
        if option.is_flag:
            fits = isinstance(entry, bool)
        elif isinstance(option.type, Size | Duration | click.IntRange):
            fits = isinstance(entry, str | int | float) and not isinstance(entry, bool)
        else:
            fits = isinstance(entry, str) and "\0" not in entry
        if not fits:
            raise UsageError(f"the option {key} in the config file cannot be {entry!r}")
    if option.is_flag:
        return value
    texts = [str(entry) for entry in entries]
    return texts if option.multiple else texts[0]
