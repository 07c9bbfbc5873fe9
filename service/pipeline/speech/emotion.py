"""Emotion of an upload: its channels are listened to, and the windows that hold speech run through the model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_units
from service.pipeline.device.task import Work
from service.pipeline.options import read_speakers
from service.pipeline.prior import prior_for
from service.pipeline.results import AudioEmotion, FloatArray, OnWindow
from service.pipeline.speech.embedding import EMBEDDING, SpeakerModel
from service.pipeline.speech.emotion_answer import (
    JudgedChannel,
    JudgedSound,
    TimelineRows,
    emotion_answer,
    sort_answers,
)
from service.pipeline.speech.extent import Gaps
from service.pipeline.speech.listener import LEAST_SPEECH_SHARE, ChannelListener, HeardWindows
from service.pipeline.speech.model import STATISTICS, EmotionModel, WindowAnswer
from service.pipeline.speech.profile import GrowingProfile, ProfiledClip, View, apart, profile_view
from service.pipeline.speech.resampling import StretchResampler
from service.pipeline.speech.sound import Sound
from service.pipeline.speech.speakers import SpeakerRule, VoicePieces, utterance_rule
from service.pipeline.speech.utterances import UtteranceRule
from service.pipeline.speech.voice_activity import Activity, Chunk, ChunkAnswer, RunChunk, VoiceActivity, VoiceListener
from service.pipeline.speech.windows import window_rule
from service.problems import SpeakersUnavailable, Unprocessable
from service.settings import Limits

VOICE_SHARE = 0.2
"""Part of the progress that finding speech makes up; the windows make up the rest."""

Tell = Callable[[Sequence[WindowAnswer | None]], None]


@dataclass(frozen=True)
class SoundJudge:
    """Judges sounds on the devices of the process; safe to use from many threads.

    Attributes:
        voice: the voice activity model, or None: then all sound is speech.
        limits: of windows.
        min_speech: share of speech from which on a row is judged, 0…1, unless a request has its own.
        encoder: tells voices apart, or None.
        host: runs ``voice``.
        device: runs the emotion models.
    """

    voice: VoiceActivity | None
    limits: Limits
    host: Batcher
    device: Batcher
    min_speech: float = LEAST_SPEECH_SHARE
    encoder: SpeakerModel | None = None

    def judge(
        self, sound: Sound, model: EmotionModel, options: AudioOptions, work: Work, on_window: OnWindow | None
    ) -> AudioEmotion:
        """The answer for a sound at the model's rate.

        Args:
            sound: what to judge.
            model: what judges.
            options: the request's parameters.
            work: the request.
            on_window: told each window in its order, before the whole answer is there; called in this thread.

        Raises:
            Unprocessable, MediaTooShort: as :meth:`WindowRule.plan`.
            Problem: as :meth:`Batcher.run`.
            Cancelled: the work was cancelled.
        """
        channels, rate_hz = sound.channels, model.speech.sample_rate_hz
        n_samples = len(channels[0].samples)
        rule = window_rule(model.speech, self.limits, options.window_s, options.hop_s)
        windows = rule.plan(n_samples, self.limits)
        run_chunk = self._counted(len(channels) * n_samples / rate_hz, work)
        least_share = self.least_share(options.min_speech)
        speakers = self.speaker_rule(options.speakers, rate_hz, each=options.channel == "each")
        cut, offset_s = utterance_rule(model.speech, speakers), options.start_s or 0.0
        judges_windows = self.voice is None or options.rows or on_window is not None
        listeners = [
            ChannelListener(
                rule,
                rate_hz,
                self.voice,
                n_samples,
                cut=cut,
                judges_windows=judges_windows,
                least_share=least_share,
                gaps=Gaps.of(sound.spans, offset_s, rate_hz),
                pieces=None if speakers is None else speakers.pieces,
            )
            for _ in channels
        ]
        heard = [
            listener.take(channel.samples, run_chunk, last=True)
            for listener, channel in zip(listeners, channels, strict=True)
        ]
        has_voice = self.voice is not None
        names = [channel.name for channel in channels]
        named = list(zip(names, heard, strict=True))
        prior = prior_for(options.prior, model.bundle.card)
        tell = None
        if on_window is not None:
            rows = TimelineRows(named, offset_s, model, has_voice=has_voice, least_share=least_share, prior=prior)
            tell = _row_teller(rows, on_window, model.bundle.card.labels)
        views = [view_for(options, model) for _ in channels]
        done = self._run(model, heard, views, work, tell)
        pieces = [self.encode(speakers, one, work) for one in heard]
        with work.stage("post"):
            answers = iter(done)
            judged = []
            for name, one, listener, own_pieces in zip(names, heard, listeners, pieces, strict=True):
                own = sort_answers(one, [next(answers) for _ in one.clips], prior)
                extent = listener.extent
                judged.append(
                    JudgedChannel(
                        name,
                        one.shares,
                        own.windows,
                        one.utterances,
                        own.parts,
                        one.steps.probabilities,
                        extent.outline,
                        extent.is_silent,
                        own_pieces,
                    )
                )
            step_s = None if self.voice is None else self.voice.step_s
            known = JudgedSound(
                sound.media,
                windows,
                judged,
                offset_s,
                sound.flags,
                step_s,
                sound.denoiser,
                least_share,
                sound.spans,
                profile=None if views[0] is None else views[0].use,
                prior=None if prior is None else prior.use,
                speakers=speakers,
            )
            return emotion_answer(known, model, work.stages_s)

    def find_speech(self, samples: FloatArray, rate_hz: int, work: Work) -> Activity | None:
        """Voice activity of one channel of float32 [n]; None without a voice activity model."""
        if self.voice is None:
            return None
        run_chunk = self._counted(len(samples) / rate_hz, work)
        steps = VoiceListener(self.voice, rate_hz).take(samples, run_chunk, last=True)
        return Activity(steps.is_speech, self.voice.step_s)

    def least_share(self, min_speech: float | None) -> float:
        """Share of speech from which on a row is judged; None stands for the service's."""
        return self.min_speech if min_speech is None else min_speech

    def speaker_rule(self, speakers: str | None, rate_hz: int, *, each: bool = False) -> SpeakerRule | None:
        """Rule by which speakers are told apart; None where nobody asks.

        Args:
            speakers: as of :func:`~service.pipeline.options.read_speakers`.
            rate_hz: of the channel.
            each: whether each channel is judged on its own.

        Raises:
            Unprocessable: it cannot be read, or each channel is judged.
            SpeakersUnavailable: there is no encoder, or no voice activity.
        """
        asked = read_speakers(speakers)
        if asked is None:
            return None
        if each:
            raise Unprocessable("speakers has no place beside channel=each: ask for one channel.", pointer="/speakers")
        if self.encoder is None or self.voice is None:
            raise SpeakersUnavailable(pointer="/speakers")
        encoder = self.encoder
        return SpeakerRule.of(asked, encoder.threshold, encoder.speech, encoder.reference, rate_hz)

    def encode(self, speakers: SpeakerRule | None, heard: HeardWindows, work: Work) -> VoicePieces | None:
        """Directions of the pieces of a channel; None where nobody asks. Raises as :meth:`Batcher.run`."""
        if speakers is None:
            return None
        assert self.encoder is not None
        own_hz, rate_hz = self.encoder.speech.sample_rate_hz, speakers.pieces.rate_hz
        clips = [
            piece.samples if own_hz == rate_hz else StretchResampler(rate_hz, own_hz).take(piece.samples, last=True)
            for piece in heard.pieces
        ]
        answers = run_units(self.device, self.encoder, clips, work) if clips else []
        rows = np.asarray([answer[EMBEDDING] for answer in answers], np.float32).reshape(-1, self.encoder.dimensions)
        lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return VoicePieces(
            np.asarray([piece.start for piece in heard.pieces], np.int64),
            np.asarray([piece.stop for piece in heard.pieces], np.int64),
            (rows / lengths).astype(np.float16),
        )

    def hear(self, chunk: Chunk, work: Work) -> ChunkAnswer:
        """Run a stretch of sound through voice activity, which must be there."""
        assert self.voice is not None
        return run_units(self.host, self.voice, [chunk], work)[0]

    def run(
        self,
        model: EmotionModel,
        heard: Sequence[HeardWindows],
        views: Sequence[View],
        work: Work,
        report: Callable[[int], None] | None = None,
        partial: Tell | None = None,
    ) -> list[WindowAnswer]:
        """Run the clips of some channels, one after the other, through ``model``.

        Args:
            views: what each channel is seen from; one that grows takes its new utterances first.
            report, partial: as of :func:`run_units`.
        """
        clips = [clip for one in heard for clip in one.clips]
        if all(view is None for view in views):
            return run_units(self.device, model, clips, work, report, partial=partial)
        seen = [clip for one, view in zip(heard, views, strict=True) for clip in self._seen(model, one, view, work)]
        return run_units(self.device, model.profiled, seen, work, report, partial=partial)

    def measure(self, sound: Sound, model: EmotionModel, work: Work) -> tuple[list[FloatArray], float]:
        """Statistics of the utterances of all channels, float32 [2 · dimensions] a clip, and seconds of voice in them.

        Without voice activity all windows that are not silent count.
        """
        rule, rate_hz = window_rule(model.speech, self.limits, None, None), model.speech.sample_rate_hz
        statistics: list[FloatArray] = []
        voice_s = 0.0
        for channel in sound.channels:
            n_samples = len(channel.samples)
            if n_samples < rule.least_samples:
                continue
            listener = ChannelListener(
                rule,
                rate_hz,
                self.voice,
                n_samples,
                cut=UtteranceRule.of(model.speech),
                judges_windows=self.voice is None,
                gaps=Gaps.of(sound.spans, 0.0, rate_hz),
            )
            heard = listener.take(channel.samples, lambda chunk: self.hear(chunk, work), last=True)
            clips = [heard.clips[number] for number in apart(heard.places)]
            statistics += self._statistics(model, clips, work)
            clips_s = sum(map(len, clips)) / rate_hz
            voice_s += clips_s if self.voice is None else float(heard.utterances.voice_s.sum())
        return statistics, voice_s

    def _statistics(self, model: EmotionModel, clips: Sequence[FloatArray], work: Work) -> list[FloatArray]:
        """Statistics of clips, float32 [2 · dimensions] each."""
        return [answer[STATISTICS] for answer in run_units(self.device, model.measured, clips, work)]

    def _seen(self, model: EmotionModel, heard: HeardWindows, view: View, work: Work) -> list[ProfiledClip]:
        assert view is not None
        if isinstance(view, GrowingProfile):
            spoken = np.unique(heard.of_utterances[:, 0]).tolist()
            places = [heard.places[number] for number in spoken]
            taken = view.wanted(places)
            clips = [heard.clips[spoken[number]] for number in taken]
            view.add([places[number] for number in taken], self._statistics(model, clips, work))
            view.speech_s += float(heard.utterances.voice_s.sum())
        seen = view.seen(heard.places, heard.clips)
        if isinstance(view, GrowingProfile):
            view.settle(heard.first_needed)
        return seen

    def _run(
        self,
        model: EmotionModel,
        heard: Sequence[HeardWindows],
        views: Sequence[View],
        work: Work,
        tell: Tell | None,
    ) -> list[WindowAnswer]:
        """Run the clips of an upload: progress is reported, and ``tell`` gets the answers so far and in the end all."""
        clips = sum(len(one.clips) for one in heard)

        def report(finished: int) -> None:
            work.report(VOICE_SHARE + (1 - VOICE_SHARE) * finished / clips)

        answers = self.run(model, heard, views, work, report, partial=tell)
        if tell is not None:
            tell(answers)
        return answers

    def _counted(self, sound_s: float, work: Work) -> RunChunk:
        """Runs voice activity and reports how much of ``sound_s`` seconds, over all channels, has been heard."""
        done = 0

        def run_chunk(chunk: Chunk) -> ChunkAnswer:
            nonlocal done
            answer = self.hear(chunk, work)
            done += len(chunk.frames)
            assert self.voice is not None
            work.report(VOICE_SHARE * min(1.0, done * self.voice.step_s / sound_s))
            return answer

        return run_chunk


def view_for(options: AudioOptions, model: EmotionModel) -> View:
    """The view of a channel of a request; raises as :func:`profile_view`."""
    return profile_view(options.profile, options.voice, model.speech.profile, model.speech.sample_rate_hz)


def _row_teller(rows: TimelineRows, on_window: OnWindow, labels: Sequence[str]) -> Tell:
    """Hands on each row of the timeline once its answer is known."""

    def tell(answers: Sequence[WindowAnswer | None]) -> None:
        for row in rows.known(answers):
            on_window(row, labels)

    return tell
