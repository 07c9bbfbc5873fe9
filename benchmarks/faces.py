"""Our faces against MediaPipe's own runtime on the same frames in the same process: time a tracked frame, agreement.

Needs ``pip install mediapipe==1.2.2`` in the environment, ``face_landmarker.task`` and ``single_face.mp4`` in the
folder of ``EMOSERVE_SHARED``; says so and measures nothing where one of them is missing.
"""

import importlib.util
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.measurement import emit
from export.faces.bundle import write_face_bundle
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.tracker import FaceTracker
from service.registry import Registry
from service.settings import Settings

ROUNDS = 3
OUTER_EYE_CORNERS = (33, 263)  # points of the mesh

Frames = list[tuple[float, np.ndarray]]
Answers = tuple[float, np.ndarray, np.ndarray]
"""Seconds a frame, points [frames, 478, 2] in pixels, blendshapes [frames, 52]."""


def theirs(frames: Frames, task: Path) -> Answers:
    """MediaPipe in VIDEO mode, one face."""
    import mediapipe
    from mediapipe.tasks import python as tasks
    from mediapipe.tasks.python import vision

    options = vision.FaceLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_path=str(task)),
        running_mode=vision.RunningMode.VIDEO,
        output_face_blendshapes=True,
    )
    landmarker = vision.FaceLandmarker.create_from_options(options)
    height, width = frames[0][1].shape[:2]
    points, scores = [], []
    began = time.perf_counter()
    for time_s, pixels in frames:
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(pixels))
        result = landmarker.detect_for_video(image, round(1000 * time_s))
        points.append([(point.x * width, point.y * height) for point in result.face_landmarks[0]])
        scores.append([category.score for category in result.face_blendshapes[0]])
    took_s = time.perf_counter() - began
    landmarker.close()
    return took_s / len(frames), np.array(points), np.array(scores)


def ours(frames: Frames, networks: FaceNetworks) -> Answers:
    """The tracker of the service."""
    tracker = FaceTracker(networks)
    points, scores = [], []
    began = time.perf_counter()
    for time_s, pixels in frames:
        face = tracker.step(pixels, time_s)[0]
        points.append(face.points[:, :2])
        scores.append(networks.blendshapes(face.points[None])[0])
    return (time.perf_counter() - began) / len(frames), np.array(points), np.array(scores)


def run() -> None:
    """Measure and print."""
    shared = Path(os.environ.get("EMOSERVE_SHARED", "../shared"))
    movie, task = shared / "media" / "single_face.mp4", shared / "weights" / "face_landmarker.task"
    if importlib.util.find_spec("mediapipe") is None or not (movie.is_file() and task.is_file()):
        sys.stderr.write(f"faces: not measured; needs mediapipe==1.2.2 installed, {movie} and {task}\n")
        return
    with av.open(str(movie)) as container:
        frames = [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    with tempfile.TemporaryDirectory() as folder:
        write_face_bundle(Path(folder), task, None)
        registry = Registry.load(Settings(model_dirs=[Path(folder)]))
        networks = FaceNetworks(registry.of_task("face")[0])
        rounds = [(ours(frames, networks), theirs(frames, task)) for _ in range(ROUNDS)]
    ratio = statistics.median(mine[0] / other[0] for mine, other in rounds)
    (_, points, scores), (_, their_points, their_scores) = rounds[0]
    context: dict[str, Any] = {"benchmark": "faces", "frames": len(frames)}
    emit("face_time_a_frame", ratio, "ratio", ratio_of="ours on 1 thread / MediaPipe 1.2.2 VIDEO mode", **context)
    emit("face_time_a_frame_ours", 1000 * statistics.median(mine[0] for mine, _ in rounds), "ms", **context)
    eyes = np.linalg.norm(their_points[:, OUTER_EYE_CORNERS[0]] - their_points[:, OUTER_EYE_CORNERS[1]], axis=1)
    apart = np.linalg.norm(points - their_points, axis=2).mean(axis=1) / eyes
    emit("face_points_apart", 100 * float(apart.mean()), "% of the distance of the outer eye corners", **context)
    moving = np.flatnonzero(their_scores.std(axis=0) > 0.01)
    r = [np.corrcoef(scores[:, index], their_scores[:, index])[0, 1] for index in moving]
    emit("face_blendshape_correlation", float(np.median(r)), "Pearson r", least=round(float(min(r)), 3), **context)
