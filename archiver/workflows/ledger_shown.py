"""The ledger as it is shown: its last records, and what lies beside them."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec

from archiver.domain.digest import Sha256
from archiver.ledger.records import ledger_records, seals
from archiver.model.ledger import LedgerRecord
from archiver.store.storage import LocalStorage


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """A record with its digest, and whether a signature and a time stamp lie beside it."""

    record: LedgerRecord
    sha256: Sha256
    is_signed: bool
    is_stamped: bool

    def to_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = msgspec.to_builtins(self.record)
        seals = {"signed": self.is_signed, "stamped": self.is_stamped}
        return {**fields, "sha256": str(self.sha256), **seals}


def shown_records(storage: LocalStorage, limit: int, damaged: list[str]) -> list[ShownRecord]:
    """The last ``limit`` records (0: all), oldest first.

    What cannot be read is left out and named in ``damaged``.
    """
    signed, stamped = seals(storage)
    records = deque(ledger_records(storage, damaged), maxlen=limit or None)
    return [
        ShownRecord(w.record, w.sha256, w.record.session in signed, w.record.session in stamped)
        for w in records
    ]
