"""Search for faces that nobody follows yet, beyond one look at the whole picture.

The detector takes 128 pixels and was trained on upright faces. It sees a face upside down as an upright one of low
score, and none that is narrower than an eighth of the picture. Hence two closer looks, one of them upside down, decide
which way up a doubtful face is. Where nothing is found at all, the turned picture and then overlapping crops are
searched, at most twice a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from service.pipeline.face.geometry import Region, letterbox, overlaps
from service.pipeline.media.video_frames import Picture

if TYPE_CHECKING:
    from service.pipeline.face.networks import Detection, FaceNetworks

LOOK_AGAIN_S: Final = 0.5
"""Least time between two searches of the turned picture and the crops, seconds, where there is no face."""

SURE_SCORE: Final = 0.9
"""Score above which a face is upright as found. Of turned ones up to 0.79 was measured, of upright ones 0.95."""

CLOSE_LOOK: Final = 2.0
"""Side of the square of a closer look over the longer side of the face's box."""

SAME_PLACE_OVERLAP: Final = 0.2
"""Intersection over union above which an upright and a turned detection are one face."""

CROP_SHARE: Final = 0.6
"""Side of a crop over the picture's shorter side: a face of 8 % of a wide picture's width is a quarter of its crop."""

LEAST_CROP_SHARE: Final = 0.25
"""Least side of a crop over the picture's longer side, so that a strip has no more than seven crops."""

CROP_MIN_SCORE: Final = 0.7
"""Least score of a detection in a crop: fifteen looks make fifteen times as many mistakes as one."""


class FaceSearch:
    """Searches the frames of one video.

    Args:
        networks: the face bundle's graphs.
    """

    def __init__(self, networks: FaceNetworks) -> None:
        self._networks = networks
        self.again_at_s = -math.inf

    def upright(self, picture: Picture, found: Sequence[Detection]) -> list[Detection]:
        """The same detections, each turned where a closer look upside down shows its face more surely."""
        return [one if one.score >= SURE_SCORE else self._right_way_up(picture, one) for one in found]

    def further(self, picture: Picture, time_s: float) -> list[Detection]:
        """Faces that the look at the whole picture did not find, the surest first.

        There are none within ``LOOK_AGAIN_S`` of the last search.
        """
        if time_s - self.again_at_s < LOOK_AGAIN_S:
            return []
        self.again_at_s = time_s
        turned = self._networks.detect(picture, [_turned(letterbox(picture))])
        close = [one for one in self._networks.detect(picture, crops(picture)) if one.score >= CROP_MIN_SCORE]
        return sorted([*turned, *self.upright(picture, close)], key=lambda one: -one.score)

    def _right_way_up(self, picture: Picture, one: Detection) -> Detection:
        low, high = one.box[:2], one.box[2:]
        x, y = (float(middle) for middle in (low + high) / 2)
        side = CLOSE_LOOK * float((high - low).max())
        close = Region(x, y, side, side)
        standing, turned = (
            [seen for seen in self._networks.detect(picture, [region]) if _is_there(seen, one)]
            for region in (close, _turned(close))
        )
        best = max(turned, key=lambda seen: seen.score, default=None)
        upright_score = max([one.score, *(seen.score for seen in standing)])
        return best if best is not None and best.score > upright_score else one


def crops(picture: Picture) -> list[Region]:
    """Squares that cover a picture; neighbours share half of their side."""
    height, width, _ = picture.shape
    side = max(CROP_SHARE * min(height, width), LEAST_CROP_SHARE * max(height, width))
    return [Region(x, y, side, side) for y in _centres(height, side) for x in _centres(width, side)]


def _centres(length: int, side: float) -> list[float]:
    if length <= side:
        return [length / 2]
    count = math.ceil((length - side) / (side / 2)) + 1
    return [float(centre) for centre in np.linspace(side / 2, length - side / 2, count)]


def _turned(region: Region) -> Region:
    return Region(region.centre_x, region.centre_y, region.width, region.height, region.angle + math.pi)


def _is_there(seen: Detection, one: Detection) -> bool:
    return bool(overlaps(one.box, seen.box[None])[0] > SAME_PLACE_OVERLAP)
