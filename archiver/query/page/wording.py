"""Numbers and times as people read them."""

from datetime import UTC, date, datetime

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def count(number: int) -> str:
    return f"{number:,}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number of things: ``1 run``, ``2,000 runs``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """A share of 1. Only nothing is 0%, and only all is 100%."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.1%}"


def points(change: float) -> str:
    """A change of a share of 1, in percentage points, without its sign."""
    return f"{abs(change) * 100:.1f} points"


def seconds(length: float) -> str:
    """A length of time, in its two largest units, which stay on one line."""
    return _seconds(length).replace(" ", "\N{NO-BREAK SPACE}")


def _seconds(length: float) -> str:
    if 0 < length < 0.05:
        return "<0.1 s"
    if length < 10:
        return f"{length:.1f} s"
    whole = round(length)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    minutes = round(length / _MINUTE)
    if minutes < _DAY // _MINUTE:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(length / _HOUR)
    return f"{hours // 24:,} d {hours % 24} h"


def day(of: date) -> str:
    return f"{of.day} {_MONTHS[of.month - 1]} {of.year}"


def month(of: date) -> str:
    return f"{_MONTHS[of.month - 1]} {of.year}"


def moment(at: datetime) -> str:
    """A moment in UTC, to the minute."""
    utc = at.astimezone(UTC)
    return f"{day(utc)}, {utc:%H:%M} UTC"


def shortened(text: str, length: int) -> str:
    """``text``, cut where it is longer than ``length``."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def on_one_line(text: str, length: int) -> str:
    """``text`` on one line, cut where it is longer than ``length``."""
    # A line of a megabyte is not split into words for the first few of them.
    return shortened(" ".join(text[: 4 * length].split()), length)
