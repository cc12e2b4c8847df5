"""Packing: the files of chosen runs with all that speaks for them, into a folder or a ZIP file."""

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources

from archiver.errors import ArchiveDamaged
from archiver.export import content as bag
from archiver.export import crate
from archiver.export.content import LEDGER, PAGE, PROOF, PackedFile, RunFile, run_files, run_folders
from archiver.export.how_to_check import PackageFacts, how_to_check
from archiver.export.targets import PackageTarget
from archiver.ledger.proofs import LedgerExtract
from archiver.model.ids import Sha256, digest_of_lines
from archiver.model.ledger import SIGNATURE_ENDING, STAMP_ENDING, manifest_path
from archiver.model.manifest import Manifest, decode_manifest
from archiver.model.paths import MANIFEST
from archiver.model.rows import text_of
from archiver.model.run import ChosenRun
from archiver.model.schema import ARTIFACTS, ERRORS, RUNS
from archiver.store.archive_file import TOOL
from archiver.store.storage import LocalStorage
from archiver.tables.choose import table_rows
from archiver.tables.views import Setup

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cell(value: object) -> str:
    """Return a value for a spreadsheet, which is to take no text for a formula."""
    text = text_of(value)
    is_formula = isinstance(value, str) and text.lstrip(" ").startswith(_FORMULA)
    return f"'{text}" if is_formula else text


_ROWS = 1_000
_MEDIA_TYPES = {"json": "application/json", "csv": "text/csv", "txt": "text/plain"}


@dataclass(frozen=True, slots=True)
class Packed:
    """What is packed: runs of an archive, in order of their ids, and the ``evidence`` for them.

    ``choice`` says in words how they were chosen. ``progress`` is told of each artifact's bytes.
    ``setup`` prepares a connection to DuckDB.
    """

    storage: LocalStorage
    runs: Sequence[ChosenRun]
    evidence: LedgerExtract
    choice: str | None
    organization: str | None
    now: datetime
    setup: Setup
    progress: Callable[[int], None]

    @property
    def title(self) -> str:
        count = "1 Skyvern run" if len(self.runs) == 1 else f"{len(self.runs)} Skyvern runs"
        return f"{count} from the archive {self.storage.root.name}"


def pack_bag(target: PackageTarget, packed: Packed) -> list[str]:
    """Make a BagIt bag (RFC 8493) of the runs. Returns the ids of those without a proof."""
    unproven = [
        part.run.run_id for part in _parts(target, packed, bag.PAYLOAD) if not part.is_proven
    ]
    _tables_and_ledger(target, packed, bag.PAYLOAD)
    payload = list(target.files)
    head, session = _head(packed)
    ids = [run.run_id for run in packed.runs]
    digest = digest_of_lines(ids)
    info = bag.bag_info(
        [
            ("Source-Organization", packed.organization),
            ("External-Description", f"{packed.title}, what they left behind and proofs of it"),
            ("External-Identifier", ids[0] if len(ids) == 1 else f"run-ids-sha256:{digest}"),
            ("Internal-Sender-Identifier", head and f"session {session}, ledger head {head}"),
            ("Internal-Sender-Description", packed.choice),
            ("Bagging-Date", f"{packed.now:%Y-%m-%d}"),
            ("Payload-Oxum", bag.payload_oxum(payload)),
            ("Bag-Software-Agent", TOOL),
        ]
    )
    sums = (bag.MANIFEST, bag.TAG_MANIFEST)
    standard = ("python3 -m bagit --validate .      (pip install bagit; BagIt 1.0, RFC 8493)",)
    texts = {
        bag.DECLARATION: bag.DECLARED,
        bag.INFO: info,
        bag.MANIFEST: bag.manifest_lines(payload),
        PAGE: _page(packed, bag.PAYLOAD, sums, standard, unproven),
    }
    for name, text in texts.items():
        _write(target, name, text.encode())
    tags = bag.manifest_lines(target.files[len(payload) :])
    _write(target, bag.TAG_MANIFEST, tags.encode())
    return unproven


def pack_crate(target: PackageTarget, packed: Packed) -> list[str]:
    """Make a Process Run Crate of the runs. Returns the ids of those without a proof."""
    parts = list(_parts(target, packed, ""))
    before = len(target.files)
    _tables_and_ledger(target, packed, "")
    unproven = [part.run.run_id for part in parts if not part.is_proven]
    standard = (
        "rocrate-validator validate .       (pip install roc-validator; Process Run Crate 0.5)",
    )
    page = _page(packed, "", (crate.SUMS,), standard, unproven)
    _write(target, PAGE, page.encode())
    others = [crate.Described(file, None, _media_type(file)) for file in target.files[before:]]
    about = crate.CrateDescription(
        packed.title,
        "What Skyvern runs left behind: recordings, screenshots, downloaded files, and what the "
        f"service said of them. {PAGE} tells how to check it.",
        packed.now,
        packed.organization,
    )
    described = [part.described() for part in parts]
    with target.stream(crate.METADATA) as out:
        separator = f'{{"@context": {json.dumps(crate.CONTEXT)}, "@graph": [\n'
        for entity in crate.graph(about, described, others):
            out.write(f"{separator}{json.dumps(entity, ensure_ascii=False)}".encode())
            separator = ",\n"
        out.write(b"\n]}\n")
    _write(target, crate.SUMS, bag.manifest_lines(target.files).encode())
    return unproven


@dataclass(frozen=True, slots=True)
class _Part:
    """A run that was packed."""

    run: ChosenRun
    folder: str
    files: Sequence[tuple[PackedFile, RunFile | None]]
    is_proven: bool

    def described(self) -> crate.RunPart:
        files = []
        results = []
        for packed, of in self.files:
            artifact = of.artifact if of is not None else None
            title = artifact.filename if artifact is not None else None
            media_type = artifact.media_type if artifact is not None else _media_type(packed)
            files.append(crate.Described(packed, title, media_type))
            if of is not None:
                results.append(packed.name)
        return crate.RunPart(self.run, self.folder, files, results or [files[0].file.name])


def _parts(target: PackageTarget, packed: Packed, above: str) -> Iterator[_Part]:
    """Pack run after run, each in a folder of its own."""
    prover = packed.evidence.prover()
    folders = run_folders(run.run_id for run in packed.runs)
    for run, folder in zip(packed.runs, folders, strict=True):
        data, manifest = _manifest(packed.storage, run)
        # Before its files: a manifest that was damaged would put the blame on them.
        proof = prover.proof(run, data)
        of_run = run.path.rpartition("/")[0]
        destination = f"{above}{folder}"
        files: list[tuple[PackedFile, RunFile | None]] = []
        for file in run_files(manifest):
            source = f"{of_run}/{file.path}"
            entry = PackedFile(f"{destination}/{file.name}", file.size, Sha256(file.sha256))
            target.add(packed.storage.locate(source), source, entry)
            files.append((entry, file))
            if file.artifact is not None:
                packed.progress(file.size)
        files.append((_write(target, f"{destination}/{MANIFEST}", data), None))
        if proof is not None:
            files.append((_write(target, f"{destination}/{PROOF}", proof), None))
        yield _Part(run, destination, files, proof is not None)


def _manifest(storage: LocalStorage, run: ChosenRun) -> tuple[bytes, Manifest]:
    path = manifest_path(run.path)
    data = storage.read(path)
    manifest = decode_manifest(data, path)
    if (manifest.run_id, manifest.revision) != (run.run_id, run.revision):
        raise ArchiveDamaged(
            f"{path} is that of {manifest.run_id}, revision {manifest.revision}",
            hint="`archiver verify` finds what else is damaged",
        )
    return data, manifest


def _tables_and_ledger(target: PackageTarget, packed: Packed, above: str) -> None:
    for table in (RUNS, ERRORS):
        rows = table_rows(packed.storage, table, packed.runs, packed.setup)
        _write_csv(target, f"{above}{table.name}.csv", table.column_names, rows)
    columns = (*ARTIFACTS.column_names, "file")
    _write_csv(target, f"{above}{ARTIFACTS.name}.csv", columns, _artifact_rows(packed))
    for name, data in packed.evidence.files():
        _write(target, f"{above}{LEDGER}/{name}", data)


def _artifact_rows(packed: Packed) -> Iterator[tuple[object, ...]]:
    """Rows as the table has them, out of the manifests, and where the files lie in the package."""
    folders = run_folders(run.run_id for run in packed.runs)
    for run, folder in zip(packed.runs, folders, strict=True):
        _, manifest = _manifest(packed.storage, run)
        of_run = run.path.rpartition("/")[0]
        names = {f.path: f"{folder}/{f.name}" for f in run_files(manifest)}
        for artifact in manifest.artifacts:
            known = {
                "run_id": run.run_id,
                "revision": run.revision,
                "path": artifact.path and f"{of_run}/{artifact.path}",
            }
            yield (
                *(
                    known[name] if name in known else getattr(artifact, name)
                    for name in ARTIFACTS.column_names
                ),
                artifact.path and names[artifact.path],
            )


def _write_csv(
    target: PackageTarget, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    with target.stream(name) as out:
        texts = itertools.chain([columns], (map(cell, row) for row in rows))
        while some := list(itertools.islice(texts, _ROWS)):
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(some)
            out.write(text.getvalue().encode())


def _write(target: PackageTarget, name: str, data: bytes) -> PackedFile:
    with target.stream(name) as out:
        out.write(data)
    return target.files[-1]


def _head(packed: Packed) -> tuple[str | None, str | None]:
    if not packed.evidence.records:
        return None, None
    last = packed.evidence.records[-1]
    return last.sha256, last.record.session


def _page(
    packed: Packed, folder: str, sums: Sequence[str], standard: Sequence[str], unproven: list[str]
) -> str:
    head, session = _head(packed)
    return how_to_check(
        PackageFacts(
            TOOL,
            packed.now,
            packed.storage.root.name,
            len(packed.runs),
            folder,
            sums,
            standard,
            head,
            session,
            packed.evidence.sealed(SIGNATURE_ENDING),
            packed.evidence.sealed(STAMP_ENDING),
            unproven,
            packed.evidence.own_heads,
        ),
        (resources.files("archiver.export") / "how-to-check.txt").read_text(encoding="utf-8"),
    )


def _media_type(file: PackedFile) -> str:
    return _MEDIA_TYPES.get(file.name.rpartition(".")[2], "application/octet-stream")
