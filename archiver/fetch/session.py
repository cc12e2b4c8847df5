"""A session of fetch: run ids in, outcomes out."""

import contextlib
import time
from collections.abc import Sequence

from archiver.errors import (
    ArchiveDamaged,
    ArchiverError,
    ArchiveUnwritable,
    Interrupted,
    KeyRefused,
)
from archiver.fetch.events import (
    CompactionFailed,
    CompactionStarted,
    RunFinished,
    SessionStarted,
    Summary,
    TablesWritten,
)
from archiver.fetch.options import Context, FetchOptions
from archiver.fetch.pipeline import archive_runs
from archiver.fetch.run import Archived
from archiver.ledger.decisions import runs_accepted
from archiver.model.ids import RunId, digest_of_lines
from archiver.model.ledger import FETCH
from archiver.model.rows import fetch_row
from archiver.model.schema import FETCHES
from archiver.session import WritingSession, writing_session
from archiver.store.lock import Writer, parts_kept
from archiver.tables.fetch_log import FetchDigest
from archiver.tables.lookup import runs_to_fetch
from archiver.tables.rebuild import FLUSH_BYTES, add_rows
from archiver.tables.rewrite import compact
from archiver.tables.write import RowBuffer, flush_name


def compact_if_many(writer: Writer, context: Context) -> None:
    """Merge table files at a session's end, which is the same whatever comes of it."""
    try:
        compact(
            writer,
            context.stop.check,
            growing_since=f"{context.now():%Y-%m}",
            on_start=lambda files: context.report(CompactionStarted(files)),
        )
    except Interrupted:
        pass
    except ArchiverError as error:
        context.report(CompactionFailed(error))


FLUSH_SECONDS = 300.0
MANY = 500
"""Ids from which they are shared out to several processes."""


def fetch(ids: Sequence[RunId], options: FetchOptions, context: Context) -> Summary:
    """Archive the runs with these ids (each once) and return what came of it.

    What stops the batch on the way (KeyRefused, ApiDown, ArchiveUnwritable) stands in the summary;
    what was committed before stays committed, and is in the tables. Raises NotAnArchive,
    ArchiveLocked and ArchiveUnwritable where the session cannot even begin.
    """
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        random = context.random.randbytes(4)
        session = stack.enter_context(
            writing_session(
                options.archive,
                FETCH,
                options.signing,
                context.now,
                random,
                options.durability,
                mode=options.mode,
            )
        )
        writer = session.writer
        accepted = {} if options.refresh else runs_accepted(writer.storage)
        wanted = runs_to_fetch(writer.storage, ids, refresh=options.refresh, accepted=accepted)
        summary = Summary(writer.session, asked=len(ids), held=len(ids) - len(wanted.ids))
        summary.accepted = wanted.accepted
        summary.redacted = 0 if options.run.redact else None
        recovered = (*session.recovered, *session.adopted.sessions)
        context.report(SessionStarted(writer.session, len(ids), summary.held, recovered))
        collector = _Collector(session, summary, context)

        def close() -> None:
            summary.interrupted = context.stop.interrupted
            summary.seconds = time.monotonic() - started
            if summary.interrupted:
                parts = parts_kept(writer.storage)
                summary.parts, summary.parts_bytes = len(parts), sum(parts)
            answered = collector.got_an_answer or isinstance(summary.stopped_by, KeyRefused)
            if writer.is_new and wanted.ids and not answered and not summary.interrupted:
                writer.is_unused = True  # a wrong address leaves no archive behind
                return
            collector.flush()
            closed = session.close(
                stopping=lambda: context.stop.interrupted,
                interrupted=summary.interrupted,
                ids_asked=summary.asked,
                ids_sha256=digest_of_lines(sorted(ids)),
                runs=summary.run_counts(),
                artifacts={state.value: n for state, n in sorted(summary.artifacts.items())},
                bytes_downloaded=summary.bytes_downloaded,
                fetches=collector.fetches.count,
                fetches_sha256=collector.fetches.sha256,
                details={} if summary.redacted is None else {"redacted": summary.redacted},
            )
            summary.head, summary.unstamped = closed.head, closed.unstamped

        try:
            archiving = (wanted.ids, wanted.folders, options, context, writer)
            if options.processes == 1 or len(wanted.ids) < MANY:
                each = archive_runs(*archiving)
            else:
                from archiver.fetch.workers import fetch_in_workers
                from archiver.system.processes import worker_processes

                executor = stack.enter_context(worker_processes(options.processes, context.stop))
                each = fetch_in_workers(*archiving, executor)
            with contextlib.closing(each):
                for archived in each:
                    collector.take(archived)
        except Interrupted:
            close()
        except ArchiverError as error:
            # The batch ends here, but what it committed is to be found.
            summary.stopped_by = error
            with contextlib.suppress(ArchiveUnwritable, ArchiveDamaged):
                close()
        except BaseException:
            with contextlib.suppress(ArchiverError):
                close()
            raise
        else:
            close()
            # Only now: while the journal stands, the next writer looks for what the tables lack.
            writer.clear_journals()
            if collector.has_written and not summary.interrupted:
                compact_if_many(writer, context)
    return summary


class _Collector:
    """Gathers results: counts, rows on their way into the tables, manifests for the ledger."""

    def __init__(self, session: WritingSession, summary: Summary, context: Context) -> None:
        self._session = session
        self._summary = summary
        self._context = context
        self._buffer = RowBuffer()
        self._flushes = 0
        self._runs = 0
        self._flushed_at = time.monotonic()
        self.fetches = FetchDigest()
        self.got_an_answer = False
        """Whether the API, or whatever is at its address, answered anything."""

    @property
    def has_written(self) -> bool:
        """Whether the tables have new files."""
        return self._flushes > 0

    def take(self, archived: Archived) -> None:
        fetched, summary = archived.fetched, self._summary
        self.got_an_answer |= fetched.http_status is not None
        summary.outcomes[fetched.outcome] += 1
        summary.artifacts.update(archived.states)
        summary.bytes_downloaded += fetched.bytes
        summary.problems.extend(archived.problems)
        if summary.redacted is not None:
            summary.redacted += archived.redacted or 0
        self._buffer.add(FETCHES, [fetch_row(fetched)], fetched.at)
        self.fetches.add(fetched)
        if archived.committed is not None:
            add_rows(self._buffer, archived.committed.rows, archived.committed.fetched_at)
            self._session.manifests.add(archived.committed.manifest)
            self._runs += 1
        self._context.report(
            RunFinished(
                fetched.asked_id,
                fetched.run_id,
                fetched.outcome,
                len(archived.states),
                fetched.bytes,
                fetched.seconds,
                archived.problems,
            )
        )
        waited = time.monotonic() - self._flushed_at
        if self._buffer.bytes >= FLUSH_BYTES or waited >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the rows gathered so far."""
        if self._buffer.bytes:
            self._flushes += 1
            writer = self._session.writer
            name = flush_name(writer.session, self._flushes)
            self._buffer.write(writer.storage, name, every_table=True)
            self._context.report(TablesWritten(self._runs))
        self._runs = 0
        self._flushed_at = time.monotonic()
