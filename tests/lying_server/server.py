"""A Skyvern-compatible server on loopback that tells the truth until it is asked to lie."""

import itertools
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.lying_server.answers import Answer, Asked, ranged, whole
from tests.lying_server.content import Content, Plain, content_of
from tests.lying_server.document_lies import dumps
from tests.lying_server.documents import Artifact, Kind, naive
from tests.lying_server.lies import FORBIDDEN, NOT_FOUND, Lie, Status
from tests.lying_server.links import API_LINK, BUCKET, STORAGE_LINK, Links
from tests.lying_server.listener import Listener
from tests.lying_server.script import Script

Origin = Literal["api", "storage"]
Served = Mapping[str, Any] | bytes
Telling = Served | Callable[[int], Served]
"""A run's document; or bytes, sent as they are; or what makes either for the n-th GET, from 1."""

_MEDIA_TYPES: dict[Kind, str] = {
    "recording": "video/webm",
    "screenshot": "image/png",
    "download": "application/octet-stream",
}
_HOUR = 3600
_UNROUTED = Status(404, b'{"detail":"Not Found"}')
_NO_METHOD = Status(405, b'{"detail":"Method Not Allowed"}', headers={"Allow": "GET"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in. `status` is 0 where nothing was answered."""

    number: int
    origin: Origin
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    status: int
    client_port: int


class LyingServer:
    """The API and, on another port, the storage it signs links for.

    Use it as a context manager. Requests of both origins are recorded before they are answered.
    """

    def __init__(self, key: str = "key-of-the-lying-server", host: str = "127.0.0.1") -> None:
        self.key = key
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._numbers = itertools.count(1)
        self._runs: dict[str, tuple[Telling, ...]] = {}
        self._gets: dict[str, int] = {}
        self._artifacts: dict[str, Artifact] = {}
        self._links = Links()
        self._script = Script()
        self._api = Listener(host, lambda asked, port: self._respond("api", asked, port))
        self._storage = Listener(host, lambda asked, port: self._respond("storage", asked, port))
        self.base_url = self._api.origin
        self.storage_url = self._storage.origin

    def __enter__(self) -> Self:
        self._api.start()
        self._storage.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._api.close()
        self._storage.close()

    # What was asked

    @property
    def requests(self) -> list[Request]:
        """All requests so far, as a copy."""
        with self._lock:
            return list(self._requests)

    def clear_requests(self) -> None:
        with self._lock:
            self._requests.clear()

    def count(self, path_prefix: str = "/", origin: Origin | None = None) -> int:
        """How many requests there were below a path, at one origin or both."""
        return sum(
            request.path.startswith(path_prefix) and origin in (None, request.origin)
            for request in self.requests
        )

    # What is true

    def add_run(self, *tellings: Telling, run_id: str | None = None) -> str:
        """Answer GET /v1/runs/{run_id} with these in turn; the last one stays.

        The id is the first document's own where none is given. Links to artifacts anywhere in a
        document (not in bytes) are minted anew with each GET.
        """
        first = tellings[0]
        if run_id is None:
            if not isinstance(first, Mapping):
                raise TypeError("bytes and functions need a run_id")
            run_id = str(first["run_id"])
        with self._lock:
            self._runs[run_id] = tellings
            self._gets[run_id] = 0
        return run_id

    @property
    def run_ids(self) -> list[str]:
        """The ids of all runs, in the order they were added."""
        with self._lock:
            return list(self._runs)

    def artifact(
        self,
        content: bytes | Content,
        kind: Kind = "recording",
        filename: str = "invoice.pdf",
        *,
        media_type: str | None = None,
        in_storage: bool = False,
    ) -> Artifact:
        """Add an artifact; its links lead to the API or, with `in_storage`, to storage."""
        with self._lock:
            artifact_id = f"a_{600323869411060000 + len(self._artifacts) + 1}"
            artifact = Artifact(
                id=artifact_id,
                kind=kind,
                url="",
                filename=filename,
                media_type=media_type or _MEDIA_TYPES[kind],
                modified_at=naive(datetime.now(UTC) - timedelta(hours=1)),
                content=content_of(content),
                in_storage=in_storage,
            )
            self._artifacts[artifact_id] = artifact
        return replace(artifact, url=self.link(artifact))

    def link(self, artifact: Artifact, origin: Origin | None = None) -> str:
        """A fresh signed link to an artifact, at its own origin or at the one given."""
        if (origin or ("storage" if artifact.in_storage else "api")) == "storage":
            return self.storage_url + self._mint_storage(artifact.id)
        return self.base_url + self._mint_api(artifact.id)

    def expire_links_after(self, seconds: int | None) -> None:
        """Links minted from now on live so long; 0 or less, never; None, as long as usual."""
        self._links.expire_after(seconds)

    def expire_now(self) -> None:
        """Every link minted so far is refused from now on, whatever its expiry says."""
        self._links.expire_now()

    # What is not

    def lie(self, about: str | Artifact, *lies: Lie, times: int | None = 1, after: int = 0) -> None:
        """Tell lies, all at once, the next `times` times, after `after` times the truth.

        `about` is an artifact, a run's id or a path such as "/v1/runs/*". Lies for ever
        (`times=FOREVER`) are told first and always; counted ones wait for those added before.
        """
        self._script.add(_target(about), lies, times, after)

    def stop_lying(self, about: str | Artifact | None = None) -> None:
        """Tell the truth again, about one thing or about everything."""
        self._script.dispose(None if about is None else _target(about))

    # How a request is answered

    def _respond(self, origin: Origin, asked: Asked, client_port: int) -> Answer:
        # Not urlsplit alone: a target that begins with two slashes would lose its first part.
        target = urlsplit(f"http://host{asked.target}")
        query = dict(parse_qsl(target.query, keep_blank_values=True))
        route = self._at_api if origin == "api" else self._at_storage
        if asked.method == "GET":
            subject, truth = route(asked, target.path, query)
        else:
            subject, truth = "", _refusal(_NO_METHOD)
        answer = self._script.perform(subject, target.path, asked, truth)
        if asked.method == "HEAD":
            answer = replace(answer, stop=answer.start)
        with self._lock:
            self._requests.append(
                Request(
                    number=next(self._numbers),
                    origin=origin,
                    method=asked.method,
                    path=target.path,
                    query=target.query,
                    headers=asked.headers,
                    status=0 if answer.silent else answer.status,
                    client_port=client_port,
                )
            )
        return answer

    def _at_api(self, asked: Asked, path: str, query: Mapping[str, str]) -> tuple[str, Answer]:
        match path.split("/"):
            case ["", "v1", "runs", quoted] if quoted:
                run_id = unquote(quoted)
                return run_id, self._unkeyed(asked) or self._run(run_id)
            case ["", "v1", "artifacts", artifact_id, "content"]:
                if query:
                    refused = self._links.refuse_api(artifact_id, query)
                    refusal = _refusal(refused) if refused else None
                else:
                    refusal = self._unkeyed(asked)
                return artifact_id, refusal or self._content(asked, artifact_id)
        return "", self._unkeyed(asked) or _refusal(_UNROUTED)

    def _at_storage(self, asked: Asked, path: str, query: Mapping[str, str]) -> tuple[str, Answer]:
        artifact_id = path.removeprefix(f"/{BUCKET}/")
        refused = self._links.refuse_storage(artifact_id, query)
        return artifact_id, _refusal(refused) if refused else self._content(asked, artifact_id)

    def _unkeyed(self, asked: Asked) -> Answer | None:
        key = asked.headers.get("x-api-key")
        if key == self.key:
            return None
        return _refusal(
            FORBIDDEN
            if key is None
            else replace(FORBIDDEN, body=b'{"detail":"Could not validate credentials"}')
        )

    def _run(self, run_id: str) -> Answer:
        with self._lock:
            tellings = self._runs.get(run_id)
            if tellings is not None:
                self._gets[run_id] += 1
                nth = self._gets[run_id]
        if tellings is None:
            return _refusal(Status(404, dumps({"detail": f"Task run not found {run_id}"})))
        telling = tellings[min(nth, len(tellings)) - 1]
        served = telling(nth) if callable(telling) else telling
        body = served if isinstance(served, bytes) else self._fresh(dumps(served))
        return whole(Plain(body), {"Content-Type": "application/json"})

    def _fresh(self, document: bytes) -> bytes:
        """Every link in a document minted anew, as the API does with each answer."""
        document = API_LINK.sub(lambda at: self._mint_api(at[1].decode()).encode(), document)
        return STORAGE_LINK.sub(lambda at: self._mint_storage(at[1].decode()).encode(), document)

    def _content(self, asked: Asked, artifact_id: str) -> Answer:
        artifact = self._artifacts.get(artifact_id)
        if artifact is None:
            return _refusal(NOT_FOUND)
        headers = {"Content-Type": artifact.media_type, "Accept-Ranges": "bytes"}
        if artifact.kind == "download":
            # Skyvern cleans the name here, so that it differs from `filename`.
            clean = re.sub(r"[^A-Za-z0-9._-]", "_", artifact.filename)
            headers["Content-Disposition"] = f'attachment; filename="{clean}"'
        return ranged(asked, artifact.content, headers)

    def _mint_api(self, artifact_id: str) -> str:
        return self._links.mint_api(artifact_id, self._lifetime(artifact_id))

    def _mint_storage(self, artifact_id: str) -> str:
        return self._links.mint_storage(artifact_id, self._lifetime(artifact_id))

    def _lifetime(self, artifact_id: str) -> int:
        artifact = self._artifacts.get(artifact_id)
        return 12 * _HOUR if artifact is not None and artifact.kind == "download" else _HOUR


def _target(about: str | Artifact) -> str:
    return about.id if isinstance(about, Artifact) else about


def _refusal(status: Status) -> Answer:
    headers = {"Content-Type": status.media_type, **status.headers}
    return whole(Plain(status.body), headers, status.code)
