"""Going on with a download where it stopped, if the server still has the same file (RFC 9110, 14).

Skyvern ignores If-Range, and so do others: what the answer says of length, range and validator is
compared here.
"""

import re
from dataclasses import dataclass

import httpx

from archiver.adapters.staging import StagedFile
from archiver.errors import DownloadFailed

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Whole:
    """What the server said of the whole file: its length in bytes and its validators."""

    length: int
    etag: str | None
    last_modified: str | None

    @property
    def strong_etag(self) -> str | None:
        """A validator that tells bytes apart, fit for If-Range."""
        etag = self.etag
        return etag if etag is not None and etag.startswith('"') and etag.isascii() else None


@dataclass(slots=True)
class Progress:
    """What a download did so far, whatever its end: tries, and bytes received over all of them."""

    attempts: int = 0
    received: int = 0
    served_type: str | None = None
    whole: Whole | None = None

    def start_over(self, into: StagedFile) -> None:
        """Forget what came so far: the next try begins at the beginning."""
        self.whole = None
        into.restart()


def range_headers(into: StagedFile, progress: Progress) -> dict[str, str]:
    """What asks for the rest of what is there already; nothing where that cannot be continued."""
    whole = progress.whole
    if whole is None or not 0 < into.size < whole.length:
        return {}
    headers = {"Range": f"bytes={into.size}-"}
    return headers | {"If-Range": whole.strong_etag} if whole.strong_etag else headers


def agree(response: httpx.Response, asked_rest: bool, into: StagedFile, progress: Progress) -> None:
    """Make ``into`` fit the answer: go on if it is the rest of the same file, else begin again."""
    validators = (response.headers.get("ETag"), response.headers.get("Last-Modified"))
    if response.status_code == 200:
        progress.start_over(into)
        length = response.headers.get("Content-Length", "")
        progress.whole = Whole(int(length), *validators) if length.isdecimal() else None
        return
    whole = progress.whole
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if response.status_code == 206 and asked_rest and whole is not None and match is not None:
        rest = (into.size, whole.length - 1, whole.length)
        same = validators == (whole.etag, whole.last_modified)
        if same and tuple(map(int, match.groups())) == rest:
            return
    progress.start_over(into)
    raise DownloadFailed("storage no longer has the same file to go on with", retry=True)
