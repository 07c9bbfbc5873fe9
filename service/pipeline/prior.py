"""Priors of the classes: answers for a place where emotions are as likely as the caller says.

A model answers for the prior that it learnt, which its card names. By Bayes' rule the answer for another prior is
proportional to probability · other prior / prior of the card.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.card import Card
from service.pipeline.options import UNIFORM, read_prior
from service.problems import Unprocessable

_ROUNDING = 1e-6
"""Sums of written decimals may be above 1 by so much."""


@dataclass(frozen=True)
class PriorUse:
    """The prior of the classes that an answer was given for, in place of the model's own.

    Attributes:
        source: 'uniform', or 'asked' where the request names probabilities.
        by_label: probability of each class before anything is heard; they sum to 1.
    """

    source: Literal["uniform", "asked"]
    by_label: dict[str, float]


@dataclass(frozen=True, eq=False)
class Prior:
    """A prior in place of the card's.

    Attributes:
        use: for the answer.
        factors: float64 [classes], its probabilities over those of the card.
    """

    use: PriorUse
    factors: NDArray[np.float64]

    def posterior(self, answers: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """A model's answers under this prior; outputs other than the probabilities stay.

        Where the model rules out all classes that the prior permits, the prior alone is left.

        Args:
            answers: by output float32 [classes], or [clips, classes]; may be empty.
        """
        if "probabilities" not in answers:
            return dict(answers)
        odds = answers["probabilities"] * self.factors
        total = odds.sum(axis=-1, keepdims=True)
        known = np.where(total > 0, odds / np.where(total > 0, total, 1.0), list(self.use.by_label.values()))
        return {**answers, "probabilities": known.astype(np.float32)}


def prior_for(text: str | None, card: Card) -> Prior | None:
    """The prior that a request asks for; None for the card's.

    Raises:
        Unprocessable: it cannot be read, or the model has no such classes; with the pointer '/prior'.
    """
    asked = read_prior(text)
    if asked is None:
        return None
    if not card.labels:
        raise _refused("This model has no classes that could have a prior.")
    labels, own = card.labels, own_prior(card)
    if asked == UNIFORM:
        wanted = np.full(len(labels), 1 / len(labels))
    else:
        if not asked.keys() <= set(labels):
            raise _refused(f"prior names a label that this model does not know. It knows: {', '.join(labels)}.")
        wanted = np.array([asked.get(label, 0.0) for label in labels])
        rest = np.array([label not in asked for label in labels])
        if rest.any():
            left = 1.0 - wanted.sum()
            if left < -_ROUNDING:
                raise _refused("prior sums to more than 1 and leaves labels out: these would share the rest of 1.")
            wanted[rest] = max(left, 0.0) * own[rest] / own[rest].sum()
        if not wanted.sum() > 0:
            raise _refused("prior excludes every label.")
        wanted /= wanted.sum()
    use = PriorUse("uniform" if asked == UNIFORM else "asked", dict(zip(labels, wanted.tolist(), strict=True)))
    return Prior(use, wanted / own)


def own_prior(card: Card) -> NDArray[np.float64]:
    """The prior that a model answers for, float64 [classes], which sums to 1."""
    shares = card.class_prior or dict.fromkeys(card.labels, 1.0)
    own: NDArray[np.float64] = np.array([shares[label] for label in card.labels])
    own /= own.sum()
    return own


def _refused(detail: str) -> Unprocessable:
    return Unprocessable(detail, pointer="/prior")
