"""The answer for a recording, made of what is known of its windows, whichever way it was listened to."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.flags import Flag
from service.pipeline.prior import Prior, PriorUse
from service.pipeline.results import (
    AudioEmotion,
    ChannelEmotion,
    FlagSpan,
    FloatArray,
    JudgedWindow,
    MediaInfo,
    ModelReference,
    ProfileUse,
    Timeline,
    VoiceTrace,
)
from service.pipeline.speech.extent import joined_outline
from service.pipeline.speech.listener import LEAST_SPEECH_SHARE, HeardWindows, judged_rows
from service.pipeline.speech.model import EmotionModel, WindowAnswer
from service.pipeline.speech.plausible import most_probable, plausible_labels, plausible_set
from service.pipeline.speech.segments import UtteranceParts, segments_of
from service.pipeline.speech.speaker_answer import joined_by_speaker, speakers_of
from service.pipeline.speech.speakers import SpeakerRule, VoicePieces
from service.pipeline.speech.utterances import Utterances
from service.pipeline.speech.windows import Windows


@dataclass(frozen=True)
class JudgedChannel:
    """All that is known of one channel of a recording.

    Attributes:
        name: in the answer.
        shares: float32 [windows], share of each window that is speech.
        answers: by output the answers for the windows ``judged_rows(shares)``, float32 [judged, …]; empty without any.
        utterances: in their order.
        parts: the answers for their clips.
        activity: float32 [steps], the voice activity's probabilities.
        outline: float32 [slices, 2], see :class:`~service.pipeline.speech.extent.Extent`.
        is_silent: whether all of the channel is silence; then nothing in it counts as speech.
        pieces: to tell who speaks; None where nobody asks.
    """

    name: str
    shares: FloatArray
    answers: dict[str, FloatArray]
    utterances: Utterances
    parts: UtteranceParts
    activity: FloatArray
    outline: FloatArray
    is_silent: bool
    pieces: VoicePieces | None = None


@dataclass(frozen=True)
class JudgedSound:
    """All that is known of a recording, whichever way it was listened to.

    Attributes:
        media: the file's own facts.
        windows: of the chosen range, the same for every channel.
        channels: in the order of the answer.
        offset_s: where in the recording the first sample lies.
        flags: such as 'clipped'.
        voice_step_s: seconds of a step of the voice activity; None where there was none to find speech.
        denoiser: what took the noise out, if anything did.
        least_share: share of speech from which on a row is judged, 0…1.
        spans: when some of the flags hold.
        profile: what the voice was compared with, if anything was.
        prior: what took the place of the model's own prior in its answers, if anything did.
        speakers: what tells who speaks; None where nobody asks.
    """

    media: MediaInfo
    windows: Windows
    channels: Sequence[JudgedChannel]
    offset_s: float
    flags: tuple[str, ...]
    voice_step_s: float | None
    denoiser: ModelReference | None
    least_share: float
    spans: tuple[FlagSpan, ...] = ()
    profile: ProfileUse | None = None
    prior: PriorUse | None = None
    speakers: SpeakerRule | None = None

    @property
    def has_voice(self) -> bool:
        """Whether voice activity was there to find speech."""
        return self.voice_step_s is not None


@dataclass(frozen=True)
class ClipAnswers:
    """The model's answers for the clips of one channel: by output float32 [windows or clips, …]; empty without any.

    Attributes:
        windows: for the windows with enough speech.
        parts: for the clips of utterances.
    """

    windows: dict[str, FloatArray]
    parts: UtteranceParts


def sort_answers(heard: HeardWindows, answers: Sequence[WindowAnswer], prior: Prior | None) -> ClipAnswers:
    """Sort the answers for ``heard.clips`` by what they are for, and put ``prior`` in place of the model's."""
    clips, numbers = heard.of_utterances.T
    windows = stack_answers([answers[clip] for clip in heard.of_windows])
    utterances = stack_answers([answers[clip] for clip in clips.tolist()])
    if prior is not None:
        windows, utterances = prior.posterior(windows), prior.posterior(utterances)
    return ClipAnswers(windows, UtteranceParts(numbers, utterances))


def record_of(heard: HeardWindows, answers: ClipAnswers, pieces: VoicePieces | None = None) -> dict[str, Any]:
    """The record of a stretch of one channel, in arrays that join those of the next."""
    voices = {} if pieces is None else {"pieces": dict(vars(pieces))}
    return {
        **voices,
        "shares": heard.shares,
        "answers": answers.windows,
        "utterances": dict(vars(heard.utterances)),
        "parts": {"numbers": answers.parts.numbers, "answers": answers.parts.answers},
        "activity": heard.steps.probabilities,
    }


def judged_channel(name: str, found: dict[str, Any], whole: dict[str, Any]) -> JudgedChannel:
    """A channel of which all is heard.

    Args:
        name: in the answer.
        found: the records of all stretches, joined.
        whole: 'outline' and 'is_silent'.
    """
    return JudgedChannel(
        name=name,
        shares=found["shares"],
        answers=found["answers"],
        utterances=Utterances(**found["utterances"]),
        parts=UtteranceParts(**found["parts"]),
        activity=found["activity"],
        pieces=VoicePieces(**found["pieces"]) if "pieces" in found else None,
        **whole,
    )


def joined_records(pieces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One channel's findings of successive stretches, joined: arrays are concatenated, whatever their names."""
    names = dict.fromkeys(name for piece in pieces for name in piece)
    found: dict[str, Any] = {}
    for name in names:
        values = [piece[name] for piece in pieces if name in piece]
        found[name] = joined_records(values) if isinstance(values[0], dict) else np.concatenate(values)
    return found


def stack_answers(answers: Sequence[WindowAnswer]) -> dict[str, FloatArray]:
    """By output the answers for some windows, float32 [windows, …]; empty without any."""
    names = answers[0] if answers else ()
    return {name: np.stack([answer[name] for answer in answers]) for name in names}


def emotion_answer(sound: JudgedSound, model: EmotionModel, stages_s: dict[str, float]) -> AudioEmotion:
    """The answer for a recording, made of what is known of its channels.

    Args:
        sound: what is known.
        model: which judged the windows.
        stages_s: seconds that each stage took.
    """
    channels = tuple(_channel_emotion(channel, sound, model) for channel in sound.channels)
    return AudioEmotion(
        media=sound.media,
        model=model.reference,
        labels=tuple(model.bundle.card.labels),
        channels=channels,
        envelope=joined_outline([channel.outline for channel in sound.channels]),
        denoiser=sound.denoiser,
        stages_s=stages_s,
        doubt=model.doubt,
        flag_spans=(*sound.spans, *(span for channel in channels for span in uncertain_spans(channel))),
        profile=sound.profile,
        prior=sound.prior,
        domain=model.domain,
        speaker_model=None if sound.speakers is None else sound.speakers.encoder,
    )


def uncertain_spans(channel: ChannelEmotion) -> list[FlagSpan]:
    """The judged utterances of which much is voice with a doubt."""
    if channel.segments is None:
        return []
    times_s = zip(channel.segments.start_s.tolist(), channel.segments.end_s.tolist(), strict=True)
    rows = zip(times_s, channel.segments.uncertain.tolist(), strict=True)
    return [FlagSpan(Flag.VOICE_UNCERTAIN, *span_s, channel=channel.channel) for span_s, is_set in rows if is_set]


def _channel_emotion(channel: JudgedChannel, sound: JudgedSound, model: EmotionModel) -> ChannelEmotion:
    """The answer for one channel.

    Probabilities and dimensions of the whole are means over the judged utterances, each counting as much as it
    holds voice; without voice activity over the judged windows. Rows that were not judged are NaN. Without any judged
    row nothing is known: the answer is None, flagged 'no_speech'.
    """
    windows, labels, step_s = sound.windows, model.bundle.card.labels, sound.voice_step_s
    shares, answers, utterances = channel.shares, channel.answers, channel.utterances
    activity = channel.activity
    if channel.is_silent:
        shares, answers, utterances = np.minimum(shares, np.float32(0)), {}, Utterances.of([])  # gaps stay NaN
        activity = np.zeros(math.ceil(windows.end_samples[-1] / windows.rate_hz / step_s) if step_s else 0, np.float32)
    judged = judged_rows(shares, sound.least_share)
    segments = None
    whole, weights = answers, shares[judged].astype(np.float64)
    if step_s is not None:
        segments = segments_of(utterances, channel.parts, model, sound.offset_s, sound.least_share)
        columns = {name: getattr(segments, name) for name in model.outputs}
        is_judged = ~np.isnan(columns["arousal"] if not labels else segments.probabilities[:, 0])
        weights = utterances.voice_s[is_judged]
        whole = {name: values[is_judged] for name, values in columns.items() if values is not None}
    has_any = weights.size > 0
    means = {name: np.average(values, axis=0, weights=weights) for name, values in whole.items()} if has_any else {}

    turns, told = None, None
    if sound.speakers is not None and segments is not None and channel.pieces is not None:
        turns = sound.speakers.turns(channel.pieces, sound.offset_s, model.speech.utterance_gap_s)
        segments = joined_by_speaker(segments, turns, model)
        told = speakers_of(segments, turns, tuple(labels), model.doubt)

    def column(name: str) -> FloatArray | None:
        return _spread(answers.get(name), judged, len(windows)) if name in model.outputs else None

    probabilities = means["probabilities"].astype(np.float32) if has_any else None
    table = _spread(answers.get("probabilities"), judged, len(windows), len(labels))
    doubt = model.doubt
    plausible = (
        (plausible_labels(means["probabilities"][None].astype(np.float32), labels, doubt) or [None])[0]
        if has_any
        else None
    )
    remarks = {
        Flag.DENOISED: sound.denoiser is not None,
        Flag.SILENT: channel.is_silent,
        Flag.NO_VOICE_ACTIVITY: not sound.has_voice,
        Flag.NO_SPEECH: not has_any,
        Flag.UNCERTAIN: len(plausible or ()) > 1,
        Flag.VOICE_UNCERTAIN: segments is not None and bool(segments.uncertain.any()),
    }
    return ChannelEmotion(
        channel=channel.name,
        probabilities=probabilities,
        emotion=most_probable(probabilities, labels),
        arousal=float(means["arousal"]) if "arousal" in means else None,
        valence=float(means["valence"]) if "valence" in means else None,
        dominance=float(means["dominance"]) if "dominance" in means else None,
        timeline=Timeline(
            start_s=windows.start_s + sound.offset_s,
            end_s=windows.end_s + sound.offset_s,
            probabilities=table,
            arousal=column("arousal"),
            valence=column("valence"),
            dominance=column("dominance"),
            speech=shares if sound.has_voice else None,
            confidence=row_confidence(shares, windows, model) if sound.has_voice else None,
            plausible=plausible_labels(table, labels, doubt),
        ),
        flags=tuple(dict.fromkeys([*sound.flags, *(name for name, is_set in remarks.items() if is_set)])),
        segments=segments,
        plausible=plausible,
        voice_activity=None if step_s is None else VoiceTrace(sound.offset_s, step_s, activity),
        speakers=told,
        turns=turns,
    )


def row_confidence(shares: FloatArray, windows: Windows, model: EmotionModel) -> FloatArray:
    """Amount of voice in each window, float32 [windows] 0…1, from its ``shares`` of voice."""
    enough = model.speech.enough_speech_s * windows.rate_hz / max(windows.length_samples, 1)
    return np.asarray(np.minimum(shares / enough, 1.0), np.float32)


def _spread(values: FloatArray | None, rows: NDArray[np.intp], count: int, *shape: int) -> FloatArray:
    """Place ``values`` at ``rows`` of ``count``; NaN elsewhere."""
    table = np.full((count, *shape), np.nan, np.float32)
    if values is not None:
        table[rows] = values
    return table


class TimelineRows:
    """The rows of a timeline before the whole answer is there: in their order, each as soon as it is judged.

    Args:
        heard: the windows of each channel by its name, one channel after the other.
        offset_s: where in the recording the first sample lies.
        model: judges them.
        has_voice: whether the shares are the voice activity's, and so told as ``speech``.
        least_share: share of speech from which on a row is judged, 0…1.
        first: number of the first window of each channel.
        prior: put in place of the model's.
    """

    def __init__(
        self,
        heard: Sequence[tuple[str, HeardWindows]],
        offset_s: float,
        model: EmotionModel,
        *,
        has_voice: bool,
        least_share: float = LEAST_SPEECH_SHARE,
        first: int = 0,
        prior: Prior | None = None,
    ) -> None:
        self._prior = prior
        self._has_voice = has_voice
        self._labels, self._doubt = model.bundle.card.labels, model.doubt
        rows: list[tuple[str, int, float, float, float, float, int | None]] = []
        clips_before = 0
        for name, one in heard:
            clip_of: list[int | None] = [None] * len(one.windows)
            for row, clip in zip(judged_rows(one.shares, least_share).tolist(), one.of_windows, strict=True):
                clip_of[row] = clips_before + clip
            clips_before += len(one.clips)
            columns = (
                (one.windows.start_s + offset_s).tolist(),
                (one.windows.end_s + offset_s).tolist(),
                one.shares.tolist(),
                row_confidence(one.shares, one.windows, model).tolist(),
                clip_of,
            )
            rows += [(name, number, *row) for number, row in enumerate(zip(*columns, strict=True), first)]
        self._rows = iter(rows)
        self._next = next(self._rows, None)

    def known(self, answers: Sequence[WindowAnswer | None]) -> Iterator[JudgedWindow]:
        """The rows that were not given yet, up to the first that is not judged.

        Args:
            answers: for the clips of all channels, in order; None stands for one that is still awaited.
        """
        while self._next is not None:
            channel, number, start_s, end_s, share, confidence, clip = self._next
            answer = {} if clip is None else answers[clip]
            if answer is None:
                return
            self._next = next(self._rows, None)
            if self._prior is not None:
                answer = self._prior.posterior(answer)
            known = answer.get("probabilities")
            yield JudgedWindow(
                channel=channel,
                index=number,
                start_s=start_s,
                end_s=end_s,
                probabilities=known,
                arousal=float(answer["arousal"]) if "arousal" in answer else None,
                valence=float(answer["valence"]) if "valence" in answer else None,
                speech=share if self._has_voice else None,
                confidence=confidence if self._has_voice else None,
                plausible=plausible_set(known, self._labels, self._doubt),
                dominance=float(answer["dominance"]) if "dominance" in answer else None,
            )
