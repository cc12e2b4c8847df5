"""The optional TOML file: defaults for every option of every command."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from archiver.cli.param_types import Duration, Size
from archiver.errors import UsageError

CONFIG_FILE = "archiver.toml"
_SHARED = (
    *("archive", "sign-key", "sign_key"),
    *("tsa-url", "tsa_url", "tsa-timeout", "tsa_timeout"),
)
"""Options that many commands have: given once, outside the tables, they are for all of them."""
_OURS = "ARCHIVER_"
_NUMBERS = (Size, Duration, click.IntRange, type(click.FLOAT))
_LISTED = "`archiver COMMAND --help` lists the options of a command"


def config_files() -> list[Path]:
    """Where a config file is looked for, if none is named: the first that is there counts.

    That is the current folder, the user's folder for configuration (cron starts in the user's
    home), and that of the machine.
    """
    user = Path(click.get_app_dir("archiver"))
    return [Path(CONFIG_FILE), user / CONFIG_FILE, Path("/etc") / CONFIG_FILE]


def read_defaults(
    config: Path | None, commands: Mapping[str, click.Command], running: str
) -> dict[str, Any]:
    """The defaults of the command that runs: its own table's, and what many have, as ``archive``.

    Keys are the options' names, with dashes or underscores. Without ``config`` the first of
    :func:`config_files` is read that is there. Raises UsageError that names file and key: where one
    of any command does not exist, and where a value of the command that runs makes no sense.
    """
    path, options = _first(config)
    unknown = [name for name in options if name not in _SHARED and name not in commands]
    defaults: dict[str, Any] = {}
    for name, command in commands.items():
        table = options.get(name, {})
        if not isinstance(table, dict):
            raise UsageError(f"the config file {path}: {name} must be a table, [{name}]")
        # The demo makes an archive of its own, never in the user's.
        shared = {key: options[key] for key in _SHARED if key in options and name != "demo"}
        known = _options(command)
        unknown += [f"{name}.{key}" for key in table if _named(key) not in known]
        if name == running:
            for at, values in (("", shared), (f"{name}.", table)):
                read = _Values(path, at, known)
                defaults |= read.of(values)
    if unknown:
        raise UsageError(
            f"the config file {path} has options that do not exist: {', '.join(sorted(unknown))}",
            hint=_LISTED,
        )
    return defaults


def check_variables(environment: Mapping[str, str], commands: Mapping[str, click.Command]) -> None:
    """Raises UsageError where the environment has options of commands that do not exist."""
    unknown = []
    for name, command in commands.items():
        prefix = f"ARCHIVER_{name.replace('-', '_').upper()}_"
        known = {f"{prefix}{(option.name or '').upper()}" for option in _options(command).values()}
        unknown += [text for text in environment if text.startswith(prefix) and text not in known]
    if unknown:
        raise UsageError(
            f"the environment has options that do not exist: {', '.join(sorted(unknown))}",
            hint=f"Unset them; {_LISTED} with its variables",
        )


def unknown_variables(
    environment: Mapping[str, str], commands: Mapping[str, click.Command], others: Collection[str]
) -> dict[str, str | None]:
    """Variables of the environment that seem to be meant for the tool and are not known to it.

    Each has the known one that is nearest. ``others`` are known and of no command. Those of
    :func:`check_variables` are not among them, and tests have their own.
    """
    known = set(others)
    prefixes = [f"{_OURS}TEST_"]
    for name, command in commands.items():
        prefix = f"ARCHIVER_{name.replace('-', '_').upper()}_"
        prefixes.append(prefix)
        for option in _options(command).values():
            own = option.envvar or f"{prefix}{(option.name or '').upper()}"
            known.update([own] if isinstance(own, str) else own)
    rest = {name.removeprefix(_OURS): name for name in sorted(known)}
    unknown = [
        name
        for name in sorted(environment)
        if name.startswith(_OURS) and name not in known and not name.startswith(tuple(prefixes))
    ]
    nearest = {name: difflib.get_close_matches(name.removeprefix(_OURS), rest) for name in unknown}
    return {name: rest[near[0]] if near else None for name, near in nearest.items()}


def _first(config: Path | None) -> tuple[Path, dict[str, Any]]:
    """The config file that counts and what it says, which is nothing where there is none."""
    import tomllib

    for path in config_files() if config is None else [config]:
        try:
            # Some editors begin a file with a byte order mark.
            return path, tomllib.loads(path.read_bytes().decode("utf-8-sig"))
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            said = error.strerror or error
            raise UsageError(f"the config file {path} cannot be read: {said}") from None
        except UnicodeDecodeError:
            raise UsageError(f"the config file {path} is not UTF-8 text") from None
        except (ValueError, RecursionError) as error:
            raise UsageError(f"the config file {path} is not TOML: {error}") from None
    if config is not None:
        raise UsageError(f"the config file {config} does not exist")
    return Path(CONFIG_FILE), {}


def _options(command: click.Command) -> dict[str, click.Option]:
    """A command's options by their names."""
    return {
        name.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.expose_value
        for name in parameter.opts
        if name.startswith("--")
    }


def _named(key: str) -> str:
    return key.replace("_", "-")


@dataclass(frozen=True, slots=True)
class _Values:
    """Reads the values of options; keys are named with ``at`` before them."""

    path: Path
    at: str
    options: Mapping[str, click.Option]

    def of(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Values by parameter name; keys that are no options are passed over.

        Raises UsageError where one is given twice, or is of a type or a form that makes no sense.
        """
        values: dict[str, Any] = {}
        for key, value in table.items():
            option = self.options.get(_named(key))
            if option is None or option.name is None:
                continue
            if option.name in values:
                raise UsageError(f"the config file {self.path} has {self.at}{key} twice")
            values[option.name] = self._checked(key, value, option)
        return values

    def _checked(self, key: str, value: Any, option: click.Option) -> Any:
        """A value as click takes it."""
        entries = value if option.multiple and isinstance(value, list) else [value]
        for entry in entries:
            if option.is_flag:
                fits = isinstance(entry, bool)
            elif isinstance(option.type, _NUMBERS):
                fits = isinstance(entry, str | int | float) and not isinstance(entry, bool)
            else:
                fits = isinstance(entry, str) and "\0" not in entry
            if not fits:
                raise UsageError(f"the config file {self.path}: {self.at}{key} cannot be {entry!r}")
        if option.is_flag:
            return value
        texts = [str(entry) for entry in entries]
        for text in texts:
            try:
                option.type(text, option, None)
            except click.BadParameter as error:
                raise UsageError(
                    f"the config file {self.path}: {self.at}{key}: {error.message}"
                ) from None
        return texts if option.multiple else texts[0]
