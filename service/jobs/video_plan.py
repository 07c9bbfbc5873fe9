"""The plan of a long video: its faces, where somebody speaks, the emotion of its sound if asked, then the answer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.flags import Flag
from service.jobs.audio_plan import AudioPlan
from service.jobs.face_part import FacesPart, Opened, watched_track
from service.jobs.files import PartFiles, stored_face
from service.jobs.part import FACES, INSPECT, SPEECH, TURN, NothingToDo, Part
from service.jobs.sound_parts import SoundPart, TurnPart, joined_channels
from service.jobs.spool import JobSpool
from service.pipeline.affect.functionals import time_grid
from service.pipeline.decoding.long_decode import LongDecoder
from service.pipeline.decoding.remote_file import ByteSource
from service.pipeline.device.task import Work
from service.pipeline.results import AudioEmotion
from service.pipeline.speech_pipeline import SpeechPipeline
from service.pipeline.video.assemble import SpeakerTurn
from service.pipeline.video.video_faces import VideoFaces
from service.pipeline.video.video_results import VideoAffect, VideoOptions
from service.pipeline.video_pipeline import VideoPipeline


class VideoPlan:
    """Makes the parts of a job and joins their records.

    Args:
        video, speech: the pipelines.
        audio: the plan for the emotion of the sound track.
        segment_s: about how many seconds a segment has.
        deadline_s: seconds that joining may take.
    """

    def __init__(
        self, video: VideoPipeline, speech: SpeechPipeline, audio: AudioPlan, segment_s: float, deadline_s: float
    ) -> None:
        self._video = video
        self._speech = speech
        self._audio = audio
        self._segment_s = segment_s
        self._deadline_s = deadline_s

    def parts(self, options: VideoOptions) -> tuple[str, ...]:
        """Names of the parts, in order."""
        return (FACES, TURN, INSPECT, SPEECH) if "audio" in options.include else (FACES, TURN)

    def check(self, options: VideoOptions) -> None:
        """Refuse what no video could be judged by.

        Raises:
            ModelNotFound, Unprocessable: see :meth:`VideoPipeline.check`.
        """
        self._video.check(options)
        if "audio" in options.include:
            self._audio.check(options.sound)

    def make(
        self,
        name: str,
        options: VideoOptions,
        spool: JobSpool,
        state: dict[str, Any] | None,
        decoder: LongDecoder,
        source: ByteSource,
    ) -> Part:
        """The part ``name``, from ``state`` on."""
        if name == FACES:

            def open_track(track: int | None, known: dict[str, Any] | None) -> Opened:
                faces = self._faces(options, spool, known)
                return decoder.frames(source, skip_frames=faces.frames, picture_track=track), faces

            return FacesPart(open_track, self._video.device, self._segment_s, options.picture_track, state)
        if name == TURN:
            return self._turn_part(options, state, decoder, source)
        if not SpeakerTurn(None, tuple(PartFiles(spool, TURN).record(0).get("flags", ()))).has_sound:
            return NothingToDo({"samples": 0, "flags": ()})
        return self._audio.make(name, options.sound, spool, state, decoder, source, in_video=True)

    def join(self, options: VideoOptions, spool: JobSpool) -> VideoAffect:
        """The answer.

        Raises:
            Unprocessable: the face or the neutral stretch that is asked for is not in the video.
        """
        video = self._video
        watched = watched_track(
            list(PartFiles(spool, FACES).records()), lambda state: self._faces(options, spool, state)
        )
        seen = video.seen(watched.faces, options.face)
        model = video.affect_model(options.model, options.version)
        turn = self._turn(spool, time_grid(watched.media.duration_s, model.hop_s))
        audio, audio_flags = self._sound(options, spool)
        expression = video.expression_model(options)
        recording = video.recording(watched.media, watched.flags, turn, audio, audio_flags, expression)
        return video.assemble(seen, recording, options, Work.within(self._deadline_s))

    def _faces(self, options: VideoOptions, spool: JobSpool, state: dict[str, Any] | None) -> VideoFaces:
        """The faces that earlier segments followed, as ``state`` tells; none yet where it is None."""
        networks, units = self._video.face_models()
        resting = stored_face(spool) if options.neutral == "document" else None
        expression = self._video.expression_model(options)
        neutral = units.neutral(options.neutral, resting)
        return VideoFaces(networks, units, neutral, state=state, expression=expression)

    def _turn_part(
        self, options: VideoOptions, state: dict[str, Any] | None, decoder: LongDecoder, source: ByteSource
    ) -> Part:
        rate_hz = self._speech.voice_rate_hz
        if rate_hz is None:
            return NothingToDo({"flags": (Flag.NO_VOICE_ACTIVITY,)})
        channel = "voices" if options.channel == "mix" else options.channel
        sound = decoder.sound(source, target_rate_hz=rate_hz, channel=channel, track=options.track)
        return TurnPart(SoundPart(sound, self._speech, rate_hz, self._segment_s, state=state))

    def _turn(self, spool: JobSpool, grid_s: NDArray[np.float64]) -> SpeakerTurn:
        records = list(PartFiles(spool, TURN).records())
        if "flags" in records[-1]:
            return SpeakerTurn(None, tuple(records[-1]["flags"]))
        voice = self._speech.voice
        assert voice is not None
        tracks = [channel["steps"].astype(np.float64) for channel in joined_channels(records)]
        return SpeakerTurn.heard(tracks, grid_s, voice.step_s, records[-1]["spans"])

    def _sound(self, options: VideoOptions, spool: JobSpool) -> tuple[AudioEmotion | None, tuple[str, ...]]:
        if "audio" not in options.include:
            return None, ()
        audio = self._audio.join(options.sound, spool)
        return audio, tuple(PartFiles(spool, INSPECT).record(0)["flags"]) if audio is None else ()
