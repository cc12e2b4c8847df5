"""Paths inside the archive. Whatever comes from outside goes through here before it names a file.

All paths are relative to the archive's root, with ``/`` between the parts.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from archiver.model.artifact import KINDS, ArtifactKind
from archiver.model.ids import RunId, sha256_of

ARCHIVE_FILE = "archive.json"
README_FILE = "README.txt"
LOCK_FILE = "lock"
RUNS_FOLDER = "runs"
BROWSER_SESSIONS_FOLDER = "browser_sessions"
"""A known name; what lies there is for later versions."""
TABLES_FOLDER = "tables"
LEDGER_FOLDER = "ledger"
TEMPORARY_FOLDER = "tmp"
REPLACED_TABLES = f"{TEMPORARY_FOLDER}/{TABLES_FOLDER}"
"""Where new tables are put together, and replaced ones are as long as somebody reads them."""
MANIFEST = "manifest.json"
DOCUMENT = "run.json"
SHA256SUMS = "SHA256SUMS"

_OWN_NAMES = frozenset({MANIFEST, DOCUMENT, "sha256sums", ARCHIVE_FILE, "readme.txt"})
_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9¹²³])\s*(?:\..*)?",
    re.IGNORECASE | re.DOTALL,
)
"""Names that mean a device on Windows, with any ending (Microsoft, "Naming Files, Paths")."""
_UNSAFE = frozenset('<>:"/\\|?*\ufffd')
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_NAME_BYTES = 120
_ID_BYTES = 80
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,12}")
_RUN_FOLDER = re.compile(r"runs/(?:[0-9]{4}/[0-9]{2}/[0-9]{2}|undated)/([^/]+)", re.ASCII)
_REVISION_PATH = re.compile(r"r[1-9][0-9]*(?:/[^/\x00]+)+")


def run_folder(run_id: RunId, created_at: datetime | None) -> str:
    """The folder of a run: by the UTC day it was created, ``undated`` where that is not known."""
    day = "undated"
    if created_at is not None:
        day = created_at.astimezone(UTC).date().isoformat().replace("-", "/")
    return f"{RUNS_FOLDER}/{day}/{run_id}"


def revision_name(revision: int) -> str:
    return f"r{revision}"


def download_prefix(run_id: str) -> str:
    """What the names in ``tmp`` begin with of a run's downloads that are to go on.

    Some file systems take names of 143 bytes at most, and a run's id may have as many alone.
    """
    if len(run_id) > _ID_BYTES:
        run_id = f"{run_id[:_ID_BYTES]}.{sha256_of(run_id.encode())[:16]}"
    return f"{run_id}-"


def artifact_paths(
    revision: int, artifacts: Sequence[tuple[str, int, str | None, str]]
) -> list[str]:
    """Where new artifacts lie, relative to the run's folder.

    ``artifacts`` are (kind, ordinal, the server's file name, the ending by the bytes). The paths
    differ from each other also where case or Unicode form are not told apart.
    """
    folder = revision_name(revision)
    names = iter(
        distinct_names(safe_name(name) for kind, _, name, _ in artifacts if _is_download(kind))
    )
    others = iter(
        distinct_names(
            safe_name(f"{kind}-{ordinal:02d}.{extension}")
            for kind, ordinal, _, extension in artifacts
            if kind not in KINDS
        )
    )
    paths = []
    for kind, ordinal, _, extension in artifacts:
        match kind:
            case ArtifactKind.RECORDING:
                suffix = "" if ordinal == 1 else f"-{ordinal}"
                paths.append(f"{folder}/recording{suffix}.{extension}")
            case ArtifactKind.SCREENSHOT:
                paths.append(f"{folder}/screenshots/{ordinal:02d}.{extension}")
            case ArtifactKind.DOWNLOAD:
                paths.append(f"{folder}/downloads/{next(names)}")
            case _:  # of a later version
                paths.append(f"{folder}/other/{next(others)}")
    return paths


def _is_download(kind: str) -> bool:
    return kind == ArtifactKind.DOWNLOAD


def safe_name(name: str | None) -> str:
    """A server's file name, made safe on every platform; ``unnamed`` where nothing is left of it.

    No separators, control or invisible characters, nothing reserved on Windows, no leading dot or
    dash, no trailing dot or space, none of this archive's own names, at most 120 bytes.
    """
    text = unicodedata.normalize("NFC", name or "")
    text = _trimmed("".join("_" if _is_unsafe(c) else c for c in text).lstrip())
    if text[:1] in (".", "-", "~"):
        text = "_" + text[1:]
    text = _shorten(text, _NAME_BYTES)
    if not text.strip("_. "):
        return "unnamed"
    if _RESERVED.fullmatch(text) or text.casefold() in _OWN_NAMES:
        return _shorten(f"_{text}", _NAME_BYTES)
    return text


def _trimmed(text: str) -> str:
    """Without dots and white space of any kind at the end."""
    end = len(text)
    while end and (text[end - 1] == "." or text[end - 1].isspace()):
        end -= 1
    return text[:end]


def distinct_names(names: Iterable[str]) -> list[str]:
    """``names`` in order, with a number before the ending where one is taken already."""
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    distinct = []
    for name in names:
        stem, extension = _split(name)
        candidate, base = name, _folded(name)
        while (key := _folded(candidate)) in taken:
            numbers[base] = numbers.get(base, 1) + 1
            candidate = f"{stem}-{numbers[base]}{extension}"
        taken.add(key)
        distinct.append(candidate)
    return distinct


def is_run_folder(path: str, run_id: str) -> bool:
    """Whether ``path`` is a folder that :func:`run_folder` gives for this run on some day."""
    match = _RUN_FOLDER.fullmatch(path)
    return match is not None and match[1] == run_id


def is_revision_path(path: str) -> bool:
    """Whether ``path`` lies inside a revision: what a manifest may list."""
    return bool(_REVISION_PATH.fullmatch(path)) and not {".", ".."} & set(path.split("/"))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _is_unsafe(character: str) -> bool:
    return character in _UNSAFE or (
        not character.isalnum() and unicodedata.category(character) in _UNSAFE_CATEGORIES
    )


def _split(name: str) -> tuple[str, str]:
    stem, dot, extension = name.rpartition(".")
    return (stem, dot + extension) if stem and _EXTENSION.fullmatch(dot + extension) else (name, "")


def _shorten(name: str, limit: int) -> str:
    if len(name.encode()) <= limit:
        return name
    stem, extension = _split(name)
    room = limit - len(extension.encode())
    return _trimmed(stem.encode()[:room].decode(errors="ignore")) + extension
