"""The graphs of a face bundle: pictures in, faces and points out. No memory of the frames before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.card import Card
from service.pipeline.device.batch import Batcher
from service.pipeline.device.gathered_graph import GatheredGraph
from service.pipeline.device.session import CPU, Device, GraphError, Session, resolve_provider
from service.pipeline.face.geometry import (
    Points,
    Region,
    crop,
    letterbox,
    overlaps,
    region_around,
    to_picture,
    use_one_thread,
)
from service.pipeline.media.video_frames import Picture
from service.pipeline.results import FloatArray
from service.registry import Bundle, BundleError


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
    def of(cls, card: Card) -> "FaceSettings":
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


@dataclass(frozen=True)
class Detection:
    """A face that was found.

    Attributes:
        region: where its mesh is to be looked for.
        box: float64 [4], left, top, right and bottom in pixels.
        score: 0…1.
    """

    region: Region
    box: Points
    score: float


@dataclass(frozen=True)
class Mesh:
    """The points of a face.

    Attributes:
        points: float64 [points, 3], pixels of the picture.
        presence: probability that a face is there.
    """

    points: Points
    presence: float


class FaceNetworks:
    """Detector, mesh and, where the bundle has them, blendshapes. May be used by several threads at once.

    Args:
        bundle: of the task 'face'.
        device: on the CPU each graph takes the one thread that calls it; on a GPU calls of several threads are batched.
        gather: True batches calls on the CPU, too.

    Raises:
        BundleError: a graph or a setting is missing or of another kind.
        DeviceError: the device cannot be used.
    """

    def __init__(self, bundle: Bundle, device: Device = "cpu", *, gather: bool = False) -> None:
        self.bundle = bundle
        self._device = Batcher(1, name="face-graphs") if gather or resolve_provider(device) != CPU else None
        use_one_thread()
        name = f"bundle {bundle.card.name}/{bundle.card.version}"
        roles = {entry.role for entry in bundle.card.files.values()}
        try:
            self.settings = FaceSettings.of(bundle.card)
            self._detector = self._graph("detector", device, "image", ("scores", "boxes", "keypoints"))
            self._mesh = self._graph("mesh", device, "image", ("landmarks", "presence"))
            self._blendshapes = (
                self._graph("blendshapes", device, "landmarks", ("blendshapes",)) if "blendshapes" in roles else None
            )
        except (KeyError, TypeError, GraphError) as error:
            cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise BundleError(f"{name}: {cause}") from error

    @property
    def has_blendshapes(self) -> bool:
        """Whether the bundle has blendshapes."""
        return self._blendshapes is not None

    @property
    def provider(self) -> str:
        """Execution provider that the graphs run on."""
        return self._mesh.provider

    def close(self) -> None:
        """Stop the thread that batches, if there is one; whoever waits for it is told ``Draining``."""
        if self._device is not None:
            self._device.close()

    def _graph(self, role: str, device: Device, image: str, outputs: tuple[str, ...]) -> GatheredGraph:
        session = Session(self.bundle.path(role), device=device, threads=1)
        session.require((image,), outputs)
        return GatheredGraph(session, outputs, self._device)

    def warm_up(self) -> None:
        """Run every graph once on a black picture.

        Raises:
            Exception: whatever a kernel fails with.
        """
        black = np.zeros((64, 64, 3), np.uint8)
        self.detect(black)
        (mesh,) = self.meshes(black, [letterbox(black)])
        if self.has_blendshapes:
            self.blendshapes(mesh.points[None])

    def detect(self, picture: Picture, regions: Sequence[Region] | None = None) -> list[Detection]:
        """Find faces, the surest first.

        Args:
            picture: uint8 [height, width, 3].
            regions: squares to look at, all in one call of the graph; None looks at the whole picture.
        """
        settings = self.settings
        squares = [letterbox(picture)] if regions is None else regions
        size_px = settings.detector_size_px
        images = np.empty((len(squares), size_px, size_px, 3), np.float32)
        for image, square in zip(images, squares, strict=True):
            crop(picture, square, size_px, out=image)
        found = self._detector(images)
        seen: list[tuple[Points, float]] = []
        for square, scores, boxes, marks in zip(
            squares, found["scores"], found["boxes"], found["keypoints"], strict=True
        ):
            sure = np.flatnonzero(scores >= settings.min_score)
            places = np.concatenate([boxes[sure].reshape(-1, 2, 2), marks[sure]], axis=1)
            seen += [
                (_corners_sorted(to_picture(merged.astype(np.float32), square, 1)), score)
                for merged, score in merge_overlapping(places, scores[sure].astype(np.float64), settings.overlap)
            ]
        if len(squares) > 1 and seen:
            everywhere = np.stack([places for places, _ in seen])
            seen = merge_overlapping(everywhere, np.array([score for _, score in seen]), settings.overlap)
        return [self._detection(places, score) for places, score in seen]

    def _detection(self, places: Points, score: float) -> Detection:
        low, high, marks = places[0], places[1], places[2:]
        left, right = self.settings.detected_axis
        region = region_around(
            low, high, marks[left], marks[right], factor=self.settings.roi_scale, square=self.settings.detected_square
        )
        return Detection(region, places[:2].reshape(4), score)

    def meshes(self, picture: Picture, regions: Sequence[Region]) -> list[Mesh]:
        """Place the mesh on the face in each of the regions, all in one call of the graph.

        A mesh does not depend on which others are placed with it (≤ 1e-5 of its crop).
        """
        if not regions:
            return []
        size_px = self.settings.mesh_size_px
        images = np.empty((len(regions), size_px, size_px, 3), np.float32)
        for image, region in zip(images, regions, strict=True):
            crop(picture, region, size_px, out=image)
        found = self._mesh(images)
        return [
            Mesh(to_picture(points, region, size_px), float(presence))
            for points, presence, region in zip(found["landmarks"], found["presence"], regions, strict=True)
        ]

    def next_region(self, points: Points) -> Region:
        """The region in which the face of these points is looked for in the next frame."""
        plane = points[:, :2]
        left, right = self.settings.tracked_axis
        return region_around(
            plane.min(axis=0),
            plane.max(axis=0),
            plane[left],
            plane[right],
            factor=self.settings.roi_scale,
            square=self.settings.tracked_square,
        )

    def blendshapes(self, points: Points) -> FloatArray:
        """Coefficients of meshes float64 [n, points, 3]: float32 [n, 52] in 0…1.

        Four at once take 0.57 ms each, one 0.70 (measured).

        Raises:
            GraphError: the bundle has none.
        """
        if self._blendshapes is None:
            raise GraphError("the face bundle has no blendshapes")
        found = self._blendshapes(points.astype(np.float32))
        return np.asarray(found["blendshapes"], np.float32)


def _corners_sorted(places: Points) -> Points:
    """The same places with the box's low corner first, which a turned square has last."""
    return np.concatenate([places[:2].min(axis=0, keepdims=True), places[:2].max(axis=0, keepdims=True), places[2:]])


def merge_overlapping(places: NDArray[np.floating[Any]], scores: Points, overlap: float) -> list[tuple[Points, float]]:
    """Weighted non-maximum suppression: detections that overlap the best one are averaged with it by score.

    Args:
        places: float [n, 2 + keypoints, 2]; the first two are the box's corners.
        scores: float64 [n].
        overlap: intersection over union above which two are one.

    Returns:
        The places, float64, and the best score of each face, the best first.
    """
    left = np.argsort(-scores, kind="stable")
    merged = []
    while left.size:
        best = places[left[0]].astype(np.float64)
        same = overlaps(best[:2].reshape(4), places[left, :2].reshape(-1, 4).astype(np.float64)) > overlap
        same[0] = True
        weights = scores[left[same]]
        mean = np.einsum("n,nkd->kd", weights, places[left[same]].astype(np.float64)) / weights.sum()
        merged.append((mean, float(scores[left[0]])))
        left = left[~same]
    return merged
