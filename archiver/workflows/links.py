"""Fresh links for the artifacts of a run, when those of the first answer have ended."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TypeAlias

from msgspec.structs import replace

from archiver.errors import ArtifactGone, DownloadFailed, RunError
from archiver.model.artifact import ArtifactKind, ArtifactSource
from archiver.model.urls import without_query

_Key: TypeAlias = tuple[ArtifactKind, str, str | None]


class FreshLinks:
    """Hands out links of one run, and asks the API for new ones: once for all its artifacts.

    ``ask`` asks the API for the run again and may raise RunError or what stops the batch.
    """

    def __init__(
        self, sources: Sequence[ArtifactSource], ask: Callable[[], Sequence[ArtifactSource]]
    ) -> None:
        self._offered = _by_what_tells_them(sources)
        self._ask = ask
        self._lock = Lock()

    def renewed(self, source: ArtifactSource) -> ArtifactSource:
        """The same artifact with another link than the one it has.

        Raises ArtifactGone where the API does not offer it any more, DownloadFailed where the API
        cannot be asked.
        """
        with self._lock:
            fresh = self._find(source)
            if fresh is None or fresh.url == source.url:
                try:
                    self._offered = _by_what_tells_them(self._ask())
                except RunError as error:
                    raise DownloadFailed(
                        f"its link ended, and no fresh one came: {error}"
                    ) from None
                fresh = self._find(source)
        if fresh is None or fresh.url is None:
            raise ArtifactGone("the API does not offer it any more")
        return replace(source, url=fresh.url)

    def _find(self, source: ArtifactSource) -> ArtifactSource | None:
        keys = [("id", source.artifact_id), ("address", _true_address(source))]
        if source.artifact_id is None:
            keys = [keys[1], ("ordinal", str(source.ordinal))]
        found = (self._offered.get((source.kind, *key)) for key in keys if key[1] is not None)
        return next(filter(None, found), None)


def _true_address(source: ArtifactSource) -> str | None:
    """Where it is, without what is secret of a link: masked ones may be the same for several."""
    return source.address if source.url is None else without_query(source.url)


def _by_what_tells_them(sources: Sequence[ArtifactSource]) -> dict[_Key, ArtifactSource]:
    offered: dict[_Key, ArtifactSource] = {}
    for source in sources:
        keys = (
            ("id", source.artifact_id),
            ("address", _true_address(source)),
            ("ordinal", str(source.ordinal)),
        )
        for name, value in keys:
            offered.setdefault((source.kind, name, value), source)
    return offered
