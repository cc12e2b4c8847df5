"""Downloads over one client into nothing but a hash; prints the seconds and the bytes.

Arguments: ``httpx``, ``pyreqwest`` or ``archiver`` (the project's own), a file with a URL and its
SHA-256 on each line, the number of threads. Imports do not count.
"""

import contextlib
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from archiver.fetch.http.client import HttpClient, Timeouts, new_client


def main() -> None:
    name, threads = sys.argv[1], int(sys.argv[3])
    wanted = [line.split() for line in Path(sys.argv[2]).read_text().splitlines()]
    with _client(name, threads) as client, ThreadPoolExecutor(threads) as executor:
        started = time.perf_counter()
        received = sum(executor.map(lambda pair: _receive(client, pair), wanted))
        seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps([seconds, received]))


def _client(name: str, connections: int) -> httpx.Client | HttpClient:
    if name == "archiver":
        return new_client(Timeouts(), connections)
    if name == "pyreqwest":
        from pyreqwest.compatibility.httpx import SyncHttpxTransport

        return httpx.Client(transport=SyncHttpxTransport())
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.Client(limits=limits)


def _receive(client: httpx.Client | HttpClient, wanted: Sequence[str]) -> int:
    url, sha256 = wanted
    digest = hashlib.sha256()
    received = 0
    for piece in _pieces(client, url):
        digest.update(piece)
        received += len(piece)
    if digest.hexdigest() != sha256:
        sys.exit(f"{url} came damaged")
    return received


def _pieces(client: httpx.Client | HttpClient, url: str) -> Iterator[bytes | memoryview]:
    headers = {"Accept-Encoding": "identity"}
    if isinstance(client, HttpClient):
        with contextlib.closing(client.get(url, client.headers(headers))) as answer:
            yield from answer.views()
    else:
        with client.stream("GET", url, headers=headers) as response:
            yield from response.raise_for_status().iter_raw()


if __name__ == "__main__":
    main()
