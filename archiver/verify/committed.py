"""The revisions that are there against those that the ledger lists.

What is not plainly as it was committed gets a state in the catalogue; a finding is a revision
whose state nothing explains.
"""

from collections.abc import Collection, Iterator
from itertools import groupby
from operator import itemgetter

from archiver.model.ids import digest_of_lines
from archiver.model.ledger import manifest_path, record_path
from archiver.model.paths import MANIFEST
from archiver.store.storage import LocalStorage
from archiver.verify.compare import Comparison, RevisionState
from archiver.verify.findings import RESTORE, Finding, Level, finding, unlisted
from archiver.verify.ledger import Ledger, read_journals
from archiver.verify.removed import Tombstones

_FORGETS = f"{RESTORE}: it says what was removed, which must not come back"
_NOT_AS_LISTED = """
SELECT folder, max(l.session) AS session, CASE
    WHEN any_value(f.sha256) IS NOT NULL THEN 'altered'
    WHEN EXISTS (FROM hidden WHERE starts_with(folder || '/', path || '/')) THEN 'unreadable'
    ELSE 'missing' END AS state
FROM (FROM listed ANTI JOIN found USING (folder, sha256)) l
LEFT JOIN (FROM found ANTI JOIN listed USING (folder, sha256)) f USING (folder)
LEFT JOIN (SELECT DISTINCT folder AS named, sha256 AS digest FROM removed)
    ON named = l.folder AND digest = l.sha256 AND f.sha256 IS NULL
WHERE named IS NULL AND (f.folder IS NOT NULL OR folder NOT IN (SELECT folder FROM walked))
GROUP BY folder
"""
_NOT_LISTED = """
SELECT folder, f.session, CASE
    WHEN folder IN (FROM pending) THEN 'pending'
    WHEN sha256 IS NULL THEN 'uncommitted'
    WHEN kind IS NULL AND f.session IS NOT NULL THEN 'unrecorded'
    ELSE 'forged' END AS state
FROM (FROM found ANTI JOIN listed USING (folder)) f LEFT JOIN sessions s USING (session)
WHERE NOT coalesce(explains, false)
"""
_UNCLEAR = "SELECT folder, state FROM revision WHERE state IN ('altered', 'missing', 'uncommitted')"
_MISSING_DIGESTS = """
SELECT folder, number_of(folder), sha256 FROM revision JOIN listed USING (folder)
WHERE state = 'missing' ORDER BY folder
"""
_ALTERED = """
SELECT folder, session, coalesce(kind IN ('erase', 'prune'), false)
FROM revision LEFT JOIN sessions USING (session) WHERE state = 'altered' ORDER BY folder
"""
_MISSING = """
WITH missing AS (
    SELECT run_of(folder) AS run, number_of(folder) AS number, folder, kind
    FROM revision LEFT JOIN sessions USING (session) WHERE state = 'missing'
)
SELECT run, folder, coalesce(kind IN ('erase', 'prune'), false),
       number < max(number) OVER of_run AND (last_kind = 'erase' OR last_kind = 'prune' AND
       count(*) OVER of_run = max(number) OVER of_run)
FROM (SELECT *, arg_max(kind, number) OVER (PARTITION BY run) AS last_kind FROM missing)
WINDOW of_run AS (PARTITION BY run) ORDER BY run, number, folder
"""
"""Of each its run, its folder, whether it said what was removed, and whether a tombstone that is
missing too stood for it."""
_OTHERS = """
SELECT state, folder, session FROM revision WHERE state IN ('uncommitted', 'forged') ORDER BY folder
"""
_UNRECORDED = """
SELECT session, count(*) FROM revision WHERE state = 'unrecorded' GROUP BY session ORDER BY session
"""
_UNRECORDED_TODO = (
    f"{RESTORE}; where this is a copy that was made while the session was at work, the next "
    "`archiver fetch` takes them in, and its record says so"
)
_ALTERED_SO_FAR = """
SELECT folder FROM found SEMI JOIN listed USING (folder) ANTI JOIN listed USING (folder, sha256)
WHERE sha256 IS NOT NULL
"""


def set_states(
    storage: LocalStorage, comparison: Comparison, ledger: Ledger, hidden: Collection[str]
) -> None:
    """Give each revision a state that is not plainly as it was committed.

    ``comparison`` has what was found and what the ledger lists, and gets the states; ``hidden``
    are folders that could not be looked into. What was committed or removed since it was looked at
    is looked at again.
    """
    read_journals(storage, ledger)
    # A record of format 1 has a digest over all that its session committed, and no list.
    told = {
        session: (record.kind, record.manifests_sha256 is not None)
        for session, record in ledger.records.items()
    }
    for session in ledger.lost | ledger.recovered:
        told[session] = told.get(session, ("", True))[0], True
    comparison.add("sessions", ((session, *of) for session, of in told.items()))
    comparison.add("pending", ((folder,) for folder in ledger.pending))
    comparison.add("hidden", ((path,) for path in hidden))
    comparison.add_query("unlike", _NOT_AS_LISTED)
    comparison.add_query("unlike", _NOT_LISTED)
    comparison.add("seen_again", _seen_again(storage, comparison).items())


def _seen_again(storage: LocalStorage, comparison: Comparison) -> dict[str, RevisionState]:
    """The states that revisions turn out to be in, where these are others, by folder."""
    states: dict[str, RevisionState] = {}
    alone: dict[str, int] = {}
    for folder, state in list(comparison.each(_UNCLEAR)):
        if state == RevisionState.UNCOMMITTED:
            if not storage.exists(folder):
                states[folder] = RevisionState.REMOVED
        elif storage.exists(manifest_path(folder)):
            if state == RevisionState.MISSING:
                states[folder] = RevisionState.UNREADABLE
            if storage.own_names(folder) == [MANIFEST]:
                # It was a tombstone by all that is left: what it stood for cannot be told.
                run, _, number = folder.rpartition("/r")
                alone[run] = max(alone.get(run, 0), int(number))
    tombstones = Tombstones(storage)
    missing: dict[str, bool] = {}
    for folder, number, sha256 in comparison.each(_MISSING_DIGESTS):
        if folder not in states and number is not None:
            is_removed = alone.get(folder.rpartition("/r")[0], 0) > number
            is_removed = is_removed or tombstones.names(folder, sha256)
            missing[folder] = missing.get(folder, True) and is_removed
    removed = (folder for folder, is_removed in missing.items() if is_removed)
    return states | dict.fromkeys(removed, RevisionState.REMOVED)


def compare_ledger(
    storage: LocalStorage, comparison: Comparison, ledger: Ledger, *, is_whole: bool
) -> Iterator[Finding]:
    """Yield what the states of revisions come to that nothing explains.

    ``is_whole``: every revision was looked for.
    """
    for folder, session, forgets in comparison.each(_ALTERED):
        problem = f"it is not the manifest that session {session} committed"
        todo = _FORGETS if forgets else RESTORE
        yield finding(manifest_path(folder), problem, Level.LEDGER, todo)
    for run, rows in groupby(comparison.each(_MISSING), key=itemgetter(0)):
        if not storage.exists(run):
            revisions = ", ".join(folder.rpartition("/")[2] for _, folder, _, _ in rows)
            yield finding(run, f"the run is gone, and the ledger lists {revisions}", Level.LEDGER)
            continue
        for _, folder, forgets, is_stood_for in rows:
            if not is_stood_for:
                problem = "it is not there, and the ledger lists it"
                todo = _FORGETS if forgets else RESTORE
                yield finding(manifest_path(folder), problem, Level.LEDGER, todo)
    for state, folder, session in comparison.each(_OTHERS):
        if state == RevisionState.UNCOMMITTED:
            problem = "it was never committed: it has no manifest, and nothing lists it"
            yield unlisted(folder, problem)
        else:
            of = f", also not that of session {session}" if session is not None else ""
            problem = f"no list of the ledger has it{of}"
            todo = "Find out who wrote it: no session did"
            yield finding(manifest_path(folder), problem, Level.LEDGER, todo)
    for session, count in comparison.each(_UNRECORDED):
        if session <= ledger.last or not storage.exists(record_path(session)):  # else it has ended
            problem = f"the record is not there of a session that committed {count} revisions"
            yield finding(record_path(session), problem, Level.LEDGER, _UNRECORDED_TODO)
    if is_whole:
        yield from _sums_of_sessions(comparison, ledger)


def altered_revisions(comparison: Comparison) -> set[str]:
    """Return the folders of revisions found so far whose manifest is not what the ledger lists."""
    return {folder for (folder,) in comparison.each(_ALTERED_SO_FAR)}


def _sums_of_sessions(comparison: Comparison, ledger: Ledger) -> Iterator[Finding]:
    """Records of format 1 have one digest over those of all manifests, sorted."""
    for session, record in ledger.records.items():
        if record.manifests_sha256 is None:
            continue
        query = "SELECT sha256 FROM found WHERE session = ? AND sha256 NOT NULL ORDER BY sha256"
        digests = [row[0] for row in comparison.each(query, [session])]
        if digest_of_lines(digests) != record.manifests_sha256:
            problem = (
                f"the {len(digests)} manifests of this session are not the {record.manifests} "
                "that it committed"
            )
            yield finding(record_path(session), problem, Level.LEDGER)
