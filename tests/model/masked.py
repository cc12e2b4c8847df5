"""Documents with secrets in them, and what is left of those."""

from typing import Any

from hypothesis import strategies as st

from archiver.masking.secrets import mask_document
from archiver.model.document import encode_json
from tests.model.builders import document

SECRET = st.from_regex(r"zQ7[A-Za-z0-9_~.-]{9,20}", fullmatch=True)
"""A text that stands nowhere by chance, made of characters that a URL takes as they are."""
USERINFO = st.from_regex(r"[a-z]{1,8}:zQ7[A-Za-z0-9_~.!$&'()*+,;=-]{9,20}", fullmatch=True)
"""A name and a password with every character that RFC 3986 allows in them."""
URL_FIELDS = ("webhook_url", "totp_url", "browser_address", "proxy_location")
HEADER_FIELDS = ("extra_http_headers", "cdp_connect_headers")


def request(**fields: Any) -> dict[str, Any]:
    return document(run_request=fields)


def masked(value: dict[str, Any], *secrets: str) -> str:
    return encode_json(mask_document(value, secrets))


def deep(value: Any, *path: str) -> Any:
    for name in reversed(path):
        value = [{name: value}]
    return value
