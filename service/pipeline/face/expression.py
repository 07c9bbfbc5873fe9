"""A network that looks at the picture of a face: its valence and arousal, classes of expression, action units.

Bundles of the task 'face-expression' are published networks, imported by ``emoserve-export import``. They stand beside
the action units and the affect model, which see points alone. A face is looked at ten times a second at most, as often
as there are rows.
"""

import math
from typing import Final

import numpy as np

from service.pipeline.device.session import GraphError, Session
from service.pipeline.face.geometry import Points, Region, crop
from service.pipeline.face.looks import ExpressionColumns
from service.pipeline.media.video_frames import Picture
from service.pipeline.results import FloatArray
from service.registry import Bundle, BundleError

LOOK_EVERY_S: Final = 0.1
"""Seconds between two looks at a face: the hop of the timeline."""

CROPS: Final = ("box", "eyes-and-mouth")
"""Parts of the picture that networks are shown: the box of the mesh, turned so that the eyes are level; or LibreFace's
square around eyes and mouth."""

EYE_CORNERS: Final = (33, 263)
"""Points at the outer corners of the eyes, left in the picture first; both meshes have them."""

LEFT_EYE: Final = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
RIGHT_EYE: Final = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)
"""Points of the lids, left and right in the picture: the connections of the publisher's mesh."""

MOUTH_CORNERS: Final = (61, 291)
"""Points at the corners of the mouth."""

EYES_SHARE, MOUTH_SHARE, DOWN_SHARE, KEPT_SHARE = 2.0, 1.8, 0.1, 224 / 256
"""LibreFace's square: half its side over the distance of the eyes and over that from eyes to mouth, whichever is
longer; how far it lies below the eyes; and the share of it that is kept. From its program."""


class ExpressionModel:
    """A bundle of the task 'face-expression', on one thread of the CPU.

    Attributes:
        columns: what it tells.

    Raises:
        BundleError: the graph or a setting is missing or of another kind.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        card = bundle.card
        try:
            self._size_px = int(card.number("image_px"))
            self._crop = str(card.settings["crop"])
            units = card.settings.get("action_units", [])
            if self._crop not in CROPS or not isinstance(units, list):
                raise GraphError(f"its crop is none of {', '.join(CROPS)}, or its action_units are no list")
            self._graph = Session(bundle.path("model"), device="cpu")
            given = self._graph.output_names
            self.columns = ExpressionColumns("valence" in given, tuple(card.labels), tuple(map(str, units)))
            if not self.columns.width:
                raise GraphError("it tells neither valence and arousal, classes nor action units")
            self._graph.require(("image",), tuple(self.columns.outputs))
        except (KeyError, TypeError, GraphError) as error:
            cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise BundleError(f"bundle {card.name}/{card.version}: {cause}") from error

    def crop(self, picture: Picture, points: Points) -> FloatArray:
        """The part of a picture that the network is shown, float32 [size, size, 3] in 0…1.

        Args:
            points: float64 [points, 3], the mesh in pixels of the picture.
        """
        region = face_box(points) if self._crop == "box" else eyes_and_mouth(points)
        return crop(picture, region, self._size_px)

    def look(self, picture: FloatArray) -> FloatArray:
        """The numbers of a crop, float32 [width]. Faces are looked at one by one: a CPU gains nothing from more.

        Args:
            picture: float32 [size, size, 3] in 0…1.
        """
        found = self._graph.run({"image": picture[None]}, tuple(self.columns.outputs))
        return np.concatenate([found[name].reshape(-1) for name in self.columns.outputs]).astype(np.float32)

    def warm_up(self) -> None:
        """Run the graph once on a black picture; raises whatever a kernel fails with.

        Raises:
            GraphError: it gives more or fewer numbers than its card tells.
        """
        numbers = self.look(np.zeros((self._size_px, self._size_px, 3), np.float32))
        if len(numbers) != self.columns.width:
            raise GraphError(f"it gives {len(numbers)} numbers, its card tells of {self.columns.width}")


def face_box(points: Points) -> Region:
    """The rectangle around a mesh whose eyes are level in it."""
    plane = points[:, :2]
    left, right = plane[list(EYE_CORNERS)]
    angle = math.atan2(right[1] - left[1], right[0] - left[0])
    axes = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    level = plane @ axes.T
    low, high = level.min(axis=0), level.max(axis=0)
    x, y = (low + high) / 2 @ axes
    width, height = high - low
    return Region(float(x), float(y), float(width), float(height), angle)


def eyes_and_mouth(points: Points) -> Region:
    """LibreFace's square around eyes and mouth."""
    plane = points[:, :2]
    left, right = plane[list(LEFT_EYE)].mean(axis=0), plane[list(RIGHT_EYE)].mean(axis=0)
    eyes, mouth = (left + right) / 2, plane[list(MOUTH_CORNERS)].mean(axis=0)
    across, down = right - left, mouth - eyes
    right_x, right_y = across[0] + down[1], across[1] - down[0]  # eyes and mouth count the same
    half = max(EYES_SHARE * math.hypot(*across), MOUTH_SHARE * math.hypot(*down))
    x, y = eyes + DOWN_SHARE * down
    side = 2 * half * KEPT_SHARE
    return Region(float(x), float(y), side, side, math.atan2(right_y, right_x))
