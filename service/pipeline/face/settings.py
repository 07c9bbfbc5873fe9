"""The constants of a face bundle, read from its card."""

from __future__ import annotations

from dataclasses import dataclass

from service.card import Card
from service.pipeline.face.one_euro import OneEuroSettings


@dataclass(frozen=True)
class FaceSettings:
    """See ``settings`` of the face bundle's card; axes are pairs of points that become horizontal."""

    detector_size_px: int
    min_score: float
    overlap: float
    roi_scale: float
    detected_axis: tuple[int, int]
    detected_square: bool
    tracked_axis: tuple[int, int]
    tracked_square: bool
    mesh_size_px: int
    mesh_points: int
    min_presence: float
    smoothing: OneEuroSettings

    @classmethod
    def of(cls, card: Card) -> FaceSettings:
        """Read them.

        Raises:
            KeyError: one is missing.
            TypeError: one is of another kind.
        """
        return cls(
            detector_size_px=int(number(card, "detector_size_px")),
            min_score=number(card, "detector_min_score"),
            overlap=number(card, "detector_overlap"),
            roi_scale=number(card, "roi_scale"),
            detected_axis=_pair(card, "roi_detected_axis"),
            detected_square=bool(card.settings["roi_detected_square"]),
            tracked_axis=_pair(card, "roi_tracked_axis"),
            tracked_square=bool(card.settings["roi_tracked_square"]),
            mesh_size_px=int(number(card, "mesh_size_px")),
            mesh_points=int(number(card, "mesh_points")),
            min_presence=number(card, "min_presence"),
            smoothing=OneEuroSettings(
                number(card, "smoothing_min_cutoff_hz"),
                number(card, "smoothing_beta"),
                number(card, "smoothing_derivative_cutoff_hz"),
            ),
        )


def number(card: Card, name: str) -> float:
    """One numeric setting of a card.

    Raises:
        KeyError: it is missing.
        TypeError: it is no number.
    """
    value = card.settings[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"the setting {name} is not a number")
    return float(value)


def _pair(card: Card, name: str) -> tuple[int, int]:
    value = card.settings[name]
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError(f"the setting {name} is not a pair")
    return int(value[0]), int(value[1])
