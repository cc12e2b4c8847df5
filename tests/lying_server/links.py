"""Links as Skyvern and S3 sign them: minted anew each time, valid for a while."""

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tests.lying_server.lies import EXPIRED, EXPIRED_S3, Status

BUCKET = "skyvern-artifacts"
# Links as they stand in JSON, with the artifact's id; without the origin, so that relative links
# are found too.
API_LINK = re.compile(rb"/v1/artifacts/(a_\d+)/content\?[^\"\\\s]*")
STORAGE_LINK = re.compile(rb"/%b/(a_\d+)\?X-Amz-[^\"\\\s]*" % BUCKET.encode())

_SECRET = b"only good for a server that lies"
_KEY_ID = "k1"
_AMZ_TIME = "%Y%m%dT%H%M%SZ"
_FORGED_S3 = Status(
    403,
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SignatureDoesNotMatch</Code>'
    b"<Message>The request signature we calculated does not match.</Message></Error>",
    "application/xml",
)


class Links:
    """Mints links and says what is wrong with those that come back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: int | None = None
        self._generation = 0

    def expire_after(self, seconds: int | None) -> None:
        """Links minted from now on are good for so long; None for Skyvern's own times."""
        with self._lock:
            self._seconds = seconds

    def expire_now(self) -> None:
        """Every link minted so far is refused from now on, whatever its expiry says."""
        with self._lock:
            self._generation += 1

    def mint_api(self, artifact_id: str, lifetime: int) -> str:
        """Path and query of a link to the API's content endpoint."""
        expiry = int(time.time()) + self._lifetime(lifetime)
        signature = self._sign(artifact_id, str(expiry))
        return f"/v1/artifacts/{artifact_id}/content?expiry={expiry}&kid={_KEY_ID}&sig={signature}"

    def mint_storage(self, artifact_id: str, lifetime: int) -> str:
        """Path and query of a link that looks presigned by S3."""
        date = datetime.now(UTC).strftime(_AMZ_TIME)
        seconds = str(self._lifetime(lifetime))
        return (
            f"/{BUCKET}/{artifact_id}?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            f"&X-Amz-Credential=LAB%2F{date[:8]}%2Fus-east-1%2Fs3%2Faws4_request"
            f"&X-Amz-Date={date}&X-Amz-Expires={seconds}&X-Amz-SignedHeaders=host"
            f"&X-Amz-Signature={self._sign(artifact_id, date, seconds)}"
        )

    def refuse_api(self, artifact_id: str, query: Mapping[str, str]) -> Status | None:
        """The refusal that a link to the API deserves, if any."""
        expiry = query.get("expiry", "")
        good = hmac.compare_digest(self._sign(artifact_id, expiry), query.get("sig", ""))
        fresh = expiry.isdecimal() and int(expiry) > time.time()
        return None if good and fresh else EXPIRED

    def refuse_storage(self, artifact_id: str, query: Mapping[str, str]) -> Status | None:
        """The refusal that a link to storage deserves, if any."""
        date, seconds = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        signature = query.get("X-Amz-Signature", "")
        with self._lock:
            generations = range(self._generation + 1)
        made_in = [
            generation
            for generation in generations
            if hmac.compare_digest(_signature(generation, artifact_id, date, seconds), signature)
        ]
        if not made_in:
            return _FORGED_S3
        minted = datetime.strptime(date, _AMZ_TIME).replace(tzinfo=UTC)
        fresh = datetime.now(UTC) < minted + timedelta(seconds=int(seconds))
        return None if fresh and made_in[0] == generations[-1] else EXPIRED_S3

    def _lifetime(self, usual: int) -> int:
        with self._lock:
            return usual if self._seconds is None else self._seconds

    def _sign(self, *parts: str) -> str:
        with self._lock:
            generation = self._generation
        return _signature(generation, *parts)


def _signature(generation: int, *parts: str) -> str:
    message = "\n".join((str(generation), *parts)).encode()
    return hmac.new(_SECRET, message, hashlib.sha256).hexdigest()
