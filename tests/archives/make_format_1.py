"""How the archives in ``tests/data/archives/format-1`` were made: by commit d98d693, once.

Never run again over them: what lies there is what that version wrote. In a checkout of that commit,
with this file and the lying server's folder put into it::

    python -m tests.archives.make_format_1 FOLDER
"""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.lying_server import FOREVER, LyingServer, Status, png, task_run, webm, workflow_run

_CHILD = """
import os, socket, sys
socket.gethostname = lambda: "archive-host"
kill_at, times = sys.argv[1], int(sys.argv[2])

def on_event(event, arguments):
    global times
    if event in ("os.link", "os.rename", "os.remove", "os.rmdir"):
        if kill_at and any(str(path).endswith(kill_at) for path in arguments):
            times -= 1
            if times == 0:
                os._exit(137)

sys.addaudithook(on_event)
from archiver.cli.main import run
sys.exit(run(sys.argv[3:]))
"""
"""Runs a command, and ends it as by SIGKILL before it changes such a path so many times."""
DAY = timedelta(days=1)
ALL = ("tsk_1", "tsk_2", "wr_3", "tsk_4")


class Maker:
    """Runs commands in a folder, against a server of its own."""

    def __init__(self, folder: Path, server: LyingServer) -> None:
        self.folder, self.server = folder, server
        self.archive = ""
        now = datetime.now(UTC)
        recording = server.artifact(webm(700), "recording")
        invoice = server.artifact(b"Invoice 4711\n", "download", "Invoice März.txt")
        shots = [server.artifact(png(shade), "screenshot") for shade in (1, 2)]
        error = {"error_code": "LOGIN_FAILED", "reasoning": "No such user.", "confidence_float": 1}
        server.add_run(
            task_run("tsk_1", recording=recording, screenshots=shots, downloads=[invoice])
        )
        server.add_run(
            task_run("tsk_2", "failed", now=now - 60 * DAY, screenshots=[shots[0]], errors=[error])
        )
        server.add_run(workflow_run("wr_3", downloads=[invoice.entry(checksum=None)]))
        server.add_run(task_run("tsk_4", "running"))

    def __call__(self, *arguments: str, code: int = 0, kill_at: str = "", times: int = 1) -> None:
        command = [sys.executable, "-c", _CHILD, kill_at, str(times), *arguments]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path.cwd()),
            "LOGNAME": "archivist",
            "SKYVERN_API_KEY": self.server.key,
            "SKYVERN_BASE_URL": self.server.base_url,
            "ARCHIVER_ARCHIVE": self.archive,
        }
        ended = subprocess.run(command, cwd=self.folder, env=environment)
        assert ended.returncode == code, (arguments, ended.returncode)

    def finish_tsk_4(self) -> None:
        """The run that was at work has ended."""
        recording = self.server.artifact(webm(500, 4), "recording")
        self.server.add_run(task_run("tsk_4", recording=recording))


def plain(do: Maker) -> None:
    """Several sessions, a second revision, an id not found, something left out; verified."""
    do("fetch", *ALL, "tsk_404", "--quiet", code=3)
    do.finish_tsk_4()
    do("fetch", *ALL, "--quiet")
    do.server.add_run(task_run("tsk_5", recording=do.server.artifact(webm(300, 5))))
    do("fetch", "tsk_5", "--without", "recording", "--quiet")
    do("verify", "--quiet")


def signed(do: Maker) -> None:
    """Every record is signed but the second one; the public key is ``key.pub`` beside it."""
    do("fetch", "tsk_1", "--sign-key", "key", "--quiet")
    do("fetch", "tsk_2", "--quiet")
    do("fetch", "wr_3", "--sign-key", "key", "--quiet")
    do("hold", "tsk_1", "--reason", "A dispute.", "--sign-key", "key")
    do("verify", "--public-key", "key.pub", "--sign-key", "key", "--quiet")


def pruned(do: Maker) -> None:
    """A whole run and a kind of artifact were removed by rules."""
    do("fetch", *ALL, "--quiet")
    do.finish_tsk_4()
    do("fetch", "tsk_4", "--quiet")
    do("prune", "--rule", "older-than=30d", "--rule", "older-than=10m kind=recording")
    do("fetch", "tsk_1", "--quiet")


def erased(do: Maker) -> None:
    """A run with two revisions was erased."""
    do("fetch", *ALL, "--quiet")
    do.finish_tsk_4()
    do("fetch", "tsk_4", "--quiet")
    do("erase", "tsk_4", "--reason", "Somebody asked for it.", "--yes")


def held(do: Maker) -> None:
    """Two runs are on hold, a third was released."""
    do("fetch", *ALL, "--quiet")
    do("hold", "tsk_1", "tsk_2", "wr_3", "--reason", "Audit of the year.")
    do("release", "wr_3", "--reason", "The audit is over.")


def accepted(do: Maker) -> None:
    """A file that could not be had was declared final."""
    lost = do.server.artifact(b"Never to be had.", "download", "lost.txt")
    do.server.lie(lost, Status(500, b""), times=FOREVER)
    do.server.add_run(task_run("tsk_6", downloads=[lost]))
    do("fetch", "tsk_1", "tsk_6", "--attempts", "1", "--quiet", code=3)
    do("accept", "tsk_6", "--reason", "The service has lost it.")


def compacted(do: Maker) -> None:
    """The table files of eighteen sessions were merged."""
    do("fetch", *ALL, "--quiet")
    for _ in range(17):
        do("fetch", "tsk_2", "--refresh", "--quiet")
    do("reindex", "--compact")


def killed(do: Maker) -> None:
    """A fetch was killed: tsk_1 was committed, of tsk_2 there are files and no manifest; neither
    tables nor ledger know of them, a journal in tmp does."""
    do("fetch", "wr_3", "--quiet")
    one = ("--api-concurrency", "1", "--quiet")
    do("fetch", "tsk_1", "tsk_2", *one, kill_at="tsk_2/r1/manifest.json", code=137)


def killed_erase(do: Maker) -> None:
    """An erase was killed: the tombstone of tsk_1 was committed, not all of its files are gone."""
    do("fetch", *ALL, "--quiet")
    erase = ("erase", "tsk_1", "--reason", "Somebody asked for it.", "--yes")
    do(*erase, kill_at="recording.webm", code=137)


ARCHIVES: tuple[Callable[[Maker], None], ...] = (
    *(plain, signed, pruned, erased, held, accepted, compacted, killed, killed_erase),
)


def main() -> None:
    """Make them all in a new folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    for make in ARCHIVES:
        with LyingServer() as server:
            do = Maker(folder, server)
            do.archive = make.__name__.replace("_", "-")
            if make is signed:
                do("keygen", "key")
            make(do)
    (folder / "key").unlink()


if __name__ == "__main__":
    main()
