"""``file://`` artifacts of a self-hosted server, read only below a folder that the user named."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from archiver.errors import ArtifactGone, DownloadFailed

_HINT = "Name the folder that holds such files with --local-artifacts"


class LocalArtifacts:
    """Finds the files that ``file`` URLs name. ``folder`` is None where the user named none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder.resolve() if folder else None

    def find(self, url: str) -> Path:
        """The file of a ``file`` URL. Raises DownloadFailed outside the folder, ArtifactGone
        where there is none."""
        if self._folder is None:
            raise DownloadFailed("its URL is a file on the server's machine", hint=_HINT)
        raw = url[len("file:") :]
        raw = "/" + raw.removeprefix("//localhost/").lstrip("/")
        # Some servers escape the path, some write it as it is, "?" and "#" included.
        paths = [_resolved(text) for text in dict.fromkeys((unquote(raw), raw))]
        below = [path for path in paths if path and path.is_relative_to(self._folder)]
        for path in below:
            if _is(Path.is_file, path):
                return path
        if len(below) < len(paths):
            raise DownloadFailed("its URL leads out of the folder of local artifacts", hint=_HINT)
        if not any(_is(Path.is_dir, path.parent) for path in below):
            # Rather the wrong folder, or one that is not mounted, than a file that was removed.
            raise DownloadFailed("not even its folder is there", hint=_HINT)
        raise ArtifactGone("the file is not in the folder of local artifacts")


def _resolved(text: str) -> Path | None:
    """The path with links and dots resolved, None where it can be none."""
    try:
        return Path(text).resolve()
    except (OSError, ValueError):
        return None


def _is(kind: Callable[[Path], bool], path: Path) -> bool:
    try:
        return kind(path)
    except OSError:  # a name that is too long for the file system, a folder that is closed to us
        return False
