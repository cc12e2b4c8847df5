"""Which names in the archive's folders are the tool's own (format, 1.5).

File systems, indexers, editors and programs that synchronise folders leave files of their own
beside those of the archive, or copies of them. What has not the tool's own form is never read.
"""

import re
from collections.abc import Collection, Iterator

from archiver.model.ids import RUN_ID
from archiver.model.paths import (
    ARCHIVE_FILE,
    BROWSER_SESSIONS_FOLDER,
    LEDGER_FOLDER,
    LOCK_FILE,
    README_FILE,
    RUNS_FOLDER,
    TABLES_FOLDER,
    TEMPORARY_FOLDER,
)
from archiver.model.schema import TABLES

UNDATED = "undated"
TOP_FILES = frozenset({ARCHIVE_FILE, README_FILE, LOCK_FILE})
TOP_FOLDERS = frozenset(
    {RUNS_FOLDER, BROWSER_SESSIONS_FOLDER, TABLES_FOLDER, LEDGER_FOLDER, TEMPORARY_FOLDER}
)
_SESSION = r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}"
_YEAR = re.compile(rf"\d{{4}}|{UNDATED}", re.ASCII)
_TWO_DIGITS = re.compile(r"\d\d", re.ASCII)
_REVISION = re.compile(r"r[1-9]\d*", re.ASCII)
_JOURNAL = re.compile(rf"{_SESSION}(-\d+)?\.journal", re.ASCII)
_LEDGER = re.compile(rf"{_SESSION}(\.(json|sha256|ids|head|sig|tsr)|(-\d+)?\.journal)", re.ASCII)
_TABLES = {table.name: table.partition for table in TABLES}
_FLUSH = re.compile(rf"{_SESSION}-\d{{4,}}\.parquet", re.ASCII)
_OF_SESSION = re.compile(_SESSION, re.ASCII)


def is_own(folder: str, name: str) -> bool:
    """Tell whether a name has the tool's own form for what lies in a folder of the archive.

    ``folder`` is its path in the archive, empty for the archive's own. In a revision's folders and
    in ``tmp`` every name may be the tool's that nobody else is known to leave.
    """
    top, *below = folder.split("/")
    if not top:
        return name in TOP_FILES or name in TOP_FOLDERS
    if top == RUNS_FOLDER:
        return _is_own_in_runs(below, name)
    if top == TABLES_FOLDER:
        return _is_own_in_tables(below, name)
    if folder == LEDGER_FOLDER:
        return bool(_LEDGER.fullmatch(name))
    return not is_others(name)


def is_journal(name: str) -> bool:
    """Tell whether a file has the name of a session's journal, or of one of its processes'."""
    return bool(_JOURNAL.fullmatch(name))


def is_leftover(path: str, listed: Collection[str] = ()) -> bool:
    """Tell whether a path that is not the archive's is what others are known to leave.

    That is what they keep for themselves, and copies that they make where two have changed a file,
    or it was copied into its own place. ``listed`` are the paths of files that the copy may be one
    of, in a revision's folder.
    """
    folder, _, name = path.rpartition("/")
    if is_others(name) or (folder and is_leftover(folder)):
        return True
    is_in_revision = bool(_IN_REVISION.match(f"{folder}/"))
    if is_own(folder, name) and not is_in_revision:
        return False
    if folder.partition("/")[0] in (LEDGER_FOLDER, TABLES_FOLDER) and _OF_SESSION.search(name):
        return True
    return any(
        f"{folder}/{one}" in listed if is_in_revision else is_own(folder, one)
        for one in _originals(name)
    )


_IN_REVISION = re.compile(rf"{RUNS_FOLDER}/(?:[^/]+/){{2,4}}r[1-9]\d*/", re.ASCII)


_IN_RUNS = (_YEAR, _TWO_DIGITS, _TWO_DIGITS, RUN_ID, _REVISION)


def _is_own_in_runs(below: list[str], name: str) -> bool:
    """``runs/YYYY/MM/DD/<run id>/rN``, or ``runs/undated/<run id>/rN``."""
    depth = len(below) + 2 if below[:1] == [UNDATED] else len(below)
    return bool(_IN_RUNS[depth].fullmatch(name)) if depth < len(_IN_RUNS) else not is_others(name)


def _is_own_in_tables(below: list[str], name: str) -> bool:
    match below:
        case []:
            return name in _TABLES
        case [table]:
            return bool(re.fullmatch(rf"{_TABLES.get(table, '-')}=\d{{4}}-\d\d", name, re.ASCII))
        case [table, month] if is_own(f"{TABLES_FOLDER}/{table}", month):
            return bool(_FLUSH.fullmatch(name))
    return False


_OTHERS = re.compile(
    # Hidden, or with a sign in front: .DS_Store, ._x, .nfs…, .Trash-1000, ~$x, @eaDir, #recycle.
    r"[.~@#$].*"
    # Of editors and transfers: x~, .swp, half a download.
    r"|.*~|.*\.(?:sw[opx]|te?mp|partial|filepart|crdownload)"
    r"|.*[.-]sync-conflict-.*"
    # Of Windows, macOS and file systems.
    r"|thumbs\.db|ehthumbs(?:_vista)?\.db|desktop\.ini|icon\r|system volume information"
    r"|recycle[rd]|found\.\d{3}|lost\+found|[ag]?quota\.(?:user|group)|__macosx"
    r"|network trash folder|temporary items",
    re.IGNORECASE | re.DOTALL,
)


def is_others(name: str) -> bool:
    """Tell whether a name is one that others are known to use, and the tool never does itself."""
    return bool(_OTHERS.fullmatch(name))


_ENDING = r"(?P<ending>(?:\.[A-Za-z0-9]{1,12})?)"
_COPIES = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        # x (1).json, x (Ann's conflicted copy 2026-11-30).json, x[1].json
        rf"(?P<stem>.+?) ?[(\[][^()\[\]]*[)\]]{_ENDING}",
        # x - Copy.json, x copy 2.json, x - Kopie.json, x 2.json
        rf"(?P<stem>.+?)(?: -)? (?:copy|kopie|copie|copia)(?: \d+)?{_ENDING}",
        rf"(?P<stem>.+) \d+{_ENDING}",
        # x.sync-conflict-….json, x_conflict-….json, x.Conflict.json, x.conflicted.json
        rf"(?P<stem>.+?)[._ -](?:sync-)?conflict(?:ed)?\b.*?{_ENDING}",
        # x-DESKTOP-1AB2C3D.json
        rf"(?P<stem>.+?)-(?:desktop|laptop)-[a-z0-9]+{_ENDING}",
        # x~1.json
        rf"(?P<stem>.+?)~\d+{_ENDING}",
        # x.json:Zone.Identifier (a colon is a sign of its own where names may have none)
        r"(?P<stem>.+?)[:\uf022\uf03a].+(?P<ending>)",
        # x.json.lnk, x.json - Shortcut.lnk
        r"(?P<stem>.+?)(?: - (?:shortcut|verknüpfung))?\.(?:lnk|url|webloc)(?P<ending>)",
        # Copy of x.json, x.json.bak, x.json.orig, x.json.part, x.json.1
        r"(?:copy of|kopie von|copie de|copia de) (?P<stem>.+)(?P<ending>)",
        r"(?P<stem>.+)\.(?:bak|backup|orig|old|save|part|download|!sync|icloud|\d+)(?P<ending>)",
    )
)


def _originals(name: str) -> Iterator[str]:
    """What a name may say to be a copy of, and what that may be a copy of."""
    for pattern in _COPIES:
        if match := pattern.fullmatch(name):
            original = f"{match['stem']}{match['ending']}"
            yield original
            yield from _originals(original)
