"""Within a folder of the command a module imports only what its docstring names before it."""

import ast
import re
from pathlib import Path

import pytest

import archiver.cli

HOME = Path(archiver.cli.__file__).parent
FOLDERS = [HOME, *(HOME / name for name in ("output", "prompt", "actions"))]


def reading_order(folder: Path) -> list[str]:
    """The modules in the order in which the folder's docstring names them first."""
    text = (folder / "__init__.py").read_text().partition("Reading order")[2]
    modules = {
        path.stem for path in folder.iterdir() if path.name not in ("__init__.py", "__pycache__")
    }
    named = [name for name in re.findall(r"``(\w+)``", text) if name in modules]
    assert set(named) == modules, f"{folder.name} has modules that its docstring does not name"
    return list(dict.fromkeys(named))


def imported(path: Path, package: str) -> set[str]:
    """The modules of ``package`` that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                name = f"{node.module}.{alias.name}."
                if name.startswith(f"{package}."):
                    found.add(name.removeprefix(f"{package}.").split(".")[0])
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_modules_import_only_what_is_read_before_them(folder: Path) -> None:
    order = reading_order(folder)
    package = ".".join(folder.relative_to(HOME.parents[1]).parts)
    for number, name in enumerate(order):
        place = folder / name
        files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
        for file in files:
            assert imported(file, package) & set(order) <= set(order[: number + 1]), file


def test_no_command_imports_another() -> None:
    for path in (HOME / "commands").glob("[a-z]*.py"):
        assert imported(path, "archiver.cli.commands") == set(), path
