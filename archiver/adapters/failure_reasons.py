"""Failure reasons made equal where their causes are: what differs from run to run becomes a mark.

The expressions are RE2's, as DuckDB has them, and take turns in this order: an address is found
before the numbers in it.
"""

from typing import Final

_URL = r"""[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>`”»)\]}]*[^\s"'<>`”»)\]}.,;:!?]"""
# An apostrophe within a word opens nothing and closes nothing.
_QUOTED = (
    r'"[^"]*"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|‘[^’]*’|`[^`]*`'
    r"|\B'(?:[^'\n]|\b'\b)*'\B"
)
_EMAIL = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
_TIME = (
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?"
    r"|\d{1,2}:\d\d:\d\d(?:[.,]\d+)?"
    r"|\d{1,4}/\d{1,2}/\d{1,4}|\d{1,2}\.\d{1,2}\.\d{4}"
)
# UUIDs; Skyvern's ids; what has digits behind an underscore; letters and digits by turns.
_ID = (
    r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|\b(?:tsk_v2|tsk|stp|wr|wpid|w|wfr|pbs|bp|a|o)_[A-Za-z0-9]+\b"
    r"|\b[A-Za-z]+(?:_[A-Za-z0-9]+)*_\d\w*"
    r"|\b\w*(?:\d[A-Za-z_]+\d|[A-Za-z]\d+[A-Za-z_])\w*"
)
_NUMBER = r"\d+(?:[.,:]\d+)*"
_SPACE = r"\s\s+|[\t\n\r\f]"

# A mark's expression is only tried on texts that can have it: that is much faster.
_STEPS: Final = (
    ("contains({text}, '://')", _URL, "<url>"),
    ("true", _QUOTED, "<text>"),
    ("contains({text}, '@')", _EMAIL, "<email>"),
    ("true", _TIME, "<time>"),
    ("true", _ID, "<id>"),
    ("true", _NUMBER, "<number>"),
    ("regexp_matches({text}, '[^ -~]|  ')", _SPACE, " "),
)


def with_reason(relation: str) -> str:
    """A query for all columns of ``relation`` and ``reason``, made from its ``failure_reason``.

    A text that says nothing is no reason: null.
    """
    query = f"SELECT *, failure_reason AS reason FROM {relation}"
    for condition, pattern, mark in _STEPS:
        expression = pattern.replace("'", "''")
        replaced = f"regexp_replace(reason, '{expression}', '{mark}', 'g')"
        if condition != "true":
            when = condition.format(text="reason")
            replaced = f"CASE WHEN {when} THEN {replaced} ELSE reason END"
        query = f"SELECT * REPLACE ({replaced} AS reason) FROM ({query})"
    return f"SELECT * REPLACE (nullif(trim(reason), '') AS reason) FROM ({query})"
