"""The picture of the HTML report that README shows, taken of the demo's archive.

``python -m tests.docs.picture`` takes it anew; it needs Chromium.
"""

import contextlib
import io
import sys
import tempfile
from pathlib import Path

from archiver.cli.main import run
from tests.docs.examples import DOCS, example_archive
from tests.query.page.browser import opened, running_browser

PICTURE = DOCS / "report.png"
SIZE = (1100, 1240)


def take(picture: Path) -> None:
    """Write the report of the demo's archive as a page, and a picture of the page's beginning."""
    with (
        tempfile.TemporaryDirectory() as folder,
        example_archive() as archive,
        running_browser() as browser,
    ):
        file = Path(folder) / "report.html"
        with contextlib.redirect_stdout(io.StringIO()):
            code = run(["report", "--archive", str(archive), "--html", str(file)])
        assert code == 0
        with opened(browser, file, SIZE) as shown:
            shown.page.screenshot(path=picture)


if __name__ == "__main__":
    take(PICTURE)
    sys.exit(0)
