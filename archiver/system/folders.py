"""Two folders change places at once, where the operating system can do that."""

import ctypes
import errno
import os
import sys
from pathlib import Path

BETWEEN_ENDING = "-exchanged"
"""What is added to the name of a folder while it is in neither place."""
_AT_FDCWD = {"linux": -100, "darwin": -2}
_EXCHANGE = 2
"""RENAME_EXCHANGE of renameat2(2) on Linux, RENAME_SWAP of renameatx_np(2) on macOS."""
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def exchange_folders(one: Path, other: Path) -> None:
    """Exchange two folders of the same file system. Raises OSError.

    Where neither the system nor the file system can do it at once, by three renames.
    """
    rename = _system_rename()
    if rename is not None:
        at = _AT_FDCWD[sys.platform]
        if rename(at, os.fsencode(one), at, os.fsencode(other), _EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _UNSUPPORTED:
            raise OSError(number, os.strerror(number), str(other))
    between = one.with_name(f"{one.name}{BETWEEN_ENDING}")
    other.rename(between)
    one.rename(other)
    between.rename(one)


def _system_rename() -> "ctypes._FuncPointer | None":
    name = {"linux": "renameat2", "darwin": "renameatx_np"}.get(sys.platform)
    if name is None:
        return None
    try:
        rename = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError):
        return None
    rename.argtypes = (
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    )
    return rename  # type: ignore[no-any-return]  # ctypes types its functions as Any
