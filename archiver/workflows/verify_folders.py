"""Folders that are to be looked into: one that cannot be is a finding, and the rest goes on."""

from collections.abc import Collection, Iterable

from archiver.errors import ArchiveDamaged
from archiver.store.scan import Kind, entries
from archiver.store.storage import LocalStorage
from archiver.verify.findings import Finding, Level, finding

_READABLE = "Make it readable, then check again: what is in it was not looked at"


def readable_entries(
    storage: LocalStorage, folder: str, findings: list[Finding]
) -> list[tuple[str, Kind]]:
    """Names and kinds of what is in a folder; nothing, and a finding, where it cannot be read."""
    try:
        return entries(storage, folder)
    except ArchiveDamaged as error:
        findings.append(finding(folder, error.message, Level.FILES, _READABLE))
        return []


def hidden_folders(findings: Iterable[Finding]) -> frozenset[str]:
    """Those that could not be looked into."""
    return frozenset(one.path for one in findings if one.todo == _READABLE)


def is_hidden(path: str, hidden: Collection[str]) -> bool:
    """Whether something lies in a folder that could not be looked into."""
    while hidden and path:
        path = path.rpartition("/")[0]
        if path in hidden:
            return True
    return False


def without_hidden(findings: list[Finding]) -> list[Finding]:
    """What was found, without what only follows from a folder that could not be looked into."""
    hidden = hidden_folders(findings)
    return [one for one in findings if not is_hidden(one.path, hidden)]
