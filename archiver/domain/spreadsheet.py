"""Values for CSV files that people open in spreadsheets, with texts that come from anywhere.

A spreadsheet takes a text that begins like a formula for one, and runs it (OWASP, "CSV
Injection"). Such a text gets an apostrophe before it; what it is exactly stands in the JSON files.
"""

import json
from datetime import date, datetime

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cell(value: object) -> str:
    """A value of a table: times as SQL writes them, lists as JSON, nothing for None."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case datetime():
            return value.isoformat(sep=" ")
        case date():
            return value.isoformat()
        case list() | tuple():
            return json.dumps(list(value), ensure_ascii=False)
    text = str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
