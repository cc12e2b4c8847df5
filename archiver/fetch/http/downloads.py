"""Downloads: bytes from storage to disk, hashed on the way.

The client carries no key. Redirects are followed here, five at most and never from https to http.
What was cut off goes on where it stopped, if the server's length and validator still agree. A URL
is never part of a message: its query is a credential.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urljoin, urlsplit

from archiver.errors import (
    ArtifactError,
    ArtifactGone,
    ArtifactTooLarge,
    ArtifactUnwanted,
    DownloadFailed,
    StorageBusy,
)
from archiver.fetch.http.client import (
    Fault,
    HttpClient,
    decoded,
    http_errors,
    is_encoded,
)
from archiver.fetch.http.refusals import (
    ERROR_BYTES,
    check_medium,
    check_status,
    error_in,
    may_be_page,
    not_a_medium,
)
from archiver.fetch.http.resume import DownloadState, check_response, range_headers
from archiver.fetch.http.retry import HostLimits, Patience, RetryPolicy, Throttle
from archiver.fetch.http.wire import Exchange
from archiver.fetch.plan import Selection
from archiver.model.artifact import HEAD_SIZE, MEDIA, ArtifactSource, text_of
from archiver.store.staging import StagedFile

_HINT = "Name the folder that holds such files with --local-artifacts"


class LocalArtifacts:
    """Finds the files that ``file`` URLs name. ``folder`` is None where the user named none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder.resolve() if folder else None

    def find(self, url: str) -> Path:
        """The file of a ``file`` URL. Raises DownloadFailed outside the folder, ArtifactGone
        where there is none."""
        if self._folder is None:
            raise DownloadFailed("its URL is a file on the server's machine", hint=_HINT)
        raw = url[len("file:") :]
        raw = "/" + raw.removeprefix("//localhost/").lstrip("/")
        # Some servers escape the path, some write it as it is, "?" and "#" included.
        paths = [_resolved(text) for text in dict.fromkeys((unquote(raw), raw))]
        below = [path for path in paths if path and path.is_relative_to(self._folder)]
        for path in below:
            if _is(Path.is_file, path):
                return path
        if len(below) < len(paths):
            raise DownloadFailed("its URL leads out of the folder of local artifacts", hint=_HINT)
        if not any(_is(Path.is_dir, path.parent) for path in below):
            # Rather the wrong folder, or one that is not mounted, than a file that was removed.
            raise DownloadFailed("not even its folder is there", hint=_HINT)
        raise ArtifactGone("the file is not in the folder of local artifacts")


def _resolved(text: str) -> Path | None:
    """The path with links and dots resolved, None where it can be none."""
    try:
        return Path(text).resolve()
    except (OSError, ValueError):
        return None


def _is(kind: Callable[[Path], bool], path: Path) -> bool:
    try:
        return kind(path)
    except OSError:  # a name that is too long for the file system, a folder that is closed to us
        return False


MAX_REDIRECTS = 5
_PIECE = 1 << 18
_SLACK = 1 << 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}
_MEDIA_TYPE = re.compile(r"[a-z0-9][\w.+-]{0,60}/[a-z0-9][\w.+-]{0,100}", re.ASCII)


class Downloader:
    """Fetches the bytes of artifacts. Safe to use from several threads.

    ``base_url`` is what relative URLs are relative to. ``check_stop`` is called between pieces and
    may raise Interrupted; ``on_bytes`` is told of every piece that arrived; ``throttle`` limits the
    bytes. ``paused``: see HostLimits.
    """

    def __init__(
        self,
        client: HttpClient,
        base_url: str,
        retry: RetryPolicy,
        now: Callable[[], datetime],
        *,
        local_artifacts: Path | None,
        selection: Selection,
        check_stop: Callable[[], None],
        on_bytes: Callable[[int], None],
        throttle: Throttle,
        paused: Mapping[str, float] | None = None,
    ) -> None:
        self._client = client
        self._headers = client.headers(_HEADERS)
        self._base_url = base_url
        self._retry = retry
        self._now = now
        self._local = LocalArtifacts(local_artifacts)
        self._selection = selection
        self._check_stop = check_stop
        self._on_bytes = on_bytes
        self._throttle = throttle
        self._hosts = HostLimits(retry.sleep, paused)

    @property
    def paused(self) -> Mapping[str, float]:
        """The seconds that each host was waited for in this session, by host."""
        return self._hosts.paused

    def download(
        self,
        source: ArtifactSource,
        into: StagedFile,
        state: DownloadState,
        patience: Patience,
        *,
        decode: bool = False,
    ) -> None:
        """Write the bytes of ``source`` into ``into``; what an earlier try left there is continued.

        ``decode`` undoes a Content-Encoding that storage applied although none was asked for;
        otherwise the bytes are written as they come.

        Raises ArtifactGone (404, 410), LinkExpired, ArtifactUnwanted, and DownloadFailed for
        whatever else keeps the bytes away, after the retries.
        """
        url = self._absolute(source.url or "")

        def attempt() -> None:
            state.attempts += 1
            if url[:5].lower() == "file:":
                self._copy(url, source, into, state)
            else:
                self._receive(url, source, into, state, decode)

        self._retry.call(attempt, patience)

    def _absolute(self, url: str) -> str:
        if url.startswith(("https://", "http://")):
            return url
        try:
            return urljoin(self._base_url + "/", url)
        except ValueError:
            raise DownloadFailed("its URL cannot be understood") from None

    def _receive(
        self, url: str, source: ArtifactSource, into: StagedFile, state: DownloadState, decode: bool
    ) -> None:
        with http_errors(_fail):
            for _ in range(MAX_REDIRECTS + 1):
                location = self._exchange(url, source, into, state, decode)
                if location is None:
                    return
                url = _redirected(url, location)
        raise DownloadFailed(f"more than {MAX_REDIRECTS} redirects")

    def _exchange(
        self, url: str, source: ArtifactSource, into: StagedFile, state: DownloadState, decode: bool
    ) -> str | None:
        """Take what is at a URL; return where it is instead, if it is elsewhere.

        What the host refuses for a while is asked for again after a pause, and no attempt: unless
        it says so with status 200, as whoever is no storage at all may do for ever, or goes on
        with it for this alone.
        """
        host = self._hosts.of(url)
        while True:
            with host.place() as passed_at:
                rest = range_headers(into, state)
                answer = self._get(url, rest)
                try:
                    location = answer.fields.get("location")
                    if answer.status in _REDIRECTS and location is not None:
                        return location
                    check_status(answer, self._now)
                    check_response(answer.status, answer.fields, bool(rest), into, state)
                    self._take(answer, source, into, state, decode)
                    host.answered(passed_at, state.refusals)
                    return None
                except StorageBusy as error:
                    may_wait = host.refused(passed_at, error.retry_after, state.refusals)
                    if not may_wait or answer.status == 200:
                        raise
                finally:
                    answer.close()
            state.attempts += 1

    def _get(self, url: str, more: dict[str, str]) -> Exchange:
        headers = self._client.headers({**_HEADERS, **more}) if more else self._headers
        return self._client.get(url, headers)

    def _take(
        self,
        answer: Exchange,
        source: ArtifactSource,
        into: StagedFile,
        state: DownloadState,
        decode: bool,
    ) -> None:
        fields = answer.fields
        content_type = fields.get("content-type", "").partition(";")[0].strip().lower()
        state.served_type = content_type if _MEDIA_TYPE.fullmatch(content_type) else None
        if not may_be_page(source.kind, state.served_type):
            self._check_type(state.served_type)
        encoding = fields.get("content-encoding", "")
        encoded = is_encoded(encoding)
        if encoded and decode:
            # What is decoded has no length, and cannot be continued in the middle.
            state.remote = None
            if source.kind in MEDIA:
                encoding += ", gzip"  # some name one layer of two; no medium begins like a stream
            self._write(decoded(map(bytes, answer.views()), encoding), source, None, into, state)
        else:
            length = state.remote.length if state.remote else None
            self._write(answer.views(), source, length, into, state)
        is_odd = into.size <= ERROR_BYTES and _is_disproved(source, into)
        if is_odd and (error := error_in(text_of(into.head) or "")) is not None:
            state.start_over(into)
            raise error
        if decode or not encoded:
            framed = encoded or "chunked" in fields.get("transfer-encoding", "")
            may_be_cut = state.remote is None and not framed
            self._compare(source, into, state, may_be_cut=may_be_cut)

    def _copy(
        self, url: str, source: ArtifactSource, into: StagedFile, state: DownloadState
    ) -> None:
        path = self._local.find(url)
        state.start_over(into)
        try:
            with path.open("rb") as file:
                pieces = iter(lambda: file.read(_PIECE), b"")
                length = os.fstat(file.fileno()).st_size
                self._write(pieces, source, length, into, state)
            self._compare(source, into, state, may_be_cut=False)
        except OSError as error:
            raise DownloadFailed(f"the local file cannot be read: {error.strerror}") from None

    def _write(
        self,
        pieces: Iterable[bytes | memoryview],
        source: ArtifactSource,
        length: int | None,
        into: StagedFile,
        state: DownloadState,
    ) -> None:
        """Write all pieces. Stops a body that is longer than anybody said, or not wanted.

        ``length`` is what storage announces, None where it does not."""
        most = _most(source)
        if length is not None:
            self._check_size(length)
            if most is not None and length > most:
                raise DownloadFailed(
                    f"storage announces {length} bytes, the API says {source.expected_size}"
                )
            if not into.could_hold(length):
                raise DownloadFailed(f"its {length} bytes are more than the whole disk has")
            state.admit(length - into.size)
            into.check_space(length - into.size)
            most = length
        is_known = False  # what they are
        try:
            for piece in pieces:
                self._check_stop()
                new = state.check_overlap(piece, into)
                into.write(new)
                state.received += len(piece)
                self._on_bytes(len(piece))
                state.show(into.size, length)
                self._throttle.wait(len(piece))
                self._check_size(into.size)
                if not is_known:
                    self._check_head(source, into, state, is_all=False)
                    is_known = into.size >= HEAD_SIZE
                if state.checkpoints is not None:
                    state.checkpoints.save_if_due(into, state.remote)
                if most is not None and into.size > most:
                    state.start_over(into)
                    raise DownloadFailed(f"more than the {most} bytes that were announced came")
            self._check_head(source, into, state, is_all=length in (None, into.size))
        finally:
            into.wait()  # what comes in next may come into the same buffer
        if length is not None and into.size != length:
            raise DownloadFailed(f"{into.size} of {length} bytes came", retry=True)

    def _compare(
        self, source: ArtifactSource, into: StagedFile, state: DownloadState, *, may_be_cut: bool
    ) -> None:
        """Compare with the size that the API gave; where there is a digest, that decides.

        A body that only the connection's end ended may have been cut: it is worth another try.
        """
        came, expected = into.size, source.expected_sha256
        if source.expected_size in (None, came):
            return
        if expected is None or (may_be_cut and expected != into.sha256):
            state.start_over(into)
            raise DownloadFailed(
                f"{came} bytes came, the API says {source.expected_size}", retry=may_be_cut
            )

    def _check_size(self, size: int) -> None:
        limit = self._selection.max_file_size
        if limit is not None and size > limit:
            raise ArtifactTooLarge(f"larger than --max-file-size: {limit} bytes")

    def _check_type(self, media_type: str | None) -> None:
        if (reason := self._selection.unwanted_type(media_type)) is not None:
            raise ArtifactUnwanted(reason)

    def _check_head(
        self, source: ArtifactSource, into: StagedFile, state: DownloadState, *, is_all: bool
    ) -> None:
        """By what the bytes are, as soon as enough of them are there to tell."""
        if not is_all and into.size < HEAD_SIZE:
            return
        if source.kind in MEDIA and source.expected_sha256 is None:
            text = text_of(into.head)
            is_page = text is not None and (is_all or text.strip())  # blanks may come first
            if is_page or not into.size:
                state.start_over(into)
                raise not_a_medium(source.kind, text)
            if not is_all and not any(into.head):
                return  # zeros may come first, too
            try:
                check_medium(source.kind, into.head)
            except ArtifactError:
                state.start_over(into)
                raise
        if self._selection.without_types:
            self._check_type(into.media_type.name)


def _is_disproved(source: ArtifactSource, into: StagedFile) -> bool:
    """Whether the bytes are others than those of which the API gave digest or size."""
    if source.expected_sha256 is not None:
        return source.expected_sha256 != into.sha256
    return source.expected_size not in (None, into.size)


def _most(source: ArtifactSource) -> int | None:
    """How many bytes are taken where the API gave a size, None if any number.

    Where there is a digest, a size that is a little off is not what decides.
    """
    if source.expected_size is None:
        return None
    return source.expected_size + (_SLACK if source.expected_sha256 is not None else 0)


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


def _fail(fault: Fault) -> NoReturn:
    raise DownloadFailed(fault.what, retry=fault.may_pass, at_once=fault.at_once)
