"""The manifests that are there against those that the ledger lists."""

from collections.abc import Collection, Iterator, Mapping

from archiver.errors import ArchiverError
from archiver.model.ids import digest_of_lines
from archiver.model.ledger import manifest_path, record_path
from archiver.model.paths import MANIFEST
from archiver.store.revisions import latest_revision
from archiver.store.storage import LocalStorage
from archiver.verify.compare import Comparison
from archiver.verify.findings import RESTORE, Finding, Level, finding, run_of, unlisted
from archiver.verify.ledger import Ledger, read_journals
from archiver.verify.walk import is_hidden


def compare_ledger(
    storage: LocalStorage,
    comparison: Comparison,
    ledger: Ledger,
    hidden: Collection[str] = (),
    *,
    is_whole: bool,
) -> Iterator[Finding]:
    """Hold the manifests that were found against those that the ledger lists.

    Revisions whose manifest is not what was committed are no more ``is_true`` in ``comparison``,
    and those that are gone are noted there, as those in folders that are ``hidden``: they could not
    be looked into. ``is_whole``: every revision was looked for.
    """
    altered = dict(comparison.ask(_ALTERED))
    for folder, session in altered.items():
        problem = f"it is not the manifest that session {session} committed"
        yield finding(manifest_path(folder), problem, Level.LEDGER, _todo(ledger, session))
    not_there = list(comparison.ask(_GONE))
    unseen = {row[0] for row in not_there if is_hidden(f"{row[0]}/", hidden)}
    unread = {
        folder: session
        for folder, session, _ in not_there
        if folder not in unseen and storage.exists(manifest_path(folder))
    }
    tombstones = _tombstones_among(storage, [*altered, *unread])
    gone = [
        (folder, session)
        for folder, session, sha256 in not_there
        if folder not in unseen
        and folder not in unread
        and not _is_removed(storage, manifest_path(folder), sha256)
        and tombstones.get(folder.rpartition("/r")[0], 0) <= int(folder.rpartition("/r")[2])
    ]
    runs: dict[str, dict[str, str]] = {}
    for folder, session in gone:
        runs.setdefault(folder.rpartition("/")[0], {})[folder] = session
    for run, folders in runs.items():
        if storage.exists(run):
            for folder, session in _without_removed(ledger, folders).items():
                what = "it is not there, and the ledger lists it"
                yield finding(manifest_path(folder), what, Level.LEDGER, _todo(ledger, session))
        else:
            revisions = ", ".join(folder.rpartition("/")[2] for folder in folders)
            yield finding(run, f"the run is gone, and the ledger lists {revisions}", Level.LEDGER)
    unlisted = list(_unlisted(storage, comparison, ledger))
    yield from unlisted
    if is_whole:
        yield from _sums_of_sessions(comparison, ledger)
    harmed = {**altered, **unread, **dict(gone)}
    ledger.forgetting = {
        folder.rpartition("/")[0] for folder, session in harmed.items() if _forgot(ledger, session)
    }
    forgotten = [list(ledger.forgetting)]
    lost = [*harmed, *unseen, *(row[0] for row in comparison.ask(_OF_RUNS, forgotten))]
    keys = [*map(run_of, lost), *((one.run_id, one.revision) for one in unlisted)]
    comparison.add("gone", (key for key in keys if None not in key))


def _forgot(ledger: Ledger, session: str) -> bool:
    """Whether a session removed what it committed something of."""
    record = ledger.records.get(session)
    return record is not None and record.kind in ("erase", "prune")


def _todo(ledger: Ledger, session: str) -> str:
    return f"{RESTORE}: {_SAYS}" if _forgot(ledger, session) else RESTORE


def _without_removed(ledger: Ledger, gone: Mapping[str, str]) -> dict[str, str]:
    """The revisions of a run that are gone, without those that went before another's tombstone."""
    last = max(gone, key=lambda folder: int(folder.rpartition("/r")[2]))
    is_all = len(gone) == int(last.rpartition("/r")[2])
    record = ledger.records.get(gone[last])
    if _forgot(ledger, gone[last]) and record and (is_all or record.kind == "erase"):
        return {last: gone[last]}
    return dict(gone)


def _is_removed(storage: LocalStorage, manifest: str, sha256: str) -> bool:
    """Whether a tombstone that was not looked at has taken the place of a revision."""
    try:
        latest = latest_revision(storage, manifest.rsplit("/", 2)[0])
    except ArchiverError:
        return False
    removed = latest.removed.revisions if latest is not None and latest.removed else ()
    return any((one.manifest, one.sha256) == (manifest, sha256) for one in removed)


def _tombstones_among(storage: LocalStorage, altered: Collection[str]) -> dict[str, int]:
    """The altered manifests that were tombstones by all that is left, by run: what they stood for
    cannot be told."""
    return {
        run: int(number)
        for folder in altered
        if storage.names(folder) == [MANIFEST]
        for run, _, number in [folder.rpartition("/r")]
    }


def altered_revisions(comparison: Comparison) -> set[str]:
    """The folders of those whose manifest is not what the ledger lists, of all found so far."""
    return {folder for folder, _ in comparison.ask(_ALTERED)}


_SAYS = "it says what was removed, which must not come back"
_OF_RUNS = """
SELECT folder FROM found WHERE regexp_replace(folder, '/r[0-9]+$', '') IN (SELECT unnest(?))
"""
_ALTERED = """
SELECT DISTINCT folder, l.session FROM found JOIN listed l USING (folder)
WHERE found.sha256 IS NOT NULL AND found.sha256 <> l.sha256
  AND NOT EXISTS (FROM listed o WHERE o.folder = found.folder AND o.sha256 = found.sha256)
ORDER BY folder
"""
_GONE = """
SELECT DISTINCT folder, l.session, l.sha256 FROM listed l
WHERE (folder NOT IN (SELECT folder FROM walked)
       OR folder IN (SELECT folder FROM found WHERE sha256 IS NULL))
  AND NOT EXISTS (FROM removed r WHERE r.folder = l.folder AND r.sha256 = l.sha256)
ORDER BY folder
"""
_UNLISTED = """
SELECT folder, sha256, session FROM found ANTI JOIN listed USING (folder) ORDER BY folder
"""


def _unlisted(storage: LocalStorage, comparison: Comparison, ledger: Ledger) -> Iterator[Finding]:
    """Revisions that no list has. Of what a lost record or list listed, that one is to blame."""
    read_journals(storage, ledger)
    without: dict[str, int] = {}
    for folder, sha256, session in comparison.ask(_UNLISTED):
        if folder in ledger.unlisted:
            continue
        if sha256 is None:
            if storage.exists(folder):
                yield unlisted(
                    folder, "it was never committed: it has no manifest, and nothing lists it"
                )
            continue
        record = ledger.records.get(session)
        if session in ledger.lost or session in ledger.recovered:
            continue
        if record is not None and record.manifests_sha256 is not None:
            continue  # of format 1: its digest is over all of them
        if session > ledger.last and storage.exists(record_path(session)):
            continue  # it has ended meanwhile
        if record is None and session is not None:
            without[session] = without.get(session, 0) + 1
        else:
            ledger.forged.add(folder)
            todo = "Find out who wrote it: no session did"
            what = f"no list of the ledger has it, also not that of session {session}"
            yield finding(manifest_path(folder), what, Level.LEDGER, todo)
    for session, count in without.items():
        problem = f"the record is not there of a session that committed {count} revisions"
        yield finding(record_path(session), problem, Level.LEDGER)


def _sums_of_sessions(comparison: Comparison, ledger: Ledger) -> Iterator[Finding]:
    """Records of format 1 have one digest over those of all manifests, sorted."""
    for session, record in ledger.records.items():
        if record.manifests_sha256 is None:
            continue
        query = "SELECT sha256 FROM found WHERE session = ? AND sha256 NOT NULL ORDER BY sha256"
        digests = [row[0] for row in comparison.ask(query, [session])]
        if digest_of_lines(digests) != record.manifests_sha256:
            problem = (
                f"the {len(digests)} manifests of this session are not the {record.manifests} "
                "that it committed"
            )
            yield finding(record_path(session), problem, Level.LEDGER)
