"""The analyses of the service in this process: recordings in, records out."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from emoserve.parameters import (
    AudioParameters,
    EmbeddingParameters,
    ProfileParameters,
    TableParameters,
    VideoParameters,
    checked,
)
from emoserve.recordings import content_of
from service.local.answers import Answer
from service.local.engine import PATIENCE_S, LocalEngine, running_engine
from service.local.judge import Choices, Mode, judge
from service.local.sources import MEDIA_SUFFIXES, FileError, media_below
from service.pipeline.device.task import Work
from service.problems import EmoserveError
from service.settings import Settings, check_environment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emoserve.records import AudioEmbedding, AudioEmotion, VideoAffect
    from service.card import Card
    from service.pipeline.audio_options import AudioOptions
    from service.pipeline.video.video_results import TableOptions, VideoOptions

    Recording = str | os.PathLike[str] | bytes | NDArray[np.floating[Any]]

Progress = Callable[[float], None]
"""Told the share of the work that is done, 0…1, in the thread that asked for it."""


@dataclass(frozen=True)
class FileAnswer:
    """The result for one file of a folder: an answer, or the error that kept it from one."""

    path: Path
    answer: AudioEmotion | VideoAffect | None = None
    error: EmoserveError | None = None


class Analyzer:
    """Analyses recordings in this process; loads the models at once. Safe to use from many threads.

    The decoders' processes end with :meth:`close`, at the end of a ``with`` block, or with the program.

    Args:
        model_dirs: folders of model bundles.
        device: 'auto', 'cpu' or 'cuda'.
        threads: inference threads.
        licence_policy: 'commercial' loads no weights whose licence forbids commercial use.
        default_model: speech model where none is named.

    Where an argument is left out, the setting ``EMOSERVE_<NAME>`` of the environment holds, or its default.

    Raises:
        EmoserveError: a model, the device or the decoders cannot be used.
        ValueError: a setting has a value that cannot be used.
    """

    def __init__(
        self,
        *,
        model_dirs: Iterable[str | os.PathLike[str]] | None = None,
        device: Literal["auto", "cpu", "cuda"] | None = None,
        threads: int | None = None,
        licence_policy: Literal["any", "commercial"] | None = None,
        default_model: str | None = None,
    ) -> None:
        check_environment(os.environ)
        given: dict[str, Any] = {
            "model_dirs": None if model_dirs is None else [Path(folder) for folder in model_dirs],
            "device": device,
            "threads": threads,
            "licence_policy": licence_policy,
            "default_model": default_model,
        }
        self._settings = Settings(**{name: value for name, value in given.items() if value is not None})
        stack = ExitStack()
        self._engine = stack.enter_context(running_engine(self._settings, self._settings.decode_workers))
        self._end = weakref.finalize(self, stack.close)

    def audio(
        self,
        recording: Recording,
        rate_hz: int | None = None,
        *,
        progress: Progress | None = None,
        **parameters: Unpack[AudioParameters],
    ) -> AudioEmotion:
        """Judge the emotion in a recording, or in the sound track of a video.

        Args:
            recording: a path, the content of a file, or samples: float [samples] or [channels, samples], full scale ±1.
            rate_hz: sample rate of samples.
            progress: told the share that is done.
            parameters: as those of ``POST /v1/audio/emotion``.

        Raises:
            EmoserveError: the recording cannot be read or judged, or a parameter cannot be used.
        """
        from emoserve.records import AudioEmotion

        options = self._audio_options(parameters)
        result = self._running().speech.analyse(content_of(recording, rate_hz), options, _work(progress))
        return AudioEmotion.of(result, options)

    def embedding(
        self,
        recording: Recording,
        rate_hz: int | None = None,
        *,
        progress: Progress | None = None,
        **parameters: Unpack[EmbeddingParameters],
    ) -> AudioEmbedding:
        """Compute features of a recording, one row a window; arguments and errors as those of :meth:`audio`.

        ``parameters`` are those of ``POST /v1/audio/embedding``.
        """
        from emoserve.records import AudioEmbedding
        from service.api.parameters import EmbeddingQuery

        options = checked(EmbeddingQuery, parameters).options(self._settings.limits)
        return AudioEmbedding.of(self._running().speech.embed(content_of(recording, rate_hz), options, _work(progress)))

    def profile(
        self,
        recordings: Iterable[Recording],
        rate_hz: int | None = None,
        *,
        kind: Literal["voice", "face"] = "voice",
        profile: Mapping[str, object] | None = None,
        **parameters: Unpack[ProfileParameters],
    ) -> dict[str, object]:
        """Make the profile of a voice, a line or a face from recordings that need no label, or go on with one.

        Args:
            recordings: as those of :meth:`audio`; of a face as those of :meth:`video`.
            rate_hz: sample rate of samples.
            kind: what it is of.
            profile: the document to go on with.
            parameters: as those of ``POST /v1/profiles``.

        Returns:
            A document of a few kilobytes: one of a voice for the parameter ``profile`` of :meth:`audio`, one of a face
            for ``neutral`` of :meth:`video`. It holds no sound and no picture, but one of a single person is biometric
            data.

        Raises:
            EmoserveError: a recording cannot be read, or there is too little speech or face.
        """
        from service.api.profiles import ProfileQuery
        from service.pipeline.audio_options import AudioOptions
        from service.pipeline.video_setup import require_faces
        from service.schemas.profile import profile_document, read_face_profile, read_voice_profile

        query = checked(ProfileQuery, {"kind": kind, **parameters})
        query.check()
        contents = [content_of(recording, rate_hz) for recording in recordings]
        if kind == "face":
            face = None if profile is None else read_face_profile(profile)
            affect = require_faces(self._running().affect)
            seen = affect.profile(contents, query.neutral or "median", _work(None), face)
            return profile_document(seen).model_dump()
        voice = None if profile is None else read_voice_profile(profile)
        options = AudioOptions(model=query.model, version=query.version)
        return profile_document(self._running().speech.profile(contents, options, _work(None), voice)).model_dump()

    def video(
        self,
        recording: str | os.PathLike[str] | bytes,
        *,
        progress: Progress | None = None,
        **parameters: Unpack[VideoParameters],
    ) -> VideoAffect:
        """Follow a face in a video: arousal and valence at 10 Hz. Needs ``emoserve setup``, once.

        Args:
            recording: a path, or the content of a file.
            progress: told the share that is done.
            parameters: as those of ``POST /v1/video/affect``; ``include`` may be a list.

        Raises:
            EmoserveError: the video cannot be read or judged, or a parameter cannot be used.
        """
        from emoserve.records import VideoAffect
        from service.pipeline.video_setup import require_faces

        options = _video_options(parameters)
        affect = require_faces(self._running().affect)
        return VideoAffect.of(affect.analyse(content_of(recording, None), options, _work(progress)), options.include)

    def table(
        self,
        recording: str | os.PathLike[str] | bytes,
        *,
        progress: Progress | None = None,
        **parameters: Unpack[TableParameters],
    ) -> VideoAffect:
        """Judge a table of action units by OpenFace or AVEC; otherwise as :meth:`video`.

        ``parameters`` are those of ``POST /v1/action-units/affect``.
        """
        from emoserve.records import VideoAffect
        from service.pipeline.video_setup import require_affect

        options = _table_options(parameters)
        affect = require_affect(self._running().affect)
        result = affect.analyse_table(content_of(recording, None), options, _work(progress))
        return VideoAffect.of(result, options.include)

    def folder(
        self,
        folder: str | os.PathLike[str],
        mode: Mode = "auto",
        *,
        audio: AudioParameters | None = None,
        video: VideoParameters | None = None,
        table: TableParameters | None = None,
    ) -> Iterator[FileAnswer]:
        """Judge all files below a folder in alphabetical order, one after the other as answers are taken.

        Hidden files and folders are passed over, links to folders are not followed.

        Args:
            folder: its path.
            mode: 'audio', 'video' or 'table'; 'auto' judges the face where a file has pictures and faces are prepared,
                else the voice.
            audio, video, table: parameters of each kind of analysis.

        Raises:
            NotADirectoryError: there is no such folder.
            EmoserveError: a parameter cannot be used. What is wrong with a file is told in its place instead.
        """
        if not Path(folder).is_dir():
            raise NotADirectoryError(f"there is no folder {os.fspath(folder)!r}")
        choices = Choices(
            mode, self._audio_options(audio or {}), _video_options(video or {}), _table_options(table or {})
        )
        return self._each(self._running(), Path(folder), choices)

    @property
    def models(self) -> tuple[Card, ...]:
        """The cards of all models: name, version, task, labels, licence, what was measured."""
        return tuple(bundle.card for bundle in self._running().registry.bundles)

    def close(self) -> None:
        """End decoders and threads; a second call does nothing."""
        self._end()

    def __enter__(self) -> Self:
        """The analyzer itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.close()

    def _running(self) -> LocalEngine:
        if not self._end.alive:
            raise EmoserveError("This analyzer is closed.")
        return self._engine

    def _audio_options(self, parameters: AudioParameters) -> AudioOptions:
        from service.api.parameters import AudioQuery

        document = parameters.get("profile")
        if not isinstance(document, Mapping):
            return checked(AudioQuery, parameters).options(self._settings.limits)
        from service.schemas.profile import read_voice_profile

        options = checked(AudioQuery, {**parameters, "profile": "document"}).options(self._settings.limits)
        return replace(options, voice=read_voice_profile(document))

    def _each(self, engine: LocalEngine, folder: Path, choices: Choices) -> Iterator[FileAnswer]:
        unreadable: list[FileAnswer] = []

        def failed(name: str, reason: str) -> None:
            unreadable.append(FileAnswer(Path(name), error=FileError(reason)))

        for source in media_below(folder, failed, choices.suffixes or MEDIA_SUFFIXES):
            path = folder / source.relative
            try:
                result = judge(engine, source, choices, _work(None))
            except EmoserveError as error:
                yield FileAnswer(path, error=error)
            else:
                yield FileAnswer(path, _record_of(result, choices))
        yield from unreadable


def _record_of(result: Answer, choices: Choices) -> AudioEmotion | VideoAffect:
    from emoserve.records import AudioEmotion, VideoAffect
    from service.pipeline import results

    if isinstance(result, results.AudioEmotion):
        return AudioEmotion.of(result, choices.audio)
    return VideoAffect.of(result, choices.include)


def _video_options(parameters: VideoParameters) -> VideoOptions:
    from service.api.video_parameters import VideoQuery

    document = parameters.get("neutral")
    if not isinstance(document, Mapping):
        return checked(VideoQuery, parameters).options()
    from service.schemas.profile import read_face_profile

    options = checked(VideoQuery, {**parameters, "neutral": "document"}).options()
    return replace(options, resting=read_face_profile(document, "/neutral"))


def _table_options(parameters: TableParameters) -> TableOptions:
    from service.api.video_parameters import TableQuery

    return checked(TableQuery, parameters).options()


def _work(progress: Progress | None) -> Work:
    return Work.within(PATIENCE_S, progress=progress)
