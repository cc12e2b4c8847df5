"""Reading a package the way anybody would who does not have this tool."""

import csv
import hashlib
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^    python3 - <<'END'\n(.*?)^    END$", re.MULTILINE | re.DOTALL)


def table(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files_in(folder: Path) -> dict[str, str]:
    """All files by their path, with their digests."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def commands_of(page: Path) -> list[str]:
    """What the page tells to type, besides Python: each as one line of a shell."""
    text = BLOCK.sub("", page.read_text())
    lines = text.replace("\\\n", "").split("\n")
    return [line.strip() for line in lines if line.startswith("    ") and "-" in line]


def python_of(page: Path) -> list[str]:
    """The programs on the page."""
    return [textwrap.dedent(block) for block in BLOCK.findall(page.read_text())]


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True)
