"""What does not fit on a terminal, shown in the user's pager."""

import os
import shutil
import sys

import click


def page(text: str, *, color: bool = False) -> None:
    """Show text on the terminal that standard output is: in the pager, where it does not fit.

    ``color`` says that the text has escape sequences, which colour it.
    """
    from rich.cells import cell_len

    terminal = shutil.get_terminal_size()
    lines = (click.unstyle(text) if color else text).splitlines()
    fits = len(lines) < terminal.lines and max(map(cell_len, lines), default=0) <= terminal.columns
    if fits or not has_pager():
        click.echo(text, nl=False, color=color or None)
        return
    # Long lines are cut off and scrolled to, and what was shown stays, unless the user likes it
    # otherwise.
    os.environ.setdefault("LESS", "-RSX")
    with click.get_pager_file(color=color) as pager:
        pager.write(text)


def has_pager() -> bool:
    """Tell whether a program shows what does not fit; PAGER= says that none is wanted."""
    if not sys.stdin.isatty() or os.environ.get("TERM") in (None, "dumb"):
        return False
    return bool(os.environ.get("PAGER", shutil.which("less") or ""))
