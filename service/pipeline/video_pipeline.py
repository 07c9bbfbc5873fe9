"""The video pipeline: decode and follow faces frame by frame, action units, speech, affect.

One :class:`VideoPipeline` owns the face sessions of the process. Its calls block and may come from many threads
at once; frames of different videos share the device threads, one step at a time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from service.flags import Flag
from service.memory import return_free_memory
from service.pipeline.affect.columns import COLUMNS
from service.pipeline.affect.functionals import AffectFeatures, time_grid
from service.pipeline.affect.live import OnRows
from service.pipeline.affect.model import AffectModel
from service.pipeline.decoding.decode import Decoder
from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import run_on_device
from service.pipeline.device.session import CPU
from service.pipeline.device.task import Observe, StageTimes, Work, observe_nothing
from service.pipeline.face.action_unit_table import FaceChoice, read_action_unit_table
from service.pipeline.face.action_units import ActionUnitModel, choose_action_units
from service.pipeline.face.expression import ExpressionModel
from service.pipeline.face.face_series import SeenFace
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.neutral import FaceProfile, joined_faces, read_made_neutral, read_neutral
from service.pipeline.options import EVERY_FACE, read_face, read_include, read_numbered_face
from service.pipeline.results import AudioEmotion, MediaInfo, ModelReference
from service.pipeline.speech_pipeline import SpeechPipeline
from service.pipeline.video.assemble import Recording, SpeakerTurn, assemble
from service.pipeline.video.early_rows import EarlyRows, can_tell_early
from service.pipeline.video.live import LiveVideo, LiveVideoOptions, open_live_video
from service.pipeline.video.sound_track import find_turn
from service.pipeline.video.video_faces import VideoFaces
from service.pipeline.video.video_results import INCLUDES, TABLE_INCLUDES, TableOptions, VideoAffect, VideoOptions
from service.pipeline.video.watching import watch_video
from service.problems import ModelNotFound, NoAudioStream, Problem, ProfileTooLittleFace, Unprocessable
from service.registry import Bundle, BundleError, Registry
from service.settings import Settings

TYPICAL_BYTES_PER_S: Final = 125_000
"""Bytes of a second of video, 1 Mbit/s: an upload's length is guessed by it before it is decoded."""

LONG_S: Final = 300.0
"""Length of a recording, seconds, above which freed memory is given back to the system."""

TURN_SHARE, AUDIO_SHARE = 0.9, 0.98
"""Progress after speech is found, and after the sound track is judged."""


FACE_PARTS: Final = frozenset({"action_units", "boxes", "expression"})
"""Parts that the answer about each of several faces may have."""


@dataclass(frozen=True)
class EveryFace:
    """The faces of a video, largest first, and the largest as the answer about the whole; it has the flags of all."""

    largest: SeenFace
    faces: Sequence[SeenFace]


class VideoPipeline:
    """Arousal and valence from uploads of videos and of tables.

    Models that are not there make requests fail with ``ModelNotFound``, not the start: a service may serve
    speech alone.

    Args:
        settings: threads and limits.
        registry: the bundles.
        decoder: decodes pictures and sound.
        speech: finds speech and judges sound tracks; its admission is shared.
        observe: told stage_seconds; called from several threads.

    Attributes:
        faces, units: the loaded networks of faces and action units, or None.
        registry: the bundles.
        admission: seconds of media in the system, speech and video together.
        device: threads that run a video's steps, one step at a time.

    Raises:
        BundleError: a graph cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        decoder: Decoder,
        speech: SpeechPipeline,
        observe: Observe | None = None,
    ) -> None:
        self.admission = speech.admission
        self._settings = settings
        self.registry = registry
        self._decoder = decoder
        self._speech = speech
        self._observe: Observe = observe or observe_nothing
        self.faces = FaceNetworks(registry.find(task="face"), settings.device) if registry.of_task("face") else None
        self.units = _load_units(registry, self.faces)
        self._affect = {
            (bundle.card.name, bundle.card.version): AffectModel(bundle) for bundle in registry.of_task("affect")
        }
        self._expressions = {
            (bundle.card.name, bundle.card.version): ExpressionModel(bundle)
            for bundle in registry.of_task("face-expression")
        }
        self.device = Batcher(settings.threads, name="faces")

    @property
    def has_faces(self) -> bool:
        """Whether videos can be analysed; tables need no face model."""
        return self.faces is not None and self.units is not None

    def warm_up(self) -> None:
        """Run every graph once. Raises BundleError if one fails."""
        empty = AffectFeatures(np.zeros(2), np.zeros((2, len(COLUMNS)), np.float32), np.ones(2), np.zeros((0, 2)))
        try:
            for model in self._affect.values():
                model.series(empty)
            if self.faces is not None:
                self.faces.warm_up()
            for looking in self._expressions.values():
                looking.warm_up()
        except Exception as error:  # a graph that loads can still fail in any of its kernels
            raise BundleError(f"a face or affect graph fails: {str(error).strip().splitlines()[0]}") from error

    def analyse(
        self, data: bytes | memoryview, options: VideoOptions, work: Work, *, on_rows: OnRows | None = None
    ) -> VideoAffect:
        """Judge one video. Blocks; safe to call from many threads.

        Args:
            data: the upload.
            options: the request's parameters.
            work: the request's deadline, cancellation and progress; its progress is told in this thread.
            on_rows: told rows before the end, where there are any; called in other threads.

        Raises:
            Problem: whatever the client must be told.
            Cancelled: the work was cancelled.
        """
        self.check(options)
        model = self.affect_model(options.model, options.version)
        networks, units = self.face_models()
        expression = self.expression_model(options)
        neutral = units.neutral(options.neutral, options.resting)
        if "audio" in options.include:
            self.registry.find(options.audio_model, options.audio_version)
        with self.admission.hold(len(data) / TYPICAL_BYTES_PER_S) as hold:
            early = None
            if on_rows is not None and can_tell_early(model, neutral, options.face):
                longest_s = time_grid(self._settings.limits.max_duration_s, model.hop_s)
                heard = find_turn(data, options.channel, longest_s, self._decoder, self._speech, work, options.track)
                early = EarlyRows(on_rows, model, units, neutral, options.face, heard.steps)
            faces = VideoFaces(networks, units, neutral, early, expression=expression)
            faces, summary = watch_video(self._decoder, data, faces, hold, work, self.device, options.picture_track)
            with work.stage("action_units"):
                seen = run_on_device(self.device, lambda: self.seen(faces, options.face), work)
            grid_s = time_grid(summary.recording.duration_s, model.hop_s)
            turn = find_turn(data, options.channel, grid_s, self._decoder, self._speech, work, options.track)
            work.report(TURN_SHARE)
            audio, audio_flags = self._sound(data, options, turn, work)
            recording = self.recording(summary.recording, summary.flags, turn, audio, audio_flags, expression)
            answer = self.assemble(seen, recording, options, work)
        if summary.recording.duration_s > LONG_S:
            del seen, faces
            return_free_memory()
        return answer

    def profile(
        self,
        recordings: Iterable[bytes | memoryview],
        neutral: str,
        work: Work,
        before: FaceProfile | None = None,
        failed: Callable[[Problem], None] | None = None,
    ) -> FaceProfile:
        """One person's resting face, that of the largest face of each recording; otherwise as :meth:`analyse`.

        Args:
            recordings: of one person.
            neutral: when that person rests, 'median' or 'START:END' in seconds of each recording.
            work: as of :meth:`analyse`; told no progress.
            before: the profile that they continue.
            failed: told of each recording that cannot be used, which is then left out; None lets it fail.

        Raises:
            Unprocessable: ``neutral`` names no resting face.
            ProfileMismatch: ``before`` is of another face model.
            ProfileTooLittleFace: a face is not there, or too briefly.
        """
        networks, units = self.face_models()
        chosen = read_made_neutral(neutral)
        found = [] if before is None else [before]
        if before is not None:
            units.check(before, "/profile")
        watching = replace(work, progress=None)
        for data in recordings:
            try:
                with self.admission.hold(len(data) / TYPICAL_BYTES_PER_S) as hold:
                    faces = VideoFaces(networks, units, chosen)
                    faces, _ = watch_video(self._decoder, data, faces, hold, watching, self.device)
                    with work.stage("action_units"):
                        found.append(run_on_device(self.device, faces.profile, work))
            except Problem as problem:
                if failed is None:
                    raise
                failed(problem)
        if not found:
            raise ProfileTooLittleFace
        return joined_faces(found)

    def analyse_table(self, data: bytes | memoryview, options: TableOptions, work: Work) -> VideoAffect:
        """Judge a table of action units. Arguments, result and errors as :meth:`analyse`."""
        read_numbered_face(options.face)
        read_include(options.include, TABLE_INCLUDES)
        self.affect_model(options.model, options.version)
        with self.admission.hold(0.0) as hold:
            choice: FaceChoice = "largest" if options.face == "largest" else int(options.face)
            with work.stage("decode"):
                table = read_action_unit_table(bytes(data), self._settings.limits, fps=options.fps, face=choice)
            hold.resize(table.duration_s)
            seen_s = float(table.time_s[-1] - table.time_s[0])
            media = MediaInfo(
                table.duration_s,
                container="csv",
                codec="action-units",
                frame_rate_hz=(len(table) - 1) / seen_s if seen_s > 0 else None,
                offset_s=table.offset_s,
            )
            face = SeenFace(table, (Flag.SEVERAL_FACES,) if len(table.faces) > 1 else (), table.face)
            recording = Recording(media, {}, (), SpeakerTurn(None, (Flag.NO_AUDIO,)))
            return self.assemble(face, recording, options, work)

    def recording(
        self,
        media: MediaInfo,
        flags: tuple[str, ...],
        turn: SpeakerTurn,
        audio: AudioEmotion | None,
        audio_flags: tuple[str, ...],
        expression: ExpressionModel | None,
    ) -> Recording:
        """A video whose pictures and sound were gone through; arguments as :class:`Recording`.

        Raises:
            ModelNotFound: as :meth:`face_models`.
        """
        networks, units = self.face_models()
        bundles = {"faces": networks.bundle, "action_units": units.bundle}
        if turn.steps is not None:
            bundles["voice_activity"] = self.registry.find(task="voice-activity")
        if expression is not None:
            bundles["expression"] = expression.bundle
        models = {part: self._reference(bundle) for part, bundle in bundles.items()}
        columns = None if expression is None else expression.columns
        return Recording(media, models, flags, turn, audio, audio_flags, columns)

    def seen(self, faces: VideoFaces, face: str) -> SeenFace | EveryFace:
        """The face that a request asks for, or every face.

        Raises:
            Unprocessable: as :meth:`VideoFaces.chosen` and :meth:`VideoFaces.every`.
        """
        if face != EVERY_FACE:
            return faces.chosen(face)
        found, flags = faces.every(self._settings.limits.max_faces)
        largest = found[0] if found else faces.chosen("largest")
        return EveryFace(replace(largest, flags=(*largest.flags, *flags)), found)

    def assemble(
        self, seen: SeenFace | EveryFace, recording: Recording, options: VideoOptions | TableOptions, work: Work
    ) -> VideoAffect:
        """The answer about a face of a recording; see :func:`service.pipeline.video.assemble.assemble`."""
        model = self.affect_model(options.model, options.version)
        reference = self._reference(model.bundle)

        def about(face: SeenFace, recording: Recording, include: frozenset[str]) -> VideoAffect:
            return assemble(face, recording, model, reference, include, self.device, work)

        if isinstance(seen, EveryFace):
            alone, parts = replace(recording, flags=(), audio=None, audio_flags=()), options.include & FACE_PARTS
            faces = [about(replace(one, flags=_own(one.flags)), alone, parts) for one in seen.faces]
            answer = replace(about(seen.largest, recording, options.include), faces=tuple(faces))
        else:
            answer = about(seen, recording, options.include)
        for stage, seconds in work.stages_s.items():
            self._observe("stage_seconds", seconds, {"stage": stage})
        work.report(1.0)
        return answer

    def live(self, options: LiveVideoOptions) -> LiveVideo:
        """The judge of one stream of frames as it arrives, on the devices that judge videos.

        Raises:
            Problem: an unknown model, one that cannot judge a part, or no face model.
        """
        model = self.affect_model(options.model, options.version)
        return open_live_video(options, model, self.faces, self.units, self._decoder, self.device)

    def stalled(self) -> bool:
        """Whether a device call has gone on for longer than any request waits: a reason to be replaced."""
        return self.device.stalled_for_s() > self._settings.limits.deadline_s

    def close(self) -> None:
        """Stop the device threads; whoever still waits is told ``Draining``."""
        self.device.close()
        if self.faces is not None:
            self.faces.close()

    def affect_model(self, name: str | None, version: str | None) -> AffectModel:
        """The affect model that a request asks for; raises ``ModelNotFound``."""
        card = self.registry.find(name, version, task="affect").card
        return self._affect[card.name, card.version]

    def expression_model(self, options: VideoOptions) -> ExpressionModel | None:
        """The network that looks at faces, where it is asked for; raises ``ModelNotFound``."""
        if "expression" not in options.include:
            return None
        name, version = options.expression_model, options.expression_version
        card = self.registry.find(name, version, task="face-expression").card
        return self._expressions[card.name, card.version]

    def face_models(self) -> tuple[FaceNetworks, ActionUnitModel]:
        """The networks that follow faces, and the model that turns them into action units.

        Raises:
            ModelNotFound: one of them is not installed.
        """
        if self.faces is None or self.units is None:
            raise ModelNotFound("No face model is installed.")
        return self.faces, self.units

    def check(self, options: VideoOptions) -> None:
        """Refuse what no video could be judged by.

        Raises:
            Unprocessable: a parameter cannot be.
            ModelNotFound: a model is not installed.
            ProfileMismatch: the document is of another face model.
        """
        read_face(options.face)
        read_include(options.include, INCLUDES)
        if read_neutral(options.neutral).kind == "document" and options.face == EVERY_FACE:
            raise Unprocessable("A document is about one person: with it, ask for one face.", pointer="/neutral")
        self.affect_model(options.model, options.version)
        self.expression_model(options)
        _, units = self.face_models()
        if options.resting is not None:  # that of a job comes with the body
            units.check(options.resting, "/neutral")

    def _sound(
        self, data: bytes | memoryview, options: VideoOptions, turn: SpeakerTurn, work: Work
    ) -> tuple[AudioEmotion | None, tuple[str, ...]]:
        """Emotion of the sound track, where it is asked for and there is one."""
        if "audio" not in options.include or not turn.has_sound:
            return None, ()
        listening = replace(work.part(TURN_SHARE, AUDIO_SHARE), stages_s=StageTimes())
        try:
            with work.stage("audio"):
                return self._speech.analyse(data, options.sound, listening), ()
        except NoAudioStream:
            return None, (Flag.NO_AUDIO,)

    def _reference(self, bundle: Bundle) -> ModelReference:
        provider = self.faces.provider if self.faces is not None and bundle is self.faces.bundle else CPU
        return ModelReference.of(bundle, provider)


def _own(flags: tuple[str, ...]) -> tuple[str, ...]:
    """Flags of one face beside others, whose being there is told of the whole."""
    return tuple(flag for flag in flags if flag != Flag.SEVERAL_FACES)


def _load_units(registry: Registry, faces: FaceNetworks | None) -> ActionUnitModel | None:
    if faces is None:
        return None
    fitting = choose_action_units(registry, faces.settings.mesh_points, has_blendshapes=faces.has_blendshapes)
    return None if fitting is None else ActionUnitModel(fitting)
