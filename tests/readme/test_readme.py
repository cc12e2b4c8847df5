"""README says only what its commands print."""

import doctest
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from archiver.cli.command import EXIT_CODES
from archiver.cli.main import cli
from tests.readme.examples import (
    README,
    Example,
    example_archive,
    examples,
    printed,
    python_examples,
)

TEXT = README.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def archive() -> Iterator[Path]:
    with example_archive() as made:
        yield made


def test_there_are_ten_queries() -> None:
    assert sum(example.command.startswith("archiver query") for example in examples(TEXT)) >= 10


@pytest.mark.parametrize("example", examples(TEXT), ids=lambda example: example.command[:60])
def test_every_example_prints_what_stands_in_readme(example: Example, archive: Path) -> None:
    assert printed(example.command, archive) == example.output


@pytest.mark.parametrize("example", python_examples(TEXT), ids=lambda example: example.name)
def test_python_does_what_stands_in_readme(
    example: doctest.DocTest, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(archive.parent)
    failures: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(example, out=failures.append)
    assert "".join(failures) == ""


def test_there_is_python_to_copy() -> None:
    shown = [example for test in python_examples(TEXT) for example in test.examples]
    assert sum(bool(example.want) for example in shown) >= 4


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_is_documented(name: str) -> None:
    assert f"archiver {name}" in TEXT


def test_every_option_of_fetch_is_documented() -> None:
    options = [
        option
        for parameter in cli.commands["fetch"].params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    ]
    assert [option for option in options if f"`{option}" not in TEXT] == []


def test_exit_codes_are_those_of_the_help() -> None:
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in TEXT


def test_the_config_file_of_readme_is_taken() -> None:
    text = TEXT.split("```toml\n", 1)[1].split("```", 1)[0]
    table = tomllib.loads(text)["fetch"]
    names = {parameter.name for parameter in cli.commands["fetch"].params}
    assert {key.replace("-", "_") for key in table} <= names
