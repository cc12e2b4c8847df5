"""SIGINT and SIGTERM: the first asks to finish, the second ends at once."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from archiver.errors import ExitCode
from archiver.system.stop import StopSwitch

_STOPPING = "stopping: what is being written is finished; again to end at once"


@contextlib.contextmanager
def interruptible(notice: Callable[[str], str] = "\n{}\n".format) -> Iterator[StopSwitch]:
    """A switch that SIGINT and SIGTERM set while the block runs.

    A second signal ends the process where it stands: every write is atomic, so that is safe.
    ``notice`` makes of a message what is written to standard error; it must take no lock.
    """
    switch = StopSwitch()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if switch.interrupted:
            os._exit(ExitCode.INTERRUPTED)
        switch.interrupt()
        with contextlib.suppress(OSError):
            os.write(2, notice(_STOPPING).encode())

    signals = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, on_signal) for number in signals]
    try:
        yield switch
    finally:
        for number, handler in zip(signals, previous, strict=True):
            signal.signal(number, handler)
