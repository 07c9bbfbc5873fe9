"""The parts of a job that listen: how long the sound is, where somebody speaks, and how it sounds.

What is heard and what is said of it is the business of the listening core; here it is cut into segments, between which
its state is written down.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.flags import Flag
from service.jobs.part import Segment
from service.pipeline.decoding.long_decode import SoundPlayback
from service.pipeline.device.task import Work
from service.pipeline.prior import Prior
from service.pipeline.results import FloatArray
from service.pipeline.speech.denoise import ChannelDenoiser, Denoiser
from service.pipeline.speech.emotion_answer import joined_records, record_of, sort_answers
from service.pipeline.speech.extent import Gaps
from service.pipeline.speech.listener import ChannelListener, HeardWindows
from service.pipeline.speech.model import EmotionModel
from service.pipeline.speech.profile import GrowingProfile, View
from service.pipeline.speech.speakers import SpeakerRule, utterance_rule
from service.pipeline.speech.windows import WindowRule
from service.pipeline.speech_pipeline import SpeechPipeline
from service.problems import CodecUnsupported, MediaCrashedDecoder, MediaInvalid, NoAudioStream, TooManyChannels

STRETCH_S = 60.0
"""Sound is handed on in pieces of this length: as much as one call of voice activity takes."""


class InspectPart:
    """Decodes all of the sound once and keeps nothing: later parts know its length, and bad files fail early.

    With ``or_nothing`` a recording without sound is no failure; its record says 'no_audio'.
    """

    def __init__(self, sound: SoundPlayback, *, or_nothing: bool) -> None:
        self._sound = sound
        self._or_nothing = or_nothing

    def run(self, work: Work) -> Segment:
        """The only segment: 'samples', 'names' of the channels, 'media', 'flags' and 'spans'."""
        samples = 0
        try:
            while (block := self._sound.next()) is not None:
                work.raise_if_cancelled()
                samples += block.shape[1]
        except NoAudioStream:
            if not self._or_nothing:
                raise
            return Segment({"samples": 0, "flags": (Flag.NO_AUDIO,)}, None, 1.0)
        facts = self._sound.outcome
        record = {"samples": samples, **{name: getattr(facts, name) for name in ("names", "media", "flags", "spans")}}
        return Segment(record, None, 1.0, facts.media.duration_s)

    def close(self) -> None:
        """End the decoding."""
        self._sound.close()


@dataclass(frozen=True)
class Judging:
    """Settings by which a recording of known length is judged.

    Attributes:
        model: judges the windows.
        rule: places the windows.
        n_samples: length of the recording at the rate of the sound.
        denoiser: takes the noise out first, at the rate of the sound; None leaves it in.
        least_share: share of speech from which on a row is judged, 0…1.
        gaps: stretches without sound.
        prior: put in place of the model's.
        open_view: makes what a channel is seen from.
        speakers: what tells who speaks; None where nobody asks.
    """

    model: EmotionModel
    rule: WindowRule
    n_samples: int
    denoiser: Denoiser | None
    least_share: float
    gaps: Gaps | None
    prior: Prior | None = None
    open_view: Callable[[], View] = lambda: None
    speakers: SpeakerRule | None = None


class SoundPart:
    """Listens to every channel of a sound, segment after segment.

    Args:
        sound: the sound from its beginning. Samples that were taken before an interruption are skipped here, so that
            the result does not depend on interruptions.
        speech: runs the models.
        rate_hz: rate of the sound.
        segment_s: length of a segment, in seconds.
        judging: how windows are judged; None where only speech is looked for.
        state: state after the segment before, or None at the beginning.
    """

    def __init__(
        self,
        sound: SoundPlayback,
        speech: SpeechPipeline,
        rate_hz: int,
        segment_s: float,
        judging: Judging | None = None,
        state: dict[str, Any] | None = None,
    ) -> None:
        self._sound = sound
        self._speech = speech
        self._rate_hz = rate_hz
        self._segment_samples = max(1, round(segment_s * rate_hz))
        self._judging = judging
        self._channels: list[_Channel] = []
        self._taken = self._to_skip = 0
        if state is not None:
            self._taken = self._to_skip = state["taken"]
            self._open(len(state["channels"]))
            for channel, known in zip(self._channels, state["channels"], strict=True):
                channel.restore(known)

    def run(self, work: Work) -> Segment:
        """The next segment.

        Its record has the 'steps' of voice activity, bool [steps], for each of the 'channels', and where windows are
        judged also the members of :func:`~service.pipeline.speech.emotion_answer.record_of`. The last record has
        'whole', too: the 'outline' of each channel and whether it 'is_silent', and the 'profile' that was used; or,
        where only speech is looked for, 'spans', the remarks on the sound.
        """
        began = self._taken
        stop = began + self._segment_samples
        found: list[list[dict[str, Any]]] = []
        last = False
        while not last and self._taken < stop:
            blocks, last = self._gather(stop, work)
            found.append(self._take(blocks, work, last=last))
        record: dict[str, Any] = {"channels": [joined_records(pieces) for pieces in zip(*found, strict=True)]}
        media_s = (self._taken - began) / self._rate_hz
        if last:
            if self._judging is None:
                record["spans"] = self._sound.outcome.spans
            else:
                record["whole"] = [channel.whole() for channel in self._channels]
                view = self._channels[0].view
                record["profile"] = None if view is None else dict(vars(view.use))
            return Segment(record, None, 1.0, media_s)
        state = {"taken": self._taken, "channels": [channel.state() for channel in self._channels]}
        share = 0.0 if self._judging is None else self._taken / self._judging.n_samples
        return Segment(record, state, share, media_s)

    def close(self) -> None:
        """End the decoding."""
        self._sound.close()

    def _gather(self, stop: int, work: Work) -> tuple[list[Sequence[FloatArray]], bool]:
        """Blocks of about ``STRETCH_S``, the channels of each, and whether they are the last."""
        blocks: list[Sequence[FloatArray]] = []
        gathered = 0
        while gathered < STRETCH_S * self._rate_hz and self._taken + gathered < stop:
            work.raise_if_cancelled()
            with work.stage("decode"):
                block = self._sound.next()
            if block is None:
                self._taken += gathered
                return blocks, True
            skipped = min(self._to_skip, block.shape[1])
            self._to_skip -= skipped
            if skipped < block.shape[1]:
                blocks.append(list(block[:, skipped:]))
                gathered += block.shape[1] - skipped
        self._taken += gathered
        return blocks, False

    def _take(self, blocks: list[Sequence[FloatArray]], work: Work, *, last: bool) -> list[dict[str, Any]]:
        """Listen to some blocks; what was found in each channel."""
        if blocks and not self._channels:
            self._open(len(blocks[0]))
        heard = [
            channel.take([block[number] for block in blocks], self._speech, work, last=last)
            for number, channel in enumerate(self._channels)
        ]
        if self._judging is None:
            return [{"steps": one.steps.is_speech} for one in heard]
        views = [channel.view for channel in self._channels]
        answers = iter(self._speech.judge(self._judging.model, heard, views, work))
        prior, speakers = self._judging.prior, self._judging.speakers
        sorted_ = [sort_answers(one, [next(answers) for _ in one.clips], prior) for one in heard]
        pieces = [self._speech.encode(speakers, one, work) for one in heard]
        return [record_of(*members) for members in zip(heard, sorted_, pieces, strict=True)]

    def _open(self, channels: int) -> None:
        """Begin to listen to so many channels."""
        self._channels = [_Channel(self._speech, self._rate_hz, self._judging) for _ in range(channels)]


class _Channel:
    """One channel on its way through the denoiser, if there is one, to the listener."""

    def __init__(self, speech: SpeechPipeline, rate_hz: int, judging: Judging | None) -> None:
        self._denoiser: ChannelDenoiser | None = None
        self.view: View = None if judging is None else judging.open_view()
        if judging is None:
            self._listener = ChannelListener(None, rate_hz, speech.voice)
            return
        rate_hz, n_samples = judging.rule.rate_hz, judging.n_samples
        if judging.denoiser is not None:
            self._denoiser = ChannelDenoiser(judging.denoiser, n_samples, rate_hz)
            n_samples = self._denoiser.clean_samples
        cut, least_share = utterance_rule(judging.model.speech, judging.speakers), judging.least_share
        self._listener = ChannelListener(
            judging.rule,
            rate_hz,
            speech.voice,
            n_samples,
            cut=cut,
            least_share=least_share,
            gaps=judging.gaps,
            pieces=None if judging.speakers is None else judging.speakers.pieces,
        )

    def take(self, pieces: Sequence[FloatArray], speech: SpeechPipeline, work: Work, *, last: bool) -> HeardWindows:
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        channel = self._denoiser
        if channel is not None:
            samples = channel.take(samples, lambda chunks: speech.clean(channel.denoiser, chunks, work), last=last)
        return self._listener.take(samples, lambda chunk: speech.hear(chunk, work), last=last)

    def whole(self) -> dict[str, Any]:
        """The channel's 'outline' and 'is_silent', known at its end. Silence stays silence even when denoised."""
        extent = self._listener.extent
        if self._denoiser is not None and self._denoiser.noisy.is_silent:
            extent = self._denoiser.noisy
        return {"outline": extent.outline, "is_silent": extent.is_silent}

    def state(self) -> dict[str, Any]:
        return {
            "listener": self._listener.state(),
            "denoiser": None if self._denoiser is None else self._denoiser.state(),
            "profile": self.view.state() if isinstance(self.view, GrowingProfile) else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._listener.restore(state["listener"])
        if self._denoiser is not None:
            self._denoiser.restore(state["denoiser"])
        if isinstance(self.view, GrowingProfile):
            self.view.restore(state["profile"])


class TurnPart:
    """A :class:`SoundPart` that looks for speech in a video, whose sound may be absent or unusable."""

    def __init__(self, part: SoundPart) -> None:
        self._part = part

    def run(self, work: Work) -> Segment:
        """The next segment; 'flags' says why there is nothing to hear."""
        try:
            return self._part.run(work)
        except NoAudioStream:
            return Segment({"flags": (Flag.NO_AUDIO,)}, None, 1.0)
        except MediaCrashedDecoder:
            raise
        except (MediaInvalid, CodecUnsupported, TooManyChannels):
            return Segment({"flags": (Flag.AUDIO_UNUSABLE,)}, None, 1.0)

    def close(self) -> None:
        """End the decoding."""
        self._part.close()


def joined_channels(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Findings of all segments of a :class:`SoundPart`, one record a channel."""
    return [joined_records(pieces) for pieces in zip(*(record["channels"] for record in records), strict=True)]
