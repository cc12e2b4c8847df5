"""The dry run of fetch: what would be asked and fetched, with nothing written."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from archiver.errors import ArchiveDamaged, NotAnArchive, RunError
from archiver.fetch.http.api import Tally
from archiver.fetch.options import Context, FetchOptions
from archiver.fetch.pipeline import answer_client, in_flight
from archiver.fetch.plan import Decision
from archiver.fetch.run import run_folder_of
from archiver.ledger.decisions import runs_accepted
from archiver.model.ids import RunId
from archiver.store.archive_file import can_be_made, open_archive
from archiver.store.revisions import latest_revision
from archiver.store.storage import LocalStorage
from archiver.system.stop import worker_threads
from archiver.tables.lookup import runs_to_fetch


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done about a run; ``reason`` where it cannot be had."""

    asked_id: RunId
    decisions: tuple[Decision, ...] = ()
    reason: str | None = None


def preview(ids: Sequence[RunId], options: FetchOptions, context: Context) -> Iterator[Preview]:
    """What ``fetch`` would do about each run that it would ask for, in no order.

    Asks the API, downloads nothing, writes nothing. Raises KeyRefused and NotAnArchive.
    """
    storage = _existing_or_none(options)
    accepted = {} if options.refresh else runs_accepted(storage)
    wanted = runs_to_fetch(storage, ids, refresh=options.refresh, accepted=accepted)
    with (
        answer_client(options, context) as client,
        worker_threads(options.api_concurrency, context.stop) as executor,
    ):

        def one(asked: RunId) -> Preview:
            try:
                with ExitStack() as resources:
                    answer = client.get(asked, Tally(), resources)
                latest = latest_revision(storage, run_folder_of(answer, wanted.folders))
            except (RunError, ArchiveDamaged) as error:
                return Preview(asked, reason=str(error))
            return Preview(asked, tuple(client.plan(answer, latest)))

        for some in in_flight(executor, one, wanted.ids, options.api_concurrency, context.stop):
            yield from some


def _existing_or_none(options: FetchOptions) -> LocalStorage:
    """The archive if there is one; the place where ``fetch`` would make it otherwise."""
    root = options.archive
    try:
        return open_archive(root)
    except NotAnArchive:
        if not can_be_made(root):
            raise
        return LocalStorage(root)
