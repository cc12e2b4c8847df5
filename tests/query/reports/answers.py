"""Answers of the API whose truth is known: runs of every odd kind, fetched in three sessions."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tests.lying_server import (
    FOREVER,
    GONE,
    SERVER_ERROR,
    Artifact,
    Corrupt,
    Document,
    Lie,
    LyingServer,
    png,
    task_run,
    webm,
    workflow_run,
)
from tests.lying_server.documents import Kind

HOSTILE = "w'; DROP VIEW runs; -- 🧾\u202e\n|<b>\x1b[31m"
MISSING = "tsk_404"
STATUSES = (
    *("completed",) * 12,
    *("failed",) * 7,
    *("terminated", "timed_out", "canceled", "canceled"),
    *("running", "queued", "paused", "paused", "Completed", "completed "),
)
FINAL = ("completed", "failed", "terminated", "timed_out", "canceled")
TYPES = ("task_v1", "task_v1", "task_v2", "openai_cua", "task_v9", None, 5, "workflow_run", HOSTILE)
ENGINES = ("skyvern-1.0", "skyvern-2.0", "Skyvern-1.0", None, "", "ui-tars")
WORKFLOWS = ("wpid_1", "wpid_1", "wpid_1", "wpid_2", "wpid_2", HOSTILE, None)
PROMPTS = ("Get the invoices", "get the invoices", None, "", HOSTILE)
URLS = ("https://a.example/?q=1", "https://b.example/", None)
REASONS: tuple[tuple[str | None, str | None], ...] = (
    ("Page 12 of 'orders' did not load", "Page <number> of <text> did not load"),
    ("Page 7 of 'it's here' did  not load", "Page <number> of <text> did not load"),
    ("Cannot open https://a.example/x?y=1, giving up", "Cannot open <url>, giving up"),
    ("Cannot open http://b.example:80/, giving up", "Cannot open <url>, giving up"),
    ("Step stp_600323869411060000 ended at 2026-11-24T10:00:00Z", "Step <id> ended at <time>"),
    ("Can't log in", "Can't log in"),
    ("Can't log out", "Can't log out"),
    (HOSTILE, "w'; DROP VIEW runs; -- 🧾\u202e |<b>\x1b[<number>m"),
    (None, None),
    ("", None),
)
CODES = ((), (), ("LOGIN_FAILED",), ("TIMEOUT", "LOGIN_FAILED"), ("TIMEOUT", None, "TIMEOUT"))
# The last of August 2025 is a Sunday: day, week and month end at once. On 2 November clocks in
# New York are set back, on 26 October those in Berlin.
MOMENTS = tuple(
    datetime.fromisoformat(f"{text}+00:00")
    for text in (
        *("2025-08-31T23:59:59.999999", "2025-09-01T00:00:00", "2025-09-01T02:00:00"),
        *("2025-10-26T00:30:00", "2025-11-02T05:30:00", "2025-11-02T23:59:00"),
        *("2024-12-31T23:30:00", "2025-01-01T00:00:00", "2024-02-29T12:00:00"),
    )
)
ZONES = (None, None, UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-5, minutes=-30)))


@dataclass(frozen=True, slots=True)
class Kept:
    """What an artifact must have become in the end; ``size`` of what was received."""

    kind: Kind
    ordinal: int
    state: str
    size: int | None = None
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A run: what the API answered from time to time, and what must have become of its artifacts.

    The last of ``documents`` is the one that was fetched last.
    """

    documents: tuple[Document, ...]
    artifacts: tuple[Kept, ...] = ()
    is_settled: bool = True

    @property
    def run_id(self) -> str:
        return str(self.documents[-1]["run_id"])


@dataclass(slots=True)
class Answers:
    """Adds runs to a server, always the same."""

    server: LyingServer
    chance: random.Random = field(default_factory=lambda: random.Random(11))

    def all(self) -> list[Answered]:
        answered = [self._any(number) for number in range(80)]
        answered += [*self._unsettled(), *self._changed()]
        for run in answered:
            self.server.add_run(*run.documents)
        return answered

    def refreshed(self) -> list[str]:
        """The runs that only ``--refresh`` asks for again."""
        return ["tsk_changed", "wr_changed"]

    def _any(self, number: int) -> Answered:
        pick = self.chance.choice
        status = pick(STATUSES)
        attached, kept = self._artifacts() if number % 2 else ({}, ())
        changes: dict[str, Any] = {
            **attached,
            **self._times(),
            "failure_reason": self._reason(status),
            "errors": [{"error_code": code} for code in pick(CODES)] if status == "failed" else [],
        }
        if number % 3:
            request = {"prompt": pick(PROMPTS), "url": pick(URLS), "engine": pick(ENGINES)}
            changes["run_type"] = pick(TYPES)
            run = task_run(f"tsk_{number}", status, request=request, **changes)
        else:
            request = {"workflow_id": pick(WORKFLOWS), "url": pick(URLS)}
            run = workflow_run(f"wr_{number}", status, request=request, **changes)
        is_final = status in FINAL
        if not is_final:
            kept = tuple(Kept(k.kind, k.ordinal, "excluded", None, k.filename) for k in kept)
        return Answered((run,), kept, is_final)

    def _reason(self, status: str) -> str | None:
        if status == "completed":
            # It happens, and then it is no failure.
            return "Recovered after 2 attempts" if self.chance.random() < 0.1 else None
        return self.chance.choice(REASONS)[0] if status in FINAL else None

    def _times(self) -> dict[str, Any]:
        """Times that may be missing, unreadable or backwards, in any zone."""
        chance = self.chance
        created = chance.choice(MOMENTS) + timedelta(seconds=chance.choice((0, 0, 1, 3600)))
        queued = created + timedelta(seconds=chance.choice((0, 0.25, 2, -0.5)))
        started = queued + timedelta(seconds=chance.choice((0, 1.5, 30.000001, 600, -3, -90_000)))
        finished = started + timedelta(seconds=chance.choice((0, 12.5, 61, 4_000, 86_400, -0.1)))
        times = {"created_at": created, "queued_at": queued, "started_at": started}
        texts = {name: self._written(moment) for name, moment in times.items()}
        return {**texts, "finished_at": self._written(finished), "modified_at": None}

    def _written(self, moment: datetime) -> Any:
        chance = self.chance.random()
        if chance < 0.1:
            return None if chance < 0.08 else "yesterday"
        zone = self.chance.choice(ZONES)
        return (moment.astimezone(zone) if zone else moment.replace(tzinfo=None)).isoformat()

    def _artifacts(self) -> tuple[dict[str, Any], tuple[Kept, ...]]:
        chance = self.chance
        attached: dict[str, Any] = {"screenshots": [], "downloads": []}
        kept = []
        if chance.random() < 0.7:
            attached["recording"], fate = self._artifact("recording", 1)
            kept.append(fate)
        for ordinal in range(1, chance.randrange(4)):
            artifact, fate = self._artifact("screenshot", ordinal)
            attached["screenshots"].append(artifact)
            kept.append(fate)
        for ordinal in range(1, chance.randrange(3)):
            artifact, fate = self._artifact("download", ordinal)
            is_unproven = fate.state == "verified" and chance.random() < 0.3
            if is_unproven:
                fate = Kept("download", ordinal, "unverified", fate.size, fate.filename)
            entry = artifact.entry(checksum=None) if is_unproven else artifact
            attached["downloads"].append(entry)
            kept.append(fate)
        return attached, tuple(kept)

    def _artifact(self, kind: Kind, ordinal: int) -> tuple[Artifact, Kept]:
        chance = self.chance
        number = chance.randrange(1_000)
        name = f"{HOSTILE} {number}.pdf"
        match kind:
            case "recording":
                artifact = self.server.artifact(webm(500 + number, number), kind)
            case "screenshot":
                artifact = self.server.artifact(png(number), kind)
            case _:
                artifact = self.server.artifact(b"%PDF-1.7 " + b"x" * number, kind, name)
        held = "verified" if kind == "download" else "unverified"
        fates: list[tuple[Lie | None, str]] = [(None, held)] * 6
        fates += [(GONE, "gone"), (SERVER_ERROR, "failed")]
        if kind == "download":
            fates.append((Corrupt(3), "mismatch"))
        lie, state = chance.choice(fates)
        if lie is not None:
            self.server.lie(artifact, lie, times=FOREVER)
        size = artifact.size if state in (held, "mismatch") else None
        filename = name if kind == "download" else None
        return artifact, Kept(kind, ordinal, state, size, filename)

    def _unsettled(self) -> Iterator[Answered]:
        now = datetime.now(UTC) + timedelta(minutes=59)
        shot = self.server.artifact(png(), "screenshot")
        run = task_run("tsk_fresh", "failed", now=now, screenshots=[shot])
        yield Answered((run,), (Kept("screenshot", 1, "excluded"),), is_settled=False)

    def _changed(self) -> Iterator[Answered]:
        """Runs with several revisions: gaps that were closed, statuses that changed."""
        shot = self.server.artifact(png(1), "screenshot")
        self.server.lie(shot, SERVER_ERROR)
        run = task_run("tsk_gap", screenshots=[shot], **_AT)
        yield Answered((run,), (Kept("screenshot", 1, "unverified", shot.size),))
        video = self.server.artifact(webm(700), "recording")
        running = task_run("tsk_ended", "paused", recording=video, **_AT)
        ended = task_run("tsk_ended", "failed", recording=video, **_AT)
        yield Answered((running, ended), (Kept("recording", 1, "unverified", video.size),))
        for run_id, build in (("tsk_changed", task_run), ("wr_changed", workflow_run)):
            first = build(run_id, "completed", **_AT)
            later = {**_AT, "created_at": "2025-09-02T00:00:00", "failure_reason": "Page 1 of 'x'"}
            yield Answered((first, build(run_id, "terminated", **later)))


_AT: Mapping[str, Any] = {
    "created_at": "2025-09-01T00:00:00+00:00",
    "queued_at": None,
    "started_at": "2025-09-01T00:00:07",
    "finished_at": "2025-09-01T02:00:10+02:00",
    "modified_at": None,
}
