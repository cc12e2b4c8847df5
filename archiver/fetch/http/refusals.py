"""What storage says where it does not give the bytes: by its status, and by its own words."""

import html
import re

from archiver.errors import ArtifactError, ArtifactGone, DownloadFailed, LinkExpired
from archiver.model.urls import mask_text

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
    status: int, code: str | None, text: str = "", retry_after: float | None = None
) -> ArtifactError | None:
    """Return the error that an answer is, None where it is none.

    ``text`` is what its body begins with; ``retry_after`` are the seconds that it asks to wait.
    """
    said = f"HTTP {status}" if code is None else f"HTTP {status}, {code}"
    if code in _COLD:
        return ArtifactGone(f"storage moved it to cold storage ({said})")
    is_old = status in (400, 410) and _EXPIRY.search(text) is not None
    if status == 404 or (status == 410 and not is_old) or code in _UNKNOWN:
        return ArtifactGone(f"storage does not have it any more ({said})")
    if is_old or status in (401, 403, 498) or code in _ANOTHER_LINK:
        return LinkExpired(f"storage refused the link ({said})")
    if status in _FINE and code is None:
        return None
    may_pass = status in _FINE or status in (408, 425, 429) or status >= 500
    return DownloadFailed(f"storage answered {said}", retry=may_pass, retry_after=retry_after)


def words_of(text: str) -> str:
    """Return what a page says, for a message: one line, without markup and signatures."""
    if text.lstrip().startswith("<"):
        shown = html.unescape(_TAG.sub(" ", _UNSEEN.sub(" ", text)))
        text = shown if shown.strip() else text
    return mask_text(" ".join("".join(c if c.isprintable() else " " for c in text).split()))
