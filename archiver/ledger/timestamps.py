"""Time stamps by an authority (RFC 3161), by the library rfc3161-client.

A stamp is the authority's whole response, over the SHA-256 of a file's bytes, as
``openssl ts -verify`` takes it.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import httpx

from archiver.errors import StampRefused, UsageError
from archiver.ledger.signing import INSTALL
from archiver.model.urls import mask_text, without_query
from archiver.system.files import without_number

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

SECONDS = 30.0
_LOOK = 0.1
"""Seconds after which it is looked whether the session is to end."""
_LAST_SECONDS = 2.0
"""What is left for a time stamp when it is."""
_LARGEST = 1 << 20
_HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
_AGAIN = "The next record that is stamped covers this one too"


def _never() -> bool:
    return False


class Stamp(Protocol):
    """What gets a time stamp for bytes. Raises StampRefused where there is none to be had."""

    def __call__(self, data: bytes, stopping: Callable[[], bool] = _never) -> bytes:
        """``stopping`` says whether the session is to end: then it is not waited for long."""


def stamper(url: str, seconds: float = SECONDS) -> Stamp:
    """What gets a stamp for bytes from the authority at ``url``, in so many seconds for all of it.

    Raises UsageError where the library is not installed, or the URL is none.
    """
    _need_library()
    where = _checked(url)

    def stamp(data: bytes, stopping: Callable[[], bool] = _never) -> bytes:
        from rfc3161_client import HashAlgorithm, PKIStatus, TimestampRequestBuilder

        request = TimestampRequestBuilder(data, HashAlgorithm.SHA256).build()
        answer = _post(url, where, request.as_bytes(), seconds, stopping)
        try:
            response = _decoded(answer)
            granted = PKIStatus(response.status) in (PKIStatus.GRANTED, PKIStatus.GRANTED_WITH_MODS)
            info = response.tst_info if granted else None
        except ValueError:
            raise StampRefused(f"what {where} answered is no time stamp", hint=_AGAIN) from None
        if info is None:
            raise StampRefused(f"{where} refused a time stamp", hint=_AGAIN)
        asked = (request.message_imprint.message, request.nonce)
        if (info.message_imprint.message, info.nonce) != asked:
            raise StampRefused(f"{where} stamped something else", hint=_AGAIN)
        return answer

    return stamp


def stamp_verifier(roots: Path) -> Callable[[bytes, bytes], datetime | None]:
    """When bytes (second) were stamped, by a stamp (first); None where it is none of them.

    ``roots`` is a PEM file with the certificates that are trusted. Raises UsageError.
    """
    _need_library()
    from cryptography.x509 import load_pem_x509_certificates
    from rfc3161_client import VerificationError, VerifierBuilder

    try:
        certificates = load_pem_x509_certificates(roots.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {roots}: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{roots} holds no certificates in PEM") from None
    builder = VerifierBuilder()
    for certificate in certificates:
        builder = builder.add_root_certificate(certificate)
    verifier = builder.build()

    def stamped_at(stamp: bytes, data: bytes) -> datetime | None:
        try:
            response = _decoded(stamp)
            verifier.verify_message(response, data)
        except (VerificationError, ValueError):
            return None
        return response.tst_info.gen_time

    return stamped_at


def _decoded(response: bytes) -> "TimeStampResponse":
    """Raises ValueError where it is no response.

    Openssl's authority does not put certificates in the order of DER, which rfc3161-client insists
    on. No signature covers it.
    """
    from asn1crypto import cms, tsp
    from rfc3161_client import decode_timestamp_response

    parsed = tsp.TimeStampResp.load(response)
    try:
        signed = parsed["time_stamp_token"]["content"]
        certificates = sorted(certificate.dump() for certificate in signed["certificates"])
        signed["certificates"] = cms.CertificateSet(map(cms.CertificateChoices.load, certificates))
    except (KeyError, TypeError):  # a refusal has no token, a short token no certificates
        return decode_timestamp_response(response)
    return decode_timestamp_response(parsed.dump())


class _Exchange:
    """One request to an authority in a thread of its own: whoever waits for it need not wait on."""

    def __init__(self, url: str, request: bytes, seconds: float) -> None:
        self._url, self._request = url, request
        self._end = time.monotonic() + seconds
        self._outcome: Future[tuple[int, bytes]] = Future()
        # An event, for to wait for a future or a thread is not always ended by a signal.
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="time stamp", daemon=True).start()

    def answer(self, stopping: Callable[[], bool]) -> tuple[int, bytes] | None:
        """Return status and body; None where there is no time for them. Raises httpx.HTTPError."""
        end = self._end
        while not self._ended.wait(max(0.0, min(_LOOK, end - time.monotonic()))):
            if stopping():
                end = min(end, time.monotonic() + _LAST_SECONDS)
                stopping = _never
            if time.monotonic() >= end:
                return None
        return self._outcome.result()

    def _run(self) -> None:
        try:
            self._outcome.set_result(self._received())
        except BaseException as error:  # noqa: BLE001 # it is raised where it is waited for
            self._outcome.set_exception(error)
        finally:
            self._ended.set()

    def _received(self) -> tuple[int, bytes]:
        left = self._end - time.monotonic()
        with (
            httpx.Client(timeout=left) as client,
            client.stream("POST", self._url, content=self._request, headers=_HEADERS) as response,
        ):
            body = b""
            for piece in response.iter_bytes():
                body += piece
                if len(body) > _LARGEST or time.monotonic() >= self._end:
                    break
        return response.status_code, body


def _post(
    url: str, where: str, request: bytes, seconds: float, stopping: Callable[[], bool]
) -> bytes:
    try:
        answer = _Exchange(url, request, seconds).answer(stopping)
    except httpx.TimeoutException:
        answer = None
    except httpx.HTTPError as error:
        reason = without_number(mask_text(str(error)))
        raise StampRefused(f"{where} gave no time stamp: {reason}", hint=_AGAIN) from None
    if answer is None:
        late = "before the session was to end" if stopping() else f"within {seconds:g} s"
        raise StampRefused(f"{where} gave no time stamp {late}", hint=_AGAIN)
    status, body = answer
    if status != httpx.codes.OK:
        raise StampRefused(f"{where} gave no time stamp: HTTP {status}", hint=_AGAIN)
    return body


def _checked(url: str) -> str:
    """The URL as it may be shown."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError("the address of the time stamp authority is no http:// or https:// URL")
    return without_query(url)


def _need_library() -> None:
    try:
        import rfc3161_client  # noqa: F401 # is it there?
    except ImportError:
        raise UsageError("the library rfc3161-client is not installed", hint=INSTALL) from None
