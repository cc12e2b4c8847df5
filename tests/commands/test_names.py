"""A server's file names decide nothing: bytes land below the revision, names in the records."""

import json
import unicodedata
from pathlib import Path

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, task_run

NAMES = [
    *("../../../../../../tmp/evil", "/etc/evil", "..\\..\\evil.exe", "C:\\evil.exe", "\\\\host\\x"),
    *("..", ".", "...", ".hidden", "-rf", "~root", "a/b/c.txt", "..%2f..%2fevil", "%2e%2e"),
    *("CON", "nul.txt", "com1.tar.gz", "LPT9", "aux .pdf", "PRN.", "com\u00b9"),
    *("new\nline.txt", "tab\t.txt", "nul\x00byte", "bell\x07", "esc\x1b[31m", "del\x7f"),
    *("dots...", "space ", "dot. ", "a:b.txt", "a:stream:$DATA", 'q"uote*?<>|.txt'),
    *("x" * 300 + ".pdf", "ü" * 300, "🧾" * 100 + ".png", "e" * 200 + "." + "f" * 100),
    *("", " ", "\u200b", "\u202egpj.exe", "\ufeffbom.txt", "\ue000private"),
    *("manifest.json", "run.json", "SHA256SUMS", "sha256sums", "Manifest.JSON", "archive.json"),
    *("r1", "r2/manifest.json", "invoice №1 «été».pdf", "$(touch evil)", "`id`", "'; DROP"),
]
TWINS = [
    *("Invoice.pdf", "invoice.pdf", "INVOICE.PDF", "invoice.pdf", "invoice-2.pdf"),
    *(unicodedata.normalize("NFC", "é.pdf"), unicodedata.normalize("NFD", "é.pdf")),
    *("É.pdf", "straße.txt", "STRASSE.txt", "ﬁle.txt", "file.txt", "_invoice.pdf"),
    *("a.", "a", "a ", "A", "x" * 300 + "1", "x" * 300 + "2", "noending", "noending"),
]


@pytest.mark.parametrize("names", [NAMES, TWINS], ids=["odd", "twins"])
def test_all_bytes_are_kept_and_the_true_names_recorded(
    server: LyingServer, fetch: Fetch, archiver: Command, archive: ArchiveFolder, names: list[str]
) -> None:
    files = [
        server.artifact(f"{n}: {name!r}".encode(), "download").entry(filename=name)
        for n, name in enumerate(names)
    ]
    run_id = server.add_run(task_run("tsk_1", downloads=files))

    assert fetch(run_id).states == {"verified": len(names)}
    folder = archive.run(run_id) / "r1/downloads"
    places = []
    for n, name in enumerate(names, start=1):
        entry = archive.artifact(run_id, f"download {n}")
        assert archive.read(run_id, f"download {n}") == f"{n - 1}: {name!r}".encode()
        assert entry["filename"] == name
        row = archive.row("artifacts", run_id=run_id, ordinal=n)
        place = archive.root / row["path"]
        assert (row["filename"], place.parent, place.resolve()) == (name, folder, place)
        places.append(place)
    assert set(folder.iterdir()) == set(places)
    folded = {unicodedata.normalize("NFKC", place.name.casefold()) for place in places}
    assert len(folded) == len(names)
    archiver("verify")
    shown = archiver("show", run_id).out
    assert not any(c != "\n" and unicodedata.category(c) in ("Cc", "Cf") for c in shown)


def test_names_on_disk_are_fit_for_every_platform(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, tmp_path: Path
) -> None:
    names = NAMES + TWINS
    files = [server.artifact(b"x", "download").entry(filename=name) for name in names]
    fetch(server.add_run(task_run("tsk_1", downloads=files)))

    for place in (archive.run("tsk_1") / "r1/downloads").iterdir():
        name = place.name
        assert len(name.encode()) <= 143  # the least that file systems in use allow
        assert not set(name) & set('<>:"/\\|?*')
        assert name == unicodedata.normalize("NFC", name)
        assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in name)
        assert name == name.strip() == name.rstrip(". ")
        assert name[0] not in ".-~"
        stem = name.split(".")[0].rstrip().upper()
        assert stem not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9", "COM\u00b9"}
        assert name.lower() not in {"manifest.json", "run.json", "sha256sums"}
    assert not list(tmp_path.rglob("evil"))
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize("name", [None, 17, ["a.pdf"], {}], ids=str)
def test_a_file_without_a_name_is_kept(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder, name: object
) -> None:
    file = server.artifact(b"nameless", "download").entry(filename=name)
    run_id = server.add_run(task_run("tsk_1", downloads=[file]))

    assert fetch(run_id).states == {"verified": 1}
    assert archive.read(run_id, "download 1") == b"nameless"
    assert archive.artifact(run_id, "download 1")["filename"] is None
    problems = archive.row("runs", run_id=run_id)["problems"]
    assert len(problems) == (name is not None)


def test_a_name_that_is_no_text_costs_only_the_name(
    server: LyingServer, fetch: Fetch, archive: ArchiveFolder
) -> None:
    file = server.artifact(b"half", "download").entry(filename="half \ud83d emoji.txt")
    server.add_run(json.dumps(task_run("tsk_1", downloads=[file])).encode(), run_id="tsk_1")
    assert fetch("tsk_1").states == {"verified": 1}
    assert archive.read("tsk_1", "download 1") == b"half"
    assert archive.row("runs", run_id="tsk_1")["problems"]
