"""What the server serves: runs as the API answers for them, and the files that they name."""

import hashlib
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

DOCUMENT_BYTES = 6_000
"""About the size of the API's answer for a run."""

_FIRST = 600_000_000_000_000_000
_APART = 1_000
_PIECE = 16 << 20
_CREATED = datetime(2025, 3, 1, tzinfo=UTC)
_MAGIC = {
    "recording": bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282") + b"\x84webm",
    "screenshot": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "download": b"%PDF-1.7\n",
}
_CUSTOMERS = ("Müller & Söhne", "Acme Corporation", "株式会社例", "Łódź Trading", "O'Neill Ltd")


@dataclass(frozen=True, slots=True)
class ServedFile:
    """An artifact on the server; ``address`` is its URL without the query. Size in bytes."""

    artifact_id: str
    kind: str
    address: str
    query: str
    size: int
    sha256: str

    @property
    def url(self) -> str:
        return f"{self.address}?{self.query}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Runs on the server, and all the files that they name."""

    run_ids: tuple[str, ...]
    files: tuple[ServedFile, ...]

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)

    def write_ids(self, path: Path, count: int | None = None) -> Path:
        """A file with the first ``count`` ids, one a line."""
        path.write_text("".join(f"{run_id}\n" for run_id in self.run_ids[:count]))
        return path


def run_id(number: int) -> str:
    """The id of a run, with room behind it for the ids of its artifacts."""
    return f"tsk_{_FIRST + number * _APART}"


def serve_runs(
    root: Path, base_url: str, count: int, files: Sequence[tuple[str, int]], first: int = 0
) -> Dataset:
    """Put ``count`` runs below ``root``, each with files of these kinds and sizes (bytes).

    They are numbered from ``first`` on.
    """
    served: list[ServedFile] = []
    numbers = range(first, first + count)
    for number in numbers:
        of_run = [
            _serve_file(root, base_url, number, place, kind, size)
            for place, (kind, size) in enumerate(files, 1)
        ]
        _serve_document(root, number, of_run)
        served += of_run
    return Dataset(tuple(map(run_id, numbers)), tuple(served))


def serve_metadata(root: Path, base_url: str, count: int) -> Dataset:
    """Put ``count`` runs below ``root``, with links to files that nobody will ask for."""
    for number in range(count):
        _serve_document(root, number, linked_files(base_url, number))
    return Dataset(tuple(map(run_id, range(count))), ())


def linked_files(base_url: str, number: int) -> list[ServedFile]:
    """Files that a run may name, without any bytes behind them."""
    kinds = ("recording", *["screenshot"] * 3, *["download"] * 2)
    names = [(_artifact_id(number, place), kind) for place, kind in enumerate(kinds, 1)]
    return [
        _served(base_url, name, kind, 100_000, hashlib.sha256(name.encode()).hexdigest())
        for name, kind in names
    ]


def serve_one_file(root: Path, base_url: str, count: int, size: int) -> Dataset:
    """The same as ``count`` runs with a recording each that is one and the same file on disk,
    random at first, then a hole."""
    first = _serve_file(root, base_url, 0, 1, "recording", min(size, _PIECE))
    source = root / "v1/artifacts" / first.artifact_id / "content"
    os.truncate(source, size)
    with source.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    served = []
    for number in range(count):
        name = _artifact_id(number, 1)
        if number:
            folder = root / "v1/artifacts" / name
            folder.mkdir(parents=True)
            os.link(source, folder / "content")
        served.append(_served(base_url, name, "recording", size, sha256))
        _serve_document(root, number, served[-1:])
    return Dataset(tuple(map(run_id, range(count))), tuple(served))


def document(number: int, files: Sequence[ServedFile] = ()) -> bytes:
    """The API's answer for a completed run, as it lies there since long."""
    chance = random.Random(number)
    created = _CREATED + timedelta(seconds=number * 7, microseconds=number % 1_000_000)
    started = created + timedelta(seconds=chance.uniform(1, 20))
    finished = started + timedelta(seconds=chance.uniform(20, 600))
    recordings = [file.url for file in files if file.kind == "recording"]
    answer: dict[str, object] = {
        "run_id": run_id(number),
        "status": "completed",
        "output": {"invoices": [], "count": 0, "big_int": 9007199254740993 + number},
        "downloaded_files": [_entry(file, finished) for file in files if file.kind == "download"],
        "recording_url": recordings[0] if recordings else None,
        "recording_archived": False,
        "screenshot_urls": [file.url for file in files if file.kind == "screenshot"],
        "failure_reason": None,
        "created_at": _text(created),
        "modified_at": _text(finished),
        "queued_at": _text(created + timedelta(seconds=0.25)),
        "started_at": _text(started),
        "finished_at": _text(finished),
        "app_url": f"http://127.0.0.1:8080/tasks/{run_id(number)}",
        "browser_session_id": None,
        "browser_profile_id": None,
        "max_screenshot_scrolls": None,
        "script_run": None,
        "errors": [],
        "step_count": chance.randrange(1, 40),
        "run_type": "task_v1",
        "run_request": _request(number),
    }
    missing = DOCUMENT_BYTES - len(_encode(answer))
    answer["output"] = _output(number, missing, chance)
    return _encode(answer)


def _output(number: int, size: int, chance: random.Random) -> dict[str, object]:
    invoices: list[dict[str, object]] = []
    while size > 0:
        invoice: dict[str, object] = {
            "number": f"INV-{chance.randrange(10**9):09d}",
            "customer": chance.choice(_CUSTOMERS),
            "issued": f"2025-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}",
            "total": chance.randrange(10**7) / 100,
            "paid": chance.random() < 0.7,
            "note": None,
        }
        invoices.append(invoice)
        size -= len(_encode(invoice)) + 1
    count = len(invoices)
    return {"invoices": invoices, "count": count, "big_int": 9007199254740993 + number}


def _request(number: int) -> dict[str, object]:
    unset = (
        "title proxy_location error_code_mapping max_steps webhook_url totp_identifier totp_url"
        " browser_session_id browser_profile_id model extra_http_headers cdp_connect_headers"
        " max_screenshot_scrolls browser_address run_with file_ids"
    )
    kinds = {"number": "string", "customer": "string", "issued": "string", "total": "number"}
    properties = {name: {"type": kind} for name, kind in kinds.items()}
    return {
        "prompt": f"Log in, open the invoices of customer {number} and download all of last month.",
        "url": f"https://shop-{number % 97}.example.com/invoices?customer={number}&p=1",
        "engine": "skyvern-1.0",
        "data_extraction_schema": {"type": "object", "properties": properties},
        "start_fresh_browser": False,
        "publish_workflow": False,
        "include_action_history_in_verification": False,
        **dict.fromkeys(unset.split()),
    }


def _entry(file: ServedFile, finished: datetime) -> dict[str, object]:
    return {
        "url": file.url,
        "checksum": file.sha256,
        "filename": f"invoice {file.artifact_id}.pdf",
        "file_size": file.size,
        "modified_at": _text(finished),
        "artifact_id": file.artifact_id,
    }


def _serve_document(root: Path, number: int, files: Sequence[ServedFile]) -> None:
    folder = root / "v1/runs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / run_id(number)).write_bytes(document(number, files))


def _serve_file(
    root: Path, base_url: str, number: int, place: int, kind: str, size: int
) -> ServedFile:
    name = _artifact_id(number, place)
    folder = root / "v1/artifacts" / name
    folder.mkdir(parents=True)
    digest = hashlib.sha256()
    with (folder / "content").open("wb", buffering=0) as file:
        for piece in _random_pieces(size, _MAGIC[kind]):
            digest.update(piece)
            file.write(piece)
    return _served(base_url, name, kind, size, digest.hexdigest())


def _random_pieces(size: int, magic: bytes) -> Iterator[bytes]:
    yield magic[:size]
    left = size - len(magic)
    while left > 0:
        yield os.urandom(min(left, _PIECE))
        left -= _PIECE


def _served(base_url: str, name: str, kind: str, size: int, sha256: str) -> ServedFile:
    signature = hashlib.sha256(name.encode()).hexdigest()[:43]
    query = f"expiry=4102444800&kid=k1&sig={signature}"
    return ServedFile(name, kind, f"{base_url}/v1/artifacts/{name}/content", query, size, sha256)


def _artifact_id(number: int, place: int) -> str:
    return f"a_{_FIRST + number * _APART + 2 * place}"


def _text(time: datetime) -> str:
    return time.replace(tzinfo=None).isoformat()


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
