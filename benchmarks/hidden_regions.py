"""How well a covered part of a face is noticed: patches are painted over real videos, and the mesh is placed again in a
smaller and in a larger crop. Where the picture shows the part, the three meshes agree; where it does not, they guess.

Needs ``face_landmarker.task`` and ``media`` in the folder of ``EMOSERVE_SHARED``; says so and measures nothing where
they are missing. The bound of each part is half as much again as the largest disagreement in the uncovered talking
video; it is tried on that video covered, and on two others covered and uncovered. Nothing of this is served.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import emit
from export.faces.bundle import write_face_bundle
from service.pipeline.face.geometry import Points, Region
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.tracker import FaceTracker
from service.registry import Registry
from service.settings import Settings

BOUND_FROM = "talking_real.mp4"
VIDEOS = {BOUND_FROM: 14, "single_face.mp4": 6, "noface_face.mov": 8}
"""Videos, and every which frame of them is looked at: about two a second."""

LOOKS = 3
"""Looks that are averaged: a second and a half."""

PARTS = {
    "mouth": (61, 291, 0, 17, 13, 14, 37, 267, 84, 314, 78, 308, 40, 270, 91, 321),
    "left eye": (33, 133, 159, 145, 160, 144, 158, 153, 7, 163, 157, 173),
    "right eye": (263, 362, 386, 374, 387, 373, 385, 380, 249, 390, 384, 398),
    "left brow": (70, 63, 105, 66, 107, 46, 53, 52, 65, 55),
    "right brow": (300, 293, 334, 296, 336, 276, 283, 282, 295, 285),
    "nose": (1, 2, 98, 327, 4, 5, 48, 278, 115, 344, 220, 440),
    "left cheek": (50, 101, 118, 117, 123, 147, 187, 205),
    "right cheek": (280, 330, 347, 346, 352, 376, 411, 425),
}
"""Points of each part, left in the picture first."""

COVERS = {
    "mouth": ("mouth",),
    "eye": ("left eye",),
    "brows": ("left brow", "right brow"),
    "mask": ("mouth", "nose", "left cheek", "right cheek"),
    "side": ("left eye", "left brow", "left cheek"),
}
KINDS = ("cloth", "skin", "blur")
CROPS = (0.85, 1.15)
"""Sides of the other crops, over that of the followed one."""

CLOTH = np.array([90.0, 140.0, 190.0])
EYES = (33, 263)
MARGIN, HIDDEN, LARGEST_PX, SLACK = 0.18, 0.6, 640, 1.5
"""Margin of a patch over the distance of the eyes; least share of a part's points below it that makes the part hidden;
longer side of a picture; and the bound over the largest disagreement of an uncovered face."""


@dataclass(frozen=True)
class Look:
    """A frame: disagreement of each part over the distance of the eyes, and the share of its points that is covered."""

    disagreement: dict[str, float]
    covered: dict[str, float]


def run() -> None:
    """Measure and print."""
    shared = Path(os.environ.get("EMOSERVE_SHARED", "../shared"))
    task, media = shared / "weights/face_landmarker.task", shared / "media"
    if not task.is_file() or not media.is_dir():
        sys.stderr.write(f"hidden-regions: not measured; needs {task} and {media}\n")
        return
    with tempfile.TemporaryDirectory() as scratch:
        write_face_bundle(Path(scratch), task=task)
        networks = FaceNetworks(Registry.load(Settings(model_dirs=[Path(scratch)])).find(task="face"))
        looks: dict[tuple[str, str, str], list[Look]] = defaultdict(list)
        for name, step in VIDEOS.items():
            for cover, kind, look in _looks(networks, media / name, step):
                looks[name, cover, kind].append(look)
    for part in PARTS:
        _tell(part, {key: _averaged(series) for key, series in looks.items()})


def _tell(part: str, looks: dict[tuple[str, str, str], list[Look]]) -> None:
    bound = SLACK * max(look.disagreement[part] for look in looks[BOUND_FROM, "", ""])

    def share(found: list[Look]) -> tuple[float, int]:
        return float(np.mean([look.disagreement[part] > bound for look in found])), len(found)

    for kind in KINDS:
        hidden = [
            look for key, all_ in looks.items() if key[2] == kind for look in all_ if look.covered[part] >= HIDDEN
        ]
        found, count = share(hidden)
        emit("hidden_found", found, "share of looks", benchmark="hidden-regions", part=part, cover=kind, looks=count)
    beside = [look for key, all_ in looks.items() if key[1] for look in all_ if look.covered[part] == 0]
    alone = [look for key, all_ in looks.items() if not key[1] and key[0] != BOUND_FROM for look in all_]
    for where, visible in (("beside a cover", beside), ("no cover", alone)):
        lost, count = share(visible)
        emit("visible_lost", lost, "share of looks", benchmark="hidden-regions", part=part, where=where, looks=count)


def _averaged(series: list[Look]) -> list[Look]:
    """Means of looks that follow each other; a part is as covered as in the least of them, and 0 only if never."""
    averaged = []
    for begin in range(len(series) - LOOKS + 1):
        some = series[begin : begin + LOOKS]
        disagreement = {part: float(np.mean([look.disagreement[part] for look in some])) for part in PARTS}
        covered = {}
        for part in PARTS:
            shares = [look.covered[part] for look in some]
            covered[part] = 0.0 if max(shares) == 0 else max(min(shares), 1e-9)
        averaged.append(Look(disagreement, covered))
    return averaged


def _looks(networks: FaceNetworks, video: Path, step: int) -> Iterator[tuple[str, str, Look]]:
    """Name and kind of the cover, empty without one, and the look, for the largest face of every ``step`` th frame."""
    tracker, random = FaceTracker(networks), np.random.default_rng(0)
    with av.open(str(video)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % step:
                continue
            decoded = frame.to_ndarray(format="rgb24")
            scale = min(1.0, LARGEST_PX / max(decoded.shape[:2]))
            picture = np.asarray(cv2.resize(decoded, None, fx=scale, fy=scale), np.uint8)
            faces = tracker.step(picture, number / 30)
            if not faces:
                continue
            points = max(faces, key=lambda face: face.size_px).placed
            region = networks.next_region(points)
            yield "", "", Look(_disagreement(networks, picture, region), dict.fromkeys(PARTS, 0.0))
            for cover, parts in COVERS.items():
                low, high = _patch(points, parts)
                covered = {part: _inside(points[list(at), :2], low, high) for part, at in PARTS.items()}
                for kind in KINDS:
                    painted = _painted(picture, points, low, high, kind, random)
                    yield cover, kind, Look(_disagreement(networks, painted, region), covered)


def _disagreement(networks: FaceNetworks, picture: NDArray[np.uint8], region: Region) -> dict[str, float]:
    """Mean distance of each part's points from where the other crops put them, over the distance of the eyes."""
    others = [
        Region(region.centre_x, region.centre_y, region.width * side, region.height * side, region.angle)
        for side in CROPS
    ]
    first, *rest = [mesh.points[:, :2] for mesh in networks.meshes(picture, [region, *others])]
    apart = np.mean([np.linalg.norm(other - first, axis=1) for other in rest], axis=0)
    apart = apart / np.linalg.norm(first[EYES[0]] - first[EYES[1]])
    return {part: float(apart[list(at)].mean()) for part, at in PARTS.items()}


def _patch(points: Points, parts: tuple[str, ...]) -> tuple[Points, Points]:
    """Corners of the rectangle around parts of a face, pixels."""
    at = points[[point for part in parts for point in PARTS[part]], :2]
    margin = MARGIN * np.linalg.norm(points[EYES[0], :2] - points[EYES[1], :2])
    return at.min(axis=0) - margin, at.max(axis=0) + margin


def _inside(points: Points, low: Points, high: Points) -> float:
    return float(np.mean(((points >= low) & (points <= high)).all(axis=1)))


def _painted(
    picture: NDArray[np.uint8], points: Points, low: Points, high: Points, kind: str, random: np.random.Generator
) -> NDArray[np.uint8]:
    """The picture with blue cloth, a hand of the cheek's colour, or a blur over a rectangle."""
    painted = picture.copy()
    (left, top), (right, bottom) = np.maximum(low, 0).astype(int), high.astype(int)
    patch = painted[top:bottom, left:right]
    if not patch.size:
        return painted
    eyes_px = float(np.linalg.norm(points[EYES[0], :2] - points[EYES[1], :2]))
    if kind == "blur":
        patch[:] = cv2.GaussianBlur(patch, (0, 0), max(0.12 * eyes_px, 1.0))
    elif kind == "cloth":
        patch[:] = np.clip(CLOTH + random.normal(0, 6, patch.shape), 0, 255)
    else:
        x, y = points[50, :2].astype(int)
        cheek = picture[max(y - 4, 0) : y + 4, max(x - 4, 0) : x + 4].reshape(-1, 3).mean(axis=0)
        fingers = 12 * np.sin(2 * np.pi * np.arange(patch.shape[1]) / max(0.12 * eyes_px, 1.0))[None, :, None]
        folds = cv2.GaussianBlur(random.normal(0, 60, patch.shape), (0, 0), 4)
        patch[:] = np.clip(cheek + fingers + folds, 0, 255)
    return painted
