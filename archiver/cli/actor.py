"""Who runs a command, and how: what the ledger keeps of it."""

import getpass
import os
import re
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from archiver.model.ledger import Actor
from archiver.model.urls import mask_text, without_query

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NOT_KEPT = "(not kept)"
_GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)


def actor(*, secret: frozenset[str] = frozenset(), mask: Callable[[str], str] = str) -> Actor:
    """Whoever runs the command of click's current context, with the options that were chosen.

    That is on the command line, in the environment or in the config file. Ids of runs are left
    out, since the ledger has their digest, and what the options ``secret`` say: their texts may
    hold what is to be kept nowhere. ``mask`` takes it out of the others.
    """
    context = click.get_current_context()
    options = {}
    for parameter in context.command.params:
        name = parameter.name or ""
        value = context.params.get(name)
        if isinstance(parameter, click.Argument) or value in (None, ()):
            continue
        if context.get_parameter_source(name) in _GIVEN:
            options[name.replace("_", "-")] = _NOT_KEPT if name in secret else mask(_text(value))
    return Actor(_user(), socket.gethostname(), options)


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(_text(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, Path):
        return os.fspath(value).encode(errors="replace").decode()
    text = str(value)
    return without_query(text) if _URL.match(text) else mask_text(text)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
