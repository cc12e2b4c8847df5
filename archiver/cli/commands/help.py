"""``archiver help``: pages about topics, and the help of every command."""

import difflib
import re
import sys
from collections.abc import Iterator
from importlib import resources
from textwrap import indent
from typing import TYPE_CHECKING, ClassVar

import click

from archiver.cli.command import Command, Group
from archiver.errors import UsageError

if TYPE_CHECKING:
    from rich.markdown import Markdown

TOPICS = (
    *("start", "every-night", "questions", "proof", "keeping"),
    *("reference", "background", "developing"),
)
"""The pages in ``archiver/docs``, in the order in which one reads them."""
_LINK = re.compile(r"\[([^\]]+)\]\((?:([a-z-]+)\.md)?(?:#[\w-]+)?\)")
_WIDEST = 100
"""Columns of running text, which nobody likes to read wider."""


@click.command(
    "help",
    cls=Command,
    examples={
        "archiver help": "List the topics.",
        "archiver help proof": "Show the page about proof.",
        "archiver help fetch": "Show the help of fetch.",
    },
    exit_codes={0: "the page was shown", 2: "there is no such topic"},
)
@click.argument("topic", nargs=-1, metavar="[TOPIC]")
@click.pass_context
def help_topic(context: click.Context, topic: tuple[str, ...]) -> None:
    """Show a page about a topic, or the help of a command; without TOPIC, list the topics.

    On a terminal a page is shown in a pager. Elsewhere it is the Markdown text that it is made of.
    """
    if not topic:
        click.echo("".join(f"{line}\n" for line in _listed()), nl=False)
        return
    name = "-".join(topic).lower()
    program = context.find_root()
    commands = program.command.commands if isinstance(program.command, Group) else {}
    if name in TOPICS:
        _show(read_page(name))
    elif name in commands:
        command = commands[name]
        click.echo(command.get_help(click.Context(command, info_name=name, parent=program)))
    else:
        near = difflib.get_close_matches(name, [*TOPICS, *commands], cutoff=0.5)
        raise UsageError(
            f"there is no topic {name!r}",
            hint=(f"Did you mean {' or '.join(near)}? " if near else "")
            + f"Topics are {', '.join(TOPICS)}; each command is one too",
        )


def read_page(topic: str) -> str:
    """Return the page of a topic as Markdown."""
    return (resources.files("archiver") / "docs" / f"{topic}.md").read_text(encoding="utf-8")


def _listed() -> Iterator[str]:
    yield "Topics:"
    for topic in TOPICS:
        title = read_page(topic).partition("\n")[0]
        yield f"  {topic:<12} {title.partition(': ')[2]}"
    yield "\n`archiver help TOPIC` shows a page, `archiver help COMMAND` the help of a command."


def _show(page: str) -> None:
    if not sys.stdout.isatty():
        click.echo(page, nl=False)
        return
    import io

    from rich.console import Console

    from archiver.cli.output.pager import page as show_page

    text = io.StringIO()
    wide = Console().width
    console = Console(file=text, force_terminal=True, width=min(wide, _WIDEST))
    console.print(_rendered(page), crop=False)
    show_page(text.getvalue(), color=True)


def _rendered(page: str) -> "Markdown":
    """The page for a terminal: links name the command to type, and code is never folded."""
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.markdown import CodeBlock, Markdown
    from rich.text import Text

    class Code(CodeBlock):
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            code = indent(str(self.text).rstrip("\n"), "  ")
            yield Text(code, style="cyan", no_wrap=True, overflow="ignore")

    class Page(Markdown):
        elements: ClassVar = {**Markdown.elements, "fence": Code, "code_block": Code}

    return Page(_LINK.sub(_typed, page))


def _typed(link: re.Match[str]) -> str:
    text, topic = link.groups()
    return f"{text} (`archiver help {topic}`)" if topic else text
