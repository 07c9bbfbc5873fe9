"""Whether faces can be judged at all, and what to run where they can't."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.card import Task
from service.problems import Unavailable

if TYPE_CHECKING:
    from service.registry import Registry

_NEEDED: tuple[Task, ...] = ("face", "action-units", "affect")


class FacesNotPrepared(Unavailable):
    """A bundle of the video half is missing; the code is that of :class:`Unavailable`."""

    def __init__(self) -> None:
        super().__init__("Faces cannot be judged yet: run `emoserve-export faces` on the server and start it again.")


def faces_are_prepared(registry: Registry) -> bool:
    """Whether there is a bundle for each step from picture to arousal and valence."""
    return all(registry.of_task(task) for task in _NEEDED)
