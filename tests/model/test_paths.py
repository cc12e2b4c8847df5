import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.artifact import ArtifactKind
from archiver.model.ids import RunId
from archiver.model.paths import (
    artifact_paths,
    distinct_names,
    is_revision_path,
    run_folder,
    safe_name,
)
from tests.model.builders import DOWNLOAD, RECORDING, RUN_ID, SCREENSHOT
from tests.model.strategies import ANY_TEXT, FILE_NAMES, INSTANTS

RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)")
DEVICE_NAMES = st.builds(
    lambda device, space, ending: device + space + ending,
    st.sampled_from(["con", "PRN", "Aux", "nul", "COM1", "lpt9", "com¹", "CONIN$", "clock$"]),
    st.sampled_from(["", " ", "\u00a0"]),
    st.sampled_from(["", ".", ".txt", ".tar.gz", "." + "a" * 200, ". "]),
)
NAMES = FILE_NAMES | DEVICE_NAMES | st.builds(str.__add__, FILE_NAMES, st.just(".pdf"))


def folds(name: str) -> set[str]:
    """What file systems that do not tell case or Unicode forms apart may take the name for."""
    return {
        unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()),
        unicodedata.normalize("NFC", name.casefold()),
        unicodedata.normalize("NFD", name).lower(),
        unicodedata.normalize("NFD", name).upper(),
    }


@given(NAMES)
def test_a_safe_name_has_no_separator_and_nothing_invisible(name: str) -> None:
    safe = safe_name(name)
    assert not set(safe) & set('/\\:*?"<>|')
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in safe)


@given(NAMES)
def test_a_safe_name_is_neither_empty_nor_too_long(name: str) -> None:
    assert 1 <= len(safe_name(name).encode()) <= 120


@given(NAMES)
def test_a_safe_name_begins_and_ends_well(name: str) -> None:
    safe = safe_name(name)
    assert safe[0] not in ".-~ "
    assert safe[-1] not in ". "
    assert safe == safe.strip()


@given(NAMES)
def test_a_safe_name_is_not_reserved(name: str) -> None:
    safe = safe_name(name)
    assert not RESERVED.match(safe)
    assert safe.casefold() not in ("manifest.json", "run.json", "sha256sums", "archive.json")


@given(NAMES)
def test_a_safe_name_is_safe_already(name: str) -> None:
    safe = safe_name(name)
    assert safe_name(safe) == safe
    assert unicodedata.is_normalized("NFC", safe)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("invoice.pdf", "invoice.pdf"),
        ("weird name #1 100% ?&.zip", "weird name #1 100% _&.zip"),
        ("naïve résumé – 日本語 ©.csv", "naïve résumé – 日本語 ©.csv"),
        ("e\u0301te\u0301.pdf", "été.pdf"),
        ("../../etc/passwd", "_._.._etc_passwd"),
        ("..\\..\\x.exe", "_._.._x.exe"),
        ("/etc/passwd", "_etc_passwd"),
        ("C:\\x", "C__x"),
        ("..%2f..%2fx", "_.%2f..%2fx"),
        (".bashrc", "_bashrc"),
        ("-rf", "_rf"),
        ("~root", "_root"),
        ("a\nb\tc\0d", "a_b_c_d"),
        ("cod\u202egpj.exe", "cod_gpj.exe"),
        ("name. . ", "name"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("com¹.log", "_com¹.log"),
        ("console.txt", "console.txt"),
        ("manifest.json", "_manifest.json"),
        ("RUN.JSON", "_RUN.JSON"),
        ("SHA256SUMS", "_SHA256SUMS"),
        ("\ud800.txt", "_.txt"),
        (None, "unnamed"),
        ("", "unnamed"),
        (".", "unnamed"),
        ("..", "unnamed"),
        ("/", "unnamed"),
        ("   ", "unnamed"),
        ("\u200b", "unnamed"),
        ("a" * 300 + ".pdf", "a" * 116 + ".pdf"),
        ("é" * 200, "é" * 60),
        ("😀" * 100 + ".png", "😀" * 29 + ".png"),
    ],
)
def test_names_that_servers_give(name: str | None, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize("device", ["con", "NUL", "lpt1"])
def test_a_long_reserved_name_is_neither_too_long_nor_changed_by_a_second_pass(device: str) -> None:
    safe = safe_name(f"{device}." + "a" * 300)
    assert len(safe.encode()) <= 120
    assert safe_name(safe) == safe


@pytest.mark.parametrize("name", ["a\u00a0.", "a\u3000. .", "a\u2003 ", "a" * 119 + "\u00a0b"])
def test_no_space_of_any_kind_is_left_at_the_end(name: str) -> None:
    safe = safe_name(name)
    assert safe == safe.strip()
    assert safe_name(safe) == safe


SAFE_NAMES = st.lists(
    st.sampled_from(
        ["a.pdf", "A.pdf", "a-2.pdf", "A-2.PDF", "a", "a-2", "ﬁ", "fi", "ß", "ss", "é", "ｅ", "e"]
    )
    | NAMES.map(safe_name),
    max_size=12,
)


@given(SAFE_NAMES)
def test_distinct_names_are_distinct_on_every_file_system(names: list[str]) -> None:
    distinct = distinct_names(names)
    assert len(distinct) == len(names)
    for at, name in enumerate(distinct):
        for other in distinct[:at]:
            assert not folds(name) & folds(other)


@given(SAFE_NAMES)
def test_distinct_names_keep_order_and_what_can_stay(names: list[str]) -> None:
    for name, given_name in zip(distinct_names(names), names, strict=True):
        stem, dot, _ = given_name.rpartition(".")
        assert name == given_name or name.startswith(stem if dot else given_name)
    assert distinct_names(names)[:1] == names[:1]
    assert distinct_names(distinct_names(names)) == distinct_names(names)


@given(SAFE_NAMES)
def test_distinct_names_stay_safe(names: list[str]) -> None:
    for name in distinct_names(names):
        assert len(name.encode()) <= 130
        assert name[-1] not in ". "
        assert not set(name) & set("/\\:")


def test_the_number_stands_before_the_ending() -> None:
    names = ["a.pdf", "a.pdf", "A.pdf", "b", "b", "a-2.pdf"]
    assert distinct_names(names) == ["a.pdf", "a-2.pdf", "A-3.pdf", "b", "b-2", "a-2-2.pdf"]


def test_many_files_of_the_same_name_are_numbered() -> None:
    names = distinct_names(["invoice.pdf"] * 300)
    assert names[-1] == "invoice-300.pdf"
    assert len(set(names)) == 300


ARTIFACTS = st.lists(
    st.tuples(
        st.sampled_from(ArtifactKind),
        st.integers(1, 120),
        st.none() | NAMES,
        st.sampled_from(["png", "webm", "bin"]),
    ),
    max_size=12,
    unique_by=lambda artifact: artifact[:2],
)


@given(st.integers(1, 1000), ARTIFACTS)
def test_artifact_paths_lie_in_the_revision_and_are_distinct(
    revision: int, artifacts: list[tuple[ArtifactKind, int, str | None, str]]
) -> None:
    paths = artifact_paths(revision, artifacts)
    assert len(paths) == len(artifacts)
    assert all(is_revision_path(path) for path in paths)
    assert all(path.startswith(f"r{revision}/") for path in paths)
    assert len({path.casefold() for path in paths}) == len(paths)
    own = {f"r{revision}/{name}".casefold() for name in ("manifest.json", "run.json", "SHA256SUMS")}
    assert own.isdisjoint(path.casefold() for path in paths)


def test_artifact_paths_are_those_of_the_design() -> None:
    paths = artifact_paths(
        2,
        [
            (RECORDING, 1, None, "webm"),
            (SCREENSHOT, 1, None, "png"),
            (SCREENSHOT, 12, None, "jpg"),
            (DOWNLOAD, 1, "invoice.pdf", "pdf"),
            (DOWNLOAD, 2, "Invoice.pdf", "pdf"),
            (DOWNLOAD, 3, None, "bin"),
        ],
    )
    assert paths == [
        "r2/recording.webm",
        "r2/screenshots/01.png",
        "r2/screenshots/12.jpg",
        "r2/downloads/invoice.pdf",
        "r2/downloads/Invoice-2.pdf",
        "r2/downloads/unnamed",
    ]


@pytest.mark.parametrize(
    ("created_at", "folder"),
    [
        (datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC), "runs/2026/11/23/tsk_123"),
        (
            datetime(2026, 11, 23, 23, 0, tzinfo=timezone(timedelta(hours=-5))),
            "runs/2026/11/24/tsk_123",
        ),
        (datetime(5, 1, 2, tzinfo=UTC), "runs/0005/01/02/tsk_123"),
        (None, "runs/undated/tsk_123"),
    ],
)
def test_a_runs_folder_is_that_of_the_utc_day(created_at: datetime | None, folder: str) -> None:
    assert run_folder(RunId("tsk_123"), created_at) == folder


@given(INSTANTS)
def test_folders_of_days_sort_by_time(created_at: datetime) -> None:
    assert re.fullmatch(r"runs/\d{4}/\d\d/\d\d/tsk_123", run_folder(RUN_ID, created_at))


@pytest.mark.parametrize("path", ["r1/run.json", "r12/downloads/a b.pdf", "r1/..a", "r1/a..b/é"])
def test_paths_inside_of_a_revision(path: str) -> None:
    assert is_revision_path(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", "r1", "r1/", "/r1/a", "r0/a", "r01/a", "r1//a", "r1/a/", "r1/.", "r1/..", "x1/a"),
        *("r1/../../etc/passwd", "r1/a/../b", "r1/./a", "../r1/a", "r-1/a", "r1/a\0b", "R1/a"),
        *("runs/r1/a", "r1\\a", "r١/a", "r1\n/a"),
    ],
)
def test_paths_that_no_manifest_may_list(path: str) -> None:
    assert not is_revision_path(path)


@given(ANY_TEXT.map(lambda text: f"r1/{text}"))
def test_a_revision_path_never_climbs(path: str) -> None:
    if is_revision_path(path):
        assert not {"", ".", ".."} & set(path.split("/"))
