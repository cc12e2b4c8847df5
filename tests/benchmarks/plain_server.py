"""Serves files over HTTP/1.1 as fast as a page of Python can, where nginx is not installed.

Several processes accept from one socket, with a thread for each connection; large files go out by
``sendfile``. Started as a script: port, folder, number of processes.
"""

import os
import signal
import socket
import sys
from io import BufferedReader
from pathlib import Path
from threading import Thread
from types import FrameType
from urllib.parse import unquote, urlsplit

_SMALL = 1 << 16
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def main() -> None:
    port, root, processes = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    children = []
    for _ in range(processes):
        child = os.fork()
        if not child:
            _accept(listener, root)
        children.append(child)

    def end(_number: int, _frame: FrameType | None) -> None:
        for child in children:
            os.kill(child, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.pause()


def _accept(listener: socket.socket, root: Path) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Thread(target=_serve, args=(connection, root), daemon=True).start()


def _serve(connection: socket.socket, root: Path) -> None:
    try:
        with connection, connection.makefile("rb") as requests:
            while (request := _read_request(requests)) is not None:
                _answer(connection, root, *request)
    except OSError:
        pass  # the client has gone


def _read_request(requests: BufferedReader) -> tuple[str, str] | None:
    """The path and the range asked for; None where the client has closed the connection."""
    first = requests.readline()
    if not first:
        return None
    wanted = ""
    while (line := requests.readline()) not in (b"\r\n", b""):
        if line[:6].lower() == b"range:":
            wanted = line[6:].decode().strip()
    return unquote(urlsplit(first.split()[1].decode()).path), wanted


def _answer(connection: socket.socket, root: Path, path: str, wanted: str) -> None:
    if ".." in path:
        connection.sendall(_NOT_FOUND)
        return
    try:
        file = (root / path.lstrip("/")).open("rb", buffering=0)
    except OSError:
        connection.sendall(_NOT_FOUND)
        return
    with file:
        size = os.fstat(file.fileno()).st_size
        start, end = 0, size
        status = "200 OK"
        if wanted.startswith("bytes=") and "," not in wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            if first:
                start, end = int(first), min(size, int(last) + 1 if last else size)
                status = f"206 Partial Content\r\nContent-Range: bytes {start}-{end - 1}/{size}"
        kind = "application/json" if path.startswith("/v1/runs/") else "application/octet-stream"
        header = (
            f"HTTP/1.1 {status}\r\nContent-Length: {end - start}\r\n"
            f"Content-Type: {kind}\r\nAccept-Ranges: bytes\r\n\r\n"
        ).encode()
        if end - start <= _SMALL:
            connection.sendall(header + os.pread(file.fileno(), end - start, start))
            return
        connection.sendall(header)
        while start < end:
            start += os.sendfile(connection.fileno(), file.fileno(), start, end - start)


if __name__ == "__main__":
    main()
