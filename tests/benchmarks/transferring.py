"""Downloads over one transport into nothing but a hash; prints the seconds and the bytes.

Arguments: ``httpx``, ``pyreqwest`` or ``archiver`` (the project's own), a file with a URL and its
SHA-256 on each line, the number of threads. Imports do not count.
"""

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from archiver.fetch.http.client import views
from archiver.fetch.http.transport import SocketTransport


def main() -> None:
    name, threads = sys.argv[1], int(sys.argv[3])
    wanted = [line.split() for line in Path(sys.argv[2]).read_text().splitlines()]
    with _client(name, threads) as client, ThreadPoolExecutor(threads) as executor:
        started = time.perf_counter()
        received = sum(executor.map(lambda pair: _receive(client, pair), wanted))
        seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps([seconds, received]))


def _client(name: str, connections: int) -> httpx.Client:
    if name == "archiver":
        context = httpx.create_ssl_context()
        transport = SocketTransport(context, connections, keep_idle=30, stall=30)
        return httpx.Client(transport=transport)
    if name == "pyreqwest":
        from pyreqwest.compatibility.httpx import SyncHttpxTransport

        return httpx.Client(transport=SyncHttpxTransport())
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.Client(limits=limits)


def _receive(client: httpx.Client, wanted: Sequence[str]) -> int:
    url, sha256 = wanted
    digest = hashlib.sha256()
    received = 0
    with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
        for piece in views(response.raise_for_status()):
            digest.update(piece)
            received += len(piece)
    if digest.hexdigest() != sha256:
        sys.exit(f"{url} came damaged")
    return received


if __name__ == "__main__":
    main()
