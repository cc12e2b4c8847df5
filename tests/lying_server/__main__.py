"""The server as a process of its own: `python -m tests.lying_server`.

Prints one line of JSON (`base_url`, `storage_url`, `key`, `runs`, `artifacts` with the digests
that are right) and serves until it is told to end, or the process that started it is gone.
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
import threading

from tests.lying_server.seeding import seed
from tests.lying_server.server import LyingServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lying_server")
    parser.add_argument("--runs", type=int, default=12, help="how many runs there are")
    parser.add_argument("--size", type=int, default=200_000, help="bytes of each recording")
    parser.add_argument("--lies", action="store_true", help="tell lies that pass")
    parser.add_argument("--host", default="127.0.0.1", help="127.0.0.1 or ::1")
    parser.add_argument("--key", default="key-of-the-lying-server")
    options = parser.parse_args()

    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    parent = os.getppid()
    with LyingServer(options.key, options.host) as server:
        truths = seed(server, options.runs, options.size, lies=options.lies)
        told = {
            "base_url": server.base_url,
            "storage_url": server.storage_url,
            "key": server.key,
            "runs": server.run_ids,
            "artifacts": [dataclasses.asdict(truth) for truth in truths],
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        # Whoever started this may be killed: that is what the tests it serves are about.
        while os.getppid() == parent and not ending.wait(0.5):
            pass


if __name__ == "__main__":
    main()
