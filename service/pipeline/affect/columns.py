"""The 37 columns that every affect model takes, in one place: their names and their order.

Order after the AVEC functionals (E4, E5): 18 means, 18 deviations, speaker turn. Within the 18 the
confidence comes first, then the 17 action units, as in the AVEC tables. The place of the turn is a choice
of this project: no public file holds all 37 columns.
"""

from __future__ import annotations

#: OpenFace's 17 intensity units (E3), without the suffix ``_r``, in the order of its tables.
ACTION_UNITS: tuple[str, ...] = (
    "AU01",
    "AU02",
    "AU04",
    "AU05",
    "AU06",
    "AU07",
    "AU09",
    "AU10",
    "AU12",
    "AU14",
    "AU15",
    "AU17",
    "AU20",
    "AU23",
    "AU25",
    "AU26",
    "AU45",
)

#: What the moving statistics are taken of.
SIGNALS: tuple[str, ...] = ("confidence", *ACTION_UNITS)

#: Names of the 37 columns.
COLUMNS: tuple[str, ...] = (
    *(f"{signal}_mean" for signal in SIGNALS),
    *(f"{signal}_deviation" for signal in SIGNALS),
    "turn",
)

#: Upper end of OpenFace's intensity scale.
MAX_INTENSITY = 5.0
