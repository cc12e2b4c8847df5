"""Within a folder a module imports only what the folder's docstring names before it."""

import ast
import re
from pathlib import Path

import pytest

import archiver

HOME = Path(archiver.__file__).parent
COMMANDS = HOME / "cli" / "commands"  # each of them stands alone
FOLDERS = sorted(
    {path.parent for path in HOME.rglob("*.py") if path.name != "__init__.py"} - {HOME, COMMANDS}
)
MOST_MODULES = 12
MOST_LINES = 400


def reading_order(folder: Path) -> list[str]:
    """The modules in the order in which the folder's docstring names them first."""
    text = (folder / "__init__.py").read_text().partition("Reading order")[2]
    modules = {
        path.stem
        for path in folder.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem != "__init__"
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


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(HOME).as_posix())
def test_modules_import_only_what_is_read_before_them(folder: Path) -> None:
    order = reading_order(folder)
    package = ".".join(folder.relative_to(HOME.parent).parts)
    for number, name in enumerate(order):
        place = folder / name
        files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
        for file in files:
            assert imported(file, package) & set(order) <= set(order[: number + 1]), file


def test_no_command_imports_another() -> None:
    for path in COMMANDS.glob("[a-z]*.py"):
        assert imported(path, "archiver.cli.commands") == set(), path


def test_folders_and_modules_are_small_enough_to_be_read() -> None:
    for folder in (*FOLDERS, COMMANDS):
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= MOST_MODULES, folder
        for path in modules:
            assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, path
