"""The constants of a face bundle, read from its card."""

from __future__ import annotations

from dataclasses import dataclass

from service.card import Card


@dataclass(frozen=True)
class FaceSettings:
    """The ``settings`` of a face bundle's card.

    Attributes:
        detector_size_px, mesh_size_px: sides of the square pictures that the two graphs take.
        min_score, overlap: least score of a detection, and the intersection over union above which two are one.
        roi_scale: side of the region that the mesh looks at, over the side of the face's box.
        detected_axis, tracked_axis: the two points that become horizontal, of a detection and of a mesh.
        detected_square, tracked_square: whether that region is a square.
        mesh_points: points of the mesh.
        min_presence: least probability of a face in the region.
    """

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

    @classmethod
    def of(cls, card: Card) -> FaceSettings:
        """Read the settings of ``card``.

        Raises:
            KeyError: a setting is missing.
            TypeError: a setting is of another kind.
        """
        return cls(
            detector_size_px=int(card.number("detector_size_px")),
            min_score=card.number("detector_min_score"),
            overlap=card.number("detector_overlap"),
            roi_scale=card.number("roi_scale"),
            detected_axis=card.pair("roi_detected_axis"),
            detected_square=bool(card.settings["roi_detected_square"]),
            tracked_axis=card.pair("roi_tracked_axis"),
            tracked_square=bool(card.settings["roi_tracked_square"]),
            mesh_size_px=int(card.number("mesh_size_px")),
            mesh_points=int(card.number("mesh_points")),
            min_presence=card.number("min_presence"),
        )
