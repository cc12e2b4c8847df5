"""The server of the benchmarks: nginx where it is installed, else one of our own."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.measuring import BenchmarkFailed
from tests.benchmarks.surroundings import plain_environment

_START_SECONDS = 10.0
_END_SECONDS = 5.0
_NGINX = """
{user}
daemon off;
pid {home}/nginx.pid;
error_log {home}/nginx.log;
worker_processes {workers};
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    default_type application/octet-stream;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        location /v1/runs/ {{ default_type application/json; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A server on this machine that serves the files below ``root``; runs and artifacts too."""

    name: str
    base_url: str
    root: Path


def nginx_path() -> str | None:
    """Where nginx is: often not where users look for programs."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def serving(folder: Path, *, plain: bool = False) -> Iterator[Server]:
    """Serve ``folder / "served"``; ``plain`` takes our own server also where nginx is there."""
    root, home = folder / "served", folder / "server"
    for path in (root, home):
        path.mkdir()
    nginx = None if plain else nginx_path()
    port = _free_port()
    workers = os.cpu_count() or 1
    if nginx is not None:
        user = "user root;" if os.geteuid() == 0 else ""
        config = home / "nginx.conf"
        settings = {"home": home, "root": root, "port": port, "workers": workers, "user": user}
        config.write_text(_NGINX.format(**settings))
        command = [nginx, "-p", str(home), "-c", str(config), "-e", str(home / "nginx.log")]
        name = f"nginx, {workers} processes"
    else:
        script = Path(__file__).with_name("plain_server.py")
        command = [sys.executable, str(script), str(port), str(root), str(workers)]
        name = f"plain_server.py, {workers} processes"
    with (home / "output").open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=home, env=plain_environment()
        )
    try:
        _wait_for(port, process, home / "output")
        yield Server(name, f"http://127.0.0.1:{port}", root)
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise BenchmarkFailed(f"the server did not start: {output.read_text(errors='replace')}")
