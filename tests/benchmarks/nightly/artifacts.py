"""The rows of ``artifacts`` for rows of ``runs``."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archiver.model.schema import ARTIFACTS
from archiver.tables.write import arrow_schema
from tests.benchmarks.nightly.automations import DOWNLOADS, ENDINGS
from tests.benchmarks.nightly.columns import (
    Booleans,
    Integers,
    as_text,
    hex_digests,
    joined,
    numbers,
    texts,
    unless,
)

_KINDS = ("download", "recording", "screenshot")
_STATES = ("verified", "unverified", "gone", "excluded", "failed")
_VERIFIED, _UNVERIFIED, _GONE, _EXCLUDED, _FAILED = range(len(_STATES))
_REASONS = (
    None,
    None,
    "the service moved the recording to cold storage (recording_archived)",
    "the run is not settled yet",
    "HTTP 503 on every attempt",
)
_ATTEMPTS = np.array((1, 1, 1, 0, 5))
_API = "https://api.skyvern.com/v1/artifacts/"
_RUN_COLUMNS = ("run_id", "revision", "path", "session", "fetched_at")


@dataclass(frozen=True, slots=True)
class _Identities:
    """Which artifacts there are: the row of the run, the kind's and the own number of each."""

    row: Integers
    kind: Integers
    ordinal: Integers


def artifacts(runs: pa.Table, chance: np.random.Generator) -> pa.Table:
    """A row for each artifact that the runs count, in order where the runs are."""
    archived = numbers(runs["recording_archived"].fill_null(False)).astype(bool)
    which = _identities(runs, archived)
    states = _states(runs, which, archived)
    held = states <= _UNVERIFIED
    of_run = runs.select(_RUN_COLUMNS).take(pa.array(which.row)).combine_chunks()
    is_download = which.kind == 0
    count = len(which.row)
    names, files, media = _files(which, chance)
    sizes = (chance.lognormal(11, 1, count) * np.where(which.kind == 1, 40, 1)).astype(np.int64)
    ids = joined("a_", as_text(chance.integers(6 * 10**17, 7 * 10**17, count)))
    sha256 = unless(~held, hex_digests(chance, count))
    at = of_run["fetched_at"]
    columns = {
        **{name: of_run[name] for name in ("run_id", "revision", "session", "fetched_at")},
        "kind": texts(_KINDS, which.kind),
        "ordinal": pa.array(which.ordinal),
        "state": texts(_STATES, states),
        "filename": unless(~is_download, names),
        "path": unless(~held, joined(of_run["path"].combine_chunks(), files)),
        "size": pa.array(sizes, mask=~held),
        "sha256": sha256,
        "expected_sha256": unless(~is_download, sha256),
        "expected_size": pa.array(sizes, mask=~is_download),
        "media_type": unless(~held, media),
        "served_type": unless(~held, media),
        "modified_at": pc.if_else(pa.array(is_download), at, None),
        "url": joined(_API, ids, "/content"),
        "artifact_id": unless(~is_download, ids),
        "attempts": pa.array(_ATTEMPTS[states]),
        "reason": texts(_REASONS, states),
        "pruned_at": pa.nulls(count, pa.timestamp("us", "UTC")),
    }
    schema = arrow_schema(ARTIFACTS)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _identities(runs: pa.Table, archived: Booleans) -> _Identities:
    recordings = numbers(runs["has_recording"]).astype(bool) | archived
    counts = (
        numbers(runs["downloaded_file_count"]),
        recordings.astype(np.int64),
        numbers(runs["screenshot_count"]),
    )
    ends = np.cumsum(counts, axis=0)
    row = np.repeat(np.arange(runs.num_rows), ends[-1])
    first_of_row = np.repeat(np.cumsum(ends[-1]) - ends[-1], ends[-1])
    place = np.arange(len(row)) - first_of_row
    kind = (place >= ends[0, row]).astype(np.int64) + (place >= ends[1, row])
    before = np.select([kind == 1, kind == 2], [ends[0, row], ends[1, row]], 0)
    return _Identities(row, kind, place - before + 1)


def _states(runs: pa.Table, which: _Identities, archived: Booleans) -> Integers:
    settled = numbers(runs["is_settled"]).astype(bool)[which.row]
    complete = numbers(runs["is_complete"]).astype(bool)[which.row]
    return np.select(
        [
            ~settled,
            ~complete & (which.ordinal == 1),
            (which.kind == 1) & archived[which.row],
            which.kind == 0,
        ],
        [_EXCLUDED, _FAILED, _GONE, _VERIFIED],
        _UNVERIFIED,
    )


def _files(which: _Identities, chance: np.random.Generator) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Names as the server gave them (of downloads), paths in the revision, media types."""
    count = len(which.row)
    ending = chance.integers(0, len(ENDINGS), count)
    names = joined(
        texts(DOWNLOADS, chance.integers(0, len(DOWNLOADS), count)),
        " ",
        as_text(chance.integers(100, 100_000, count)),
        ".",
        texts([name for name, _ in ENDINGS], ending),
    )
    screenshots = joined("/screenshots/", pc.utf8_lpad(as_text(which.ordinal), 2, "0"), ".png")
    is_download = pa.array(which.kind == 0)
    others = pc.if_else(pa.array(which.kind == 1), "/recording.webm", screenshots)
    files = pc.if_else(is_download, joined("/downloads/", names), others)
    media = pc.if_else(
        is_download,
        texts([media for _, media in ENDINGS], ending),
        texts(("", "video/webm", "image/png"), which.kind),
    )
    return names, files, media
