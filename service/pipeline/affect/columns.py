"""The 37 columns that every affect model takes, in one place: their names and their order.

Order after the AVEC functionals (E4, E5): 18 means, 18 deviations, speaker turn. Within the 18 the
confidence comes first, then the 17 action units, as in the AVEC tables. The place of the turn is a choice
of this project: no public file holds all 37 columns.
"""

from typing import Final

from service.pipeline.face.unit_scale import ACTION_UNITS

SIGNALS: Final[tuple[str, ...]] = ("confidence", *ACTION_UNITS)
"""Names of the 18 signals whose moving mean and deviation are columns."""

COLUMNS: Final[tuple[str, ...]] = (
    *(f"{signal}_mean" for signal in SIGNALS),
    *(f"{signal}_deviation" for signal in SIGNALS),
    "turn",
)
"""Names of the 37 columns."""
