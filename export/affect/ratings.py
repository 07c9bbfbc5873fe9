"""Human ratings of affect beside facial units: Haines et al. 2019, read from the user's own copy.

The authors state no licence, so the table is never part of this project; only what is computed from it is.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.pipeline.face.unit_scale import ACTION_UNITS

#: Units of the 17 that FACET also has. AU45 (blink) is missing: its AU43 is the closed eye, another thing.
SHARED_UNITS = tuple(unit for unit in ACTION_UNITS if unit != "AU45")
LOWEST_RATING, HIGHEST_RATING = 1.0, 7.0
#: Points between the ends of one rating scale.
RATING_RANGE = HIGHEST_RATING - LOWEST_RATING


@dataclass(frozen=True)
class Ratings:
    """The clips of the table.

    Attributes:
        evidence: float64 [clips, 16], FACET evidence of ``SHARED_UNITS`` (a logarithm of odds, not an
            intensity).
        subject: int64 [clips].
        positive: float64 [clips], mean of three raters, 1…7.
        negative: float64 [clips], likewise.
    """

    evidence: NDArray[np.float64]
    subject: NDArray[np.int64]
    positive: NDArray[np.float64]
    negative: NDArray[np.float64]


def read_ratings(path: Path) -> Ratings:
    """Read the table.

    Raises:
        OSError: it cannot be read.
        ValueError: a column is missing or a cell is not a number; the message names it.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError("the table of ratings has no rows")

    def column(name: str) -> NDArray[np.float64]:
        if name not in rows[0]:
            raise ValueError(f"the table of ratings lacks {name}")
        values = np.array([float(row[name]) for row in rows])
        if not np.isfinite(values).all():
            raise ValueError(f"{name} has values that are not finite")
        return values

    return Ratings(
        evidence=np.stack([column(f"AU{int(unit[2:])}overall") for unit in SHARED_UNITS], axis=1),
        subject=column("subjNum").astype(np.int64),
        positive=column("raterAVG_posScores"),
        negative=column("raterAVG_negScores"),
    )
