"""From the features of a face to 17 action units in 0…5: minus the person's neutral, head, 3-frame mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect_columns import ACTION_UNITS
from service.pipeline.face_log import FaceLog
from service.pipeline.face_networks import FaceNetworks
from service.pipeline.face_settings import number
from service.pipeline.faces import TrackedFace
from service.pipeline.neutral import Neutral
from service.pipeline.results import FloatArray
from service.pipeline.session import GraphError, Session
from service.problems import Unprocessable
from service.registry import Bundle, BundleError, Registry

HEAD_FRAMES = 512
"""Frames of one call of the head."""

MEDIAN_FRAMES = 3000
"""Frames, evenly spaced, of which the neutral median is taken; OpenFace takes its from as many."""


class ActionUnitModel:
    """A bundle of the task 'action-units', on one thread of the CPU.

    Two kinds: with the files 'features', 'head' and 'head_absolute' (without a neutral), or with one 'model' that
    goes from blendshapes to units by rule.

    Raises:
        BundleError: a graph or a setting is missing or of another kind.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        roles = {entry.role for entry in bundle.card.files.values()}
        self._trained = "features" in roles
        try:
            if tuple(bundle.card.labels) != ACTION_UNITS:
                raise GraphError("its labels are not the 17 action units")
            self.smoothing_frames = int(number(bundle.card, "smoothing_frames"))
            self.confidence = number(bundle.card, "confidence_tracked")
            self._needs_blendshapes = bool(bundle.card.settings["needs_blendshapes"])
            if self._trained:
                self._min_tracked_s = number(bundle.card, "neutral_min_tracked_s")
                self._features = Session(bundle.path("features"), device="cpu")
                shapes = ("blendshapes",) if self._needs_blendshapes else ()
                self._features.require(("landmarks", *shapes), ("features",))
                self._head = Session(bundle.path("head"), device="cpu")
                self._absolute = Session(bundle.path("head_absolute"), device="cpu")
            else:
                self._absolute = Session(bundle.path(), device="cpu")
        except (KeyError, TypeError, GraphError) as error:
            cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise BundleError(f"bundle {bundle.card.name}/{bundle.card.version}: {cause}") from error

    def features(self, face: TrackedFace) -> FloatArray:
        """Features of a face in one frame, float32 [dim]."""
        if not self._trained:
            return _present(face.blendshapes)
        inputs = {"landmarks": face.points.astype(np.float32)[None]}
        if self._needs_blendshapes:
            inputs["blendshapes"] = _present(face.blendshapes)[None]
        return np.asarray(self._features.run(inputs, ("features",))["features"][0], np.float32)

    def intensities(
        self, log: FaceLog, time_s: NDArray[np.float64], neutral: Neutral
    ) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """Action units of a face in every frame of the video.

        Args:
            log: the face.
            time_s: float64 [frames], of all frames.
            neutral: what is subtracted.

        Returns:
            float64 [frames, 17] in 0…5, zeros where the face was not seen; and flags: 'no_neutral' where too
            little of the face was seen for a median.

        Raises:
            Unprocessable: the face was not seen in the neutral stretch.
        """
        base, flags = self._neutral(log, time_s, neutral)
        units = np.zeros((len(time_s), len(ACTION_UNITS)))
        for first in range(0, len(log), HEAD_FRAMES):
            rows = slice(first, min(first + HEAD_FRAMES, len(log)))
            units[log.frames[rows]] = self.head(log.features(rows), base)
        return smooth(units, log.frames, self.smoothing_frames), flags

    @property
    def uses_neutral(self) -> bool:
        """Whether a resting face can be subtracted at all."""
        return self._trained

    def head(self, features: FloatArray, base: FloatArray | None) -> FloatArray:
        """Action units of some frames, not smoothed.

        Args:
            features: float32 [frames, dim].
            base: float32 [dim] of the resting face, or None.

        Returns:
            float32 [frames, 17] in 0…5.
        """
        if not self._trained:
            return np.asarray(self._absolute.run({"blendshapes": features}, ("action_units",))["action_units"])
        if base is None:
            return np.asarray(self._absolute.run({"features": features}, ("action_units",))["action_units"])
        return np.asarray(self._head.run({"features": features - base}, ("action_units",))["action_units"])

    def _neutral(
        self, log: FaceLog, time_s: NDArray[np.float64], neutral: Neutral
    ) -> tuple[FloatArray | None, tuple[str, ...]]:
        """Features of the resting face, float32 [dim], or None."""
        if neutral.kind == "none":
            return None, ()
        seen_s = time_s[log.frames]
        rows = np.flatnonzero((seen_s >= neutral.start_s) & (seen_s <= neutral.end_s))
        if neutral.kind == "stretch" and rows.size == 0:
            raise Unprocessable("No face is tracked in the neutral stretch.", pointer="/neutral")
        if not self._trained:
            return None, ("no_neutral",)
        if neutral.kind == "median":
            step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
            if rows.size * step_s < self._min_tracked_s:
                return None, ("no_neutral",)
        if rows.size > MEDIAN_FRAMES:
            rows = rows[np.linspace(0, rows.size - 1, MEDIAN_FRAMES).astype(np.int64)]
        return np.median(log.features(rows), axis=0).astype(np.float32), ()


def smooth(units: NDArray[np.float64], frames: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    """Centred mean over ``width`` frames, of those in which the face was seen; other rows stay 0.

    Args:
        units: float64 [frames, units], zeros where the face was not seen.
        frames: int64 [n], where it was seen.
        width: odd number of frames.
    """
    half = width // 2
    seen = np.zeros(len(units) + 2 * half)
    seen[frames + half] = 1.0
    padded = np.pad(units, ((half, half), (0, 0)))
    total = sum(padded[shift : shift + len(units)] for shift in range(2 * half + 1))
    count = sum(seen[shift : shift + len(units)] for shift in range(2 * half + 1))
    smoothed = np.zeros_like(units)
    smoothed[frames] = np.asarray(total)[frames] / np.asarray(count)[frames, None]
    return smoothed


def choose_action_units(registry: Registry, faces: FaceNetworks) -> Bundle | None:
    """The bundle of the highest priority that fits the mesh and the blendshapes of the face bundle, or None."""

    def fits(bundle: Bundle) -> bool:
        settings = bundle.card.settings
        points = settings.get("mesh_points", faces.settings.mesh_points)
        return points == faces.settings.mesh_points and (
            faces.has_blendshapes or not settings.get("needs_blendshapes", False)
        )

    fitting = [bundle for bundle in registry.of_task("action-units") if fits(bundle)]
    return max(fitting, key=lambda bundle: bundle.card.priority, default=None)


def _present(blendshapes: FloatArray | None) -> FloatArray:
    if blendshapes is None:
        raise GraphError("the face bundle has no blendshapes")
    return blendshapes
