"""Every error a user or a server can cause, and what each means for the caller.

The tree, by exit code (design: 0 fine, 1 a bug, 130 interrupted):

* ``ArchiverError``
    * ``UsageError`` (2): what was asked for cannot be done as asked
    * ``RunError`` (3): this run could not be had; the batch goes on
        * ``RunNotFound``, ``AnswerInvalid``, ``ApiUnavailable``, ``RunRefused``
    * ``ApiDown`` (3): no run gets an answer, or it is not Skyvern's API; the batch stops
    * ``ArtifactError`` (3): this artifact could not be had; the run goes on
        * ``ArtifactGone``, ``ArtifactUnwanted``, ``ArtifactTooLarge``, ``LinkExpired``,
          ``DownloadFailed``, ``StorageBusy``
    * ``ArchiveUnwritable``, ``FileTooLarge``, ``SystemLimit``, ``WorkerLost`` (3): the disk or the
      machine refuses; the batch stops, unless it is one artifact or run that is too large
    * ``RunsOnHold`` (3): nothing was removed; ``RunsRemoved`` (3): somebody removed them meanwhile
    * ``OutputUnwritable`` (3): a file outside the archive cannot be written
    * ``StampRefused`` (3): what was done counts, but without a time stamp
    * ``ArchiveDamaged`` (4): what is stored is not what was stored; ``ProofInvalid`` (4)
    * ``NotAnArchive`` (10), ``ArchiveLocked`` (11), ``KeyRefused`` (12)
    * ``Interrupted`` (130)
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command, as documented in README."""

    OK = 0
    BUG = 1
    USAGE = 2
    INCOMPLETE = 3
    DAMAGED = 4
    NOT_AN_ARCHIVE = 10
    LOCKED = 11
    KEY_REFUSED = 12
    INTERRUPTED = 130


class ArchiverError(Exception):
    """An error with a message for the user: what happened, to what, and what to do now.

    ``stops_batch`` says that no other run of the batch can fare better; ``retry`` that the same
    request may succeed a moment later, ``at_once`` even without waiting. ``retry_after`` are the
    seconds that a server asked to wait.
    """

    exit_code: ExitCode = ExitCode.BUG
    stops_batch: bool = True
    retry: bool = False

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        retry: bool | None = None,
        at_once: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry = type(self).retry if retry is None else retry
        self.at_once = at_once
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class UsageError(ArchiverError):
    """Wrong usage: an option, an id, a file or a query that cannot be taken."""

    exit_code = ExitCode.USAGE


class InvalidRunId(UsageError, ValueError):
    """A text that is no run id."""


class RunsOnHold(ArchiverError):
    """Runs that are to be removed are on hold."""

    exit_code = ExitCode.INCOMPLETE


class RunsRemoved(ArchiverError):
    """Runs that were to be read are removed meanwhile, by prune or erase."""

    exit_code = ExitCode.INCOMPLETE


class RunError(ArchiverError):
    """One run could not be had; the others can."""

    exit_code = ExitCode.INCOMPLETE
    stops_batch = False


class RunNotFound(RunError):
    """The API does not know the run (HTTP 404)."""


class AnswerInvalid(RunError):
    """The API's answer is no run: not JSON, another id, no status."""


class ApiUnavailable(RunError):
    """The API did not answer, or answered with an error of its own."""

    retry = True


class RunRefused(RunError):
    """The API refused one run (HTTP 401 or 403), which may pass and is not the key's fault yet."""

    retry = True


class ApiDown(ArchiverError):
    """The API answers nobody, or is none: the rest of the batch would fail one by one."""

    exit_code = ExitCode.INCOMPLETE


class ArtifactError(ArchiverError):
    """One artifact could not be had; the rest of the run can."""

    exit_code = ExitCode.INCOMPLETE
    stops_batch = False


class ArtifactGone(ArtifactError):
    """The service does not have the bytes any more (HTTP 404 or 410)."""


class ArtifactUnwanted(ArtifactError):
    """The artifact is of a kind that the user does not want to keep."""


class ArtifactTooLarge(ArtifactUnwanted):
    """The artifact is larger than the user wants to keep."""


class LinkExpired(ArtifactError):
    """Storage refuses the link: it has ended, or somebody altered it."""


class DownloadFailed(ArtifactError):
    """The bytes could not be had this time."""


class StorageBusy(DownloadFailed):
    """Storage had too much, and refuses for a while (HTTP 429 or 503, SlowDown)."""

    retry = True


class ArchiveUnwritable(ArchiverError):
    """The archive's disk refuses: full, read-only, no permission, gone."""

    exit_code = ExitCode.INCOMPLETE


class FileTooLarge(ArchiveUnwritable):
    """A file is larger than a limit of the process, the file system or a quota lets it be."""


class OutputUnwritable(ArchiverError):
    """A disk outside the archive refuses a result or an export: full, too large a file."""

    exit_code = ExitCode.INCOMPLETE


class SystemLimit(ArchiverError):
    """This machine lets the process do no more: too many open files."""

    exit_code = ExitCode.INCOMPLETE


class WorkerLost(ArchiverError):
    """A process that worked for the session ended without an answer."""

    exit_code = ExitCode.INCOMPLETE


class ArchiveDamaged(ArchiverError):
    """A file of the archive is missing or is not what its manifest says."""

    exit_code = ExitCode.DAMAGED
    stops_batch = False


class ProofInvalid(ArchiverError):
    """A proof, or a signature, does not show what it is to show."""

    exit_code = ExitCode.DAMAGED


class StampRefused(ArchiverError):
    """No time stamp could be had for a record of the ledger."""

    exit_code = ExitCode.INCOMPLETE


class NotAnArchive(ArchiverError):
    """The location holds no archive, or one of a newer format."""

    exit_code = ExitCode.NOT_AN_ARCHIVE


class ArchiveLocked(ArchiverError):
    """Another writer holds the archive."""

    exit_code = ExitCode.LOCKED


class KeyRefused(ArchiverError):
    """The API refuses the key, in its own words, and answers nobody who has it."""

    exit_code = ExitCode.KEY_REFUSED


class Interrupted(ArchiverError):
    """The user or the system asked to stop."""

    exit_code = ExitCode.INTERRUPTED
