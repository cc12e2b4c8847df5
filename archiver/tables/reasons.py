"""Failure reasons made equal where their causes are: what differs from run to run becomes a mark.

The expressions are RE2's, as DuckDB has them, and take turns in this order: an address is found
before the numbers in it.
"""

from typing import Final

# A bracket that an address opens and closes again belongs to it.
_IN_URL = r"""[^\s"'<>`‘’“”„«»‹›「」『』()\[\]{}]"""
_PAIR = r"\([^\s()]*\)|\[[^\s\[\]]*\]"
_URL = (
    rf"[A-Za-z][A-Za-z0-9+.-]*://(?:{_IN_URL}|{_PAIR})*"
    rf"(?:{_IN_URL.removesuffix(']')}.,;:!?]|{_PAIR})"
)
_QUOTED = (
    r'"(?:[^"\\]|\\.)*"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|»[^«]*«|‹[^›]*›'
    r"|‘[^’]*’|‚[^‘’]*[‘’]|「[^」]*」|『[^』]*』|`[^`]*`"
)
# An apostrophe within or behind a word, of any script, opens nothing; one within closes nothing.
_SINGLE_QUOTED = r"(^|[^\pL\pN_])'(?:[\pL\pN]'[\pL\pN]|[^'\n])*'\B"
_EMAIL = r"[\pL\pN_.%+-]+@[\pL\pN-]+(?:\.[\pL\pN-]+)+"
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sep(?:t(?:ember)?)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_WEEKDAY = r"(?:(?:Mon|Tue(?:s)?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?,? )"
_DATE = (
    r"\d{4}-\d\d-\d\d|\d{1,4}/\d{1,2}/\d{1,4}|\d{1,2}\.\d{1,2}\.\d{4}"
    rf"|{_WEEKDAY}?(?:{_MONTH} \d{{1,2}},? \d{{4}}|\d{{1,2}} {_MONTH},? \d{{4}})"
)
_SECONDS = r":\d\d(?:[.,]\d+)?"
_NOON = r"(?: ?[AaPp][Mm]\b)"
_ZONE = r"(?: ?(?:Z\b|UTC\b|GMT|[+-]\d\d:?\d\d\b)){0,2}"
_TIME = (
    rf"(?:{_DATE})(?:(?:T|,? (?:at )?)\d{{1,2}}:\d\d(?:{_SECONDS})?{_NOON}?{_ZONE})?"
    rf"|\d{{1,2}}:\d\d(?:{_SECONDS}{_NOON}?|{_NOON}){_ZONE}"
)
# UUIDs; addresses in memory; Skyvern's ids; a number behind names in small letters and underscores;
# letters and digits by turns. What is in capitals names an error: only its numbers differ.
_ID = (
    r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|\b0x[0-9a-fA-F]+\b"
    r"|\b(?:tsk_v2|tsk|stp|wr|wpid|wfr|pbs|bp)_[A-Za-z0-9]+\b"
    r"|\b[a-z]+(?:_[a-z0-9]+)*_\d[A-Za-z0-9]*"
    r"|[A-Za-z0-9]*(?:\d[A-Za-z]+\d|[A-Za-z]\d+[A-Za-z])[A-Za-z0-9]*"
)
_NUMBER = r"(?:\B[-+])?\d+(?:[.,:]\d+)*"
_SPACE = r"\s\s+|[\t\n\r\f]"

# A mark's expression is only tried on texts that can have it: that is much faster.
_STEPS: Final = (
    ("contains({text}, '://')", _URL, "<url>"),
    ("""regexp_matches({text}, '["`“„«»‹‘‚「『]')""", _QUOTED, "<text>"),
    ("contains({text}, '''')", _SINGLE_QUOTED, r"\1<text>"),
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
