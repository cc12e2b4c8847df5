"""Timestamps of the API: naive ones are UTC (seen with Skyvern 1.0.56), whatever they look like."""

from datetime import UTC, datetime


def parse_timestamp(text: str) -> datetime:
    """An ISO 8601 date and time as an aware datetime in UTC. Raises ValueError when it is none."""
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        return datetime.combine(moment, moment.time(), UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"outside the calendar: {text[:40]!r}") from None


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from ``start`` to ``end``; None where one is missing or the clock ran backwards."""
    if start is None or end is None or end < start:
        return None
    return (end - start).total_seconds()
