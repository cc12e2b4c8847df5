"""The ledger's records, as they lie in the archive."""

from collections.abc import Iterator

from archiver.adapters.storage import LocalStorage
from archiver.domain.paths import LEDGER_FOLDER
from archiver.domain.session import LedgerRecord, decode_ledger_record
from archiver.errors import ArchiveDamaged


def ledger_records(storage: LocalStorage, damaged: list[str]) -> Iterator[LedgerRecord]:
    """All records in the order of their sessions; what cannot be read is named in ``damaged``."""
    for name in storage.names(LEDGER_FOLDER):
        path = f"{LEDGER_FOLDER}/{name}"
        try:
            yield decode_ledger_record(storage.read(path), path)
        except ArchiveDamaged as error:
            damaged.append(str(error))
