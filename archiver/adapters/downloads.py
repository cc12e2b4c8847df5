"""Downloads: bytes from storage to disk, hashed on the way.

The client carries no key. Redirects are followed here, five at most and never from https to http;
``file`` URLs are read only below a folder that the user named. A URL is never part of a message:
its query is a credential.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urljoin, urlsplit

import httpx

from archiver.adapters.http import RetryPolicy, retry_after, translated
from archiver.adapters.storage import StagedFile
from archiver.domain.artifact import ArtifactSource
from archiver.errors import ArtifactGone, ArtifactTooLarge, DownloadFailed

MAX_REDIRECTS = 5
_PIECE = 1 << 18
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(slots=True)
class Progress:
    """What a download did so far, whatever its end: tries, and bytes received over all of them."""

    attempts: int = 0
    received: int = 0
    served_type: str | None = None


class Downloader:
    """Fetches the bytes of artifacts. Safe to use from several threads.

    ``base_url`` is what relative URLs are relative to. ``check_stop`` is called between pieces and
    may raise Interrupted; ``on_bytes`` is told of every piece that arrived.
    """

    def __init__(
        self,
        client: httpx.Client,
        base_url: str,
        retry: RetryPolicy,
        now: Callable[[], datetime],
        *,
        local_artifacts: Path | None,
        max_file_size: int | None,
        check_stop: Callable[[], None],
        on_bytes: Callable[[int], None],
    ) -> None:
        self._client = client
        self._base_url = base_url
        self._retry = retry
        self._now = now
        self._local_artifacts = local_artifacts.resolve() if local_artifacts else None
        self._max_file_size = max_file_size
        self._check_stop = check_stop
        self._on_bytes = on_bytes

    def download(
        self, source: ArtifactSource, into: StagedFile, progress: Progress, *, decode: bool = False
    ) -> None:
        """Write the bytes of ``source`` into ``into``, from the beginning.

        ``decode`` undoes a Content-Encoding that storage applied although none was asked for;
        otherwise the bytes are written as they come.

        Raises ArtifactGone (404, 410), ArtifactTooLarge, and DownloadFailed for whatever else
        keeps the bytes away, after the retries.
        """
        url = self._absolute(source.url or "")
        for attempt in self._retry.retrying(lambda: None):
            with attempt:
                progress.attempts += 1
                into.restart()
                if urlsplit(url).scheme == "file":
                    self._copy(url, source, into, progress)
                else:
                    self._receive(url, source, into, progress, decode)

    def _absolute(self, url: str) -> str:
        try:
            return urljoin(self._base_url + "/", url)
        except ValueError:
            raise DownloadFailed("its URL cannot be understood") from None

    def _receive(
        self, url: str, source: ArtifactSource, into: StagedFile, progress: Progress, decode: bool
    ) -> None:
        with translated(_fail):
            for _ in range(MAX_REDIRECTS + 1):
                request = self._client.build_request("GET", url, headers=_HEADERS)
                response = self._client.send(request, stream=True)
                try:
                    if response.has_redirect_location:
                        url = _redirected(url, response.headers["Location"])
                        continue
                    self._check_status(response)
                    content_type = response.headers.get("Content-Type", "")
                    progress.served_type = content_type.partition(";")[0].strip().lower() or None
                    if decode and response.headers.get("Content-Encoding"):
                        # httpx holds the encoded length itself; that of the rest is not told.
                        self._write(response.iter_bytes(), source, None, into, progress)
                    else:
                        length = _content_length(response)
                        self._write(response.iter_raw(), source, length, into, progress)
                finally:
                    response.close()
                return
        raise DownloadFailed(f"more than {MAX_REDIRECTS} redirects")

    def _check_status(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in (404, 410):
            raise ArtifactGone(f"storage does not have it any more (HTTP {status})")
        if status in (408, 425, 429) or status >= 500:
            wait = retry_after(response, self._now)
            raise DownloadFailed(f"storage answered HTTP {status}", retry=True, retry_after=wait)
        if status in (400, 401, 403):
            raise DownloadFailed(f"storage refused the link (HTTP {status}): expired or altered")
        if status != 200:
            raise DownloadFailed(f"storage answered HTTP {status}")

    def _copy(self, url: str, source: ArtifactSource, into: StagedFile, progress: Progress) -> None:
        path = self._local_path(url)
        try:
            with path.open("rb") as file:
                pieces = iter(lambda: file.read(_PIECE), b"")
                self._write(pieces, source, path.stat().st_size, into, progress)
        except FileNotFoundError:
            raise ArtifactGone("the file is not in the folder of local artifacts") from None
        except OSError as error:
            raise DownloadFailed(f"the local file cannot be read: {error.strerror}") from None

    def _local_path(self, url: str) -> Path:
        if self._local_artifacts is None:
            raise DownloadFailed(
                "its URL is a file on the server's machine",
                hint="Name the folder that holds such files with --local-artifacts",
            )
        # Some servers escape the path, some write it as it is, "?" and "#" included.
        raw = url[len("file:") :]
        raw = "/" + raw.lstrip("/") if not raw.startswith("//localhost/") else raw[11:]
        paths = [self._below(text) for text in dict.fromkeys((unquote(raw), raw))]
        return next((path for path in paths if path.is_file()), paths[0])

    def _below(self, text: str) -> Path:
        folder = self._local_artifacts
        try:
            path = Path(text).resolve()
        except (OSError, ValueError):
            raise DownloadFailed("its URL names no file") from None
        if folder is None or not path.is_relative_to(folder):
            raise DownloadFailed("its URL leads out of the folder of local artifacts")
        return path

    def _write(
        self,
        pieces: Iterator[bytes],
        source: ArtifactSource,
        length: int | None,
        into: StagedFile,
        progress: Progress,
    ) -> None:
        """Write all pieces. Stops a body that is longer than anybody said, or than is wanted."""
        announced = length if length is not None else source.expected_size
        self._check_size(announced or 0)
        for piece in pieces:
            self._check_stop()
            into.write(piece)
            progress.received += len(piece)
            self._on_bytes(len(piece))
            self._check_size(into.size)
            if announced is not None and into.size > announced:
                raise DownloadFailed(f"more than the {announced} bytes that were announced came")
        if length is not None and into.size != length:
            raise DownloadFailed(f"{into.size} of {length} bytes came", retry=True)
        if source.expected_sha256 is None and source.expected_size not in (None, into.size):
            raise DownloadFailed(
                f"{into.size} bytes came, the API says {source.expected_size}", retry=True
            )

    def _check_size(self, size: int) -> None:
        if self._max_file_size is not None and size > self._max_file_size:
            raise ArtifactTooLarge(f"larger than --max-file-size: {self._max_file_size} bytes")


def _redirected(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
    except ValueError:
        raise DownloadFailed("storage redirects to what is no URL") from None
    if scheme not in ("http", "https"):
        raise DownloadFailed("storage redirects to something other than http or https")
    if urlsplit(url).scheme == "https" and scheme == "http":
        raise DownloadFailed("storage redirects from https to http, which is not followed")
    return target


def _content_length(response: httpx.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _fail(what: str, may_pass: bool) -> NoReturn:
    raise DownloadFailed(what, retry=may_pass)
