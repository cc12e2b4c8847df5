"""Export of chosen runs: packages for others, each a bag or a crate, in a folder or a ZIP file."""

import contextlib
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import duckdb

from archiver.errors import ArchiveDamaged, UsageError
from archiver.export.pack import Packed, pack_bag, pack_crate
from archiver.export.tables import check_place
from archiver.export.targets import CopyMethod, FolderTarget, PackageTarget, ZipTarget
from archiver.ledger.proofs import collect
from archiver.model.paths import safe_name
from archiver.store.storage import LocalStorage
from archiver.store.tombstones import check_removed
from archiver.system.atomic import atomic_file, atomic_folder, work_folder
from archiver.tables.choose import Choice, Where, chosen_runs


class Form(StrEnum):
    """What a package is."""

    BAG = "bagit"
    CRATE = "ro-crate"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a package is to be: a new folder, or a ZIP file."""

    form: Form
    path: Path
    is_zip: bool = False


@dataclass(frozen=True, slots=True)
class PackageOptions:
    """How packages are made.

    ``begins`` is told of each place, with the artifacts and bytes that it gets, ``progress`` of the
    bytes of each artifact. With ``link`` files of the archive get another name in a folder, where
    that can be: they are the same files then. ``memory`` are the bytes that DuckDB may take.
    """

    begins: Callable[[Destination, int, int], None]
    progress: Callable[[int], None]
    organization: str | None = None
    link: bool = False
    overwrite: bool = False
    memory: int = 1_000_000_000


@dataclass(frozen=True, slots=True)
class WrittenPackage:
    """A package that was written: its files, and their bytes before they were compressed.

    ``ways`` says how many of the archive's files came how, ``unproven`` which runs have no proof.
    """

    destination: Destination
    runs: int
    files: int
    bytes: int
    methods: Counter[CopyMethod]
    unproven: Sequence[str] = field(default=())


def export_runs(
    storage: LocalStorage,
    choice: Choice,
    places: Sequence[Destination],
    options: PackageOptions,
    now: datetime,
) -> list[WrittenPackage]:
    """Write packages of the runs that are chosen, one in each place. ``now`` is UTC.

    Every file of the archive is checked while it is packed. A package is there when it is whole.
    Raises UsageError where something cannot be chosen or written, RunsRemoved where it is removed
    meanwhile, ArchiveDamaged that names what is damaged; nothing of that package is left then.
    """
    for destination in places:
        _check(storage, destination, options)
    with work_folder(places[0].path) as spill:

        def limited(connection: duckdb.DuckDBPyConnection) -> None:
            folder = str(spill / "spill").replace("'", "''")
            connection.execute(f"SET memory_limit = '{options.memory} B'")
            connection.execute(f"SET temp_directory = '{folder}'")

        chosen = chosen_runs(storage, choice, limited)
        packed = Packed(
            storage,
            chosen.runs,
            collect(storage, chosen.runs),
            f"chosen where {choice.condition}" if isinstance(choice, Where) else None,
            options.organization,
            now,
            limited,
            options.progress,
        )
        written = []
        for destination in places:
            options.begins(destination, chosen.files, chosen.bytes)
            pack = pack_bag if destination.form is Form.BAG else pack_crate
            with _target(destination, packed, options) as target:
                try:
                    unproven = pack(target, packed)
                except ArchiveDamaged:
                    for run in chosen.runs:
                        check_removed(storage, run.path)
                    raise
            size = sum(file.size for file in target.files)
            count = len(target.files)
            written.append(
                WrittenPackage(destination, len(chosen.runs), count, size, target.methods, unproven)
            )
        return written


def _check(storage: LocalStorage, destination: Destination, options: PackageOptions) -> None:
    path = destination.path
    check_place(storage, path)
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path.absolute().parent} is no folder", hint="Create it first")
    if destination.is_zip and path.exists() and not options.overwrite:
        raise UsageError(f"{path} exists already", hint="--overwrite replaces it")
    if not destination.is_zip and path.is_dir() and any(path.iterdir()):
        raise UsageError(
            f"{path} is not empty", hint="A package needs a folder of its own: name another"
        )


@contextlib.contextmanager
def _target(
    destination: Destination, packed: Packed, options: PackageOptions
) -> Iterator[PackageTarget]:
    if not destination.is_zip:
        with atomic_folder(destination.path, overwrite=False) as folder:
            yield FolderTarget(folder, link=options.link)
        return
    # A bag lies in a folder of the ZIP file (RFC 8493, 4), a crate does not.
    top = f"{safe_name(destination.path.stem)}/" if destination.form is Form.BAG else ""
    newest = max(run.fetched_at for run in packed.runs)
    with (
        atomic_file(destination.path, overwrite=options.overwrite) as path,
        zipfile.ZipFile(path, "x") as file,
    ):
        yield ZipTarget(file, top, newest)
