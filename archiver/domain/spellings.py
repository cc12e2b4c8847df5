"""The plain text behind another spelling: what a URL, a page, JSON or a file system made of it."""

import html
import re
import unicodedata
from urllib.parse import unquote, unquote_plus

_ESCAPES = re.compile(r"(?:\\u[0-9A-Fa-f]{4})+")


def plainer(text: str) -> str:
    """``text`` with one layer of escapes undone: ``%C3%AB``, ``\\u00eb``, ``&euml;``, and in
    Unicode's composed form. The same where there is none."""
    if "\\" in text:
        text = _ESCAPES.sub(_unescaped, text)
    if "%" in text or ("+" in text and "://" in text):
        text = unquote_plus(text) if "://" in text else unquote(text)
    if "&" in text:
        text = html.unescape(text)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _unescaped(match: re.Match[str]) -> str:
    units = bytes.fromhex(match[0].replace("\\u", ""))
    return units.decode("utf-16-be", "replace")
