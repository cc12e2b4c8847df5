"""Rendering a dry run."""

from collections.abc import Iterable
from typing import Any

import click

from archiver.cli.output.text import about, counted, print_json, printable
from archiver.errors import ExitCode
from archiver.fetch.plan import Decision, Fetch, Keep, Record
from archiver.fetch.preview import Preview
from archiver.model.artifact import ArtifactSource, ArtifactState


def show_preview(previews: Iterable[Preview], *, asked: int, as_json: bool) -> int:
    """Print what would be done and return the exit code."""
    runs: list[dict[str, Any]] = []
    failed = 0
    for preview in sorted(previews, key=lambda preview: preview.asked_id):
        failed += preview.reason is not None
        artifacts = [_described(decision) for decision in preview.decisions]
        runs.append({"run_id": preview.asked_id, "reason": preview.reason, "artifacts": artifacts})
        if not as_json:
            said = preview.reason or _line(artifacts)
            click.echo(printable(about(preview.asked_id, said)))
    to_fetch = [a for run in runs for a in run["artifacts"] if a["action"] == "fetch"]
    known = sum(a["expected_size"] or 0 for a in to_fetch)
    if as_json:
        document = {
            "dry_run": True,
            "runs": {"asked": asked, "would_ask": len(runs), "held": asked - len(runs)},
            "artifacts": {"would_fetch": len(to_fetch)},
            "bytes": {"known": known},
            "would_ask": runs,
        }
        print_json(document)
    else:
        click.echo(
            f"dry run: {counted(asked, 'id')}, {asked - len(runs)} held complete, "
            f"{len(runs)} would be asked for, {counted(len(to_fetch), 'artifact')} would be "
            "fetched; nothing was written"
        )
    return ExitCode.INCOMPLETE if failed else ExitCode.OK


def _described(decision: Decision) -> dict[str, Any]:
    match decision:
        case Keep(entry):
            return {
                "kind": entry.kind,
                "ordinal": entry.ordinal,
                "action": "keep",
                "filename": entry.filename,
                "expected_size": entry.size,
                "reason": None,
            }
        case Fetch(source):
            return _of_source(source, "fetch", None)
        case Record(source, state, reason):
            return _of_source(source, state, reason)


def _of_source(
    source: ArtifactSource, action: "str | ArtifactState", reason: str | None
) -> dict[str, Any]:
    return {
        "kind": source.kind,
        "ordinal": source.ordinal,
        "action": action,
        "filename": source.filename,
        "expected_size": source.expected_size,
        "reason": reason,
    }


def _line(artifacts: list[dict[str, Any]]) -> str:
    parts = [
        f"{a['action']} {a['kind']} {a['ordinal']}"
        + (f" {a['filename']!r}" if a["filename"] else "")
        + (f" ({a['reason']})" if a["reason"] else "")
        for a in artifacts
    ]
    return "; ".join(parts) or "no artifacts"
