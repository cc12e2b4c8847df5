"""Which lies are told when: the list that tests add to and requests use up."""

import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.lying_server.answers import Answer, Asked
from tests.lying_server.lies import FOREVER, Lie


@dataclass(slots=True)
class _Scene:
    target: str
    lies: tuple[Lie, ...]
    times: int | None
    truths_before: int
    told: int = 0

    def is_about(self, subject: str, path: str) -> bool:
        if self.target.startswith("/"):
            return fnmatchcase(path, self.target)
        return self.target == subject

    @property
    def is_over(self) -> bool:
        return self.times is not FOREVER and self.told >= self.times


class Script:
    """Lies by target, in the order they were added.

    Those for ever are always told, first; those with a number wait until the ones before are over.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scenes: list[_Scene] = []

    def add(self, target: str, lies: tuple[Lie, ...], times: int | None, after: int) -> None:
        """Tell `lies` about a subject's id or a path (`*` stands for anything)."""
        with self._lock:
            self._scenes.append(_Scene(target, lies, times, after))

    def dispose(self, target: str | None) -> None:
        """Drop the lies about a target, or all."""
        with self._lock:
            self._scenes = [
                scene for scene in self._scenes if target is not None and scene.target != target
            ]

    def perform(self, subject: str, path: str, asked: Asked, answer: Answer) -> Answer:
        """Turn the true answer into the one that is due."""
        for lies, told in self._due(subject, path):
            for lie in lies:
                answer = lie.tell(asked, answer, told)
        return answer

    def _due(self, subject: str, path: str) -> list[tuple[tuple[Lie, ...], int]]:
        # Choosing and counting happen at once: of two requests at the same time only one may
        # use up the last lie.
        with self._lock:
            open_scenes = [
                scene
                for scene in self._scenes
                if scene.is_about(subject, path) and not scene.is_over
            ]
            lasting = [scene for scene in open_scenes if scene.times is FOREVER]
            waiting = [scene for scene in open_scenes if scene.times is not FOREVER]
            due = []
            for scene in lasting + waiting[:1]:
                if scene.truths_before > 0:
                    scene.truths_before -= 1
                    continue
                due.append((scene.lies, scene.told))
                scene.told += 1
            return due
