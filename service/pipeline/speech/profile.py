"""Profiles of voices: statistics of other, unlabelled recordings that a model sees a clip from.

A profile is the mean over clips of what the model's encoder gives for each. It holds no sound, but one of a single
person is a voiceprint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.card import ProfileInput
from service.pipeline.audio_options import ProfileChoice
from service.pipeline.results import FloatArray, ProfileUse, VoiceProfile
from service.problems import ProfileInvalid, ProfileMismatch, ProfileTooLittleSpeech

LEAST_SPEECH_S: Final = 3.0
"""Seconds of voice that a profile needs."""

Place = tuple[int, int]
"""First sample of a clip and the one behind its last."""


def joined(first: VoiceProfile, second: VoiceProfile) -> VoiceProfile:
    """The profile of both sets of clips. Raises ProfileMismatch if they are of two encoders."""
    if second.encoder_sha256 != first.encoder_sha256 or len(second.statistics) != len(first.statistics):
        raise ProfileMismatch(pointer="/profile")
    clips = first.clips + second.clips
    total = first.clips * first.statistics.astype(np.float64) + second.clips * second.statistics
    speech_s = first.speech_s + second.speech_s
    return VoiceProfile(first.encoder_sha256, clips, speech_s, (total / clips).astype(np.float32))


def profile_of(
    takes: ProfileInput, statistics: Sequence[FloatArray], speech_s: float, before: VoiceProfile | None
) -> VoiceProfile:
    """The profile of some clips and of those before.

    Raises:
        ProfileMismatch: ``before`` is of another encoder.
        ProfileTooLittleSpeech: there is less than :data:`LEAST_SPEECH_S` of voice.
    """
    known_s = speech_s + (0.0 if before is None else before.speech_s)
    if known_s < LEAST_SPEECH_S:
        raise ProfileTooLittleSpeech
    mean: FloatArray = np.zeros(2 * takes.dimensions, np.float32)
    if statistics:
        mean = np.stack(statistics).mean(axis=0, dtype=np.float64).astype(np.float32)
    own = VoiceProfile(takes.encoder_sha256, len(statistics), speech_s, mean)
    return own if before is None else joined(before, own)


def profile_weight(clips: int, takes: ProfileInput) -> float:
    """Weight of a profile of so many clips, 0…1."""
    return clips / (clips + takes.half_weight_clips)


def profile_view(
    source: ProfileChoice | None, voice: VoiceProfile | None, takes: ProfileInput | None, rate_hz: int
) -> "View":
    """The view of one channel: a profile that its clips are compared with, or None.

    Args:
        source: None stands for 'none'.
        voice: the document.
        takes: what the model takes.
        rate_hz: of the channel.

    Raises:
        ProfileMismatch: the model takes none, or one of another encoder.
        ProfileInvalid: there is no document.
        ProfileTooLittleSpeech: it holds too little voice.
    """
    if source in (None, "none"):
        return None
    if takes is None:
        raise ProfileMismatch("This model takes no profile: ask for another model, or for none.", pointer="/profile")
    if source == "self":
        return GrowingProfile(takes, rate_hz)
    if voice is None:
        raise ProfileInvalid("There is no profile.", pointer="/profile")
    if (takes.encoder_sha256, 2 * takes.dimensions) != (voice.encoder_sha256, len(voice.statistics)):
        raise ProfileMismatch(pointer="/profile")
    if voice.speech_s < LEAST_SPEECH_S:
        raise ProfileTooLittleSpeech(pointer="/profile")
    use = ProfileUse("document", voice.clips, voice.speech_s, profile_weight(voice.clips, takes))
    return FixedProfile(use, voice.statistics)


@dataclass(frozen=True, eq=False)
class ProfiledClip:
    """A clip and the profile that it is seen from.

    Attributes:
        samples: float32 [n].
        statistics: float32 [2 · dimensions].
        weight: 0…1; 0 stands for no profile.
    """

    samples: FloatArray
    statistics: FloatArray
    weight: float


@dataclass(frozen=True, eq=False)
class FixedProfile:
    """A profile that is known before the recording.

    Attributes:
        use: for the answer.
        statistics: float32 [2 · dimensions].
    """

    use: ProfileUse
    statistics: FloatArray

    def seen(self, _places: Sequence[Place], clips: Sequence[FloatArray]) -> list[ProfiledClip]:
        """Clips with the profile."""
        return [ProfiledClip(samples, self.statistics, self.use.weight) for samples in clips]


def apart(places: Sequence[Place], after: int = 0) -> list[int]:
    """Numbers of clips that do not overlap, the first from ``after`` on: a profile counts no sound twice."""
    chosen = []
    for number in sorted(range(len(places)), key=lambda index: places[index]):
        start, stop = places[number]
        if start >= after:
            chosen.append(number)
            after = stop
    return chosen


class GrowingProfile:
    """The profile of a recording while it is heard: each clip is seen from those that lie wholly before it.

    Args:
        takes: what the model takes.
        rate_hz: of the places.
    """

    SETTLE_S: Final = 1.0
    """Time before a clip that its profile leaves out: what was said there is known only when the pause is over."""

    def __init__(self, takes: ProfileInput, rate_hz: int) -> None:
        self._takes = takes
        self._settle = round(self.SETTLE_S * rate_hz)
        self._sum: NDArray[np.float64] = np.zeros(2 * takes.dimensions)
        self._clips = 0
        self._late: list[tuple[int, FloatArray]] = []
        self._end = 0  # of the last clip
        self.speech_s = 0.0

    def wanted(self, places: Sequence[Place]) -> list[int]:
        """Numbers of the clips of utterances among ``places`` that it takes."""
        return apart(places, self._end)

    def add(self, places: Sequence[Place], statistics: Sequence[FloatArray]) -> None:
        """Add clips of utterances in their order, with their statistics."""
        self._late += [(stop, values) for (_, stop), values in zip(places, statistics, strict=True)]
        self._end = max([self._end, *(stop for _, stop in places)])

    def seen(self, places: Sequence[Place], clips: Sequence[FloatArray]) -> list[ProfiledClip]:
        """Clips with the profile that each is seen from."""
        rows = []
        for (start, _), samples in zip(places, clips, strict=True):
            total, count = self._sum.copy(), self._clips
            for stop, values in self._late:
                if stop <= start - self._settle:
                    total += values
                    count += 1
            mean = (total / max(count, 1)).astype(np.float32)
            rows.append(ProfiledClip(samples, mean, profile_weight(count, self._takes)))
        return rows

    def settle(self, first: int) -> None:
        """No later clip begins before the sample ``first``: clips that end well before count as heard."""
        settled = [values for stop, values in self._late if stop <= first - self._settle]
        for values in settled:
            self._sum += values
        self._clips += len(settled)
        del self._late[: len(settled)]

    @property
    def use(self) -> ProfileUse:
        """The profile as it is now, for the answer."""
        clips = self._clips + len(self._late)
        return ProfileUse("self", clips, self.speech_s, profile_weight(clips, self._takes))

    def state(self) -> dict[str, Any]:
        """All that is known, for :meth:`restore`."""
        return {
            "sum": self._sum,
            "clips": self._clips,
            "stops": [stop for stop, _ in self._late],
            "late": [values for _, values in self._late],
            "end": self._end,
            "speech_s": self.speech_s,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where :meth:`state` was written."""
        self._sum, self._clips, self.speech_s = state["sum"].copy(), state["clips"], state["speech_s"]
        self._late, self._end = list(zip(state["stops"], state["late"], strict=True)), state["end"]


View = FixedProfile | GrowingProfile | None
"""A profile that clips are compared with: fixed, growing, or none."""
