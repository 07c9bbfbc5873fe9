"""The request's ``neutral``: when a person's resting face is seen."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

from service.problems import Unprocessable

_SECONDS: Final = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"

STRETCH: Final = re.compile(f"{_SECONDS}:{_SECONDS}")
"""Form of a stretch of the recording, START:END."""


@dataclass(frozen=True)
class Neutral:
    """A choice of resting face.

    Attributes:
        kind: the 'median' of the recording, 'none', or the 'stretch' from ``start_s`` to ``end_s``.
        start_s, end_s: seconds of the recording.
    """

    kind: Literal["median", "none", "stretch"]
    start_s: float = 0.0
    end_s: float = math.inf

    def holds(self, time_s: float) -> bool:
        """Whether a frame at ``time_s`` shows the resting face, or may."""
        return self.kind != "none" and self.start_s <= time_s <= self.end_s


def read_neutral(text: str) -> Neutral:
    """Read 'median', 'none' or 'START:END' in seconds.

    Raises:
        Unprocessable: anything else, with the pointer '/neutral'.
    """
    if text == "median":
        return Neutral("median")
    if text == "none":
        return Neutral("none")
    stretch = STRETCH.fullmatch(text)
    if stretch is None or not float(stretch[1]) < float(stretch[2]):
        raise Unprocessable(
            "neutral must be 'median', 'none' or START:END in seconds, the end after the start.", pointer="/neutral"
        )
    return Neutral("stretch", float(stretch[1]), float(stretch[2]))
