"""JSON answers about sound, for the OpenAPI document. Series are columns; null marks what cannot be known."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.flags import Flag

Column = list[float | None]


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(protected_namespaces=())


class MediaTrack(Answer):
    """One track of the file."""

    track: int = Field(description="number among the tracks of its kind, from 0", examples=[0])
    kind: Literal["sound", "picture"]
    codec: str = Field(examples=["aac"])
    language: str | None = Field(None, description="as the file tells it", examples=["eng"])
    default: bool = Field(description="the file marks it to be played unless another is chosen")
    silent: bool | None = Field(None, description="it holds silence alone; null where nobody listened")
    used: bool = Field(description="the answer is about it")
    start_s: float | None = Field(None, description="begin on the presentation clock, seconds", examples=[1.5])
    end_s: float | None = Field(None, description="end on the presentation clock, seconds", examples=[6.0])


class Media(Answer):
    """Facts of the file, before any conversion."""

    duration_s: float = Field(
        description="end of the last packet of any track on the presentation clock, seconds", examples=[2.0]
    )
    container: str = Field(examples=["wav"])
    codec: str = Field(examples=["pcm_s16le"])
    sample_rate_hz: int | None = Field(None, description="hertz", examples=[16000])
    channels: int | None = Field(None, examples=[1])
    frame_rate_hz: float | None = Field(None, description="pictures a second, for video")
    width: int | None = Field(None, description="pixels, for video")
    height: int | None = Field(None, description="pixels, for video")
    tracks: list[MediaTrack] | None = Field(None, description="every track of sound and pictures, in the file's order")
    offset_s: float | None = Field(
        None, description="time stamp of a table's first row, from which the answer's times count"
    )


class AnsweringModel(Answer):
    """Weights that gave the answer."""

    name: str
    version: str = Field(examples=["1"])
    sha256: str
    licence: str = Field(examples=["CC0-1.0"])
    provider: str | None = Field(
        None, description="execution provider of ONNX Runtime", examples=["CPUExecutionProvider"]
    )


class AudioTimeline(Answer):
    """One value a window in each column, all of one length."""

    start_s: list[float] = Field(description="seconds", examples=[[0.0]])
    end_s: list[float] = Field(description="seconds", examples=[[2.0]])
    probabilities: dict[str, Column] = Field(description="a column for each label", examples=[{"anger": [0.91]}])
    arousal: Column | None = Field(None, description="−1…1", examples=[[0.7]])
    valence: Column | None = Field(None, description="−1…1", examples=[[-0.5]])
    dominance: Column | None = Field(None, description="−1…1; only of models that have it")
    speech: Column | None = Field(None, description="share of the window that is speech, 0…1", examples=[[0.98]])
    confidence: Column | None = Field(
        None,
        description="seconds of voice over the card's enough_speech_s, 0…1: amount, not accuracy",
        examples=[[1.0]],
    )
    plausible: list[list[str] | None] | None = Field(
        None, description="plausible labels of each row; null where the model's card tells nothing of its doubt"
    )


class Segments(Answer):
    """One value an utterance in each column, all of one length."""

    start_s: list[float] = Field(description="seconds", examples=[[1.52]])
    end_s: list[float] = Field(description="seconds", examples=[[4.96]])
    emotion: list[str | None] = Field(description="the most probable label", examples=[["anger"]])
    probabilities: dict[str, Column] = Field(description="a column for each label", examples=[{"anger": [0.91]}])
    arousal: Column | None = Field(None, description="−1…1", examples=[[0.7]])
    valence: Column | None = Field(None, description="−1…1", examples=[[-0.5]])
    dominance: Column | None = Field(None, description="−1…1; only of models that have it")
    speech: list[float] = Field(description="share of the utterance that is voice, 0…1", examples=[[0.94]])
    speech_level_db: Column = Field(description="RMS while there is voice, dB re full scale", examples=[[-23.1]])
    confidence: list[float] = Field(
        description="seconds of voice over the card's enough_speech_s, 0…1: amount, not accuracy", examples=[[0.97]]
    )
    plausible: list[list[str] | None] | None = Field(
        None, description="plausible labels of each row; null where the model's card tells nothing of its doubt"
    )
    speaker: list[str | None] | None = Field(
        None, description="with speakers: who speaks longest in each", examples=[["A"]]
    )


class SpeakerTurns(Answer):
    """When each voice speaks, turn after turn: columns of one length."""

    start_s: list[float] = Field(description="seconds", examples=[[1.52]])
    end_s: list[float] = Field(description="seconds", examples=[[4.96]])
    speaker: list[str] = Field(examples=[["A"]])


class SpeakerJudgement(Answer):
    """The answer for one voice: means over its segments, weighted by seconds of voice."""

    speaker: str = Field(description="A speaks first; a letter means nothing beyond this recording", examples=["A"])
    speech_s: float = Field(description="seconds of its turns", examples=[42.1])
    by_label: dict[str, float] | None = Field(
        description="probability of each label; null where none of its speech is judged", examples=[{"anger": 0.6}]
    )
    emotion: str | None = Field(description="the most probable label", examples=["anger"])
    plausible: list[str] | None = Field(
        None, description="labels that hold the right one at `coverage`, the most probable first", examples=[["anger"]]
    )
    arousal: float | None = Field(description="−1…1; null where the model has none", examples=[0.2])
    valence: float | None = Field(description="−1…1; null where the model has none", examples=[-0.1])
    dominance: float | None = Field(None, description="−1…1, where the model has it")


class VoiceActivitySteps(Answer):
    """Voice activity at its own steps."""

    start_s: float = Field(description="beginning of the first step, seconds", examples=[0.0])
    hop_s: float = Field(description="length of a step, seconds", examples=[0.032])
    probability: list[float] = Field(description="of speech, one for each step", examples=[[0.01]])


class AudioJudgement(Answer):
    """Judgement of a recording, or of one of its channels."""

    probabilities: list[float] | None = Field(
        description="one for each label; null where there is nothing to judge; empty of a model without classes",
        examples=[[0.91, 0.09]],
    )
    by_label: dict[str, float] | None = Field(
        None, description="the same by label", examples=[{"anger": 0.91, "neutral": 0.09}]
    )
    emotion: str | None = Field(
        description="the most probable label; null without speech or classes", examples=["anger"]
    )
    plausible: list[str] | None = Field(
        None, description="labels that hold the right one at `coverage`, the most probable first", examples=[["anger"]]
    )
    arousal: float | None = Field(description="−1…1; null where the model has none", examples=[0.7])
    valence: float | None = Field(description="−1…1; null where the model has none", examples=[-0.5])
    dominance: float | None = Field(None, description="−1…1; only of models that have it")
    timeline: AudioTimeline | None = Field(None, description="with timeline=true")
    segments: Segments | None = Field(
        None, description="with segments=true; with channel=each in the entries of channels alone"
    )
    voice_activity: VoiceActivitySteps | None = Field(None, description="with voice_activity=true")
    speakers: list[SpeakerJudgement] | None = Field(None, description="with speakers: each voice, in order of turns")
    turns: SpeakerTurns | None = Field(None, description="with speakers: who speaks when")
    flags: list[Flag] = Field(description="remarks on the answer; `GET /v1/flags` lists all")


class FlagSpanAnswer(Answer):
    """When a flag holds."""

    flag: str = Field(examples=["face_lost"])
    start_s: float = Field(description="seconds", examples=[3.1])
    end_s: float = Field(description="seconds", examples=[4.0])
    channel: str | None = Field(None, description="channel that it is about; null for faces", examples=[None])
    face: int | None = Field(None, description="number of the face that it is about; null for sound", examples=[0])


class ChannelJudgement(AudioJudgement):
    """The answer for one channel."""

    channel: str = Field(examples=["left"])


class UsedProfile(Answer):
    """The profile that the voice was compared with."""

    source: Literal["self", "document"]
    clips: int = Field(description="pieces of speech in it; of one that grows, at the end", examples=[20])
    speech_s: float = Field(description="seconds of voice in them", examples=[61.4])
    weight: float = Field(description="how much it counts, 0…1", examples=[0.67])


class UsedPrior(Answer):
    """The prior that took the place of the model's own."""

    source: Literal["uniform", "asked"]
    by_label: dict[str, float] = Field(
        description="probability of each class before anything is heard", examples=[{"anger": 0.3, "neutral": 0.7}]
    )


class AudioEmotionAnswer(AudioJudgement):
    """Answer of ``POST /v1/audio/emotion``."""

    request_id: str
    media: Media
    model: AnsweringModel
    labels: list[str] = Field(examples=[["anger", "neutral"]])
    coverage: float | None = Field(
        None,
        description="share of recordings whose right label is plausible, on the corpora that the card names",
        examples=[0.9],
    )
    flag_spans: list[FlagSpanAnswer] = Field(description="when those flags hold that are about a time")
    denoiser: AnsweringModel | None = Field(None, description="with denoise=true: the model that removed the noise")
    profile: UsedProfile | None = Field(None, description="with a profile: what it held")
    prior: UsedPrior | None = Field(None, description="with a prior other than the card's: what it was")
    domain: str | None = Field(None, description="of a model that has parts for several kinds of recording")
    speaker_model: AnsweringModel | None = Field(None, description="with speakers: the model that told voices apart")
    channels: list[ChannelJudgement] | None = Field(None, description="with channel=each")
