"""Probabilities of a linear classifier's scores, as scikit-learn's SGDClassifier defines them (G8).

Every class has a row of weights, two classes too: the scores of the first are those of the second with the sign
turned, and then the rules for many classes give what scikit-learn gives for two.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.classifiers.recipe import Calibration

Link = Literal["normalised sigmoid", "normalised clip", "softmax"]

LINKS: dict[str, Link] = {
    "log_loss": "normalised sigmoid",
    "modified_huber": "normalised clip",
    "hinge": "softmax",
    "svm": "softmax",
}
"""Loss to link. Hinge losses define no probabilities: theirs are a softmax of scores over a fitted temperature."""


def link_of(loss: str, calibration: Calibration) -> Link:
    """How the scores of ``loss`` become probabilities."""
    return "softmax" if calibration == "temperature" else LINKS[loss]


def probabilities(scores: NDArray[np.float64], link: Link, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities float64 [rows, classes] of ``scores`` float64 [rows, classes]; each row sums to 1."""
    if link == "normalised clip":
        shares = (np.clip(scores, -1.0, 1.0) + 1.0) / 2.0
        empty = shares.sum(axis=1, keepdims=True) == 0.0
        shares = np.where(empty, 1.0, shares)
        return shares / shares.sum(axis=1, keepdims=True)
    if link == "normalised sigmoid":
        # In logarithms: far from every class all sigmoids underflow, and their quotients would be 0/0.
        logarithms = np.minimum(scores, 0.0) - np.log1p(np.exp(-np.abs(scores)))
    else:
        logarithms = scores / temperature
    powers = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
