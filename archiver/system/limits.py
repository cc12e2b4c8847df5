"""What the machine lets a process have no more of, in words: memory, threads, address space."""

import sys

from archiver.errors import SystemLimit

LEAST_ADDRESS_SPACE = 1_250 << 20
"""Bytes. With less, threads of Arrow and DuckDB find no memory to begin with, and end all at once;
of that much half is never used."""
_MEMORY = "Give it more (ulimit -v, or the container's limit), or use --workers 1"
_NO_THREAD = "can't start new thread"
_NO_ROOM = ("failed to map segment", "cannot allocate memory", "cannot map")


def check_address_space() -> None:
    """Raises SystemLimit where this process may address too little memory for what it loads."""
    if sys.platform == "win32":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESS_SPACE:
        raise SystemLimit(
            f"this process may address {limit >> 20} MB of memory (RLIMIT_AS), and needs "
            f"{LEAST_ADDRESS_SPACE >> 20} MB",
            hint="Raise it (ulimit -v unlimited): a limit of real memory does no harm",
        )


def limit_of(error: BaseException) -> SystemLimit | None:
    """Return what to say of an error that the machine's limits caused; None for any other."""
    text = str(error).lower()
    if isinstance(error, RuntimeError) and _NO_THREAD in text:
        return no_threads()
    if isinstance(error, MemoryError) or any(sign in text for sign in _NO_ROOM):
        return SystemLimit("there is not enough memory", hint=_MEMORY)
    return None


def no_threads() -> SystemLimit:
    """Return the error to raise where not even one more thread can be started."""
    return SystemLimit(
        "the system lets this process start no more threads",
        hint="Raise the limit (ulimit -u, or the container's), or use --workers 1",
    )
