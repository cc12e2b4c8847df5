"""A server on loopback that answers like Skyvern's API, for runs that were made up.

Two routes: ``GET /v1/runs/{run_id}`` wants the API key and mints signed URLs, as the real one does;
``GET /v1/artifacts/{artifact_id}/content`` wants a valid signature, and never looks at the key.
"""

import hashlib
import hmac
import json
import re
import socketserver
import sys
import threading
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote

from archiver.demo.runs import ArtifactUrl, DemoArtifact, DemoRun

_RUN = re.compile(r"/v1/runs/([^/]+)")
_CONTENT = re.compile(r"/v1/artifacts/([^/]+)/content")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Reply:
    status: HTTPStatus
    body: bytes
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class DemoServer:
    """Serves demo runs on 127.0.0.1, at a port of the system's choice, inside a ``with`` block.

    The port is taken at once, so the properties hold before the block; requests are answered inside
    it. ``signing_secret`` signs the artifacts' URLs. ``clock`` gives Unix seconds and decides when
    a URL expires: an hour after it was minted for recordings and screenshots, twelve for files.

    Raises OSError if there is no port to be had.
    """

    def __init__(
        self,
        runs: Iterable[DemoRun],
        *,
        api_key: str,
        signing_secret: bytes,
        clock: Callable[[], float],
    ) -> None:
        self._runs = {run.run_id: run for run in runs}
        self._artifacts = {a.artifact_id: a for run in self._runs.values() for a in run.artifacts}
        self._api_key = api_key
        self._signing_secret = signing_secret
        self._clock = clock
        self._http = _HttpServer(self._answer)

    @property
    def base_url(self) -> str:
        """Where the API is, without a slash at the end."""
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def api_key(self) -> str:
        """The key that ``x-api-key`` must carry."""
        return self._api_key

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The ids of all runs, in the order they were given."""
        return tuple(self._runs)

    def __enter__(self) -> Self:
        serve = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        serve.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _answer(self, target: str, headers: Message) -> _Reply:
        path, _, query = target.partition("?")
        if match := _RUN.fullmatch(path):
            return self._run(unquote(match[1]), headers.get("x-api-key"))
        if match := _CONTENT.fullmatch(path):
            return self._content(match[1], query, headers.get("Range"))
        return _refusal(HTTPStatus.NOT_FOUND, "Not Found")

    def _run(self, run_id: str, key: str | None) -> _Reply:
        if key is None or not hmac.compare_digest(key.encode(), self._api_key.encode()):
            return _refusal(HTTPStatus.FORBIDDEN, "Invalid credentials")
        run = self._runs.get(run_id)
        if run is None:
            return _refusal(HTTPStatus.NOT_FOUND, f"Task run not found {run_id}")
        now = int(self._clock())

        def mint(value: object) -> str:
            if not isinstance(value, ArtifactUrl):
                raise TypeError(f"{type(value).__name__} has no place in an answer")
            expiry = now + self._artifacts[value.artifact_id].url_seconds
            return self.base_url + self._signed_target(value.artifact_id, str(expiry))

        body = json.dumps(run.document, ensure_ascii=False, separators=(",", ":"), default=mint)
        return _Reply(HTTPStatus.OK, body.encode())

    def _content(self, artifact_id: str, query: str, wanted: str | None) -> _Reply:
        expiry = parse_qs(query).get("expiry", [""])[0]
        right = self._signed_target(artifact_id, expiry)
        given = f"/v1/artifacts/{artifact_id}/content?{query}"
        # Only what this server signed gets past the first condition, so the rest can rely on it.
        if not hmac.compare_digest(given.encode(), right.encode()) or int(expiry) <= self._clock():
            return _refusal(HTTPStatus.FORBIDDEN, "Invalid or expired artifact URL")
        return _content_reply(self._artifacts[artifact_id], wanted)

    def _signed_target(self, artifact_id: str, expiry: str) -> str:
        target = f"/v1/artifacts/{artifact_id}/content?expiry={expiry}&kid=demo"
        digest = hmac.digest(self._signing_secret, target.encode(), hashlib.sha256)
        return f"{target}&sig={urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _refusal(status: HTTPStatus, detail: str) -> _Reply:
    return _Reply(status, json.dumps({"detail": detail}).encode())


def _content_reply(artifact: DemoArtifact, wanted: str | None) -> _Reply:
    data = artifact.data
    headers = {"Accept-Ranges": "bytes", "Content-Disposition": _disposition(artifact.filename)}
    part = _requested_part(wanted, len(data))
    if part is None:
        return _Reply(HTTPStatus.OK, data, artifact.media_type, headers)
    if not part:
        headers["Content-Range"] = f"bytes */{len(data)}"
        status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        return _Reply(status, b"", artifact.media_type, headers)
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(data)}"
    body = data[part.start : part.stop]
    return _Reply(HTTPStatus.PARTIAL_CONTENT, body, artifact.media_type, headers)


def _requested_part(header: str | None, size: int) -> range | None:
    """The bytes a Range header asks for: None for all of them, empty if there are none such."""
    match = _RANGE.fullmatch((header or "").strip())
    if match is None:  # no range, several, or nonsense
        return None
    first, last = match.groups()
    if first:
        return range(int(first), min(int(last) + 1, size) if last else size)
    if not last.strip("0"):  # "-" and "-0" ask for nothing
        return None
    return range(max(0, size - int(last)), size)


def _disposition(filename: str | None) -> str:
    if filename is None:
        return "inline"
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    plain = re.sub(r'[\x00-\x1f\x7f"\\]', "", plain)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


class _HttpServer(ThreadingHTTPServer):
    request_queue_size = 128  # a client with many connections must not wait for a lost SYN

    def __init__(self, answer: Callable[[str, Message], _Reply]) -> None:
        self.answer = answer
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks DNS for the host's name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent about clients that hang up; anything else is a bug and gets its traceback."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _HttpServer
    protocol_version = "HTTP/1.1"
    server_version = "archiver-demo"
    sys_version = ""
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        reply = self.server.answer(self.path, self.headers)
        self._send(reply, reply.body)

    def do_HEAD(self) -> None:
        refusal = _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed")
        self._send(replace(refusal, headers={"Allow": "GET"}), b"")

    def _send(self, reply: _Reply, body: bytes) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.media_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form: str, *args: object) -> None:
        """Say nothing: the demo's standard error is for what the archiver does."""
