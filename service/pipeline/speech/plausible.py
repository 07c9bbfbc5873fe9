"""Most probable and plausible emotions; these are the smallest set that has the right one in a share of recordings."""

from collections.abc import Sequence

import numpy as np

from service.pipeline.results import DoubtBound, FloatArray, Plausible


def plausible_labels(
    probabilities: FloatArray, labels: Sequence[str], doubt: DoubtBound | None
) -> list[Plausible] | None:
    """The plausible labels of each row, the most probable first.

    A label is plausible from the card's ``least_probability`` on (split-conformal prediction, Sadinle 2019), and the
    most probable one always is; a label that the request's prior excludes never.

    Args:
        probabilities: float32 [rows, classes]; a row of NaN is not known.
        labels: names of the classes.
        doubt: of the model's card.

    Returns:
        A tuple of labels, or None for a row that is not known; None in all where the card says nothing.
    """
    if doubt is None:
        return None
    rows: list[Plausible] = []
    for row in probabilities:
        if np.isnan(row).any():
            rows.append(None)
            continue
        order = np.argsort(-row, kind="stable")
        count = max(1, int(((row >= doubt.least_probability) & (row > 0)).sum()))
        rows.append(tuple(labels[index] for index in order[:count]))
    return rows


def plausible_set(probabilities: FloatArray | None, labels: Sequence[str], doubt: DoubtBound | None) -> Plausible:
    """The plausible labels of one judgement, float32 [classes]; None where nothing is known or told."""
    sets = None if probabilities is None else plausible_labels(probabilities[None], labels, doubt)
    return sets[0] if sets else None


def most_probable(probabilities: FloatArray | None, labels: Sequence[str]) -> str | None:
    """The most probable label of one judgement, float32 [classes]; None without classes or knowledge."""
    return None if probabilities is None or not labels else labels[int(probabilities.argmax())]
