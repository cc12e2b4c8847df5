"""A server full of varied runs, with the truth about them: for soaks and stand-alone use."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.lying_server.content import Blob
from tests.lying_server.documents import Artifact, Kind, png, task_run, webm, workflow_run
from tests.lying_server.lies import (
    EXPIRED,
    SERVER_ERROR,
    Cut,
    HangUp,
    Lie,
    RangeIgnored,
    Reset,
    throttled,
)
from tests.lying_server.server import LyingServer

# Told once each, so that a patient client gets everything in the end.
PASSING_LIES: tuple[Lie, ...] = (
    SERVER_ERROR,
    throttled(0),
    HangUp(),
    Cut(1000),
    EXPIRED,
    Reset(2000),
    Cut(3000, "chunked"),
    HangUp(answered=True),
    RangeIgnored(),
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What one artifact of a run must turn out to be."""

    run_id: str
    kind: Kind
    ordinal: int
    size: int
    sha256: str


def seed(
    server: LyingServer, runs: int = 12, size: int = 200_000, *, lies: bool = False
) -> list[Truth]:
    """Add runs with a recording of `size` bytes, screenshots and files; the same each time.

    Every seventh run is still running and has nothing yet. With `lies`, a passing lie is told
    about every third artifact and every fifth run.
    """
    now = datetime.now(UTC)
    truths: list[Truth] = []
    told = 0
    for number in range(1, runs + 1):
        build, prefix = (workflow_run, "wr_") if number % 4 == 0 else (task_run, "tsk_")
        run_id = f"{prefix}{600323869411000000 + number}"
        then = now - timedelta(hours=number)
        if number % 7 == 0:
            server.add_run(build(run_id, "running", now=then))
            continue
        artifacts = list(_artifacts(server, number, size))
        recording, *others = artifacts
        server.add_run(
            build(
                run_id,
                "failed" if number % 5 == 0 else "completed",
                now=then,
                recording=recording,
                screenshots=[other for other in others if other.kind == "screenshot"],
                downloads=[other for other in others if other.kind == "download"],
            )
        )
        if lies:
            liars = [run_id] * (number % 5 == 0) + [
                artifact for artifact in artifacts if int(artifact.id[2:]) % 3 == 0
            ]
            for about in liars:
                lie = PASSING_LIES[told % len(PASSING_LIES)]
                # Of the API itself a 403 means that the key is refused, and that does not pass.
                server.lie(about, SERVER_ERROR if about == run_id and lie is EXPIRED else lie)
                told += 1
        truths += _truths(run_id, artifacts)
    return truths


def _artifacts(server: LyingServer, number: int, size: int) -> Iterator[Artifact]:
    yield server.artifact(webm(size, number), "recording")
    for shade in range(number % 4):
        yield server.artifact(png(number + shade), "screenshot")
    for nth in range(number % 3):
        content = Blob(number * 1000 + nth, number, b"%PDF-1.7\n")
        yield server.artifact(content, "download", f"invoice {nth + 1} №{number}.pdf")


def _truths(run_id: str, artifacts: list[Artifact]) -> Iterator[Truth]:
    ordinals: dict[Kind, int] = {}
    for artifact in artifacts:
        ordinal = ordinals[artifact.kind] = ordinals.get(artifact.kind, 0) + 1
        yield Truth(run_id, artifact.kind, ordinal, artifact.size, artifact.sha256)
