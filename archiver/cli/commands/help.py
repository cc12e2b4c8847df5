"""``archiver help``: pages about topics, and the help of every command."""

import difflib
import sys
from collections.abc import Iterator
from importlib import resources

import click

from archiver.cli.command import Command
from archiver.errors import UsageError

TOPICS = (
    *("start", "every-night", "questions", "proof", "keeping"),
    *("reference", "format", "background", "developing"),
)
"""The pages in ``archiver/docs``, in the order in which one reads them."""
_SPECIFICATION = "schemas/README.md"
"""The page ``format`` in a checkout: only wheels have it among the pages."""


@click.command(
    "help",
    cls=Command,
    is_configured=False,
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
    name = "-".join(topic).lower()
    root = context.find_root()
    commands = root.command.commands if isinstance(root.command, click.Group) else {}
    if not name:
        click.echo("".join(f"{line}\n" for line in _listed()), nl=False)
    elif name in TOPICS:
        _show(read_page(name))
    elif name in commands:
        click.echo(click.Context(commands[name], info_name=name, parent=root).get_help())
    else:
        near = difflib.get_close_matches(name, [*TOPICS, *commands], cutoff=0.5)
        raise UsageError(
            f"there is no topic {name!r}",
            hint=(f"Did you mean {' or '.join(near)}? " if near else "")
            + f"Topics are {', '.join(TOPICS)}; each command is one too",
        )


def read_page(topic: str) -> str:
    """Return the page of a topic as Markdown."""
    package = resources.files("archiver")
    page = package / "docs" / f"{topic}.md"
    if topic == "format" and not page.is_file():
        page = package / ".." / _SPECIFICATION
    return page.read_text(encoding="utf-8")


def _listed() -> Iterator[str]:
    yield "Topics:"
    for topic in TOPICS:
        title = read_page(topic).partition("\n")[0]
        yield f"  {topic:<12} {title.removeprefix('# ').rpartition(': ')[2]}"
    yield "\n`archiver help TOPIC` shows a page, `archiver help COMMAND` the help of a command."


def _show(page: str) -> None:
    if not sys.stdout.isatty():
        click.echo(page, nl=False)
        return
    from archiver.cli.output.markdown import show_markdown

    show_markdown(page)
