"""Stand-ins for models and pipeline, so that the HTTP side is tested alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from service.card import Card, FileEntry, Licence, Member, SpeechInput
from service.pipeline.decoding.confinement import Confinement
from service.pipeline.device.session import Signature, Tensor
from service.pipeline.device.task import Work
from service.pipeline.results import (
    AudioEmbedding,
    AudioEmotion,
    AudioOptions,
    ChannelEmbedding,
    ChannelEmotion,
    EmbeddingOptions,
    MediaInfo,
    ModelReference,
    Timeline,
)
from service.pipeline.video.video_results import TableOptions, VideoAffect, VideoOptions
from service.problems import DenoiserUnavailable, MediaEmpty, MediaInvalid, ModelNotFound, Problem
from service.services import Loaded, Services
from service.settings import Settings
from tests.support.example_affect import example_affect

LABELS = ("anger", "neutral")
SHA256 = "ab" * 32
PROVIDER = "CPUExecutionProvider"


def fake_card(name: str = "example", version: str = "1") -> Card:
    return Card(
        name=name,
        version=version,
        task="speech-emotion",
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
    card: Card
    folder: Path = Path("models/example/1")
    sha256: str = SHA256


@dataclass(frozen=True)
class FakeWithheld:
    name: str = "restricted"
    version: str = "1"
    reason: str = "Its licence forbids commercial use."


@dataclass
class FakeRegistry:
    bundles: tuple[FakeBundle, ...] = (FakeBundle(fake_card()), FakeBundle(fake_card(version="2")))
    withheld: tuple[FakeWithheld, ...] = (FakeWithheld(),)


@dataclass
class FakeDecoder:
    pids: list[int] = field(default_factory=lambda: [1])

    def worker_pids(self) -> list[int]:
        return self.pids

    @property
    def confinement(self) -> Confinement:
        return Confinement(seccomp=True, landlock=7, unprivileged=True)

    def close(self) -> None:
        self.pids = []


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

    def stalled(self) -> bool:
        return self.is_stalled

    def gpu_memory_bytes(self) -> float:
        return 5e9

    def analyse(
        self,
        data: memoryview,
        options: AudioOptions,
        work: Work,
        *,
        on_window: Callable[..., None] | None = None,
    ) -> AudioEmotion:
        if bytes(data).startswith(b"late") and work.progress is not None:
            work.report(0.5)
            self._take(memoryview(bytes(data)[4:]), options)
        self._take(data, options)
        return fake_result(denoised=options.denoise)

    def embed(self, data: memoryview, options: EmbeddingOptions, work: Work) -> AudioEmbedding:
        self._take(data, options)
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
        if content.startswith(b"invalid"):
            raise MediaInvalid
        if options.denoise and content.startswith(b"noisy"):
            raise DenoiserUnavailable(pointer="/denoise")

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeVideoPipeline:
    """Answers like the pipeline for faces; b'bug…' and b'invalid…' fail as with the voice."""

    seen: list[tuple[bytes, VideoOptions | TableOptions]] = field(default_factory=list)
    closed: bool = False
    has_faces: bool = True

    def warm_up(self) -> None: ...

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
        return example_affect(
            40,
            gaps=((10, 20),),
            units="action_units" in options.include,
            attribution="attribution" in options.include,
            audio="audio" in options.include,
        )

    analyse_table = analyse

    def close(self) -> None:
        self.closed = True


DENOISER = ModelReference("quiet", "1", SHA256, "CC0-1.0", PROVIDER)


def fake_signature() -> Signature:
    """That of a speech emotion graph with everything it may have."""
    inputs = (Tensor("waveform", "FP32", (-1, -1)), Tensor("lengths", "INT64", (-1,)))
    outputs = {"probabilities": (-1, 2), "arousal": (-1,), "valence": (-1,), "embedding": (-1, 3)}
    return Signature(inputs, tuple(Tensor(name, "FP32", shape) for name, shape in outputs.items()))


def fake_embedding(channels: tuple[str, ...] = ("mix",), *, denoised: bool = False) -> AudioEmbedding:
    """Three windows of three numbers; in the first channel the second window is silent."""
    rows = np.arange(9, dtype=np.float32).reshape(3, 3) / 8
    silent = np.where(np.arange(3)[:, None] == 1, np.nan, rows).astype(np.float32)
    flags = ("denoised",) if denoised else ()
    answers = [ChannelEmbedding(channels[0], silent, (*flags, "silent_windows"))]
    answers += [ChannelEmbedding(name, rows + 1, flags) for name in channels[1:]]
    return AudioEmbedding(
        media=MediaInfo(3.0, "wav", "pcm_s16le", sample_rate_hz=16000, channels=len(channels)),
        model=ModelReference("example", "1", SHA256, "CC0-1.0", PROVIDER),
        dimensions=3,
        start_s=np.array([0.0, 0.5, 1.0]),
        end_s=np.array([2.0, 2.5, 3.0]),
        channels=tuple(answers),
        denoiser=DENOISER if denoised else None,
        stages_s={"decode": 0.002, "queue": 0.001, "infer": 0.003, "post": 0.0005},
    )


def fake_result(*, denoised: bool = False) -> AudioEmotion:
    timeline = Timeline(
        start_s=np.array([0.0, 1.0]),
        end_s=np.array([1.0, 2.0]),
        probabilities=np.array([[0.9, 0.1], [np.nan, np.nan]], np.float32),
        arousal=np.array([0.7, np.nan], np.float32),
        valence=None,
        speech=np.array([1.0, 0.0], np.float32),
    )
    channel = ChannelEmotion("mix", np.array([0.9, 0.1], np.float32), "anger", 0.7, None, timeline, flags=("clipped",))
    return AudioEmotion(
        media=MediaInfo(2.0, "wav", "pcm_s16le", sample_rate_hz=16000, channels=1),
        model=ModelReference("example", "1", SHA256, "CC0-1.0", PROVIDER),
        labels=LABELS,
        channels=(channel,),
        envelope=np.zeros((10, 2), np.float32),
        denoiser=DENOISER if denoised else None,
        stages_s={"decode": 0.002, "queue": 0.001, "infer": 0.003, "post": 0.0005},
    )


def fake_services(settings: Settings) -> Services:
    return Services(settings, Loaded(FakeRegistry(), FakeDecoder(), FakePipeline(), FakeVideoPipeline()))
