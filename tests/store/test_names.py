"""Which names in the archive's folders are the tool's own, and which others are known to leave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.store.names import is_leftover, is_own

SESSION = "20261130T094022.123Z-0011aabb"
REVISION = "runs/2026/11/30/tsk_1/r1"
OWN = [
    *("archive.json", "README.txt", "lock", "runs", "browser_sessions", "tables", "ledger", "tmp"),
    *("runs/2026", "runs/undated", "runs/2026/11", "runs/2026/11/30", "runs/2026/11/30/tsk_1"),
    *("runs/undated/tsk_v2_1", "runs/undated/wr_a-1/r12", REVISION, "runs/2026/11/30/tsk_1_copy"),
    *(f"ledger/{SESSION}.{ending}" for ending in ("json", "sha256", "ids", "head", "sig", "tsr")),
    *(f"ledger/{SESSION}.journal", f"ledger/{SESSION}-3.journal"),
    *(
        "tables/runs",
        "tables/checks",
        "tables/runs/fetched=2026-11",
        "tables/checks/checked=2026-11",
    ),
    f"tables/runs/fetched=2026-11/{SESSION}-0001.parquet",
    f"tmp/{SESSION}-1-2.part",
]
FLUSH = f"tables/runs/fetched=2026-11/{SESSION}-0001"
LEFT = [
    *(
        "._x",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "Desktop.ini",
        "Icon\r",
        "@eaDir",
        "#recycle",
    ),
    *(".snapshot", ".snapshots", ".zfs", "lost+found", ".Trash-1000", ".fseventsd", ".Trashes"),
    *(".Spotlight-V100", "System Volume Information", "$RECYCLE.BIN", ".nfs000000000012ab34"),
    *(".fuse_hidden0000001200000001", ".stfolder", ".stversions", ".~lock.x#", "x~", ".x.swp"),
    *("x.tmp", "~$x", ".directory", ".apdisk", "@Recycle", "#snapshot", ".sync", "found.000"),
    *("x.partial", ".goutputstream-ABC", "ehthumbs.db", "RECYCLER", "aquota.user", "__MACOSX"),
    "~syncthing~x.tmp",
]
COPIES = [
    f"{FLUSH} (1).parquet",
    f"{FLUSH}(1).parquet",
    f"{FLUSH} (Ann's conflicted copy 2026-11-30).parquet",
    f"{FLUSH}.sync-conflict-20261130-101010-ABCDEFG.parquet",
    f"{FLUSH}-DESKTOP-1AB2C3D.parquet",
    f"{FLUSH} - Copy (2).parquet",
    f"{FLUSH} 2.parquet",
    f"{FLUSH}.parquet.bak",
    f"ledger/Copy of {SESSION}.json",
    f"ledger/{SESSION} (1).head",
    f"ledger/{SESSION}_conflict-20261130-101010.sha256",
    *("archive (1).json", "README - Kopie.txt", "lock 2", "runs (1)", "tables (conflicted copy)"),
    *("runs/2026 (1)", "runs/2026/11/30/tsk_1 (1)", "runs/2026/11/30/tsk_1/r1 2"),
    *(f"{REVISION}/recording (1).webm", f"{REVISION}/manifest.sync-conflict-20261130-1-A.json"),
    *(
        f"{REVISION}/run - Copy (2).json",
        f"{REVISION}/recording.webm.orig",
        f"{REVISION}/run[1].json",
    ),
    *(
        f"{of}{mark}"
        for of in (f"{REVISION}/run.json", f"ledger/{SESSION}.json", f"{FLUSH}.parquet", "runs")
        for mark in (
            *(":Zone.Identifier", "\uf03aZone.Identifier", ".lnk", " - Shortcut.lnk", ".url"),
            *(".part", ".download", ".!sync", ".icloud", ".backup", ".bak", "~1"),
        )
    ),
    *("archive~1.json", f"{REVISION}/run~1.json", f"ledger/{SESSION}~2.json", f"{FLUSH}~1.parquet"),
]
LISTED = {f"{REVISION}/{name}" for name in ("recording.webm", "manifest.json", "run.json")}
STRAYS = [
    *("notes.txt", "archive.json.txt", "runs/odd", "runs/2026/x", "runs/2026/13x", "runs/٢٠٢٦"),
    *("runs/2026/11/30/x.txt", "runs/2026/11/30/tsk_1/r01", "runs/2026/11/30/tsk_1/r0", "ledger/x"),
    *(f"{REVISION}/evil.exe", f"{REVISION}/evil (1).exe", f"{REVISION}/recording-2.webm"),
    *("tables/x", "tables/runs/odd", "tables/runs/fetched=2026-11/x.parquet", "ledger/x (1).json"),
    *(f"{REVISION}/evil.lnk", f"{REVISION}/evil.exe:Zone.Identifier", f"{REVISION}/evil~1.exe"),
    *(f"{REVISION}/evil.part", "ledger/x.part", "x.lnk", "runs/2026/x~1.json"),
    *(f"{REVISION}/more", f"{REVISION}/screenshots/99.png"),
]


def parts(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


@pytest.mark.parametrize("path", OWN)
def test_the_tool_knows_its_own(path: str) -> None:
    assert is_own(*parts(path))
    assert not is_leftover(path)


@pytest.mark.parametrize("name", LEFT)
def test_what_file_systems_and_programs_leave_is_known_in_every_folder(name: str) -> None:
    for folder in ("", *(path for path in OWN if "." not in path)):
        path = f"{folder}/{name}" if folder else name
        assert not is_own(folder, name), path
        assert is_leftover(path), path
        assert is_leftover(f"{path}/x.parquet"), path


@pytest.mark.parametrize("path", COPIES)
def test_copies_are_known_by_what_they_are_copies_of(path: str) -> None:
    assert path.startswith(REVISION) or not is_own(*parts(path))
    assert is_leftover(path, LISTED)


@pytest.mark.parametrize("path", STRAYS)
def test_what_is_neither_is_a_stray(path: str) -> None:
    assert not is_leftover(path, LISTED)
    assert path.startswith(REVISION) or not is_own(*parts(path))


@given(
    st.sampled_from(OWN),
    st.sampled_from([" (1", ".bak", "~", ".swp", " 2", "._", " copy", ".lnk", ".part", "~1", ":x"]),
)
def test_no_copy_of_the_own_is_own(path: str, mark: str) -> None:
    folder, name = parts(path)
    changed = f"{mark}{name}" if mark == "._" else f"{name}{mark}"
    if not folder.startswith("tmp"):
        assert not is_own(folder, changed)
