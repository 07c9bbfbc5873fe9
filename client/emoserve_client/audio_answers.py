"""Answers about sound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from emoserve_client.common_answers import AnsweringModel, Column, Document, Media, Record, members


@dataclass(frozen=True)
class AudioTimeline(Record):
    """Columns with one value for each window; times in seconds, arousal and valence in −1…1, speech 0…1.

    ``confidence`` is the amount of voice, 0…1: how much there was to judge, not how right it is.
    ``plausible`` holds the labels among which the right one is at the answer's ``coverage``; None where the model tells
    nothing of its doubt.
    """

    start_s: Sequence[float]
    end_s: Sequence[float]
    probabilities: Mapping[str, Column]
    arousal: Column | None
    valence: Column | None
    dominance: Column | None
    speech: Column | None
    confidence: Column | None
    plausible: Sequence[Sequence[str] | None] | None


@dataclass(frozen=True)
class Segments(Record):
    """Columns with one value for each utterance, as :class:`AudioTimeline`; ``speech_level_db`` is re full scale."""

    start_s: Sequence[float]
    end_s: Sequence[float]
    emotion: Sequence[str | None]
    probabilities: Mapping[str, Column]
    arousal: Column | None
    valence: Column | None
    dominance: Column | None
    speech: Sequence[float]
    speech_level_db: Column
    confidence: Sequence[float]
    plausible: Sequence[Sequence[str] | None] | None
    speaker: Sequence[str | None] | None


@dataclass(frozen=True)
class VoiceActivity(Record):
    """Probability of speech for each step of ``hop_s`` seconds, from ``start_s`` on."""

    start_s: float
    hop_s: float
    probability: Sequence[float]


@dataclass(frozen=True)
class SpeakerTurns(Record):
    """Columns with one value for each turn: who speaks when; times in seconds."""

    start_s: Sequence[float]
    end_s: Sequence[float]
    speaker: Sequence[str]


@dataclass(frozen=True)
class SpeakerEmotion(Record):
    """Emotion of one voice of a recording, which speaks for ``speech_s`` seconds."""

    speaker: str
    speech_s: float
    by_label: Mapping[str, float] | None
    emotion: str | None
    plausible: Sequence[str] | None
    arousal: float | None
    valence: float | None
    dominance: float | None


@dataclass(frozen=True)
class ChannelEmotion(Record):
    """Emotion of a recording or of one of its channels; None where nobody speaks.

    ``speakers`` and ``turns`` are there where the request asked who speaks.
    """

    channel: str | None
    probabilities: Sequence[float] | None
    by_label: Mapping[str, float] | None
    emotion: str | None
    plausible: Sequence[str] | None
    arousal: float | None
    valence: float | None
    dominance: float | None
    timeline: AudioTimeline | None
    segments: Segments | None
    voice_activity: VoiceActivity | None
    speakers: Sequence[SpeakerEmotion] | None
    turns: SpeakerTurns | None
    flags: Sequence[str]

    @classmethod
    def read(cls, raw: Document) -> Self:
        """Read a JSON document."""
        kinds: dict[str, type[Record]] = {
            "timeline": AudioTimeline,
            "segments": Segments,
            "voice_activity": VoiceActivity,
            "turns": SpeakerTurns,
        }
        read: dict[str, object] = {name: kind.read_if_there(raw.get(name)) for name, kind in kinds.items()}
        if (speakers := raw.get("speakers")) is not None:
            read["speakers"] = tuple(map(SpeakerEmotion.read, speakers))
        return cls(**members(cls, raw, **read, flags=tuple(raw["flags"])))


@dataclass(frozen=True)
class AudioEmotion(ChannelEmotion):
    """Answer of ``POST /v1/audio/emotion``; ``channels`` is filled only with ``channel='each'``."""

    request_id: str
    media: Media
    model: AnsweringModel
    labels: Sequence[str]
    coverage: float | None
    channels: Sequence[ChannelEmotion]
    raw: Document = field(repr=False)

    @classmethod
    def read(cls, raw: Document) -> Self:
        """Read a JSON document."""
        read = {
            **ChannelEmotion.read(raw).__dict__,
            "media": Media.read(raw["media"]),
            "model": AnsweringModel.read(raw["model"]),
            "labels": tuple(raw["labels"]),
            "channels": tuple(ChannelEmotion.read(channel) for channel in raw.get("channels") or ()),
        }
        return cls(**members(cls, raw, **read))

    def probability(self, label: str) -> float | None:
        """Probability of one class; None where nobody speaks.

        Raises:
            ValueError: the model has no class ``label``.
        """
        index = list(self.labels).index(label)
        return None if self.probabilities is None else self.probabilities[index]


@dataclass(frozen=True)
class AudioEmbedding(Record):
    """Answer of ``POST /v1/audio/embedding``: ``dimensions`` numbers for each window, None for a silent one."""

    request_id: str
    media: Media
    model: AnsweringModel
    dimensions: int
    start_s: Sequence[float]
    end_s: Sequence[float]
    embedding: Sequence[Sequence[float] | None]
    flags: Sequence[str]
    raw: Document = field(repr=False)

    @classmethod
    def read(cls, raw: Document) -> Self:
        """Read a JSON document."""
        read = {
            "media": Media.read(raw["media"]),
            "model": AnsweringModel.read(raw["model"]),
            "start_s": raw["timeline"]["start_s"],
            "end_s": raw["timeline"]["end_s"],
            "flags": tuple(raw["flags"]),
        }
        return cls(**members(cls, raw, **read))
