"""A series as SampledData: decimals in one string, 'E' where nothing is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.render.fhir.findings import Series

DECIMALS = 4
UNKNOWN = "E"
"""FHIR's sign for a value that could not be determined."""

MILLISECONDS_PER_S = 1000
UCUM = "http://unitsofmeasure.org"
DIMENSIONLESS = {"system": UCUM, "code": "1"}


def sampled_data(series: Series, release: str) -> dict[str, object]:
    """Members of SampledData.

    Args:
        series: at least one value.
        release: 'R4B' has ``period`` in milliseconds, 'R5' has ``interval`` and its unit.
    """
    period_ms = round(series.period_s * MILLISECONDS_PER_S, 3)
    pace = {"period": period_ms} if release == "R4B" else {"interval": period_ms, "intervalUnit": "ms"}
    return {
        "origin": {"value": 0, **DIMENSIONLESS},
        **pace,
        "lowerLimit": series.bounds[0],
        "upperLimit": series.bounds[1],
        "dimensions": 1,
        "data": data_string(series.values),
    }


def data_string(values: NDArray[np.float64]) -> str:
    """Values of float64 [n] with four decimals and without trailing zeros, separated by one space."""
    return " ".join(UNKNOWN if not np.isfinite(value) else number(value) for value in values.tolist())


def number(value: float) -> str:
    """A decimal of four places at most, never in scientific notation."""
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
