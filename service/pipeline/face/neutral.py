"""The request's ``neutral``: when a person's resting face is seen."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from service.pipeline.results import FloatArray
from service.problems import Unprocessable

_SECONDS: Final = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"

STRETCH: Final = re.compile(f"{_SECONDS}:{_SECONDS}")
"""Form of a stretch of the recording, START:END."""


NeutralKind = Literal["median", "none", "stretch", "document"]


@dataclass(frozen=True, eq=False)
class FaceProfile:
    """One person's resting face, out of recordings.

    Attributes:
        encoder_sha256: of the graph that gave the values.
        frames: number of frames with the face.
        mesh: points of the meshes that the graph took.
        mean: float32 [17], the level of each unit's relative value.
    """

    encoder_sha256: str
    frames: int
    mesh: int
    mean: FloatArray


@dataclass(frozen=True)
class NeutralUse:
    """The resting face that an answer subtracted.

    Attributes:
        source: where it is from; 'none' also where too little of the face was seen to know.
        frames: number of frames with the face behind it.
        start_s, end_s: times of the first and the last of them, seconds; None without any, and of a document.
    """

    source: NeutralKind
    frames: int = 0
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class Neutral:
    """A choice of resting face.

    Attributes:
        kind: the 'median' of the recording, 'none', the 'stretch' from ``start_s`` to ``end_s``, or a 'document'.
        start_s, end_s: seconds of the recording.
        profile: what the document holds; None before it has come.
    """

    kind: NeutralKind
    start_s: float = 0.0
    end_s: float = math.inf
    profile: FaceProfile | None = None

    def holds(self, time_s: float) -> bool:
        """Whether a frame at ``time_s`` lies in the stretch."""
        return self.start_s <= time_s <= self.end_s


def joined_faces(profiles: Sequence[FaceProfile]) -> FaceProfile:
    """One profile of several of the same graph, at least one, each counted by its frames."""
    frames = [profile.frames for profile in profiles]
    means = np.stack([profile.mean for profile in profiles]).astype(np.float64)
    mean = np.average(means, axis=0, weights=frames).astype(np.float32)
    return replace(profiles[0], frames=sum(frames), mean=mean)


def read_neutral(text: str, profile: FaceProfile | None = None) -> Neutral:
    """Read 'median', 'none', 'START:END' in seconds, or 'document', which stands for ``profile``.

    Raises:
        Unprocessable: anything else, with the pointer '/neutral'.
    """
    if text == "median":
        return Neutral("median")
    if text == "none":
        return Neutral("none")
    if text == "document":
        return Neutral("document", profile=profile)
    return _stretch(
        text, "neutral must be 'median', 'none', 'document', or START:END in seconds, the end after the start."
    )


def read_made_neutral(text: str) -> Neutral:
    """Read 'median' or 'START:END' in seconds: when a person rests in recordings that a profile is made of.

    Raises:
        Unprocessable: anything else, with the pointer '/neutral'.
    """
    if text == "median":
        return Neutral("median")
    return _stretch(text, "neutral must be 'median' or START:END in seconds, the end after the start.")


def _stretch(text: str, refusal: str) -> Neutral:
    stretch = STRETCH.fullmatch(text)
    if stretch is None or not float(stretch[1]) < float(stretch[2]):
        raise Unprocessable(refusal, pointer="/neutral")
    return Neutral("stretch", float(stretch[1]), float(stretch[2]))
