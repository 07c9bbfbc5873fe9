"""Results of the speech pipeline, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from itertools import compress
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from service.pipeline.prior import PriorUse
    from service.registry import Bundle

FloatArray = NDArray[np.float32]

Span = tuple[float, float]
"""Begin and end in seconds of the presentation clock."""

MAX_SPANS = 300
"""Spans of one kind that are told one by one; later ones lengthen the last."""


@dataclass(frozen=True)
class Track:
    """One track of sound or of pictures.

    Attributes:
        track: number among the tracks of its kind, from 0.
        kind: 'sound' or 'picture'.
        codec: FFmpeg's name.
        language: as the file tells it, None where it does not.
        default: whether the file marks it to be played unless another is chosen.
        silent: whether it holds digital silence alone; None where nobody listened.
        used: whether the answer is about it.
        start_s, end_s: seconds of the presentation clock between which it has packets, None where it has none.
    """

    track: int
    kind: Literal["sound", "picture"]
    codec: str
    language: str | None = None
    default: bool = False
    silent: bool | None = None
    used: bool = False
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class FlagSpan:
    """When a remark on a recording holds, in seconds of its presentation clock.

    Attributes:
        flag: the remark.
        start_s, end_s: seconds.
        channel: the channel that it is about, as :attr:`ChannelEmotion.channel`, or None.
        face: number of the face that it is about, or None.
    """

    flag: str
    start_s: float
    end_s: float
    channel: str | None = None
    face: int | None = None


@dataclass(frozen=True)
class MediaInfo:
    """Facts read from the container, before any conversion.

    Attributes:
        duration_s: end of the last packet of any track that was read, on the presentation clock.
        tracks: every track of sound and pictures, in the order of the file.
        offset_s: a table's own time of the answer's second 0; None for sound and video.
    """

    duration_s: float
    container: str
    codec: str
    sample_rate_hz: int | None = None
    channels: int | None = None
    frame_rate_hz: float | None = None
    width: int | None = None
    height: int | None = None
    tracks: tuple[Track, ...] = ()
    offset_s: float | None = None


@dataclass(frozen=True, eq=False)
class VoiceProfile:
    """Statistics of some clips.

    Attributes:
        encoder_sha256: of the weights that made them.
        clips: how many there were.
        speech_s: seconds of voice in them.
        statistics: float32 [2 · dimensions], mean of their means over time, then of their deviations.
    """

    encoder_sha256: str
    clips: int
    speech_s: float
    statistics: FloatArray


@dataclass(frozen=True)
class ProfileUse:
    """The profile that an answer was seen from.

    Attributes:
        source: 'self' or 'document'.
        clips, speech_s: what it held, at the end of the recording where it grew with it.
        weight: how much it counted then, 0…1.
    """

    source: Literal["self", "document"]
    clips: int
    speech_s: float
    weight: float


@dataclass(frozen=True)
class DoubtBound:
    """The bound of plausible labels, from the model's card.

    A label is plausible from ``least_probability`` on; ``coverage`` is the share of recordings whose right one is.
    """

    coverage: float
    least_probability: float


Plausible = tuple[str, ...] | None
"""Plausible labels, the most probable first; None where nothing is known."""


@dataclass(frozen=True)
class Timeline:
    """One row a window. NaN in a float column stands for ``null``: nothing can be known there.

    Attributes:
        start_s, end_s: float64 [windows], seconds from the beginning of the recording.
        probabilities: float32 [windows, classes]; a model of dimensions alone has no classes.
        arousal, valence, dominance: float32 [windows] in −1…1, or None where the model has no such output.
        speech: float32 [windows], share of each window that is speech, 0…1, or None without voice activity.
        confidence: float32 [windows], amount of voice in each, 0…1: seconds over the card's ``enough_speech_s``; None
            without voice activity.
        plausible: one entry a window; None where the model's card tells nothing of its doubt.
    """

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    probabilities: FloatArray
    arousal: FloatArray | None
    valence: FloatArray | None
    speech: FloatArray | None
    confidence: FloatArray | None = None
    plausible: Sequence[Plausible] | None = None
    dominance: FloatArray | None = None


@dataclass(frozen=True)
class Segments:
    """One row an utterance; columns of one length. NaN stands for ``null``.

    Attributes:
        start_s, end_s: float64, seconds from the beginning of the recording; from the first to the last step of voice.
        probabilities: float32 [segments, classes].
        arousal, valence, dominance: float32 in −1…1, or None where the model has no such output.
        speech: float32, share of each that is voice, 0…1.
        speech_level_db: float32, RMS over its steps of voice, dB below full scale.
        confidence, plausible: one entry an utterance, as in :class:`Timeline`.
        uncertain: bool, whether much of its voice is none for the detector.
        speaker: who speaks in each, or nobody; None where nobody asks.
    """

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    probabilities: FloatArray
    arousal: FloatArray | None
    valence: FloatArray | None
    speech: FloatArray
    speech_level_db: FloatArray
    confidence: FloatArray
    uncertain: NDArray[np.bool_]
    plausible: Sequence[Plausible] | None = None
    dominance: FloatArray | None = None
    speaker: tuple[str | None, ...] | None = None

    def __len__(self) -> int:
        return len(self.start_s)

    def rows(self, chosen: NDArray[np.bool_]) -> Segments:
        """Some rows of them, chosen by bool [segments]."""

        def part(column: Any) -> Any:  # noqa: ANN401 - an array or a sequence
            return column[chosen] if isinstance(column, np.ndarray) else type(column)(compress(column, chosen))

        columns: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        own: dict[str, Any] = {name: None if one is None else part(one) for name, one in columns.items()}
        return Segments(**own)


@dataclass(frozen=True)
class SpeakerTurns:
    """When each voice of a channel speaks; columns of one length, turn after turn.

    Attributes:
        start_s, end_s: float64, seconds from the beginning of the recording.
        speaker: 'A' speaks first.
    """

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    speaker: tuple[str, ...]


@dataclass(frozen=True)
class SpeakerEmotion:
    """The answer for one voice of a channel: means over its judged segments, weighted by seconds of voice.

    Attributes:
        speaker: as in :class:`SpeakerTurns`.
        speech_s: seconds of its turns.
        probabilities: float32 [classes], or None where none of its speech is judged.
        emotion, plausible, arousal, valence, dominance: as in :class:`ChannelEmotion`.
    """

    speaker: str
    speech_s: float
    probabilities: FloatArray | None
    emotion: str | None
    plausible: Plausible
    arousal: float | None
    valence: float | None
    dominance: float | None


@dataclass(frozen=True)
class VoiceTrace:
    """Voice activity step by step.

    Attributes:
        start_s: where the first step begins, seconds from the beginning of the recording.
        hop_s: length of a step.
        probabilities: float32 [steps], of speech.
    """

    start_s: float
    hop_s: float
    probabilities: FloatArray


@dataclass(frozen=True)
class JudgedWindow:
    """One row of a timeline, told before the whole answer is there; None stands for ``null``.

    Attributes:
        channel: as :attr:`ChannelEmotion.channel`.
        index: of the row, from 0.
        start_s, end_s: seconds from the beginning of the recording.
        probabilities: float32 [classes], or None where there is too little speech to judge.
        arousal, valence, dominance: −1…1, or None.
        speech: share of the window that is speech, 0…1, or None without voice activity.
        plausible: plausible labels, or None.
    """

    channel: str
    index: int
    start_s: float
    end_s: float
    probabilities: FloatArray | None
    arousal: float | None
    valence: float | None
    speech: float | None
    confidence: float | None = None
    plausible: Plausible = None
    dominance: float | None = None


@dataclass(frozen=True)
class JudgedSegment:
    """One utterance of a stream: :class:`Segments` of one row."""

    index: int
    row: Segments


@dataclass(frozen=True)
class ChannelEmotion:
    """The answer for one channel (or for the mix).

    Attributes:
        channel: 'mix', 'left', 'right' or the channel's index as text.
        probabilities: float32 [classes], or None where there is no speech to judge.
        emotion, plausible: most probable label, and plausible labels, or None.
        arousal, valence, dominance: −1…1, or None.
        flags: such as 'silent', 'clipped', 'no_speech'.
        segments: the utterances that the answer is made of; None without voice activity.
        voice_activity: step by step, or None.
        speakers, turns: who speaks, in the order of the first turns, and when; None where nobody asks.
    """

    channel: str
    probabilities: FloatArray | None
    emotion: str | None
    arousal: float | None
    valence: float | None
    timeline: Timeline
    flags: tuple[str, ...] = ()
    segments: Segments | None = None
    voice_activity: VoiceTrace | None = None
    plausible: Plausible = None
    dominance: float | None = None
    speakers: tuple[SpeakerEmotion, ...] | None = None
    turns: SpeakerTurns | None = None


@dataclass(frozen=True)
class ModelReference:
    """The weights that gave the answer."""

    name: str
    version: str
    sha256: str
    licence: str
    provider: str

    @classmethod
    def of(cls, bundle: Bundle, provider: str) -> ModelReference:
        """Reference to the weights of ``bundle``, which ``provider`` runs."""
        card = bundle.card
        return cls(card.name, card.version, bundle.sha256, card.licence.spdx, provider)

    @property
    def identity(self) -> str:
        """name/version@sha256, as the audit log writes it."""
        return f"{self.name}/{self.version}@{self.sha256}"


@dataclass(frozen=True)
class AudioEmotion:
    """The answer for a recording: one entry in ``channels``, or one a channel with ``channel='each'``.

    ``envelope`` is (minimum, maximum) of the waveform in up to 1,000 equal slices, float32 [slices, 2], for plots.
    ``denoiser`` took the noise out, ``profile`` is what the voice was compared with, ``prior`` took the place of the
    model's, ``domain`` is the kind of recording whose parts of the model answered, ``speaker_model`` told who speaks;
    each is None where there was none. ``doubt`` is that of the model's card. ``flag_spans``: first the recording's,
    then each channel's.
    """

    media: MediaInfo
    model: ModelReference
    labels: tuple[str, ...]
    channels: tuple[ChannelEmotion, ...]
    envelope: FloatArray
    denoiser: ModelReference | None = None
    stages_s: dict[str, float] = field(default_factory=dict)
    doubt: DoubtBound | None = None
    flag_spans: tuple[FlagSpan, ...] = ()
    profile: ProfileUse | None = None
    prior: PriorUse | None = None
    domain: str | None = None
    speaker_model: ModelReference | None = None


OnWindow = Callable[[JudgedWindow, Sequence[str]], None]
"""Told one window and the model's labels."""


@dataclass(frozen=True)
class ChannelEmbedding:
    """The answer for one channel (or for the mix).

    Attributes:
        channel: 'mix', 'left', 'right' or the channel's index as text.
        rows: float32 [windows, dimensions]; a row of NaN stands for ``null``: a silent window has none.
        flags: such as 'silent', 'silent_windows', 'clipped', 'denoised'.
    """

    channel: str
    rows: FloatArray
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class AudioEmbedding:
    """As :class:`AudioEmotion`; ``start_s`` and ``end_s`` are float64 [windows], seconds, of every channel's rows."""

    media: MediaInfo
    model: ModelReference
    dimensions: int
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    channels: tuple[ChannelEmbedding, ...]
    denoiser: ModelReference | None = None
    stages_s: dict[str, float] = field(default_factory=dict)
