"""The tracker of a video's faces: the detector finds them, then each mesh leads to the next; numbers stay.

The detector runs when no face is followed, and twice a second to find others. A face that is found anew takes
the number of the one that was lost last where that is plausible: at about the same place, or at about the same
size while nobody else is in the picture. Nobody is recognised.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from service.pipeline.face.geometry import Points, Region, overlaps
from service.pipeline.face.networks import Detection, FaceNetworks, Mesh
from service.pipeline.face.search import FaceSearch
from service.pipeline.media.video_frames import Picture

DETECT_EVERY_S: Final = 0.5
"""Seconds between two looks for other faces; one look takes 2 ms."""

MOST_FACES: Final = 4
"""Largest number of faces followed at once; each costs as much as the first."""

MOST_NUMBERS: Final = 64
"""Largest number of faces in one video: hostile ones make a new face every frame."""

DOUBLE_OVERLAP: Final = 0.5
"""Intersection over union above which two tracks follow one face; the older track goes on."""

SAME_FACE_OVERLAP: Final = 0.3
"""Intersection over union above which a detection is a face that is followed already."""

SAME_PLACE_OVERLAP: Final = 0.1
"""Intersection over union above which a detection is the lost face that was there."""

MOST_SETTLING_STEPS: Final = 12
"""Largest number of times that the mesh of a new face is placed again; each takes as long as a followed frame."""

SETTLED_SHARE: Final = 2e-4
"""Mean movement of a settled mesh from one placing to the next, over the side of its region."""

SAME_SIZE_RATIO: Final = 2.0
"""Largest ratio of sizes at which a detection may be the face that was lost last."""


@dataclass(frozen=True)
class TrackedFace:
    """One face in one frame.

    Attributes:
        number: from 0, in the order in which faces appear.
        points: float64 [points, 3], pixels of the picture; a face that lies on its head is turned upright, as the
            networks of its expression know faces.
        placed: float64 [points, 3], the same where they lie in the picture.
        size_px: geometric mean of the sides of its box.
        box: float64 [4], left, top, width and height in shares of the picture, within it.
    """

    number: int
    points: Points
    placed: Points
    size_px: float
    box: Points


@dataclass
class _Track:
    number: int
    region: Region
    box: Points
    seen: bool = False

    def state(self) -> dict[str, Any]:
        region = {name: float(value) for name, value in asdict(self.region).items()}
        return {"number": self.number, "region": region, "box": self.box, "seen": self.seen}

    @classmethod
    def resume(cls, state: dict[str, Any]) -> "_Track":
        return cls(state["number"], Region(**state["region"]), state["box"], state["seen"])


class FaceTracker:
    """The faces of one video. Not thread-safe: frames follow each other.

    Args:
        networks: the face bundle's graphs.
    """

    def __init__(self, networks: FaceNetworks) -> None:
        self._networks = networks
        self._live: list[_Track] = []
        self._lost: list[_Track] = []
        self._numbers = 0
        self._detected_at_s = -np.inf
        self._search = FaceSearch(networks)

    def step(self, picture: Picture, time_s: float) -> list[TrackedFace]:
        """Follow the faces into the next frame.

        Args:
            picture: uint8 [height, width, 3].
            time_s: seconds, later than the last.
        """
        faces = self._follow(picture)
        if not self._live or time_s - self._detected_at_s >= DETECT_EVERY_S:
            self._detected_at_s = time_s
            faces += self._find(picture, time_s)
        return faces

    def state(self) -> dict[str, Any]:
        """All that is known, as plain values and arrays."""
        return {
            "live": [track.state() for track in self._live],
            "lost": [track.state() for track in self._lost],
            "numbers": self._numbers,
            "detected_at_s": float(self._detected_at_s),
            "again_at_s": self._search.again_at_s,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was asked for."""
        self._live = [_Track.resume(track) for track in state["live"]]
        self._lost = [_Track.resume(track) for track in state["lost"]]
        self._numbers, self._detected_at_s = state["numbers"], state["detected_at_s"]
        self._search.again_at_s = state["again_at_s"]

    def _follow(self, picture: Picture) -> list[TrackedFace]:
        faces: list[TrackedFace] = []
        tracks, self._live = self._live, []
        meshes = self._networks.meshes(picture, [track.region for track in tracks])
        for track, mesh in zip(tracks, meshes, strict=True):
            face = self._place(track, mesh, picture)
            if face is None or self._overlaps_followed(track.box, DOUBLE_OVERLAP):
                self._lost.append(track)
            else:
                self._live.append(track)
                faces.append(face)
        return faces

    def _find(self, picture: Picture, time_s: float) -> list[TrackedFace]:
        detections = [one for one in self._networks.detect(picture) if not self._is_followed(one)]
        faces = self._begin(self._search.upright(picture, detections), picture)
        if not self._live:
            faces = self._begin(self._search.further(picture, time_s), picture)
        return faces

    def _begin(self, detections: Sequence[Detection], picture: Picture) -> list[TrackedFace]:
        """Begin to follow those of ``detections`` that turn out to be faces."""
        faces = []
        for detection in detections:
            if len(self._live) >= MOST_FACES or self._is_followed(detection):
                continue
            track = self._track_for(detection)
            if track is None:
                continue
            face = self._place(track, self._settled(picture, track.region), picture)
            if face is not None:
                self._live.append(track)
                faces.append(face)
            elif track.seen:
                self._lost.append(track)
            else:  # a detection without a mesh was no face; its number, the newest, is free again
                self._numbers -= 1
        return faces

    def _settled(self, picture: Picture, region: Region) -> Mesh:
        """The mesh of a face that was found in ``region``, placed again and again until it stays where it is.

        A detection is a rough place. Without this the first second of a face shows the mesh on its way.
        """
        (mesh,) = self._networks.meshes(picture, [region])
        for _ in range(MOST_SETTLING_STEPS):
            if not self._is_face(mesh):
                break
            region = self._networks.next_region(mesh.points)
            (moved,) = self._networks.meshes(picture, [region])
            distance_px = float(np.abs(moved.points - mesh.points).mean())
            mesh = moved
            if distance_px <= SETTLED_SHARE * region.scale:
                break
        return mesh

    def _is_face(self, mesh: Mesh) -> bool:
        return mesh.presence >= self._networks.settings.min_presence and bool(np.isfinite(mesh.points).all())

    def _place(self, track: _Track, mesh: Mesh, picture: Picture) -> TrackedFace | None:
        """Move the track to where the mesh lies; None where there is no face any more."""
        if not self._is_face(mesh):
            return None
        track.seen = True
        track.region = self._networks.next_region(mesh.points)
        low, high = mesh.points[:, :2].min(axis=0), mesh.points[:, :2].max(axis=0)
        track.box = np.concatenate([low, high])
        upright = _turned_upright(mesh.points, track.region.angle)
        return TrackedFace(track.number, upright, mesh.points, _size(track.box), _shares(track.box, picture))

    def _is_followed(self, detection: Detection) -> bool:
        middle = (detection.box[:2] + detection.box[2:]) / 2
        covered = any(np.all((track.box[:2] <= middle) & (middle <= track.box[2:])) for track in self._live)
        return covered or self._overlaps_followed(detection.box, SAME_FACE_OVERLAP)

    def _overlaps_followed(self, box: Points, least: float) -> bool:
        return any(overlaps(box, track.box[None])[0] > least for track in self._live)

    def _track_for(self, detection: Detection) -> _Track | None:
        """A new track under the number of the face that this most likely is; None beyond the last number."""
        known = next((track for track in reversed(self._lost) if self._is_same(track, detection)), None)
        if known is not None:
            self._lost.remove(known)
            number = known.number
        elif self._numbers < MOST_NUMBERS:
            number = self._numbers
            self._numbers += 1
        else:
            return None
        return _Track(number, detection.region, detection.box, seen=known is not None)

    def _is_same(self, track: _Track, detection: Detection) -> bool:
        if overlaps(detection.box, track.box[None])[0] > SAME_PLACE_OVERLAP:
            return True
        ratio = _size(detection.box) / max(_size(track.box), 1e-9)
        alone = not self._live and track is self._lost[-1]
        return bool(alone and 1 / SAME_SIZE_RATIO < ratio < SAME_SIZE_RATIO)


def _turned_upright(points: Points, angle: float) -> Points:
    """Points of a face whose eye line is turned by ``angle`` radians; beyond a quarter turn they are turned back."""
    if abs(math.remainder(angle, 2 * math.pi)) <= math.pi / 2:
        return points
    centre = points[:, :2].mean(axis=0)
    cosine, sine = math.cos(angle), math.sin(angle)
    turned = points.copy()
    turned[:, :2] = (points[:, :2] - centre) @ np.array([[cosine, -sine], [sine, cosine]]) + centre
    return turned


def _shares(box: Points, picture: Picture) -> Points:
    """Left, top, width and height of a box in shares of the picture, limited to it."""
    height, width, _ = picture.shape
    low, high = (np.clip(corner / (width, height), 0.0, 1.0) for corner in (box[:2], box[2:]))
    return np.concatenate([low, high - low])


def _size(box: Points) -> float:
    """Geometric mean of a box's sides, pixels."""
    return math.sqrt(max(float(np.prod(box[2:] - box[:2])), 0.0))
