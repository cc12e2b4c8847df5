"""What storage says where it does not give the bytes: by its status, and by its own words."""

import contextlib
import html
import re
import zlib
from collections.abc import Callable
from datetime import datetime

import httpx

from archiver.errors import ArtifactError, ArtifactGone, DownloadFailed, LinkExpired, StorageBusy
from archiver.fetch.http.client import EncodingBroken, decoded, retry_after
from archiver.fetch.http.wire import Exchange
from archiver.model.artifact import HEAD_SIZE, MEDIA, ArtifactKind, text_of
from archiver.model.urls import mask_text

ERROR_BYTES = 4_096
"""Bytes of an error that are read."""
_PAGES = ("text/", "application/json", "application/xml")
_CODE = re.compile(r"[\w.-]{1,64}", re.ASCII)
_SAYS_ENOUGH = frozenset({200, 206, 404, 416, 429, 503})
"""Statuses of which no more is to be read."""
_ERROR = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?<(?:\w+:)?Error[\s>].*?<(?:\w+:)?Code>\s*([\w.-]{1,64})\s*</",
    re.DOTALL | re.ASCII,
)
_COLD = frozenset({"InvalidObjectState", "ObjectNotInActiveTierError", "BlobArchived"})
_UNKNOWN = frozenset({"NoSuchKey", "NoSuchVersion", "BlobNotFound"})
_ANOTHER_LINK = frozenset(
    {
        *("AccessDenied", "ExpiredToken", "InvalidToken", "RequestExpired", "TokenRefreshRequired"),
        *("SignatureDoesNotMatch", "AuthenticationFailed", "RequestTimeout", "OperationAborted"),
    }
)
_BUSY = frozenset(
    {
        *("SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "ServerBusy"),
        *("TooManyRequests", "TooManyRequestsException", "RequestLimitExceeded"),
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled"),
    }
)
_EXPIRY = re.compile(r"expired|ExpiredToken|signature", re.IGNORECASE)
_FINE = frozenset({200, 206, 416})
_UNSEEN = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>?")


def error_code(text: str) -> str | None:
    """Return the code of an error document as S3 and its like send it, None where it is none.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and
    https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2
    """
    match = _ERROR.match(text)
    return match[1] if match else None


def storage_error(
    status: int, code: str | None, text: str = "", wait: float | None = None
) -> ArtifactError | None:
    """Return the error that an answer is, None where it is none.

    ``text`` is what its body begins with; ``wait`` are the seconds that it asks to wait.
    """
    said = f"HTTP {status}" if code is None else f"HTTP {status}, {code}"
    if code in _COLD:
        return ArtifactGone(f"storage moved it to cold storage ({said})")
    if status in (429, 503) or code in _BUSY:
        return StorageBusy(f"storage answered {said}", retry_after=wait)
    is_old = status in (400, 410) and _EXPIRY.search(text) is not None
    if status == 404 or (status == 410 and not is_old) or code in _UNKNOWN:
        return ArtifactGone(f"storage does not have it any more ({said})")
    if is_old or status in (401, 403, 498) or code in _ANOTHER_LINK:
        return LinkExpired(f"storage refused the link ({said})")
    if status in _FINE and code is None:
        return None
    may_pass = status in _FINE or status in (408, 425) or status >= 500
    return DownloadFailed(f"storage answered {said}", retry=may_pass, retry_after=wait)


def error_in(text: str) -> ArtifactError | None:
    """Return the error that an error document is, whatever status it came with; None of others."""
    code = error_code(text)
    return None if code is None else storage_error(200, code)


def check_status(answer: Exchange, now: Callable[[], datetime]) -> None:
    """Raises ArtifactError where an answer has no bytes of what was asked for."""
    status, fields = answer.status, answer.fields
    text = "" if status in _SAYS_ENOUGH else _beginning(answer)
    code = error_code(text)
    if code is None and _CODE.fullmatch(named := fields.get("x-ms-error-code", "")):
        code = named
    wait = retry_after(fields.get("retry-after", ""), now)
    error = storage_error(status, code, text, wait)
    if error is not None:
        raise error


def _beginning(answer: Exchange) -> str:
    """The text that the body of an error begins with, as far as it comes."""
    body = b""
    encoding = answer.fields.get("content-encoding", "")
    with contextlib.suppress(httpx.HTTPError, EncodingBroken):  # the status says enough
        for piece in decoded(map(bytes, answer.views()), encoding):
            body += piece
            if len(body) >= ERROR_BYTES:
                break
    return text_of(body[:ERROR_BYTES]) or ""


def may_be_page(kind: str, served_type: str | None) -> bool:
    """Whether what storage calls it says nothing yet: an error page is not what was asked for."""
    return kind in MEDIA and served_type is not None and served_type.startswith(_PAGES)


def not_a_medium(kind: str, text: str | None) -> ArtifactError:
    """Return the error of storage that gave this text, or nothing, for a recording or a picture."""
    if text is None:
        return DownloadFailed(f"an empty body came in place of a {kind}", retry=True)
    said = DownloadFailed(
        f"text came in place of a {kind}: {words_of(text) or 'blanks'}", retry=True
    )
    return error_in(text) or said


_NO_MEDIA = {
    b"\x1f\x8b": "a gzip file",
    b"PK\x03\x04": "a ZIP file",
    b"PK\x05\x06": "an empty ZIP file",
}
_CHUNK = re.compile(rb"[0-9a-fA-F]{1,16};chunk-signature=")


def check_medium(kind: ArtifactKind, head: bytes) -> None:
    """Raises DownloadFailed, or what a page says, where no recording or picture begins like this.

    A screenshot that Skyvern keeps in a bundle comes as the whole ZIP file.
    """
    if head.startswith(b"\x1f\x8b") and (text := text_of(_unpacked(head))) is not None:
        raise not_a_medium(kind, text)
    found = next((name for magic, name in _NO_MEDIA.items() if head.startswith(magic)), None)
    if _CHUNK.match(head):
        found = "aws-chunked framing"
    elif head and not any(head):
        found = "nothing but zeros"
    is_bundle = kind is ArtifactKind.SCREENSHOT and head.startswith(b"PK\x03\x04")
    if found is not None and not is_bundle:
        raise DownloadFailed(f"{found} came in place of a {kind}", retry=True)


def _unpacked(head: bytes) -> bytes:
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, HEAD_SIZE)
    return b""


def words_of(text: str) -> str:
    """Return what a page says, for a message: one line, without markup and signatures."""
    if text.lstrip().startswith("<"):
        shown = html.unescape(_TAG.sub(" ", _UNSEEN.sub(" ", text)))
        text = shown if shown.strip() else text
    return mask_text(" ".join("".join(c if c.isprintable() else " " for c in text).split()))
