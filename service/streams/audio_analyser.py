"""Analyser of ``/v1/stream/audio``: 16 bit PCM in, a message for each window and, on request, each utterance out."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from service.pipeline.device.task import Work
from service.pipeline.results import AudioEmotion, JudgedSegment, JudgedWindow
from service.pipeline.speech.live import LiveEmotion, LiveOptions
from service.problems import MessageInvalid
from service.render.audio_json import channel_members, prior_members, profile_members, spans_members
from service.render.stream_json import segment_members, window_members
from service.schemas.audio import AnsweringModel
from service.schemas.profile import read_voice_profile
from service.schemas.streams import (
    AudioConfig,
    AudioCreated,
    ClientMessage,
    SegmentMessage,
    ServerMessage,
    StreamedAnswer,
    StreamLimits,
    WindowMessage,
)
from service.streams.analyser import Item

BYTES_PER_SAMPLE = 2


class AudioAnalyser:
    """Judges one stream of sound.

    Args:
        live: the pipeline's half.
        config: what the client said.
        buffer_s: seconds of sound that may wait.
        on_answer: told the answer for the whole stream.
    """

    unit_name = "received_samples"

    def __init__(
        self, live: LiveEmotion, config: AudioConfig, buffer_s: float, on_answer: Callable[[AudioEmotion], None]
    ) -> None:
        self._live = live
        self._on_answer = on_answer
        self._config = config
        self.text_kinds: dict[str, type[ClientMessage]] = {}
        self._labels = tuple(live.model.bundle.card.labels)
        self.answer: StreamedAnswer | None = None
        self.reserve_s = live.window_s + buffer_s
        reference = live.model.reference
        self.models: Sequence[str] = (f"{reference.name}/{reference.version}@{reference.sha256}",)

    def created(self, session_id: str, limits: StreamLimits) -> ServerMessage:
        """See :class:`service.streams.analyser.StreamAnalyser`."""
        return AudioCreated(
            id=session_id,
            model=AnsweringModel.model_validate(self._live.model.reference, from_attributes=True),
            labels=list(self._labels),
            sample_rate_hz=self._config.sample_rate_hz,
            channels=self._config.channels,
            window_s=self._live.window_s,
            hop_s=self._live.hop_s,
            limits=limits,
        )

    def read(self, message: bytes | ClientMessage) -> Item:
        """Whole samples of every channel.

        Raises:
            MessageInvalid: bytes that are no whole samples.
        """
        assert isinstance(message, bytes)  # there are no media as text here
        frame_bytes = BYTES_PER_SAMPLE * self._config.channels
        if len(message) % frame_bytes:
            raise MessageInvalid(f"The bytes of a message are no multiple of {frame_bytes}, so no whole samples.")
        samples = len(message) // frame_bytes
        return Item(message, samples / self._config.sample_rate_hz, samples, len(message))

    def process(self, items: Sequence[Item], work: Work) -> list[ServerMessage]:
        """See :class:`service.streams.analyser.StreamAnalyser`."""
        return self._messages(self._live.add(b"".join(item.content for item in items), work))

    def finish(self, work: Work) -> list[ServerMessage]:
        """See :class:`service.streams.analyser.StreamAnalyser`."""
        messages = self._messages(self._live.finish(work))
        whole = self._live.answer()
        self._on_answer(whole)
        with_speakers = whole.speaker_model is not None  # no utterance was told with its speaker before
        members = channel_members(whole.channels[0], whole.labels, timeline=False, segments=with_speakers)
        members["flag_spans"] = spans_members(whole.flag_spans)
        members["profile"] = None if whole.profile is None else profile_members(whole.profile)
        members["prior"] = None if whole.prior is None else prior_members(whole.prior)
        members["domain"] = whole.domain
        members["speaker_model"] = None if whole.speaker_model is None else asdict(whole.speaker_model)
        self.answer = StreamedAnswer.model_validate(members)
        return messages

    def _messages(self, answers: Sequence[JudgedWindow | JudgedSegment]) -> list[ServerMessage]:
        return [
            SegmentMessage.model_validate(segment_members(answer, self._labels))
            if isinstance(answer, JudgedSegment)
            else WindowMessage.model_validate(window_members(answer, self._labels))
            for answer in answers
        ]


def live_options(config: AudioConfig) -> LiveOptions:
    """The pipeline's options.

    Raises:
        ProfileInvalid: the profile cannot be read.
        ProfileMismatch: it is of a face.
    """
    known = config.model_dump(exclude={"type", "profile"})
    if isinstance(config.profile, str):
        return LiveOptions(**known, profile=config.profile)
    return LiveOptions(**known, profile="document", voice=read_voice_profile(config.profile))
