"""What ``--help`` says, of the program and of each of its commands."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from archiver.cli.command import Command as CliCommand
from archiver.cli.main import cli
from archiver.errors import ExitCode
from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, child_environment, run_child

NAMES = ["", *sorted(cli.commands)]
HEAVY = {
    *("httpx", "pyarrow", "duckdb", "rich", "msgspec", "pandas", "tenacity", "asyncio"),
    *("cryptography", "prompt_toolkit", "pygments", "jinja2", "vl_convert"),
    *("concurrent", "multiprocessing"),
}


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def commands() -> Iterator[CliCommand]:
    for command in cli.commands.values():
        assert isinstance(command, CliCommand), f"{command.name} does not say what it must"
        yield command


@pytest.mark.parametrize("name", NAMES)
def test_help_of_every_command(archiver: Command, archive: ArchiveFolder, name: str) -> None:
    for option in ("--help", "-h"):
        out = archiver(*name.split(), option).out
        assert out.startswith("Usage: archiver")
        assert [line for line in out.splitlines() if len(line) > 80] == []
        assert "..." not in out.replace("[RUN_ID]...", "").replace("[ARGS]...", "")
    assert not archive.root.exists()


def without_spaces(text: str) -> str:
    """A text whatever lines it is folded to: also behind hyphens."""
    return "".join(text.split())


def test_help_says_what_each_option_and_variable_is_for(archiver: Command) -> None:
    for command in commands():
        out = without_spaces(archiver(command.name or "", "--help").out)
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.opts[0] in out
                assert option.help, f"{command.name} {option.opts[0]}"
                assert without_spaces(option.help.partition("  [")[0]) in out
        for variable, meaning in command.environment.items():
            assert without_spaces(variable + meaning) in out


def test_groups_have_all_options_but_a_few(archiver: Command) -> None:
    for command in commands():
        grouped = [name for names in command.groups.values() for name in names]
        known = [option.name for option in command.params if isinstance(option, click.Option)]
        assert len(grouped) == len(set(grouped))
        assert set(grouped) <= set(known)
    fetch = cli.commands["fetch"]
    assert isinstance(fetch, CliCommand)
    grouped = [name for names in fetch.groups.values() for name in names]
    others = {option.name for option in fetch.params if isinstance(option, click.Option)}
    assert others - set(grouped) == {"config"}
    out = archiver("fetch", "--help").out
    for heading in fetch.groups:
        assert f"\n{heading}:\n" in out


def test_commands_are_listed_by_what_they_are_for_in_whole_sentences(archiver: Command) -> None:
    out = archiver("--help").out
    listed = [name for names in cli.sections.values() for name in names]
    assert sorted(listed) == sorted(cli.commands)
    for heading, names in cli.sections.items():
        section = out.split(f"\n{heading}:\n", 1)[1].split("\n\n", 1)[0]
        assert re.findall(r"^  (\S+)", section, re.MULTILINE) == names
    for command in commands():
        summary = " ".join((command.help or "").split("\n\n", 1)[0].split())
        assert summary.endswith(".")
        assert summary in " ".join(out.split())


def parsed(line: str) -> click.Context:
    """What the parser makes of a command line; wrong usage is an error of click's or of ours."""
    name, *arguments = shlex.split(line)
    assert name == "archiver"
    program = cli.make_context("archiver", [*arguments])
    command = cli.commands[program._protected_args[0]]
    return command.make_context(command.name, [*program.args], parent=program)


def test_every_command_has_examples_that_can_be_typed(archiver: Command) -> None:
    for command in commands():
        assert command.examples
        out = archiver(command.name or "", "--help").out
        for line, meaning in command.examples.items():
            assert f"\n  {line}\n" in out
            assert meaning.endswith(".")
            for part in line.split(" | "):
                context = parsed(part.partition(" < ")[0])
            assert context.command is command


def test_an_example_that_cannot_be_typed_would_be_seen() -> None:
    with pytest.raises(click.UsageError):
        parsed("archiver fetch --no-such-option")
    with pytest.raises(click.UsageError):
        parsed("archiver report nonsense")


def test_every_command_tells_its_exit_codes(archiver: Command) -> None:
    for command in commands():
        assert {ExitCode.OK, ExitCode.USAGE} <= set(command.exit_codes) <= set(ExitCode)
        has_archive = any(option.name == "archive" for option in command.params)
        assert (ExitCode.NOT_AN_ARCHIVE in command.exit_codes) is has_archive
        out = archiver(command.name or "", "--help").out.split("\nExit codes:\n", 1)[1]
        told = [int(code) for code in re.findall(r"^ +(\d+)  ", out, re.MULTILINE)]
        assert told == sorted(command.exit_codes)


def test_the_exit_codes_of_all_are_told(archiver: Command) -> None:
    out = archiver("--help").out
    for code in ("0", "2", "3", "4", "10", "11", "12", "130"):
        assert re.search(rf"^ +{code}  ", out, re.MULTILINE)


def test_the_service_is_named_where_it_counts(archiver: Command) -> None:
    for variable in ("SKYVERN_API_KEY", "SKYVERN_BASE_URL"):
        for name in NAMES:
            is_named = variable in archiver(*name.split(), "--help").out
            assert is_named is (name in ("", "fetch"))


@pytest.mark.parametrize("name", NAMES)
def test_help_imports_nothing_heavy(name: str) -> None:
    environment = child_environment(PYTHONPROFILEIMPORTTIME="1")
    ran = run_child(*name.split(), "--help", environment=environment)
    assert ran.out.startswith("Usage: archiver")
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in ran.err.splitlines()}
    assert {"click", "archiver"} <= imported
    assert imported & HEAVY == set()
