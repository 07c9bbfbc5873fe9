"""Emotion in sound that is still arriving: each window is judged as soon as it is complete.

The sound goes through the same listening core as that of an upload, so a stream and an upload can be compared window by
window. A stream alone cannot know whether all of it will be silence, nor how many windows will come.
"""

from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.pipeline.audio_options import ProfileChoice
from service.pipeline.device.task import Work
from service.pipeline.media.channels import select_channels
from service.pipeline.media.sampling import to_float
from service.pipeline.prior import prior_for
from service.pipeline.results import AudioEmotion, JudgedSegment, JudgedWindow, MediaInfo, VoiceProfile
from service.pipeline.speech.emotion_answer import (
    JudgedSound,
    TimelineRows,
    emotion_answer,
    joined_records,
    judged_channel,
    record_of,
    sort_answers,
)
from service.pipeline.speech.listener import ChannelListener, HeardWindows
from service.pipeline.speech.model import EmotionModel, WindowAnswer
from service.pipeline.speech.profile import View, profile_view
from service.pipeline.speech.resampling import StretchResampler, resampled_length
from service.pipeline.speech.segments import UtteranceParts, join_parts, segments_of
from service.pipeline.speech.speakers import SpeakerRule, VoicePieces, utterance_rule
from service.pipeline.speech.voice_activity import Chunk, ChunkAnswer, VoiceActivity
from service.pipeline.speech.windows import window_rule
from service.problems import MediaTooLong, SampleRateUnsupported, TooManyChannels
from service.settings import Limits

RunWindows = Callable[[HeardWindows, View, Work], list[WindowAnswer]]
Encode = Callable[[SpeakerRule | None, HeardWindows, Work], VoicePieces | None]
RunVoice = Callable[[Chunk, Work], ChunkAnswer]


@dataclass(frozen=True)
class LiveOptions:
    """A client's description of the sound that it will send; None means the model card's default."""

    sample_rate_hz: int
    channels: int = 1
    model: str | None = None
    version: str | None = None
    window_s: float | None = None
    hop_s: float | None = None
    segments: bool = False
    min_speech: float | None = None
    profile: ProfileChoice | None = None
    voice: VoiceProfile | None = None
    prior: str | None = None
    domain: str | None = None
    speakers: str | None = None


class LiveEmotion:
    """Judges one stream of 16 bit PCM. Calls block and follow each other.

    Args:
        model: what judges.
        options: of the stream.
        limits: of the service.
        voice: finds speech, or None: then all sound is speech.
        run_windows, run_voice: run the graphs on their devices.
        least_share: share of speech from which on a row is judged, 0…1.
        speakers: what tells who speaks, or None; ``encode`` runs its encoder.

    Attributes:
        samples: samples a channel that were taken so far.
        windows, segments: windows and utterances that were judged so far; utterances that are not told too, since the
            answer for the whole stream is made of them.
        window_s, hop_s: of the windows.

    Raises:
        Unprocessable: a window, a hop or a prior that the model does not take.
        TooManyChannels, SampleRateUnsupported: outside the limits.
    """

    def __init__(
        self,
        model: EmotionModel,
        options: LiveOptions,
        limits: Limits,
        voice: VoiceActivity | None,
        run_windows: RunWindows,
        run_voice: RunVoice,
        least_share: float,
        speakers: SpeakerRule | None,
        encode: Encode,
    ) -> None:
        check_sound(options, limits)
        rule = window_rule(model.speech, limits, options.window_s, options.hop_s)
        self.model = model
        self.window_s, self.hop_s = rule.window_s, rule.hop_s
        self.samples = self.windows = self.segments = 0
        self._least_share = least_share
        self._parts: list[UtteranceParts] = []  # of utterances that go on
        self._limits = limits
        self._options = options
        self._step_s = None if voice is None else voice.step_s
        self._view = profile_view(options.profile, options.voice, model.speech.profile, rule.rate_hz)
        self._prior = prior_for(options.prior, model.bundle.card)
        self._rule = rule
        self._found: dict[str, Any] = {}  # joined records
        self._run_windows = run_windows
        self._run_voice = run_voice
        self._resampler = StretchResampler(options.sample_rate_hz, rule.rate_hz)
        cut = utterance_rule(model.speech, speakers)
        self._speakers, self._encode = speakers, encode
        pieces = None if speakers is None else speakers.pieces
        self._listener = ChannelListener(rule, rule.rate_hz, voice, cut=cut, least_share=least_share, pieces=pieces)

    def add(self, pcm: bytes, work: Work) -> list[JudgedWindow | JudgedSegment]:
        """Take interleaved little-endian 16 bit samples, and judge the windows that they complete.

        Raises:
            MediaTooLong: more sound, or more windows, than the limits.
            Problem: as :meth:`service.pipeline.device.batch.Batcher.run`.
            Cancelled: the work was cancelled.
        """
        return self._take(pcm, work, last=False)

    def finish(self, work: Work) -> list[JudgedWindow | JudgedSegment]:
        """Nothing follows: judge what is left, up to a last window that ends with the sound.

        Raises:
            Problem, Cancelled: as :meth:`add`.
        """
        return self._take(b"", work, last=True)

    def answer(self) -> AudioEmotion:
        """The answer for a stream that has ended, as that for an upload; but no stream is called silent."""
        options = self._options
        media = MediaInfo(
            self.samples / options.sample_rate_hz, "pcm", "pcm_s16le", options.sample_rate_hz, options.channels
        )
        samples = resampled_length(self.samples, options.sample_rate_hz, self._rule.rate_hz)
        outline = np.zeros((0, 2), np.float32)
        channel = judged_channel("mix", self._found, {"outline": outline, "is_silent": False})
        known = JudgedSound(
            media,
            self._rule.all(samples),
            [channel],
            0.0,
            (),
            self._step_s,
            None,
            self._least_share,
            profile=None if self._view is None else self._view.use,
            prior=None if self._prior is None else self._prior.use,
            speakers=self._speakers,
        )
        return emotion_answer(known, self.model, {})

    def _take(self, pcm: bytes, work: Work, *, last: bool) -> list[JudgedWindow | JudgedSegment]:
        block = np.frombuffer(pcm, "<i2").reshape(-1, self._options.channels).T
        self.samples += block.shape[1]
        if self.samples > self._limits.max_duration_s * self._options.sample_rate_hz:
            raise MediaTooLong
        (mix,) = select_channels(to_float(block), "mix")
        samples = self._resampler.take(mix.samples, last=last)
        heard = self._listener.take(samples, lambda chunk: self._run_voice(chunk, work), last=last)
        if self.windows + len(heard.windows) > self._limits.max_windows:
            raise MediaTooLong(f"A stream may have {self._limits.max_windows} windows.")
        answers = self._run_windows(heard, self._view, work)
        rows = TimelineRows(
            [(mix.name, heard)],
            0.0,
            self.model,
            has_voice=self._step_s is not None,
            least_share=self._least_share,
            first=self.windows,
            prior=self._prior,
        )
        self.windows += len(heard.windows)
        own = sort_answers(heard, answers, self._prior)
        pieces = self._encode(self._speakers, heard, work)
        found: list[Sized] = [heard.windows, heard.utterances, own.parts.numbers, heard.pieces]
        if not self._found or any(len(one) for one in found):
            record = record_of(heard, own, pieces) | {"activity": np.zeros(0, np.float32)}
            self._found = joined_records([self._found, record] if self._found else [record])
        ended = self._ended(heard, own.parts)
        return [*rows.known(answers), *(ended if self._options.segments and self._speakers is None else ())]

    def _ended(self, heard: HeardWindows, parts: UtteranceParts) -> list[JudgedSegment]:
        """The utterances that have ended."""
        if len(parts.numbers):
            self._parts.append(parts)
        if not len(heard.utterances):
            return []
        known = join_parts(self._parts)
        self._parts = [known.after(int(heard.utterances.number[-1]))]
        rows = segments_of(heard.utterances, known, self.model, 0.0, self._least_share)
        first, self.segments = self.segments, self.segments + len(rows)
        return [JudgedSegment(first + row, rows.rows(np.arange(len(rows)) == row)) for row in range(len(rows))]


def check_sound(options: LiveOptions, limits: Limits) -> None:
    """Hold rate and channels against the limits. Raises TooManyChannels or SampleRateUnsupported."""
    if options.channels > limits.max_channels:
        raise TooManyChannels
    if not limits.min_sample_rate_hz <= options.sample_rate_hz <= limits.max_sample_rate_hz:
        raise SampleRateUnsupported
