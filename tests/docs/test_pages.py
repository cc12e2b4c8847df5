"""README and the pages say only what their commands print, and lead where they say."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.cli.commands.help import TOPICS, read_page
from archiver.cli.main import cli
from archiver.demo.server import DemoServer
from tests.docs.examples import (
    DOCS,
    PACKAGE,
    PAGES,
    README,
    ROOT,
    blocks,
    demo_server,
    reader,
    write_demo_archive,
)
from tests.docs.reference import COMMAND, PAGE, reference

LONGEST_README = 160
LONGEST_LINE = 100
"""Of running text: tables, code and links are as long as they must be."""
LARGEST_PICTURE = 200_000
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```\n", re.DOTALL | re.MULTILINE)
_TESTS = re.compile(r"-m (tests(?:\.\w+)+)|\b(tests/[\w/.]+)")
TEXTS = {path: path.read_text(encoding="utf-8") for path in PAGES}
pages = pytest.mark.parametrize("path", PAGES, ids=lambda path: f"{path.parent.name}/{path.stem}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, DemoServer]]:
    """The demo's archive, and the server that it came from."""
    with demo_server() as server:
        archive = tmp_path_factory.mktemp("made") / "archive"
        write_demo_archive(archive, server)
        yield archive, server


@pages
def test_examples_do_what_the_page_says(
    path: Path,
    made: tuple[Path, DemoServer],
    tmp_path: Path,
    one_certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with reader(*made, tmp_path) as somebody:
        monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
        printed = somebody.read(TEXTS[path])
    assert "\n\n".join(somebody.problems) == ""
    assert printed == TEXTS[path]


def test_what_does_not_do_what_the_page_says_is_named(
    made: tuple[Path, DemoServer], tmp_path: Path
) -> None:
    page = (
        "```sh\narchiver show tsk_000 # not there\nnobody | archiver show tsk_123 --jsn\n```\n"
        "```console\n$ archiver query 'SELECT 1'\nnothing\n$ archiver query 'SELECT 2'\n…2…\n```\n"
        "```python\n>>> 1 + 1\n3\n```\n"
    )
    with reader(*made, tmp_path) as somebody:
        printed = somebody.read(page)
    missing, misspelt, changed, wrong = somebody.problems
    assert "tsk_000" in missing
    assert "--jsn" in misspelt
    assert changed.startswith("archiver query 'SELECT 1'\nprints\n╭")
    assert "Expected:\n    3" in wrong
    assert "│ 1 │" in printed
    assert "$ archiver query 'SELECT 2'\n…2…\n" in printed
    with reader(*made, _new(tmp_path / "again")) as somebody:
        assert somebody.read(printed) == printed
        assert len(somebody.problems) == 3


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_the_pages_have_queries_and_python_to_copy() -> None:
    commands = "\n".join(block.text for text in TEXTS.values() for block in blocks(text))
    assert commands.count("$ archiver query") >= 10
    assert commands.count(">>> ") >= 4


@pytest.mark.parametrize("name", sorted(set(cli.commands) - {"help"}))
def test_every_command_stands_in_an_example_or_the_text_of_a_page(name: str) -> None:
    written = "\n".join(text for path, text in TEXTS.items() if path != PAGE)
    assert f"archiver {name}" in written


def test_every_page_is_a_topic_and_its_title_tells_what_it_is_about() -> None:
    assert set(TOPICS) == {"format", *(path.stem for path in DOCS.glob("*.md"))}
    assert len(TOPICS) <= 12
    for topic in set(TOPICS) - {"format"}:
        assert re.match(r"# [A-Z][\w ]+: \S.*\n", read_page(topic))


def test_readme_is_short_and_its_picture_small() -> None:
    assert len(TEXTS[README].splitlines()) <= LONGEST_README
    (picture,) = [link[2] for link in _LINK.findall(TEXTS[README]) if link[0]]
    data = _place(ROOT / picture).read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(data) <= LARGEST_PICTURE
    assert min(struct.unpack(">II", data[16:24])) > 600


@pages
def test_lines_are_no_longer_than_one_likes_to_read(path: Path) -> None:
    if path == PAGE:
        return
    lines = _FENCED.sub("", TEXTS[path]).splitlines()
    long = [line for line in lines if len(line) > LONGEST_LINE and not line.startswith(("|", "!["))]
    assert long == []


@pages
def test_links_lead_to_files_and_headings(path: Path) -> None:
    assert _broken(path, TEXTS[path]) == []


def test_broken_links_are_found() -> None:
    text = "[a](proof.md#no-such) [b](none.md) [c](#nowhere) [d](https://x.example) [e](proof.md)"
    assert _broken(DOCS / "start.md", text) == ["proof.md#no-such", "none.md", "#nowhere"]


def _broken(path: Path, text: str) -> list[str]:
    broken = []
    for _, _, target in _LINK.findall(_FENCED.sub("", text)):
        name, _, anchor = target.partition("#")
        if "://" in name:
            continue
        file = _place(path.parent / name) if name else path
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    return broken


def _place(path: Path) -> Path:
    """Where a file lies; those of the package are installed."""
    within = ROOT / "archiver"
    return PACKAGE / path.relative_to(within) if path.is_relative_to(within) else path


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pages
def test_tests_that_a_page_names_exist(path: Path) -> None:
    for module, file in _TESTS.findall(TEXTS[path]):
        place = ROOT / (file or module.replace(".", "/"))
        assert place.exists() or place.with_suffix(".py").exists(), place


def test_the_reference_is_what_the_commands_and_schemas_say() -> None:
    assert TEXTS[PAGE] == reference(), f"`{COMMAND}` writes {PAGE.name} anew"


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_the_reference_has_every_option_of_every_command(name: str) -> None:
    section = TEXTS[PAGE].partition(f"\n### archiver {name}\n")[2].partition("\n### ")[0]
    own = [parameter for parameter in cli.commands[name].params if parameter.expose_value]
    for parameter in own:
        for option in parameter.opts if parameter.param_type_name == "option" else ():
            assert f"`{option}" in section or f" {option}" in section
