"""The way through the code leads to files and definitions that are there."""

import ast
import re

import pytest

from tests.docs.examples import PACKAGE

TEXT = (PACKAGE / "README.md").read_text(encoding="utf-8")
_ROW = re.compile(r"\[([\w/.]+)\]\(([\w/.]+)\) \| (?:`([\w.]+)` )?\|")
_FOLDER = re.compile(r"^- \*\*`(\w+)/`\*\*", re.MULTILINE)


@pytest.mark.parametrize(("shown", "path", "name"), _ROW.findall(TEXT))
def test_a_stop_is_where_it_is_said_to_be(shown: str, path: str, name: str) -> None:
    assert shown == path
    module = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    assert not name or name in _defined(module.body)


def _defined(body: list[ast.stmt]) -> set[str]:
    """Names of what a module defines, of methods with their class."""
    names = set()
    for node in body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
            if isinstance(node, ast.ClassDef):
                names |= {f"{node.name}.{name}" for name in _defined(node.body)}
    return names


def test_there_are_twelve_stops_and_every_folder_is_described() -> None:
    assert re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE) == [str(n) for n in range(1, 13)]
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert set(_FOLDER.findall(TEXT)) == folders
