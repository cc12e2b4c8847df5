"""Threads that are the first to decode a document do it together, and nothing breaks."""

import subprocess
import sys

import pytest

from archiver.model.manifest import encode_manifest
from tests.cli.running import child_environment
from tests.model.builders import DIGEST, entry, manifest

DECODED = {
    "manifest": (encode_manifest(manifest(entry(sha256=DIGEST))), "manifest", "decode_manifest"),
    "record": (b"{}", "ledger", "decode_record"),
    "proof": (b"{}", "proof", "check_proof"),
}
TOGETHER = """
import contextlib, importlib, sys, threading
from archiver.errors import ArchiverError
_, module, name, *more = sys.argv
decode = getattr(importlib.import_module(f"archiver.model.{module}"), name)
data = sys.stdin.buffer.read()
ready = threading.Barrier(8)
done = []

def first() -> None:
    ready.wait()
    with contextlib.suppress(ArchiverError):
        decode(data, *more)
    done.append(True)

sys.setswitchinterval(1e-7)
threads = [threading.Thread(target=first) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit(len(done) != 8)
"""


@pytest.mark.parametrize("of", DECODED)
def test_the_first_of_all_to_decode_are_several_threads(of: str) -> None:
    data, module, name = DECODED[of]
    more = () if of == "proof" else ("here",)
    ended = subprocess.run(
        [sys.executable, "-c", TOGETHER, module, name, *more],
        input=data,
        env=child_environment(),
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr.decode()
