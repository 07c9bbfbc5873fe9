"""The plan of a job: the parts that its recording is worked on in, and the answer joined from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from service.jobs.job import JobOptions
from service.jobs.part import Part
from service.jobs.spool import JobSpool
from service.pipeline.audio_options import AudioOptions
from service.pipeline.decoding.remote_file import ByteSource
from service.pipeline.results import AudioEmotion
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
"""Progress weights, about seconds per hour of media."""


class JobPlans:
    """Makes the parts of a job and joins them.

    Args:
        audio: plan for recordings.
        video: plan for videos, or None where no model judges faces.
        decoder: decoder processes for jobs alone.
        room: admission that segments share with requests.
    """

    def __init__(self, audio: AudioPlan, video: VideoPlan | None, decoder: LongDecoder, room: Admission) -> None:
        self.room = room
        self._audio = audio
        self._video = video
        self._decoder = decoder

    def start(self) -> None:
        """Start the decoder processes. Raises DecoderUnavailable if they cannot be started."""
        self._decoder.start()

    def check(self, options: JobOptions) -> None:
        """Refuse options that suit no recording. Raises Problem if the options cannot be used."""
        if isinstance(options, AudioOptions):
            self._audio.check(options)
        else:
            self._for_video().check(options)

    def parts(self, options: JobOptions) -> tuple[str, ...]:
        """Names of the parts in their order; the same on every call."""
        return self._audio.parts if isinstance(options, AudioOptions) else self._for_video().parts(options)

    def make(
        self, name: str, options: JobOptions, spool: JobSpool, state: dict[str, Any] | None, source: ByteSource
    ) -> Part:
        """Open the part ``name``, which goes on from ``state``."""
        if isinstance(options, AudioOptions):
            return self._audio.make(name, options, spool, state, self._decoder, source)
        return self._for_video().make(name, options, spool, state, self._decoder, source)

    def join(self, options: JobOptions, spool: JobSpool) -> Result:
        """The job's answer, made of what all parts stored."""
        if not isinstance(options, AudioOptions):
            return self._for_video().join(options, spool)
        answer = self._audio.join(options, spool)
        assert answer is not None
        return answer

    def close(self) -> None:
        """End the decoder processes."""
        self._decoder.close()

    def _for_video(self) -> VideoPlan:
        if self._video is None:
            raise Unavailable("This service cannot judge videos.")
        return self._video


def job_limits(settings: Settings) -> Limits:
    """Limits of a job's recording: a request's, but for size and length, and frames and windows in proportion."""
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
) -> JobPlans | None:
    """Plans that use the service's pipelines; None where ``speech`` is no :class:`SpeechPipeline`."""
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
    return JobPlans(audio, plan, decoder, speech.admission)
