"""Fresh links for the artifacts of a run, when those of the first answer have ended."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

from archiver.domain.artifact import ArtifactSource
from archiver.errors import ArtifactGone, DownloadFailed, RunError


class FreshLinks:
    """Hands out links of one run, and asks the API for new ones: once for all its artifacts.

    ``ask`` asks the API for the run again and may raise RunError or what stops the batch.
    """

    def __init__(
        self, sources: Sequence[ArtifactSource], ask: Callable[[], Sequence[ArtifactSource]]
    ) -> None:
        self._sources = sources
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
                    self._sources = self._ask()
                except RunError as error:
                    raise DownloadFailed(
                        f"its link ended, and no fresh one came: {error}"
                    ) from None
                fresh = self._find(source)
        if fresh is None or fresh.url is None:
            raise ArtifactGone("the API does not offer it any more")
        return replace(source, url=fresh.url)

    def _find(self, source: ArtifactSource) -> ArtifactSource | None:
        same_kind = [other for other in self._sources if other.kind is source.kind]
        if source.artifact_id is not None:
            found = [o for o in same_kind if o.artifact_id == source.artifact_id]
        else:
            found = [o for o in same_kind if o.address == source.address]
            found = found or [o for o in same_kind if o.ordinal == source.ordinal]
        return found[0] if found else None
