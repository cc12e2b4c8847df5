"""Text for people: sizes as they read them, and nothing that moves their cursor."""


def printable(text: str, keep: str = "") -> str:
    """``text`` without control characters, which a server may have put there; ``keep`` stay."""
    return "".join(
        c if c.isprintable() or c in keep else ("⏎" if c == "\n" else "\ufffd") for c in text
    )


def readable_bytes(count: float) -> str:
    """A number of bytes as people read it, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
