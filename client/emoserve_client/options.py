"""Query parameters of the calls; a parameter that is left out has the service's default."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from emoserve_client.common_answers import Document

Channel = Literal["mix", "left", "right", "each"]
Include = Literal["action_units", "attribution", "audio", "boxes", "expression", "frame_units"]


class AnswerOptions(TypedDict, total=False):
    """Parameters of answers in 'application/fhir+json', and of plots.

    ``plot_width_mm`` is the width of 'image/svg+xml' and 'application/pdf' in print. The others are of FHIR:
    ``bundle`` is 'collection', or 'transaction' for a FHIR server; ``subject`` is 'Patient/ID', ``encounter``
    'Encounter/ID', ``effective`` when the recording began, ``identifier`` your own name of it, 'SYSTEM|VALUE', from
    which those of the observations derive; ``summary_only`` leaves out series.
    """

    bundle: Literal["collection", "transaction"]
    subject: str
    encounter: str
    effective: str
    identifier: str
    summary_only: bool
    plot_width_mm: float


class SoundOptions(TypedDict, total=False):
    """Parameters that all calls about sound share; times in seconds.

    ``track`` is the number of the sound track, from 0.
    """

    model: str
    version: str
    window_s: float
    hop_s: float
    channel: Channel
    track: int
    start_s: float
    end_s: float
    denoise: bool


class EmotionOptions(SoundOptions, total=False):
    """Parameters of ``POST /v1/audio/emotion``.

    ``timeline`` asks for a value for every window, ``segments`` for one for every utterance, ``voice_activity`` for the
    probability of speech at every step. ``min_speech`` is the share of a window that must be speech, 0…1.
    ``profile`` is 'none', 'self', or the document of :meth:`make_profile`. ``prior`` says how likely each class is
    before anything is heard: 'card', 'uniform' or 'LABEL:P,…'. ``domain`` is a kind of recording that the model's card
    names. ``speakers`` tells who speaks when: 'off', 'auto', or how many there are.
    """

    timeline: bool
    segments: bool
    voice_activity: bool
    min_speech: float
    profile: Literal["none", "self"] | Document
    prior: str
    domain: str
    speakers: str | int


class EmotionAnswerOptions(EmotionOptions, AnswerOptions, total=False):
    """Parameters of ``POST /v1/audio/emotion`` and of the answer's form."""


class VideoOptions(TypedDict, total=False):
    """Parameters of ``POST /v1/video/affect``.

    ``neutral`` is 'median', 'none', 'START:END' in seconds, or the document of :meth:`make_profile`; ``face`` is
    'largest', 'all', a number, or 'at:X,Y' in shares of the picture; ``track`` and ``picture_track`` are the numbers of
    the sound and the picture track, from 0.
    """

    model: str
    version: str
    include: Sequence[Include]
    neutral: str | Document
    face: str
    channel: Channel
    track: int
    picture_track: int
    audio_model: str
    audio_version: str
    expression_model: str
    expression_version: str


class VideoAnswerOptions(VideoOptions, AnswerOptions, total=False):
    """Parameters of ``POST /v1/video/affect`` and of the answer's form."""


class TableOptions(TypedDict, total=False):
    """Parameters of ``POST /v1/action-units/affect``; ``fps`` replaces the table's time stamps."""

    model: str
    version: str
    include: Sequence[Include]
    face: str
    fps: float


class TableAnswerOptions(TableOptions, AnswerOptions, total=False):
    """Parameters of ``POST /v1/action-units/affect`` and of the answer's form."""


class AudioStreamOptions(TypedDict, total=False):
    """Options of a live stream of sound besides its sample rate; times in seconds.

    ``channels`` is the number of interleaved channels; their mean is judged. ``min_speech`` is the share of a window
    that must be speech, 0…1. ``segments`` asks for utterances too; ``prior``, ``domain`` and ``speakers`` are
    as in :class:`EmotionOptions`, but that who spoke is told at the end.
    """

    channels: int
    model: str
    version: str
    window_s: float
    hop_s: float
    min_speech: float
    segments: bool
    prior: str
    domain: str
    speakers: str


class VideoStreamOptions(TypedDict, total=False):
    """Options of a live stream of a face.

    ``input`` is 'jpeg' or 'action_units'; ``neutral`` is 'none', 'START:END' in seconds, or the document of
    :meth:`make_profile`; ``causal`` asks for rows at once, without waiting for the frames that could change them.
    """

    input: Literal["jpeg", "action_units"]
    model: str
    version: str
    neutral: str | Document
    face: int
    causal: bool
