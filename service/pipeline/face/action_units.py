"""The 17 action units in 0…5 out of a face's points: the person's resting level is subtracted, 3 frames averaged."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.flags import Flag
from service.pipeline.device.session import GraphError, Session
from service.pipeline.face.face_log import FaceLog
from service.pipeline.face.geometry import Points
from service.pipeline.face.neutral import FaceProfile, Neutral, NeutralUse, read_neutral
from service.pipeline.face.unit_scale import ACTION_UNITS, MAX_INTENSITY
from service.pipeline.results import FloatArray
from service.problems import ProfileInvalid, ProfileMismatch, ProfileTooLittleFace, Unprocessable
from service.registry import Bundle, BundleError, Registry

SMOOTHING_RATE_HZ: Final = 30.0
"""Frame rate for which a card states how many frames are averaged."""

SMILE: Final = ACTION_UNITS.index("AU12")
"""Unit of the lip corners."""

SMILE_AT_REST: Final = 1.1
"""Absolute intensity of AU12 from which on a rest is taken for a smile: above all 320 rendered faces at rest (at most
0.89 and 1.09 with either mesh), below 95 % of rendered smiles of 2 and more (``make bench ONLY=expressions``)."""

OUTPUTS: Final = ("relative", "absolute")
"""Outputs of the graph, float32 [faces, 17] each."""


class ActionUnitModel:
    """A bundle of the task 'action-units', on one thread of the CPU.

    Its graph gives every unit twice: relative, from which the person's resting level is subtracted, and absolute, for a
    face whose rest is not known.

    Attributes:
        mesh_points: points of the meshes that it takes.

    Raises:
        BundleError: a graph or a setting is missing or of another kind.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        card, units = bundle.card, len(ACTION_UNITS)
        try:
            if tuple(card.labels) != ACTION_UNITS:
                raise GraphError("its labels are not the 17 action units")
            self.smoothing_frames = int(card.number("smoothing_frames"))
            self.confidence = card.number("confidence_tracked")
            self.mesh_points = int(card.number("mesh_points"))
            self._needs_blendshapes = bool(card.settings["needs_blendshapes"])
            self._min_tracked_s = card.number("neutral_min_tracked_s")
            self._resting_percentiles = card.numbers("resting_percentiles", units)
            self._dead_zone = np.array(card.numbers("dead_zone", units), np.float32)
            self._graph = Session(bundle.path("model"), device="cpu")
            self._graph.require(("landmarks", *(("blendshapes",) if self._needs_blendshapes else ())), OUTPUTS)
        except (KeyError, TypeError, GraphError) as error:
            cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise BundleError(f"bundle {card.name}/{card.version}: {cause}") from error

    def values(self, points: Points, blendshapes: FloatArray | None) -> FloatArray:
        """Values of faces before a resting level is subtracted and before they are limited, from one frame or several.

        Args:
            points: float64 [faces, points, 3], the meshes.
            blendshapes: float32 [faces, 52], or None where the face bundle has none.

        Returns:
            float32 [faces, 34]: relative, then absolute.

        Raises:
            GraphError: the bundle needs blendshapes, and there are none.
        """
        inputs = {"landmarks": points.astype(np.float32)}
        if self._needs_blendshapes:
            if blendshapes is None:
                raise GraphError("the face bundle has no blendshapes")
            inputs["blendshapes"] = np.asarray(blendshapes)
        found = self._graph.run(inputs, OUTPUTS)
        return np.concatenate([found[name] for name in OUTPUTS], axis=1, dtype=np.float32)

    def neutral(self, text: str, profile: FaceProfile | None) -> Neutral:
        """The resting face that a request asks for.

        Args:
            text: as :func:`read_neutral`.
            profile: what the document holds, for the text 'document'.

        Raises:
            Unprocessable: the text cannot be read.
            ProfileInvalid: there is no document.
            ProfileMismatch: it is of another graph or mesh.
        """
        neutral = read_neutral(text, profile)
        if neutral.kind == "document" and profile is None:
            raise ProfileInvalid("There is no document.", pointer="/neutral")
        if profile is not None:
            self.check(profile, "/neutral")
        return neutral

    def check(self, profile: FaceProfile, pointer: str) -> None:
        """Refuse a profile of another graph or mesh.

        Raises:
            ProfileMismatch: it is of one; with ``pointer``.
        """
        if (profile.encoder_sha256, profile.mesh) != (self.bundle.sha256, self.mesh_points):
            raise ProfileMismatch("The document is not of this face model.", pointer=pointer)

    def profile(self, log: FaceLog | None, time_s: NDArray[np.float64], neutral: Neutral) -> FaceProfile:
        """The resting face of a recording; arguments as those of :meth:`rest`, None stands for no face at all.

        Raises:
            ProfileTooLittleFace: too little of the face was seen.
            Unprocessable: the face was not seen in the neutral stretch.
        """
        resting, use = (None, NeutralUse("none")) if log is None else self.rest(log, time_s, neutral)
        if resting is None:
            raise ProfileTooLittleFace
        return FaceProfile(self.bundle.sha256, use.frames, self.mesh_points, resting)

    def intensities(
        self, log: FaceLog, time_s: NDArray[np.float64], neutral: Neutral
    ) -> tuple[FloatArray, NeutralUse, tuple[str, ...]]:
        """Action units of a face in every frame of the video.

        Args:
            log: the face.
            time_s: float64 [frames], the times of all frames.
            neutral: what is subtracted.

        Returns:
            float32 [frames, 17] in 0…5, zeros where the face was not seen; what was subtracted; and flags: 'no_neutral'
            where too little of the face was seen to tell its rest, 'neutral_smiles' where it seems to smile at rest.

        Raises:
            Unprocessable: the face was not seen in the neutral stretch.
        """
        resting, use = self.rest(log, time_s, neutral)
        units = np.zeros((len(time_s), len(ACTION_UNITS)), np.float32)
        units[log.frames] = self.limited(log.values, resting)
        flags: tuple[str, ...] = ()
        if neutral.kind == "median" and resting is None:
            flags = (Flag.NO_NEUTRAL,)
        elif neutral.kind in ("median", "stretch") and self._smiles(log, time_s, neutral):
            flags = (Flag.NEUTRAL_SMILES,)
        return smooth(units, log.frames, smoothing_width(self.smoothing_frames, time_s)), use, flags

    def rest(self, log: FaceLog, time_s: NDArray[np.float64], neutral: Neutral) -> tuple[FloatArray | None, NeutralUse]:
        """The resting level of a face, float32 [17], and what it is of; arguments as those of :meth:`intensities`.

        None stands for a level that is not asked for, or is not known because too little of the face was seen.

        Raises:
            Unprocessable: the face was not seen in the neutral stretch.
        """
        if neutral.profile is not None:
            return neutral.profile.mean, NeutralUse("document", neutral.profile.frames)
        seen_s, values = time_s[log.frames], log.values
        step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
        if neutral.kind == "stretch":
            held = _held(log, time_s, neutral)
            resting, seen_s = self.resting_in_stretch(values[held]), seen_s[held]
        elif neutral.kind == "median" and len(log) * step_s >= self._min_tracked_s:
            resting = self._resting_level(values)
        else:
            return None, NeutralUse("none")
        return resting, NeutralUse(neutral.kind, len(seen_s), float(seen_s[0]), float(seen_s[-1]))

    def _smiles(self, log: FaceLog, time_s: NDArray[np.float64], neutral: Neutral) -> bool:
        """Whether the face smiles where it is taken to rest, by values that know no rest."""
        absolute = log.values[:, len(ACTION_UNITS) + SMILE]
        if neutral.kind == "stretch":
            return bool(np.median(absolute[_held(log, time_s, neutral)]) >= SMILE_AT_REST)
        return bool(np.percentile(absolute, self._resting_percentiles[SMILE]) >= SMILE_AT_REST)

    def _resting_level(self, values: FloatArray) -> FloatArray:
        """Each unit's own percentile of a whole recording [n, 34], float32 [17]."""
        relative = values[:, : len(ACTION_UNITS)]
        levels = [np.percentile(relative[:, unit], share) for unit, share in enumerate(self._resting_percentiles)]
        return np.array(levels, np.float32)

    def resting_in_stretch(self, values: FloatArray) -> FloatArray:
        """Median of a stretch that shows the resting face, float32 [17].

        Args:
            values: float32 [n, 34], of the frames that show the face.

        Raises:
            Unprocessable: there is no such frame.
        """
        if not len(values):
            raise Unprocessable("No face is tracked in the neutral stretch.", pointer="/neutral")
        return np.median(values[:, : len(ACTION_UNITS)], axis=0).astype(np.float32)

    def limited(self, values: FloatArray, resting: FloatArray | None) -> FloatArray:
        """Intensities of values, float32 [n, 17] in 0…5.

        Args:
            values: float32 [n, 34].
            resting: float32 [17], the resting level; None takes the absolute values.
        """
        units = len(ACTION_UNITS)
        raw = values[:, units:] if resting is None else values[:, :units] - (resting + self._dead_zone)
        return np.clip(raw, 0.0, MAX_INTENSITY)


def _held(log: FaceLog, time_s: NDArray[np.float64], neutral: Neutral) -> NDArray[np.bool_]:
    """Whether each frame with the face lies in the stretch, bool [n]."""
    return np.array([neutral.holds(float(seen_s)) for seen_s in time_s[log.frames]], np.bool_)


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
