"""Stand-ins for registry, decoder and speech pipeline, put where the commands import them from."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from service.card import Card, FileEntry, Licence, Measurement
from service.pipeline.decoding.confinement import Confinement
from service.pipeline.device.task import Work
from service.pipeline.results import AudioEmbedding, AudioEmotion, AudioOptions, EmbeddingOptions
from service.pipeline.video.video_results import TableOptions, VideoAffect, VideoOptions
from service.problems import MediaInvalid, ModelNotFound, NoVideoStream
from service.settings import Settings
from tests.support.example_affect import example_affect
from tests.support.example_results import example_result
from tests.support.fakes import fake_embedding


class BundleError(RuntimeError):
    __module__ = "service.registry"


def example_card(name: str = "tiny-emotion", *, measured: bool = True, commercial: bool = True) -> Card:
    return Card(
        name=name,
        version="1",
        task="speech-emotion",
        title="Tiny",
        description="A stand-in.",
        labels=["anger", "neutral"],
        licence=Licence(spdx="CC0-1.0" if commercial else "CC-BY-NC-4.0", commercial_use=commercial),
        measurements=[
            Measurement(
                metric="unweighted_average_recall",
                value=0.6521,
                interval_95=(0.63, 0.67),
                data="EXAMPLE",
                split="test",
                n=100,
                protocol="speakers held out",
            )
        ]
        if measured
        else [],
        intended_use="tests",
        known_limits=["knows nothing"],
        exporter={"program": "tests"},
        files={"model.onnx": FileEntry(sha256="ab" * 32, size_bytes=2_000_000)},
    )


@dataclass
class FakeBundle:
    card: Card = field(default_factory=example_card)
    folder: Path = Path("models")
    sha256: str = "ab" * 32


@dataclass
class FakeWithheld:
    name: str = "secret-emotion"
    version: str = "2"
    reason: str = "its licence forbids commercial use"


@dataclass
class FakeEngine:
    """State of the stand-ins that commands meet; tests change it before they run one."""

    bundles: tuple[FakeBundle, ...] = field(default_factory=lambda: (FakeBundle(),))
    withheld: tuple[FakeWithheld, ...] = ()
    bundle_error: str | None = None
    face_error: str | None = None
    answer: Callable[[bytes, AudioOptions], AudioEmotion] = lambda data, options: example_result()
    decoded_gain: float = 1.0
    worker_pids: list[int] = field(default_factory=lambda: [1])
    video_options: list[VideoOptions | TableOptions] = field(default_factory=list)
    options: list[AudioOptions | EmbeddingOptions] = field(default_factory=list)
    settings: Settings | None = None
    open: int = 0


def face_bundles() -> tuple[FakeBundle, ...]:
    """One bundle for each step from picture to arousal and valence, beside the speech model."""
    tasks = ("face", "action-units", "affect")
    cards = (example_card(f"tiny-{task}").model_copy(update={"task": task}) for task in tasks)
    return FakeBundle(), *(FakeBundle(card) for card in cards)


def install(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-ins into ``sys.modules`` for the length of a test."""

    @dataclass
    class Registry:
        bundles: tuple[FakeBundle, ...]
        withheld: tuple[FakeWithheld, ...]

        @classmethod
        def load(cls, settings: Settings) -> Registry:
            engine.settings = settings
            if engine.bundle_error:
                raise BundleError(engine.bundle_error)
            return cls(engine.bundles, engine.withheld)

        def of_task(self, task: str) -> tuple[FakeBundle, ...]:
            return tuple(bundle for bundle in self.bundles if bundle.card.task == task)

        def find(self, name=None, version=None, task="speech-emotion") -> FakeBundle:
            if not self.bundles:
                raise ModelNotFound
            return self.bundles[0]

    class Decoder:
        confinement = Confinement(seccomp=True, landlock=7, unprivileged=True)

        def __init__(self, limits, workers: int, *, is_strict: bool) -> None:
            self.limits = limits

        def start(self) -> None:
            engine.open += 1

        def close(self) -> None:
            engine.open -= 1

        def worker_pids(self) -> list[int]:
            return engine.worker_pids

        def audio(self, data, *, target_rate_hz, start_s=None, end_s=None, channel="mix", track=None):
            samples = np.frombuffer(bytes(data)[44:], "<i2").astype(np.float32) / 32768
            return types.SimpleNamespace(samples=engine.decoded_gain * samples[None, :], flags=(), names=("mix",))

    class SpeechPipeline:
        provider = "CPUExecutionProvider"
        admission = None

        def __init__(self, settings: Settings, registry: Registry, decoder: Decoder) -> None:
            engine.settings = settings
            engine.open += 1

        def warm_up(self) -> None: ...

        def analyse(self, data: bytes, options: AudioOptions, work: Work) -> AudioEmotion:
            engine.options.append(options)
            if data == b"bad":
                raise MediaInvalid("This cannot be decoded.")
            if data == b"interrupt":
                raise KeyboardInterrupt
            if data == b"bug":
                raise ZeroDivisionError
            work.report(0.5)
            return engine.answer(data, options)

        def embed(self, data: bytes, options: EmbeddingOptions, work: Work) -> AudioEmbedding:
            engine.options.append(options)
            if data == b"mute":
                raise MediaInvalid("This cannot be embedded.")
            return fake_embedding(("left", "right") if options.channel == "each" else ("mix",))

        def close(self) -> None:
            engine.open -= 1

    class VideoPipeline:
        def __init__(
            self, settings: Settings, registry: Registry, decoder: Decoder, speech: object, observe: object
        ) -> None:
            self.has_faces = bool(registry.of_task("face"))
            engine.open += 1

        def warm_up(self) -> None:
            if engine.face_error:
                raise BundleError(engine.face_error)

        def analyse(self, data: bytes, options: VideoOptions, work: Work) -> VideoAffect:
            engine.video_options.append(options)
            if data == b"sound":
                raise NoVideoStream
            work.report(0.5)
            return example_affect(units="action_units" in options.include, attribution="attribution" in options.include)

        def analyse_table(self, data: bytes, options: TableOptions, work: Work) -> VideoAffect:
            engine.video_options.append(options)
            return example_affect(units=False, attribution=False, speech=False)

        def close(self) -> None:
            engine.open -= 1

    for name, members in {
        "service.registry": {"Registry": Registry, "BundleError": BundleError},
        "service.pipeline.decoding.decode": {"Decoder": Decoder},
        "service.pipeline.speech_pipeline": {"SpeechPipeline": SpeechPipeline},
        "service.pipeline.video_pipeline": {"VideoPipeline": VideoPipeline},
    }.items():
        module = types.ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture(name="engine")
def engine_fixture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A working engine; whatever a command opened must be closed again."""
    monkeypatch.setenv("EMOSERVE_STATE_DIR", str(tmp_path / "state"))
    engine = FakeEngine()
    install(engine, monkeypatch)
    yield engine
    assert engine.open == 0
