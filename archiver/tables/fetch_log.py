"""What vouches for the rows of the table ``fetches``: a digest of each session's, in its record.

They are a log, which nothing can rebuild. A row's line has all of it but the reason, which an erase
takes away; the session's digest is over the SHA-256 of its lines, sorted, so that it does not
matter in which files and in which order the rows lie (format, 5.8).
"""

import hashlib
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from archiver.model.ids import Sha256
from archiver.model.rows import Fetched

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WIDTH = hashlib.sha256().digest_size
_LINE = """concat_ws('|', session, asked_id, coalesce(run_id, ''), outcome,
    coalesce(http_status::VARCHAR, ''), requests, retries, bytes,
    round(seconds * 1e6)::BIGINT, epoch_us("at"))"""


class FetchDigest:
    """The digest of a session's rows, as they are written."""

    def __init__(self) -> None:
        self._digests = bytearray()

    def add(self, fetched: Fetched) -> None:
        """Take the row of one id."""
        line = "|".join(
            (
                fetched.session,
                fetched.asked_id,
                fetched.run_id or "",
                fetched.outcome,
                "" if fetched.http_status is None else str(fetched.http_status),
                str(fetched.requests),
                str(fetched.retries),
                str(fetched.bytes),
                str(round(fetched.seconds * 1e6)),
                str((fetched.at - _EPOCH) // _MICROSECOND),
            )
        )
        self._digests += hashlib.sha256(line.encode()).digest()

    @property
    def count(self) -> int:
        return len(self._digests) // _WIDTH

    @property
    def sha256(self) -> Sha256:
        """The digest of all that was taken."""
        buffers = [None, pa.py_buffer(bytes(self._digests))]
        rows = pa.Array.from_buffers(pa.binary(_WIDTH), self.count, buffers)
        in_order = pc.take(rows, pc.sort_indices(rows))
        digest = hashlib.sha256()
        for row in in_order:
            digest.update(row.as_py())
        return Sha256(digest.hexdigest())
