"""The last screenshots of runs that failed, read from the archive to be shown in the page."""

import base64
import hashlib
from collections.abc import Iterable

from archiver.domain.media_type import media_type_of
from archiver.errors import ArchiveDamaged
from archiver.model.paths import is_revision_path, is_run_folder
from archiver.query.page.content import Picture
from archiver.query.page.facts import Example, Screenshot
from archiver.store.storage import LocalStorage

LARGEST = 1_500_000
"""Bytes of a screenshot that is shown."""
LARGEST_TOGETHER = 12_000_000
"""Bytes of all screenshots that are shown: a page must open at once."""
_SHOWN_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})
_CHECK = "“archiver verify” tells more"


def pictures(storage: LocalStorage, examples: Iterable[Example]) -> list[Picture]:
    """A picture for each example, or why there is none."""
    left = LARGEST_TOGETHER
    found = []
    for example in examples:
        picture, size = _picture(storage, example, left)
        left -= size
        found.append(picture)
    return found


def _picture(storage: LocalStorage, example: Example, left: int) -> tuple[Picture, int]:
    """A picture, and how many of the bytes that are ``left`` it takes."""
    shot = example.screenshot
    if shot is None:
        return Picture(None, "The run has no screenshot."), 0
    if shot.path is None:
        reason = f": {shot.reason}" if shot.reason else ""
        return Picture(None, f"The last screenshot is not held ({shot.state}{reason})."), 0
    if not _is_of_run(shot.path, example.run_id):
        return Picture(None, f"The table names no file of this run; {_CHECK}."), 0
    size = storage.size(shot.path)
    if size is not None and size > min(LARGEST, left):
        return Picture(None, "The last screenshot is too large for this page.", shot.path), 0
    try:
        data = storage.read(shot.path)
    except ArchiveDamaged:
        return Picture(None, f"The file cannot be read; {_CHECK}.", shot.path), 0
    return _shown(shot, data), len(data)


def _shown(shot: Screenshot, data: bytes) -> Picture:
    if hashlib.sha256(data).hexdigest() != shot.sha256:
        return Picture(None, f"The file is not what was archived; {_CHECK}.", shot.path)
    media_type = media_type_of(data).name
    if media_type not in _SHOWN_TYPES:
        return Picture(None, f"The last screenshot is {media_type}, not shown here.", shot.path)
    source = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    return Picture(source, path=shot.path)


def _is_of_run(path: str, run_id: str) -> bool:
    """Whether a path that a table gives lies in the run's own folder."""
    folder, _, inside = path.partition(f"/{run_id}/")
    return is_run_folder(f"{folder}/{run_id}", run_id) and is_revision_path(inside)
