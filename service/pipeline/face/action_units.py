"""The 17 action units in 0…5 out of a face's features: the person's neutral is subtracted, the head applied, 3 frames
averaged.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.flags import Flag
from service.pipeline.device.session import GraphError, Session
from service.pipeline.face.face_log import FaceLog
from service.pipeline.face.geometry import Points
from service.pipeline.face.neutral import Neutral
from service.pipeline.face.thinned_rows import ThinnedRows
from service.pipeline.face.unit_scale import ACTION_UNITS, MAX_INTENSITY
from service.pipeline.results import FloatArray
from service.problems import Unprocessable
from service.registry import Bundle, BundleError, Registry

SMOOTHING_RATE_HZ: Final = 30.0
"""Frame rate for which a card states how many frames are averaged."""

MEDIAN_FRAMES: Final = 3000
"""Largest number of frames, evenly spaced, behind the neutral median; OpenFace takes as many."""


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
            self.smoothing_frames = int(bundle.card.number("smoothing_frames"))
            self.confidence = bundle.card.number("confidence_tracked")
            self._needs_blendshapes = bool(bundle.card.settings["needs_blendshapes"])
            if self._trained:
                self._min_tracked_s = bundle.card.number("neutral_min_tracked_s")
                self._features = Session(bundle.path("features"), device="cpu")
                shapes = ("blendshapes",) if self._needs_blendshapes else ()
                self._features.require(("landmarks", *shapes), ("features",))
                self._head = Session(bundle.path("head"), device="cpu")
                self._absolute = Session(bundle.path("head_absolute"), device="cpu")
                for head in (self._head, self._absolute):
                    head.require(("features",), ("linear",))
            else:
                self._absolute = Session(bundle.path(), device="cpu")
        except (KeyError, TypeError, GraphError) as error:
            cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise BundleError(f"bundle {bundle.card.name}/{bundle.card.version}: {cause}") from error

    def features(self, points: Points, blendshapes: FloatArray | None) -> FloatArray:
        """Features of faces, from one frame or from several.

        Args:
            points: float64 [faces, points, 3], the meshes.
            blendshapes: float32 [faces, 52], or None where the face bundle has none.

        Returns:
            float32 [faces, dim].

        Raises:
            GraphError: the bundle needs blendshapes, and there are none.
        """
        if blendshapes is None and (self._needs_blendshapes or not self._trained):
            raise GraphError("the face bundle has no blendshapes")
        if not self._trained:
            return np.asarray(blendshapes)
        inputs = {"landmarks": points.astype(np.float32)}
        if self._needs_blendshapes:
            inputs["blendshapes"] = np.asarray(blendshapes)
        return np.asarray(self._features.run(inputs, ("features",))["features"], np.float32)

    def start_log(self, features: FloatArray, neutral: Neutral) -> FaceLog:
        """An empty log of a face that was seen for the first time.

        Args:
            features: float32 [dim], as seen first.
            neutral: what will be subtracted.
        """
        return FaceLog(features if self._trained and neutral.kind != "none" else None)

    def values(self, features: FloatArray, base: FloatArray | None) -> FloatArray:
        """The head's values before they are limited to 0…5.

        Args:
            features: float32 [n, dim].
            base: what is subtracted from them, float32 [dim]; None asks the head that needs no neutral.

        Returns:
            float32 [n, 17].
        """
        if not self._trained:
            return np.asarray(self._absolute.run({"blendshapes": features}, ("action_units",))["action_units"])
        if base is None:
            return np.asarray(self._absolute.run({"features": features}, ("linear",))["linear"])
        return np.asarray(self._head.run({"features": features - base}, ("linear",))["linear"])

    def intensities(
        self, log: FaceLog, time_s: NDArray[np.float64], neutral: Neutral
    ) -> tuple[FloatArray, tuple[str, ...]]:
        """Action units of a face in every frame of the video.

        Args:
            log: the face.
            time_s: float64 [frames], the times of all frames.
            neutral: what is subtracted, as :meth:`start_log` was told.

        Returns:
            float32 [frames, 17] in 0…5, zeros where the face was not seen; and flags: 'no_neutral' where too
            little of the face was seen for a median.

        Raises:
            Unprocessable: the face was not seen in the neutral stretch.
        """
        values, flags = self._relative_to_neutral(log, time_s, neutral)
        frames = log.frames
        units = np.zeros((len(time_s), len(ACTION_UNITS)), np.float32)
        units[frames] = np.clip(values, 0.0, MAX_INTENSITY, out=values)
        return smooth(units, frames, smoothing_width(self.smoothing_frames, time_s)), flags

    def _relative_to_neutral(
        self, log: FaceLog, time_s: NDArray[np.float64], neutral: Neutral
    ) -> tuple[FloatArray, tuple[str, ...]]:
        """The head's values for features minus the resting face's, float32 [n, 17], and flags.

        The log holds W·(x − base) + b; W·(base − neutral) turns it into W·(x − neutral) + b.
        """
        if neutral.kind == "none":
            return log.values, ()
        if neutral.kind == "stretch" and not any(neutral.holds(float(seen_s)) for seen_s in time_s[log.frames]):
            raise Unprocessable("No face is tracked in the neutral stretch.", pointer="/neutral")
        rows = log.neutral_rows
        if rows is None:
            return log.values, (Flag.NO_NEUTRAL,)
        if neutral.kind == "median" and rows.is_complete:
            step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
            if len(log) * step_s < self._min_tracked_s:
                return self.values(rows.rows(), None), (Flag.NO_NEUTRAL,)
        return log.values + self.shift_to(rows), ()

    def shift_to(self, neutral_rows: ThinnedRows) -> FloatArray:
        """The difference between values relative to the resting face and to a log's base, float32 [17].

        Args:
            neutral_rows: features of the resting face, at least one row.
        """
        rows = neutral_rows
        chosen = slice(None) if len(rows) <= MEDIAN_FRAMES else np.linspace(0, len(rows) - 1, MEDIAN_FRAMES).astype(int)
        resting = np.median(rows.rows(chosen), axis=0).astype(np.float32)
        moved, still = self.values(np.stack([rows.base - resting, np.zeros_like(resting)]), np.zeros_like(resting))
        return np.asarray(moved - still)


def smoothing_width(frames: int, time_s: NDArray[np.float64]) -> int:
    """Number of frames that are averaged: the card's at up to 30 frames a second, at more the odd number that takes
    no longer than that.

    Args:
        frames: odd number, the card's.
        time_s: float64 [frames], the times of the video's frames.
    """
    step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
    if step_s <= 0:
        return frames
    fitting = int(frames / SMOOTHING_RATE_HZ / step_s + 1e-6)
    return max(frames, fitting - 1 + fitting % 2)


def smooth(units: FloatArray, frames: NDArray[np.int64], width: int) -> FloatArray:
    """Centred mean over those of ``width`` frames in which the face was seen; other rows stay 0.

    Args:
        units: float32 [frames, units], zeros where the face was not seen.
        frames: int64 [n], where it was seen.
        width: odd number of frames.
    """
    seen = np.zeros((len(units), 1), np.float32)
    seen[frames] = 1.0
    total, count = units.copy(), seen.copy()
    for shift in range(1, min(width // 2, len(units) - 1) + 1):
        for sums, values in ((total, units), (count, seen)):
            sums[shift:] += values[:-shift]
            sums[:-shift] += values[shift:]
    total /= np.maximum(count, 1)
    total *= seen
    return total


def choose_action_units(registry: Registry, mesh_points: int, *, has_blendshapes: bool) -> Bundle | None:
    """The bundle of the highest priority that fits a face bundle, or None.

    Args:
        registry: the bundles.
        mesh_points: points of the face bundle's mesh.
        has_blendshapes: whether the face bundle gives blendshapes.
    """

    def fits(bundle: Bundle) -> bool:
        settings = bundle.card.settings
        return settings.get("mesh_points", mesh_points) == mesh_points and (
            has_blendshapes or not settings.get("needs_blendshapes", False)
        )

    fitting = [bundle for bundle in registry.of_task("action-units") if fits(bundle)]
    return max(fitting, key=lambda bundle: bundle.card.priority, default=None)
