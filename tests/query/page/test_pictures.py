"""Screenshots are read from the archive, checked, and where they cannot be shown it is said why."""

import base64
from pathlib import Path
from typing import Any

import pytest

from archiver.query.page.facts import Example, Screenshot
from archiver.query.page.failures import LARGEST, LARGEST_TOGETHER, pictures
from archiver.store.storage import LocalStorage
from tests.pictures import png
from tests.query.page.archives import Run, write_archive

LARGE = png(1) + bytes(LARGEST)


def example(run: Run) -> Example:
    """The run as an example, with what the tables say of its last screenshot."""
    row = run.shot_row
    names = ("state", "path", "size", "sha256", "media_type", "reason")
    shot = Screenshot(*(row[name] for name in names))
    return Example(0, run.run_id, run.status, None, run.created, None, run.folder, shot)


@pytest.mark.parametrize(
    ("shot", "columns", "why"),
    [
        (None, {"path": None, "state": "gone", "reason": "HTTP 404"}, "not held (gone: HTTP 404)"),
        (None, {"size": 5}, "cannot be read"),
        (png(1), {"sha256": "0" * 64}, "is not what was archived"),
        (LARGE, {}, "too large"),
        (LARGE, {"size": 5}, "too large"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", {}, "is text/plain, not shown here"),
        (png(1), {"path": "../secret.png"}, "names no file of this run"),
        (png(1), {"path": "runs/2026/11/23/tsk_1/r1/../../../../secret.png"}, "names no file"),
        (png(1), {"path": "runs/2026/11/23/tsk_2/r1/screenshots/01.png"}, "names no file"),
    ],
)
def test_what_cannot_be_shown_is_explained(
    tmp_path: Path, shot: bytes | None, columns: dict[str, Any], why: str
) -> None:
    run = Run("tsk_1", "failed", shot=shot, shot_columns=columns)
    archive = write_archive(tmp_path / "archive", [run])
    for place in ("secret.png", "runs/2026/11/23/tsk_2/r1/screenshots/01.png"):
        (archive.root / place).parent.mkdir(parents=True, exist_ok=True)
        (archive.root / place).write_bytes(shot or b"")
    (picture,) = pictures(LocalStorage(archive.root), [example(run)])
    assert picture.source is None
    assert why in picture.why_not


def test_pictures_are_the_files_as_they_are_and_not_too_many(tmp_path: Path) -> None:
    size = LARGEST_TOGETHER // 10
    runs = [Run(f"tsk_{n}", shot=png(n) + bytes(size - len(png(n)))) for n in range(12)]
    archive = write_archive(tmp_path / "archive", runs)
    found = pictures(LocalStorage(archive.root), map(example, runs))
    shown = [picture for picture in found if picture.source]
    assert len(shown) == 10
    assert "too large" in found[-1].why_not
    for run, picture in zip(runs, shown, strict=False):
        head, _, data = (picture.source or "").partition(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(data) == run.shot
