"""The demo's dozen runs: one of each kind that an archive meets, with their artifacts.

``data/runs.json`` has the API's answers and says which file beside it is behind each artifact. In
an answer ``{"$url": id}`` stands for the signed URL of an artifact, ``{"$before": seconds}`` for a
time so long before now. Names, secrets and companies are invented; every host is under example.com.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any, TypeAlias

Document: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class ArtifactUrl:
    """Stands in a document where the API puts the signed URL of this artifact."""

    artifact_id: str


@dataclass(frozen=True, slots=True)
class DemoArtifact:
    """The bytes behind one artifact and how they are served.

    ``filename`` is None for recordings and screenshots. A signed URL is good for ``url_seconds``.
    """

    artifact_id: str
    data: bytes
    media_type: str
    filename: str | None
    url_seconds: int


@dataclass(frozen=True, slots=True)
class DemoRun:
    """One run: the API's answer, with `ArtifactUrl` for every URL, and the artifacts it names."""

    run_id: str
    document: Document
    artifacts: tuple[DemoArtifact, ...]


def demo_runs(now: datetime) -> tuple[DemoRun, ...]:
    """Return the runs as they would look at ``now``, the oldest first.

    Ten are final, created within the last ten days and finished at least an hour ago; one is
    running and one is queued. The same ``now`` gives the same runs; the ids never change.

    Raises ValueError if ``now`` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("now must have a time zone")
    now = now.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    folder = resources.files("archiver.demo") / "data"

    def read(value: dict[str, Any]) -> object:
        if "$url" in value:
            return ArtifactUrl(value["$url"])
        if "$before" in value:
            # As the API writes it: UTC without saying so, the fraction only where there is one.
            return (now - timedelta(seconds=value["$before"])).isoformat()
        if "file" in value:
            return DemoArtifact(data=(folder / value.pop("file")).read_bytes(), **value)
        return value

    runs = json.loads((folder / "runs.json").read_text(encoding="utf-8"), object_hook=read)
    return tuple(
        DemoRun(run["document"]["run_id"], run["document"], tuple(run["artifacts"])) for run in runs
    )
