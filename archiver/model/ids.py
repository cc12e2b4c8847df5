"""The id of a run, as a type that cannot hold anything else."""

import re

from archiver.errors import InvalidRunId

_RUN_ID = re.compile(r"(?:tsk_v2_|tsk_|wr_)[A-Za-z0-9_-]{1,128}", re.ASCII)


class RunId(str):
    """A run id such as ``tsk_123``, ``tsk_v2_123`` or ``wr_123``.

    Safe as a path component and as a part of a URL: letters, digits, ``_`` and ``-`` only.
    Prefixes as in Skyvern's API reference ("Get run"). Raises :class:`InvalidRunId`.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "RunId":
        if not _RUN_ID.fullmatch(text):
            raise InvalidRunId(
                f"{text[:80]!r} is no run id",
                hint="Run ids look like tsk_123, tsk_v2_123 or wr_123",
            )
        return super().__new__(cls, text)

    @property
    def is_workflow_run(self) -> bool:
        return self.startswith("wr_")

    @property
    def is_task_v2(self) -> bool:
        return self.startswith("tsk_v2_")


def answers_for(asked: RunId, answered: RunId) -> bool:
    """Whether an answer with the id ``answered`` is the run that was asked for.

    A ``tsk_v2_…`` run is a workflow run underneath: asking for that ``wr_…`` id answers with the
    ``tsk_v2_…`` run (seen with Skyvern 1.0.56). Any other difference is a fault of the server.
    """
    return asked == answered or (asked.is_workflow_run and answered.is_task_v2)
