"""The whole way of a video: decode and follow faces frame by frame, action units, speech, affect.

One :class:`VideoPipeline` owns the face sessions of the process. Its calls block and may come from many threads
at once; frames of different videos share the device threads, one step at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from service.pipeline.affect.columns import SIGNALS
from service.pipeline.affect.functionals import AffectFeatures, affect_features, time_grid
from service.pipeline.affect.model import AffectModel
from service.pipeline.device.batch import Batcher
from service.pipeline.device.device_calls import Answer, run_on_device
from service.pipeline.device.session import CPU
from service.pipeline.device.task import Observe, StageTimes, Work, observe_nothing
from service.pipeline.face.action_unit_table import FaceChoice, read_action_unit_table
from service.pipeline.face.action_units import ActionUnitModel, choose_action_units
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.neutral import read_neutral
from service.pipeline.results import AudioEmotion, AudioOptions, MediaInfo, ModelReference
from service.pipeline.video.allocator import return_free_memory
from service.pipeline.video.assemble import affect_answer
from service.pipeline.video.live import LiveVideo, LiveVideoOptions, open_live_video
from service.pipeline.video.row_watch import OnRows, RowWatch, can_be_watched
from service.pipeline.video.sound_track import Turn, find_turn
from service.pipeline.video.video_faces import VideoFaces, check_face
from service.pipeline.video.video_needs import Speech, VideoDecoder
from service.pipeline.video.video_results import INCLUDES, TableOptions, VideoAffect, VideoOptions
from service.pipeline.video.watching import watch_frames
from service.problems import ModelNotFound, NoAudioStream, Unprocessable
from service.registry import Bundle, BundleError, Registry
from service.settings import Settings

TYPICAL_BYTES_PER_S = 125_000
"""1 Mbit/s, of which an upload's length is guessed before it is decoded."""

LONG_S = 300.0
"""A longer recording leaves so much freed memory that it is given back to the system."""

TURN_SHARE, AUDIO_SHARE = 0.9, 0.98
"""Progress after speech is found, and after the sound track is judged."""


class VideoPipeline:
    """Arousal and valence from uploads of videos and of tables.

    Models that are not there make requests fail with ``ModelNotFound``, not the start: a service may serve
    speech alone.

    Args:
        settings: threads and limits.
        registry: the bundles.
        decoder: see :class:`VideoDecoder`.
        speech: see :class:`Speech`; its admission is shared.
        observe: told stage_seconds; called from several threads.

    Attributes:
        faces, units: the loaded networks of faces and action units, or None.
        registry: the bundles.

    Raises:
        BundleError: a graph cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        decoder: VideoDecoder,
        speech: Speech,
        observe: Observe | None = None,
    ) -> None:
        self.admission = speech.admission
        self._settings = settings
        self.registry = registry
        self._decoder = decoder
        self._speech = speech
        self._observe: Observe = observe or observe_nothing
        self.faces = FaceNetworks(registry.find(task="face"), settings.device) if registry.of_task("face") else None
        fitting = None if self.faces is None else choose_action_units(registry, self.faces)
        self.units = None if fitting is None else ActionUnitModel(fitting)
        self._affect = {
            (bundle.card.name, bundle.card.version): AffectModel(bundle) for bundle in registry.of_task("affect")
        }
        self._device = Batcher(settings.threads, name="faces")

    @property
    def has_faces(self) -> bool:
        """Whether videos can be analysed; tables need no face model."""
        return self.faces is not None and self.units is not None

    def warm_up(self) -> None:
        """Run every graph once.

        Raises:
            BundleError: one fails.
        """
        empty = AffectFeatures(np.zeros(2), np.zeros((2, 2 * len(SIGNALS) + 1), np.float32), np.ones(2))
        try:
            for model in self._affect.values():
                model.series(empty)
            if self.faces is not None:
                self.faces.warm_up()
        except Exception as error:  # a graph that loads can still fail in any of its kernels
            raise BundleError(f"a face or affect graph fails: {str(error).strip().splitlines()[0]}") from error

    def analyse(
        self,
        data: bytes | memoryview,
        options: VideoOptions,
        work: Work,
        *,
        on_rows: OnRows | None = None,
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
        check_face(options.face)
        _check_include(options.include)
        neutral = read_neutral(options.neutral)
        model = self.affect_model(options.model, options.version)
        if self.faces is None or self.units is None:
            raise ModelNotFound("No face model is installed.")
        if "audio" in options.include:
            self.registry.find(options.audio_model, options.audio_version)
        with self.admission.hold(len(data) / TYPICAL_BYTES_PER_S) as hold:
            watch = None
            if on_rows is not None and can_be_watched(model, neutral):
                longest_s = time_grid(self._settings.limits.max_duration_s, model.hop_s)
                heard = find_turn(data, options.channel, longest_s, self._decoder, self._speech, work)
                watch = RowWatch(on_rows, model, self.units, neutral, options.face, heard.turn)
            watching = VideoFaces(self.faces, self.units, neutral, watch)
            summary = watch_frames(self._decoder, data, watching, hold, work, self.on_device)
            with work.stage("action_units"):
                series = self.on_device(lambda: watching.series(options.face), work)
            grid_s = time_grid(summary.media.duration_s, model.hop_s)
            turn = find_turn(data, options.channel, grid_s, self._decoder, self._speech, work)
            work.report(TURN_SHARE)
            features = affect_features(
                series.time_s,
                series.confidence,
                series.action_units,
                series.tracked,
                turn=turn.turn,
                duration_s=summary.media.duration_s,
                window_s=model.window_s,
                hop_s=model.hop_s,
            )
            audio, audio_flags = self._sound(data, options, turn, work)
            models = {"faces": self.faces.bundle, "action_units": self.units.bundle}
            if turn.turn is not None:
                models["voice_activity"] = self.registry.find(task="voice-activity")
            flags = (*summary.flags, *series.flags, *turn.flags, *audio_flags)
            del series
            answer = self.answer(summary.media, features, model, options.include, flags, work, models, turn, audio)
        if summary.media.duration_s > LONG_S:
            del features, watching
            return_free_memory()
        return answer

    def analyse_table(self, data: bytes | memoryview, options: TableOptions, work: Work) -> VideoAffect:
        """Judge a table of action units. Arguments, result and errors as :meth:`analyse`."""
        check_face(options.face)
        _check_include(options.include - {"audio"})
        model = self.affect_model(options.model, options.version)
        with self.admission.hold(0.0) as hold:
            face: FaceChoice = "largest" if options.face == "largest" else int(options.face)
            with work.stage("decode"):
                table = read_action_unit_table(bytes(data), self._settings.limits, fps=options.fps, face=face)
            hold.resize(float(table.time_s[-1]))
            features = affect_features(
                table.time_s,
                table.confidence,
                table.action_units,
                table.tracked,
                window_s=model.window_s,
                hop_s=model.hop_s,
            )
            duration_s = float(table.time_s[-1])
            rate_hz = (len(table.time_s) - 1) / duration_s if duration_s > 0 else None
            media = MediaInfo(duration_s, container="csv", codec="action-units", frame_rate_hz=rate_hz)
            found = {
                "no_face": not table.tracked.any(),
                "face_lost": bool(table.tracked.any() and not table.tracked.all()),
                "several_faces": len(table.faces) > 1,
            }
            flags = (*(name for name, is_set in found.items() if is_set), "no_audio")
            return self.answer(media, features, model, options.include, flags, work, {}, Turn(None), None)

    def live(self, options: LiveVideoOptions) -> LiveVideo:
        """What judges one stream of frames as it arrives, on the devices that judge videos.

        Raises:
            Problem: an unknown model, one that cannot judge a part, or no face model.
        """
        return open_live_video(
            options,
            self.affect_model(options.model, options.version),
            self.faces,
            self.units,
            self._decoder,
            lambda call, work: run_on_device(self._device, call, work),
        )

    def stalled(self) -> bool:
        """Whether a device call has gone on for longer than any request waits: a reason to be replaced."""
        return self._device.stalled_for_s() > self._settings.limits.deadline_s

    def close(self) -> None:
        """Stop the device threads; whoever still waits is told ``Draining``."""
        self._device.close()
        if self.faces is not None:
            self.faces.close()

    def affect_model(self, name: str | None, version: str | None) -> AffectModel:
        """The affect model that a request asks for; raises ``ModelNotFound``."""
        card = self.registry.find(name, version, task="affect").card
        return self._affect[card.name, card.version]

    def on_device(self, call: Callable[[], Answer], work: Work) -> Answer:
        """Run ``call`` on a device thread; see :func:`run_on_device`."""
        return run_on_device(self._device, call, work)

    def _sound(
        self, data: bytes | memoryview, options: VideoOptions, turn: Turn, work: Work
    ) -> tuple[AudioEmotion | None, tuple[str, ...]]:
        """Emotion of the sound track, where it is asked for and there is one."""
        if "audio" not in options.include or {"no_audio", "audio_unusable"} & set(turn.flags):
            return None, ()
        asked = AudioOptions(options.audio_model, options.audio_version, channel=options.channel)
        listening = replace(work.part(TURN_SHARE, AUDIO_SHARE), stages_s=StageTimes())
        try:
            with work.stage("audio"):
                return self._speech.analyse(data, asked, listening), ()
        except NoAudioStream:
            return None, ("no_audio",)

    def answer(
        self,
        media: MediaInfo,
        features: AffectFeatures,
        model: AffectModel,
        include: frozenset[str],
        flags: Sequence[str],
        work: Work,
        models: dict[str, Bundle],
        turn: Turn,
        audio: AudioEmotion | None,
    ) -> VideoAffect:
        """The answer for features; arguments as :meth:`analyse` finds them."""
        with work.stage("affect"):
            series = self.on_device(lambda: model.series(features), work)
            attribution = model.attribution(features) if "attribution" in include else None
        for stage, seconds in work.stages_s.items():
            self._observe("stage_seconds", seconds, {"stage": stage})
        work.report(1.0)
        references = {part: self._reference(bundle) for part, bundle in {**models, "affect": model.bundle}.items()}
        return affect_answer(
            media, references, features, model, series, attribution, include, flags, turn, audio, work.stages_s
        )

    def _reference(self, bundle: Bundle) -> ModelReference:
        card = bundle.card
        provider = self.faces.provider if self.faces is not None and bundle is self.faces.bundle else CPU
        return ModelReference(card.name, card.version, bundle.sha256, card.licence.spdx, provider)


def _check_include(include: frozenset[str]) -> None:
    unknown = sorted(include - set(INCLUDES))
    if unknown:
        raise Unprocessable(f"include may name {', '.join(INCLUDES)}.", pointer="/include")
