"""Services on a real socket: with tiny models whose answers are known, and with this project's own models."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from service.loaded import Loaded
from service.pipeline.speech_pipeline import SpeechPipeline
from service.registry import Registry
from service.services import Services
from service.settings import Settings
from tests.plain_wav import PlainDecoder
from tests.shared_material import ROOT
from tests.support.fakes import FakeDecoder
from tests.support.live_server import LiveServer, serving, serving_models, small_settings
from tests.support.patience import HANG_S, wait_until

FACES = ROOT / "var/models/mediapipe-faces"


class Decoder(PlainDecoder, FakeDecoder):
    """Decodes wav, and says that it has a process."""

    def __init__(self) -> None:
        PlainDecoder.__init__(self)
        FakeDecoder.__init__(self)


def tiny_services(settings: Settings) -> Services:
    """The real speech pipeline over the bundles of the settings, with a decoder of plain wav in this process."""
    registry = Registry.load(settings)
    return Services(settings, Loaded(registry, Decoder(), SpeechPipeline(settings, registry, Decoder())))


@contextmanager
def serving_tiny(models: Path, **changes: object) -> Iterator[LiveServer]:
    """A service with the bundles of one folder; ``changes`` of :func:`small_settings`."""
    settings = small_settings(model_dirs=[models], device="cpu", **changes)
    with serving(settings, tiny_services(settings)) as server:
        yield server


@contextmanager
def serving_project(**changes: object) -> Iterator[LiveServer]:
    """The whole service with this project's models, decoder and all."""
    folders = [ROOT / "models", ROOT / "var/models"]
    with serving_models(small_settings(**{"model_dirs": folders, "device": "cpu"} | changes)) as server:
        yield server


@contextmanager
def serving_project_jobs(state_dir: Path, **changes: object) -> Iterator[LiveServer]:
    """The same with jobs, which take up to 10 MB."""
    folders = [ROOT / "models", ROOT / "var/models"]
    jobs = {"jobs": True, "state_dir": state_dir, "max_job_body_bytes": 10**7}
    with serving_with_jobs(small_settings(**{"model_dirs": folders, "device": "cpu"} | jobs | changes)) as server:
        yield server


@contextmanager
def serving_with_jobs(settings: Settings) -> Iterator[LiveServer]:
    """The whole service when its jobs are open."""
    services = Services(settings)
    services.start()
    services.start_jobs()
    wait_until(lambda: services._job_place.availability())
    with serving(settings, services) as server:
        yield server


def hold_back(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Have streams judge nothing from now on until the event is set."""
    gate = threading.Event()
    pipeline = server.services.loaded.pipeline
    real = pipeline.live

    def held(options: object) -> object:
        live = real(options)
        add = live.add
        live.add = lambda *arguments: (gate.wait(HANG_S), add(*arguments))[1]
        return live

    monkeypatch.setattr(pipeline, "live", held)
    return gate


def needs_faces() -> None:
    """Skip where no face networks were prepared."""
    if not FACES.is_dir():
        pytest.skip(f"no face bundle at {FACES}: run `emoserve setup`")


def pcm(samples: np.ndarray) -> bytes:
    """16 bit little-endian PCM of float samples ±1."""
    return (samples * 32767).round().astype("<i2").tobytes()
