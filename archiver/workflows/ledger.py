"""The ledger: one record per session, each with the digest of the one before."""

from collections.abc import Iterable
from datetime import datetime

from archiver.adapters.archive import TOOL, Writer, last_session
from archiver.adapters.storage import LocalStorage
from archiver.domain.digest import sha256_of
from archiver.domain.paths import LEDGER_FOLDER
from archiver.domain.session import (
    LedgerRecord,
    digest_of_lines,
    encode_ledger_record,
)
from archiver.domain.summary import Summary


def append_record(
    writer: Writer,
    summary: Summary,
    asked: Iterable[str],
    manifests: Iterable[str],
    *,
    started_at: datetime,
    finished_at: datetime,
    recovered: tuple[str, ...],
) -> None:
    """Close a session: write its record. ``manifests`` are the digests of those it committed."""
    previous, previous_sha256 = head(writer.storage)
    committed = sorted(manifests)
    record = LedgerRecord(
        session=writer.session,
        tool=TOOL,
        started_at=started_at,
        finished_at=finished_at,
        interrupted=summary.interrupted,
        ids_asked=summary.asked,
        ids_sha256=digest_of_lines(sorted(asked)),
        runs=summary.run_counts(),
        artifacts={state.value: count for state, count in sorted(summary.artifacts.items())},
        manifests=len(committed),
        manifests_sha256=digest_of_lines(committed),
        bytes_downloaded=summary.bytes_downloaded,
        recovered=recovered,
        previous_session=previous,
        previous_sha256=previous_sha256,
    )
    path = f"{LEDGER_FOLDER}/{writer.session}.json"
    writer.storage.put(path, encode_ledger_record(record), new=True)


def head(storage: LocalStorage) -> tuple[str | None, str | None]:
    """Session and digest of the last record; None where the ledger is empty."""
    last = last_session(storage)
    if last is None:
        return None, None
    # As it lies there, whatever it says: a record that was damaged must not end the chain.
    return last, sha256_of(storage.read(f"{LEDGER_FOLDER}/{last}.json"))
