"""From the features of a face to 17 action units in 0…5: minus the person's neutral, head, 3-frame mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect.columns import ACTION_UNITS
from service.pipeline.device.session import GraphError, Session
from service.pipeline.face.face_log import FaceLog
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.neutral import Neutral
from service.pipeline.face.settings import number
from service.pipeline.face.thinned_rows import ThinnedRows
from service.pipeline.face.tracker import TrackedFace
from service.pipeline.results import FloatArray
from service.problems import Unprocessable
from service.registry import Bundle, BundleError, Registry

MAX_INTENSITY = 5.0

SMOOTHING_RATE_HZ = 30.0
"""For which the cards state over how many frames the units are averaged."""

MEDIAN_FRAMES = 3000
"""Frames, evenly spaced, of which the neutral median is taken; OpenFace takes its from as many. Of a face that is seen
in more than 4,096 frames the median is taken of an even share of them (see thinned_rows.py)."""


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
                for head in (self._head, self._absolute):
                    head.require(("features",), ("linear",))
            else:
                self._absolute = Session(bundle.path(), device="cpu")
        except (KeyError, TypeError, GraphError) as error:
            cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise BundleError(f"bundle {bundle.card.name}/{bundle.card.version}: {cause}") from error

    def features(self, faces: Sequence[TrackedFace]) -> FloatArray:
        """Features of faces, of one frame or of several: float32 [faces, dim]."""
        if not self._trained:
            return _stacked(faces)
        inputs = {"landmarks": np.stack([face.points for face in faces]).astype(np.float32)}
        if self._needs_blendshapes:
            inputs["blendshapes"] = _stacked(faces)
        return np.asarray(self._features.run(inputs, ("features",))["features"], np.float32)

    def start_log(self, features: FloatArray, neutral: Neutral) -> FaceLog:
        """An empty log of a face that was seen for the first time.

        Args:
            features: float32 [dim], of that sight.
            neutral: what will be subtracted.
        """
        return FaceLog(features if self._trained and neutral.kind != "none" else None)

    def values(self, features: FloatArray, base: FloatArray | None) -> FloatArray:
        """What the head gives before it is limited to 0…5.

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
            time_s: float64 [frames], of all frames.
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
            return log.values, ("no_neutral",)
        if neutral.kind == "median" and rows.is_complete:
            step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
            if len(log) * step_s < self._min_tracked_s:
                return self.values(rows.rows(), None), ("no_neutral",)
        return log.values + self.shift_to(rows), ()

    def shift_to(self, neutral_rows: ThinnedRows) -> FloatArray:
        """What turns values relative to a log's base into values relative to the resting face, float32 [17].

        Args:
            neutral_rows: features of the resting face, at least one row.
        """
        rows = neutral_rows
        chosen = slice(None) if len(rows) <= MEDIAN_FRAMES else np.linspace(0, len(rows) - 1, MEDIAN_FRAMES).astype(int)
        resting = np.median(rows.rows(chosen), axis=0).astype(np.float32)
        moved, still = self.values(np.stack([rows.base - resting, np.zeros_like(resting)]), np.zeros_like(resting))
        return np.asarray(moved - still)


def smoothing_width(frames: int, time_s: NDArray[np.float64]) -> int:
    """How many frames are averaged: the card's number at up to 30 frames a second, at more the odd number that takes
    no longer than that.

    Args:
        frames: odd number, of the card.
        time_s: float64 [frames of the video].
    """
    step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
    if step_s <= 0:
        return frames
    fitting = int(frames / SMOOTHING_RATE_HZ / step_s + 1e-6)
    return max(frames, fitting - 1 + fitting % 2)


def smooth(units: FloatArray, frames: NDArray[np.int64], width: int) -> FloatArray:
    """Centred mean over ``width`` frames, of those in which the face was seen; other rows stay 0.

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


def _stacked(faces: Sequence[TrackedFace]) -> FloatArray:
    """Blendshapes of the faces, float32 [faces, 52]."""
    rows = [face.blendshapes for face in faces if face.blendshapes is not None]
    if len(rows) < len(faces):
        raise GraphError("the face bundle has no blendshapes")
    return np.stack(rows)
