"""What a job consists of, whatever it is about: the parts of its recording and the answer made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from service.jobs.job import JobOptions
from service.jobs.part import Part
from service.jobs.spool import JobSpool
from service.pipeline.decoding.remote_file import ByteSource
from service.pipeline.results import AudioEmotion, AudioOptions
from service.pipeline.video.video_results import VideoAffect
from service.problems import Unavailable
from service.settings import Limits, Settings

if TYPE_CHECKING:
    from service.jobs.audio_plan import AudioPlan
    from service.jobs.video_plan import VideoPlan
    from service.pipeline.decoding.long_decode import LongDecoder
    from service.pipeline.device.admit import Admission

Result = AudioEmotion | VideoAffect

PART_WEIGHTS: dict[str, float] = {"inspect": 2.0, "speech": 28.0, "faces": 65.0, "turn": 5.0}
"""Of the progress; roughly the seconds that each takes for an hour."""


class JobPlans(Protocol):
    """Makes parts and joins them."""

    def start(self) -> None:
        """Get ready to decode.

        Raises:
            DecoderUnavailable
        """

    def check(self, options: JobOptions) -> None:
        """Refuse what cannot be done for any recording.

        Raises:
            Problem
        """

    def parts(self, options: JobOptions) -> tuple[str, ...]:
        """Names of the parts, in order; the same whenever they are asked for."""

    def make(
        self, name: str, options: JobOptions, spool: JobSpool, state: dict[str, Any] | None, source: ByteSource
    ) -> Part:
        """A part from ``state`` on."""

    def join(self, options: JobOptions, spool: JobSpool) -> Result:
        """The answer, after all parts."""

    def close(self) -> None:
        """End the decoding."""


class RecordingPlans:
    """The plans of this service.

    Args:
        audio: for recordings.
        video: for videos, if there are models for them.
        decoder: of its own processes.
        room: what a segment takes up beside the requests.
    """

    def __init__(self, audio: AudioPlan, video: VideoPlan | None, decoder: LongDecoder, room: Admission) -> None:
        self.room = room
        self._audio = audio
        self._video = video
        self._decoder = decoder

    def start(self) -> None:
        """See :class:`JobPlans`."""
        self._decoder.start()

    def check(self, options: JobOptions) -> None:
        """See :class:`JobPlans`."""
        if isinstance(options, AudioOptions):
            self._audio.check(options)
        else:
            self._for_video().check(options)

    def parts(self, options: JobOptions) -> tuple[str, ...]:
        """See :class:`JobPlans`."""
        return self._audio.parts if isinstance(options, AudioOptions) else self._for_video().parts(options)

    def make(
        self, name: str, options: JobOptions, spool: JobSpool, state: dict[str, Any] | None, source: ByteSource
    ) -> Part:
        """See :class:`JobPlans`."""
        if isinstance(options, AudioOptions):
            return self._audio.make(name, options, spool, state, self._decoder, source)
        return self._for_video().make(name, options, spool, state, self._decoder, source)

    def join(self, options: JobOptions, spool: JobSpool) -> Result:
        """See :class:`JobPlans`."""
        if not isinstance(options, AudioOptions):
            return self._for_video().join(options, spool)
        answer = self._audio.join(options, spool)
        assert answer is not None
        return answer

    def close(self) -> None:
        """See :class:`JobPlans`."""
        self._decoder.close()

    def _for_video(self) -> VideoPlan:
        if self._video is None:
            raise Unavailable("Videos cannot be judged by this service.")
        return self._video


def job_limits(settings: Settings) -> Limits:
    """The limits of a job's recording: longer, and with as many more frames and windows; else those of a request."""
    limits = settings.limits
    longer = max(settings.max_job_duration_s / limits.max_duration_s, 1.0)
    changes = {
        "max_body_bytes": settings.max_job_body_bytes,
        "max_duration_s": settings.max_job_duration_s,
        "max_frames": round(limits.max_frames * longer),
        "max_windows": round(limits.max_windows * longer),
    }
    return limits.model_copy(update=changes)


def load_plans(
    settings: Settings, speech: object, video: object, on_event: Callable[[str, str], None]
) -> RecordingPlans | None:
    """Plans around the pipelines of the service; None for pipelines of another kind."""
    from service.jobs.audio_plan import AudioPlan
    from service.jobs.video_plan import VideoPlan
    from service.pipeline.decoding.long_decode import LongDecoder
    from service.pipeline.speech_pipeline import SpeechPipeline
    from service.pipeline.video_pipeline import VideoPipeline

    if not isinstance(speech, SpeechPipeline):
        return None
    limits = job_limits(settings)
    audio = AudioPlan(speech, limits, settings.job_segment_s)
    plan = None
    if isinstance(video, VideoPipeline):
        plan = VideoPlan(video, speech, audio, settings.job_segment_s, limits.deadline_s)
    decoder = LongDecoder(limits, settings.job_workers, settings.job_ttl_s, on_event)
    return RecordingPlans(audio, plan, decoder, speech.admission)
