"""Making a network's confidence match how often it is right: a temperature and biases of its classes."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["temperature", "biases"]
KINDS: tuple[Kind, ...] = ("temperature", "biases")

TEMPERATURE, CLASS_BIASES, CALIBRATED_ON = "temperature", "class_biases", "calibrated_on"
"""Names of a card's settings."""


@dataclass(frozen=True)
class Calibration:
    """Bias-corrected temperature scaling: softmax(logits / temperature + biases).

    One temperature (Guo et al. 2017) makes a network less sure of all it says and never changes which class is the
    most likely. Biases (Alexandari et al. 2020, arXiv:1901.06852) make classes as likely as they are: a class that a
    network was shown more often than it comes is otherwise answered too often.

    Attributes:
        temperature: above 0.
        biases: one a class, with the mean 0; empty means none.
        fitted_on: corpora whose held-out speech it was fitted on.
    """

    temperature: float = 1.0
    biases: tuple[float, ...] = ()
    fitted_on: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """The kind that was fitted."""
        return "biases" if self.biases else "temperature"

    @property
    def offsets(self) -> NDArray[np.float64]:
        """Offsets of the scaled logits: float64 [classes], or [1] that is 0 where there are no biases."""
        return np.array(self.biases or (0.0,), np.float64)

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float32]:
        """float32 [utterances, classes] of logits [utterances, classes]."""
        scaled = np.asarray(logits, np.float64) / self.temperature + self.offsets
        odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)

    def describe(self) -> str:
        """Temperature and, where there are any, biases in the order of the classes."""
        biases = ", ".join(f"{bias:+.2f}" for bias in self.biases)
        return f"temperature {self.temperature:.3f}" + (f", class biases {biases}" if biases else "")

    def to_settings(self) -> dict[str, float | list[float] | list[str]]:
        """Entries of a card's settings; :meth:`from_settings` reads them."""
        settings: dict[str, float | list[float] | list[str]] = {TEMPERATURE: self.temperature}
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
        return cls(float(given[TEMPERATURE]), biases, fitted_on)


UNCALIBRATED = Calibration()
