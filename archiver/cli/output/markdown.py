"""Pages in Markdown, as a terminal shows them."""

import io
import re
from textwrap import indent
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Markdown
from rich.text import Text

from archiver.cli.output.pager import page

_LINK = re.compile(r"\[([^\]]+)\]\((?:([a-z-]+)\.md)?(?:#[\w-]+)?\)")
_WIDEST = 100
"""Columns of running text, which nobody likes to read wider."""


class _Code(CodeBlock):
    """A block of code, whose lines are as long as they are: a pager scrolls to their ends."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = indent(str(self.text).rstrip("\n"), "  ")
        yield Text(code, style="cyan", no_wrap=True, overflow="ignore")


class _Page(Markdown):
    elements: ClassVar = {**Markdown.elements, "fence": _Code, "code_block": _Code}


def show_markdown(text: str) -> None:
    """Show a page on the terminal that standard output is; its links name the topic to type."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=min(Console().width, _WIDEST))
    console.print(_Page(_LINK.sub(_typed, text)), crop=False)
    page(out.getvalue(), color=True)


def _typed(link: re.Match[str]) -> str:
    text, topic = link.groups()
    return f"{text} (`archiver help {topic}`)" if topic else text
