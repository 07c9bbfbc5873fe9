"""What counts as a person's resting face: the request's ``neutral``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from service.problems import Unprocessable


@dataclass(frozen=True)
class Neutral:
    """'median' of the recording, 'none', or the 'stretch' from ``start_s`` to ``end_s``."""

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
    first, _, last = text.partition(":")
    try:
        start_s, end_s = float(first), float(last)
    except ValueError:
        start_s, end_s = math.nan, math.nan
    if not (0 <= start_s < end_s < math.inf):  # NaN is not
        raise Unprocessable("neutral must be 'median', 'none' or START:END in seconds.", pointer="/neutral")
    return Neutral("stretch", start_s, end_s)
