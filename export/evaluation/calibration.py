"""Making a network's confidence match how often it is right: a temperature, and what it depends on."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["temperature", "biases", "familiarity"]
KINDS: tuple[Kind, ...] = ("temperature", "biases")
"""Kinds that any network can have; ``familiarity`` needs one that tells how unlike its training a recording is."""

TEMPERATURE, CLASS_BIASES, CALIBRATED_ON = "temperature", "class_biases", "calibrated_on"
TEMPERATURE_GROWTH = "temperature_growth"
"""Names of a card's settings."""

LARGEST_TEMPERATURE = 5.0
"""Largest temperature that is fitted, or that a recording can get."""


@dataclass(frozen=True)
class Calibration:
    """Bias-corrected temperature scaling: softmax(logits / temperature + biases).

    One temperature (Guo et al. 2017) makes a network less sure of all it says and never changes which class is the
    most likely. With a growth it rises with a recording's unfamiliarity: a network is more often right about speech
    like that of its training than about other speech. Biases (Alexandari et al. 2020, arXiv:1901.06852) make classes
    as likely as they are: a class that a network was shown more often than it comes is otherwise answered too often.

    Attributes:
        temperature: above 0; that of speech like the training's where there is a growth.
        biases: one a class, with the mean 0; empty means none.
        fitted_on: corpora whose held-out speech it was fitted on.
        growth: of the temperature's logarithm for each unit of unfamiliarity above 1.
    """

    temperature: float = 1.0
    biases: tuple[float, ...] = ()
    fitted_on: tuple[str, ...] = ()
    growth: float = 0.0

    @property
    def kind(self) -> Kind:
        """The kind that was fitted."""
        return "biases" if self.biases else "familiarity" if self.growth else "temperature"

    @property
    def offsets(self) -> NDArray[np.float64]:
        """Offsets of the scaled logits: float64 [classes], or [1] that is 0 where there are no biases."""
        return np.array(self.biases or (0.0,), np.float64)

    def temperatures(self, unfamiliarity: NDArray[np.floating]) -> NDArray[np.float64]:
        """float64 [utterances] of unfamiliarity [utterances], which is 1 for speech like the training's."""
        above = np.maximum(np.asarray(unfamiliarity, np.float64) - 1.0, 0.0)
        grown = np.log(self.temperature) + self.growth * above
        return np.exp(np.minimum(grown, np.log(LARGEST_TEMPERATURE)))

    def probabilities(
        self, logits: NDArray[np.floating], unfamiliarity: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """float32 [utterances, classes] of logits [utterances, classes].

        Args:
            unfamiliarity: [utterances]; without it, all speech counts as like the training's.
        """
        familiar = np.ones(len(logits)) if unfamiliarity is None else unfamiliarity
        scaled = np.asarray(logits, np.float64) / self.temperatures(familiar)[:, None] + self.offsets
        odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)

    def describe(self) -> str:
        """Temperature and, where there are any, its growth and biases in the order of the classes."""
        biases = ", ".join(f"{bias:+.2f}" for bias in self.biases)
        growth = f" growing with unfamiliarity by {self.growth:.2f}" if self.growth else ""
        return f"temperature {self.temperature:.3f}{growth}" + (f", class biases {biases}" if biases else "")

    def to_settings(self) -> dict[str, float | list[float] | list[str]]:
        """Entries of a card's settings; :meth:`from_settings` reads them."""
        settings: dict[str, float | list[float] | list[str]] = {TEMPERATURE: self.temperature}
        if self.growth:
            settings[TEMPERATURE_GROWTH] = self.growth
        if self.biases:
            settings[CLASS_BIASES] = list(self.biases)
        if self.fitted_on:
            settings[CALIBRATED_ON] = list(self.fitted_on)
        return settings

    @classmethod
    def from_settings(cls, settings: dict[str, object]) -> "Calibration":
        """Inverse of :meth:`to_settings`; other settings are passed over."""
        given: dict[str, Any] = settings
        biases, fitted_on = (tuple(given.get(key) or ()) for key in (CLASS_BIASES, CALIBRATED_ON))
        return cls(float(given[TEMPERATURE]), biases, fitted_on, float(given.get(TEMPERATURE_GROWTH, 0.0)))


UNCALIBRATED = Calibration()
