"""Verification of a bundle: what its graph computes, against other implementations and against itself in a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.failures import UserError
from service.card import Card, SpeechInput

BATCH_TOLERANCE = 1e-5
"""Largest change of a value that the other clips of a batch may cause; answers do not depend on their batch."""

Clip = NDArray[np.float32]
Compute = Callable[[Sequence[Clip]], NDArray[np.float32]]
"""One implementation: clips, float32 [samples] each, to values float32 [clips, …]."""


class ParityError(UserError):
    """A graph that does not compute what its network computes; the message is one line."""


@dataclass(frozen=True)
class Check:
    """One comparison and its bound.

    Attributes:
        title: what the graph is compared with, for people.
        figure: name of the value in JSON, such as 'torch_difference'.
        limit: name of the bound in JSON, such as 'torch_tolerance'.
        value: what was found; None where the other implementation cannot run.
        bound: largest value allowed; with ``at_least`` the smallest.
    """

    title: str
    figure: str
    limit: str
    value: float | None
    bound: float
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Whether the value lies within its bound; what cannot be compared passes."""
        if self.value is None:
            return True
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def summary(self) -> str:
        """Value and bound in words."""
        if self.value is None:
            return f"{self.title} not compared"
        if self.at_least:
            return f"{self.title} {self.value:.5f} (≥ {self.bound})"
        return f"{self.title} {self.value:.1e} (≤ {self.bound:.0e})"


@dataclass(frozen=True)
class Verification:
    """All checks of one bundle.

    Attributes:
        model: name and version.
        recordings: how many were compared.
    """

    model: str
    recordings: int
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every value lies within its bound."""
        return all(check.passed for check in self.checks)

    @property
    def summary(self) -> str:
        """The checks in one line."""
        return ", ".join(check.summary for check in self.checks)

    def to_json(self) -> dict[str, object]:
        """A plain dictionary."""
        values = {check.figure: check.value for check in self.checks}
        bounds = {check.limit: check.bound for check in self.checks}
        return {"model": self.model, "recordings": self.recordings, **values, **bounds, "passed": self.passed}


def verification(card: Card, recordings: int, *checks: Check) -> Verification:
    """The checks of the bundle of ``card``."""
    return Verification(f"{card.name}/{card.version}", recordings, checks)


def difference_check(title: str, value: float | None, tolerance: float) -> Check:
    """The largest difference from the implementation ``title``, and its tolerance."""
    return Check(title, f"{title}_difference", f"{title}_tolerance", value, tolerance)


def batch_check(value: float) -> Check:
    """The largest difference between a clip alone and the same clip in a batch."""
    return difference_check("batch", value, BATCH_TOLERANCE)


def alone_and_together(compute: Compute, clips: Sequence[Clip]) -> tuple[NDArray[np.float32], float]:
    """Values of each clip computed alone, and the largest difference from those of all clips in one batch."""
    alone = np.concatenate([compute([clip]) for clip in clips])
    return alone, float(np.abs(compute(clips) - alone).max())


def largest_difference(graph: Compute, reference: Compute, clips: Sequence[Clip]) -> float:
    """Largest difference of a value between two implementations, each clip alone, all in one batch; NaN if any is."""
    batches = [*([clip] for clip in clips), list(clips)]
    return float(np.max([np.abs(graph(batch) - reference(batch)).max() for batch in batches]))


def scaled_difference(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Largest difference of a number, in units of the largest one wanted where that is above 1."""
    return float(np.abs(found - wanted).max(initial=0.0) / max(1.0, float(np.abs(wanted).max(initial=0.0))))


def refuse_difference(name: str, difference: float, tolerance: float, against: str = "network") -> None:
    """Refuse a graph that is too far from what it was made of.

    Args:
        name: name of the bundle or the network.
        difference: the largest one that was found.
        tolerance: the largest one allowed.
        against: what the graph was compared with.

    Raises:
        ParityError: ``difference`` exceeds ``tolerance``, or is no number.
    """
    if not difference <= tolerance:
        raise ParityError(f"{name}: graph and {against} differ by {difference:.2e}, more than {tolerance:.0e}")


def clips_of(speech: SpeechInput, recordings: Sequence[Clip]) -> list[Clip]:
    """Recordings, float32 [samples] each, cut to the longest that a model takes."""
    limit = round(speech.max_length_s * speech.sample_rate_hz)
    return [recording[:limit] for recording in recordings]
