"""What the archive holds of the runs' recordings, screenshots and files."""

from archiver.adapters.page.tables import Column, Kind, table
from archiver.model.artifact import ArtifactState
from archiver.query.page import wording
from archiver.query.page.content import Figure, Section
from archiver.query.page.facts import Facts

_MEANINGS = {
    ArtifactState.VERIFIED: "held, and equal to the checksum that the service gave",
    ArtifactState.UNVERIFIED: "held; the service gave no checksum to compare with",
    ArtifactState.MISMATCH: "not held: what came was not what the checksum says",
    ArtifactState.GONE: "not held: the service does not have it any more",
    ArtifactState.FAILED: "not held: it could not be had so far",
    ArtifactState.EXCLUDED: "not held: left out on purpose, pruned, or waiting for the run's end",
}


_HELD = frozenset(state for state in ArtifactState if state.has_bytes)


def held(facts: Facts) -> Section:
    rows = [
        row
        | {"meaning": _MEANINGS.get(row["state"])}
        | ({} if row["state"] in _HELD else {"bytes": None})
        for row in facts.artifacts.to_pylist()
    ]
    columns = [
        Column("kind", "Kind"),
        Column("state", "State"),
        Column("meaning", "Meaning"),
        Column("artifacts", "Files", Kind.COUNT),
        Column("bytes", "Size", Kind.BYTES),
    ]
    total = facts.total
    message = (
        f"{wording.counted(total.complete, 'run is', 'runs are')} archived wholly, "
        f"{wording.count(total.incomplete)} with gaps, "
        f"{wording.count(total.unsettled)} had not come to rest when last asked for."
        if total.runs
        else "The archive holds no such runs."
    )
    figure = Figure(
        "artifacts",
        "Recordings, screenshots and downloads",
        message,
        table("artifacts", "Files by kind and state", columns, rows) if rows else None,
        is_open=True,
    )
    return Section("held", "What is kept", figures=[figure])


def held_files(facts: Facts) -> int:
    return sum(
        row["artifacts"]
        for row in facts.artifacts.select(["state", "artifacts"]).to_pylist()
        if row["state"] in _HELD
    )
