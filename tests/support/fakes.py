"""Stand-ins for models and pipelines, so that the code around them is tested alone.

The examples that they answer with are in example_results and example_affect.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest

from service.card import Card, FileEntry, Licence, Member, SpeechInput, Task
from service.loaded import Loaded
from service.pipeline.audio_options import AudioOptions, EmbeddingOptions
from service.pipeline.decoding.confinement import Confinement
from service.pipeline.device.session import Signature, Tensor
from service.pipeline.device.task import Work
from service.pipeline.face.neutral import FaceProfile
from service.pipeline.results import AudioEmbedding, AudioEmotion, VoiceProfile
from service.pipeline.video.video_results import TableOptions, VideoAffect, VideoOptions
from service.problems import (
    DenoiserUnavailable,
    MediaEmpty,
    MediaInvalid,
    ModelNotFound,
    NoVideoStream,
    Problem,
)
from service.registry import BundleError
from service.services import Services
from service.settings import Settings
from tests.support.example_affect import example_affect
from tests.support.example_results import LABELS, PROVIDER, SHA256, example_result, fake_embedding, fake_result


def fake_card(name: str = "example", version: str = "1", task: Task = "speech-emotion") -> Card:
    return Card(
        name=name,
        version=version,
        task=task,
        title="Example",
        description="For tests.",
        labels=list(LABELS),
        speech=SpeechInput(
            sample_rate_hz=16000, window_s=2.0, hop_s=1.0, min_length_s=0.08, max_length_s=10.0, preset="none"
        ),
        licence=Licence(spdx="CC0-1.0", commercial_use=True),
        members=[Member(network="squeezenet", licence=Licence(spdx="CC0-1.0", commercial_use=True), dimensions=3)],
        intended_use="Tests.",
        known_limits=["Knows nothing."],
        exporter={"tests": "1"},
        files={"model.onnx": FileEntry(sha256=SHA256, size_bytes=1)},
    )


@dataclass(frozen=True)
class FakeBundle:
    card: Card = field(default_factory=fake_card)
    folder: Path = Path("models/example/1")
    sha256: str = SHA256


@dataclass(frozen=True)
class FakeWithheld:
    name: str = "restricted"
    version: str = "1"
    reason: str = "Its licence forbids commercial use."


@dataclass
class FakeRegistry:
    bundles: tuple[FakeBundle, ...] = (FakeBundle(), FakeBundle(fake_card(version="2")))
    withheld: tuple[FakeWithheld, ...] = (FakeWithheld(),)

    def of_task(self, task: str) -> tuple[FakeBundle, ...]:
        return tuple(bundle for bundle in self.bundles if bundle.card.task == task)

    def find(self, name: str | None = None, version: str | None = None, task: str = "speech-emotion") -> FakeBundle:
        if not self.of_task(task):
            raise ModelNotFound
        return self.of_task(task)[0]


@dataclass
class FakeDecoder:
    """Has a process and decodes plain 16 bit wav, ``gain`` times as loud."""

    pids: list[int] = field(default_factory=lambda: [1])
    gain: float = 1.0
    closed: bool = False

    def start(self) -> None: ...

    def audio(self, data: bytes, **options: object) -> SimpleNamespace:
        samples = np.frombuffer(bytes(data)[44:], "<i2").astype(np.float32) / 32768
        return SimpleNamespace(samples=self.gain * samples[None, :], flags=(), names=("mix",))

    def worker_pids(self) -> list[int]:
        return self.pids

    @property
    def confinement(self) -> Confinement:
        return Confinement(seccomp=True, landlock=7, unprivileged=True)

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeAdmission:
    held_s: float = 0.0
    problem: Problem | None = None

    def check(self) -> None:
        if self.problem is not None:
            raise self.problem


@dataclass
class FakePipeline:
    """Answers by the first bytes of the upload: b'slow…' takes ``slow_s``, b'bug…' fails with their text."""

    provider: str = PROVIDER
    admission: FakeAdmission = field(default_factory=FakeAdmission)
    waiting_windows: int = 0
    is_stalled: bool = False
    closed: bool = False
    slow_s: float = 0.5
    seen: list[tuple[bytes, AudioOptions | EmbeddingOptions]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    answer: Callable[[memoryview, AudioOptions], AudioEmotion] = lambda _, asked: fake_result(denoised=asked.denoise)

    @property
    def options(self) -> list[AudioOptions | EmbeddingOptions]:
        return [options for _, options in self.seen]

    def warm_up(self) -> None: ...

    def stalled(self) -> bool:
        return self.is_stalled

    def gpu_memory_bytes(self) -> float:
        return 5e9

    def graph(self, _name: str, _version: str) -> NoReturn:
        raise ModelNotFound

    def profile(
        self, recordings: Sequence[memoryview], options: AudioOptions, _work: Work, _before: VoiceProfile | None
    ) -> VoiceProfile:
        for data in recordings:
            self._take(data, options)
        return VoiceProfile("0" * 64, len(recordings), 3.0 * len(recordings), np.zeros(4, np.float32))

    def analyse(
        self, data: memoryview, options: AudioOptions, work: Work, *, on_window: Callable[..., None] | None = None
    ) -> AudioEmotion:
        if bytes(data).startswith(b"late") and work.progress is not None:
            work.report(0.5)
            self._take(memoryview(bytes(data)[4:]), options)
        self._take(data, options)
        work.report(0.5)
        return self.answer(data, options)

    def embed(self, data: memoryview, options: EmbeddingOptions, work: Work) -> AudioEmbedding:
        self._take(data, options)
        if bytes(data) == b"mute":
            raise MediaInvalid("This cannot be embedded.")
        channels = ("left", "right") if options.channel == "each" else ("mix",)
        return fake_embedding(channels, denoised=options.denoise)

    def signature(self, name: str, version: str) -> Signature | None:
        return fake_signature() if name == "example" else None

    def _take(self, data: memoryview, options: AudioOptions | EmbeddingOptions) -> None:
        content = bytes(data)
        self.seen.append((content, options))
        if options.model not in (None, "example") or options.version not in (None, "1", "2"):
            raise ModelNotFound
        if not content:
            raise MediaEmpty
        if content.startswith(b"slow"):
            time.sleep(self.slow_s)
        if content.startswith(b"gate"):
            self.gate.wait(60)
        if content.startswith(b"bug"):
            raise RuntimeError(content.decode())
        if content.startswith(b"interrupt"):
            raise KeyboardInterrupt
        if content.startswith(b"invalid"):
            raise MediaInvalid
        if options.denoise and content.startswith(b"noisy"):
            raise DenoiserUnavailable(pointer="/denoise")

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeVideoPipeline:
    """Answers like the pipeline for faces; b'invalid…' fails as with the voice."""

    seen: list[tuple[bytes, VideoOptions | TableOptions]] = field(default_factory=list)
    closed: bool = False
    has_faces: bool = True
    fault: str | None = None

    @property
    def options(self) -> list[VideoOptions | TableOptions]:
        return [options for _, options in self.seen]

    def warm_up(self) -> None:
        if self.fault is not None:
            raise BundleError(self.fault)

    def analyse(
        self,
        data: bytes | memoryview,
        options: VideoOptions | TableOptions,
        work: Work,
        *,
        on_rows: Callable[..., None] | None = None,
    ) -> VideoAffect:
        content = bytes(data)
        self.seen.append((content, options))
        if options.model not in (None, "affect-prior"):
            raise ModelNotFound
        if not content:
            raise MediaEmpty
        if content.startswith(b"invalid"):
            raise MediaInvalid
        if content == b"no pictures":
            raise NoVideoStream
        return example_affect(
            40,
            gaps=((10, 20),),
            units="action_units" in options.include,
            attribution="attribution" in options.include,
            audio="audio" in options.include,
            boxes="boxes" in options.include,
            expression="expression" in options.include,
            faces=2 if options.face == "all" else None,
        )

    analyse_table = analyse

    def profile(
        self,
        recordings: Iterable[bytes],
        neutral: str,
        work: Work,
        before: FaceProfile | None = None,
        failed: Callable[[Problem], None] | None = None,
    ) -> FaceProfile:
        count = 0 if before is None else before.frames
        for data in recordings:
            try:
                self.analyse(data, VideoOptions(neutral=neutral), work)
            except Problem as problem:
                if failed is None:
                    raise
                failed(problem)
            else:
                count += 100
        return FaceProfile("0" * 64, count, 478, np.zeros(17, np.float32))

    def close(self) -> None:
        self.closed = True


def fake_signature() -> Signature:
    """That of a speech emotion graph with everything it may have."""
    inputs = (Tensor("waveform", "FP32", (-1, -1)), Tensor("lengths", "INT64", (-1,)))
    outputs = {"probabilities": (-1, 2), "arousal": (-1,), "valence": (-1,), "embedding": (-1, 3)}
    return Signature(inputs, tuple(Tensor(name, "FP32", shape) for name, shape in outputs.items()))


def fake_services(settings: Settings) -> Services:
    return Services(settings, Loaded(FakeRegistry(), FakeDecoder(), FakePipeline(), FakeVideoPipeline()))


@dataclass
class FakeEngine:
    """Stand-ins behind the commands of this process; tests change them before they run one."""

    registry: FakeRegistry = field(default_factory=lambda: FakeRegistry((FakeBundle(),), ()))
    decoder: FakeDecoder = field(default_factory=FakeDecoder)
    pipeline: FakePipeline = field(default_factory=lambda: FakePipeline(answer=lambda data, options: example_result()))
    affect: FakeVideoPipeline = field(default_factory=FakeVideoPipeline)
    bundle_error: str | None = None
    settings: Settings | None = None
    opened: set[str] = field(default_factory=set)

    def load(self, settings: Settings, *, pin: bool = True) -> FakeRegistry:
        self.settings = settings
        if self.bundle_error:
            raise BundleError(self.bundle_error)
        return self.registry

    def open(self, name: str) -> Any:
        """The stand-in of this name, which the command has to close."""
        self.opened.add(name)
        getattr(self, name).closed = False
        return getattr(self, name)

    def open_affect(self) -> FakeVideoPipeline:
        self.affect.has_faces = bool(self.registry.of_task("face"))
        return self.open("affect")

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the stand-ins where the commands import them from, for the length of a test."""
        monkeypatch.setattr("service.registry.Registry.load", self.load)
        monkeypatch.setattr("service.pipeline.decoding.decode.Decoder", lambda *_, is_strict: self.open("decoder"))
        monkeypatch.setattr("service.pipeline.speech_pipeline.SpeechPipeline", lambda *_: self.open("pipeline"))
        monkeypatch.setattr("service.pipeline.video_pipeline.VideoPipeline", lambda *_: self.open_affect())

    def assert_closed(self) -> None:
        assert [name for name in self.opened if not getattr(self, name).closed] == []


def face_bundles() -> tuple[FakeBundle, ...]:
    """One bundle for each step from picture to arousal and valence, with the speech model."""
    tasks: tuple[Task, ...] = ("face", "action-units", "affect")
    return FakeBundle(), *(FakeBundle(fake_card(f"tiny-{task}", task=task)) for task in tasks)
