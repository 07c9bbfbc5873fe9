"""Fixtures for all tests: the service on a real socket with a stand-in for models and pipeline."""

import os

# One thread for this process and all that it starts: tests run side by side, and answers and times vary less.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import functools
import shutil
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import certifi
import httpx
import pytest
from hypothesis import settings

from tests.shared_material import ROOT
from tests.support.client_halves import HALVES, MakeClient, client_of
from tests.support.live_server import LiveServer, serving, small_settings
from tests.support.patience import HANG_S
from tests.tiny_models import write_speech_bundle, write_voice_bundle

settings.register_profile("drawn", deadline=None)  # its usual 200 ms fail on a busy machine and detect no hang
settings.register_profile("fixed", deadline=None, derandomize=True)  # new examples are drawn by make test-long
settings.load_profile("fixed")

# For this process and all that it starts: modules are compiled once.
sys.dont_write_bytecode, sys.pycache_prefix = False, str(ROOT / "var/pycache")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
# Two processes that compile one function at once spoil each other's files, and the next to read them crashes.
made, own = (ROOT / "var/numba" / name for name in ("made", os.environ.get("PYTEST_XDIST_WORKER", "alone")))
if made.is_dir() and not own.is_dir():
    shutil.copytree(made, own)
os.environ["NUMBA_CACHE_DIR"] = str(own)

SLOW = (
    "unit/emoserve/test_document.py",
    "unit/export/affect/test_command.py",
    "unit/export/affect/test_shallow_cnn.py",
    "unit/export/affect/test_training.py",
    "unit/export/audio_words",
    "unit/export/classifiers/test_commands.py",
    "unit/export/corpora/test_resynthesis.py",
    "unit/export/deep_spectrum",
    "unit/export/denoiser",
    "unit/export/emonet",
    "unit/export/faces/test_action_units.py",
    "unit/export/faces/test_command.py",
    "unit/export/features/test_extraction.py",
    "unit/export/graph/test_front_end.py",
    "unit/export/graph/test_mel_bank.py",
    "unit/export/speech_representations",
    "unit/project/test_docs_site.py",
    "unit/research",
    "unit/project/test_wheel.py",
    "unit/service/jobs/test_long_audio.py",
    "unit/service/jobs/test_long_video.py",
    "unit/service/jobs/test_postgres.py",
    "unit/service/jobs/test_team.py",
    "unit/service/pipeline/decoding/test_bounded_sound.py",
    "unit/service/pipeline/decoding/test_presentation.py",
    "unit/service/pipeline/decoding/test_recording_flags.py",
    "unit/service/pipeline/decoding/test_tracks.py",
    "unit/service/pipeline/face/test_search.py",
    "unit/service/pipeline/media/test_recognition.py",
    "unit/service/pipeline/speech/test_listener.py",
    "unit/service/pipeline/test_table_variants.py",
    "unit/service/pipeline/test_video_pipeline.py",
)
"""Files and folders whose tests train, convert whole networks, start databases, or judge long or many recordings."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what :data:`SLOW` names, and begin with it: in the end no worker waits for another's long module."""
    for item in items:
        if any(f"{place}/" in f"{item.path}/" for place in SLOW):
            item.add_marker("slow")
    items.sort(key=lambda item: "slow" not in item.keywords)


@pytest.fixture(scope="session", autouse=True)
def authorities_read_once() -> Iterator[None]:
    """httpx reads all authorities for every client and every call without one: 30 ms, hundreds of times."""
    ordinary = ssl.create_default_context
    files = {certifi.where(), os.environ.get("SSL_CERT_FILE")}
    trusting = functools.cache(lambda file: ordinary(cafile=file))

    def make(*arguments: Any, **options: Any) -> ssl.SSLContext:
        is_httpx = not arguments and options.keys() == {"cafile"} and options["cafile"] in files
        return trusting(options["cafile"]) if is_httpx else ordinary(*arguments, **options)

    with patch("ssl.create_default_context", make):
        yield


@pytest.fixture(scope="session", autouse=True)
def patient_requests() -> Iterator[None]:
    """A request waits :data:`HANG_S` unless it says otherwise: the 5 s of httpx are too few for a busy machine."""
    with pytest.MonkeyPatch.context() as patched:
        for stage in ("connect", "read", "write", "pool"):
            patched.setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, stage, HANG_S)
        yield


@pytest.fixture(scope="session")
def speech_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny speech model."""
    folder = tmp_path_factory.mktemp("speech-models")
    write_speech_bundle(folder, profiles=True)
    return folder


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny speech and voice activity models."""
    folder = tmp_path_factory.mktemp("tiny-models")
    write_speech_bundle(folder)
    write_voice_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def live() -> Iterator[LiveServer]:
    """A running service with small limits, shared by the tests of a module."""
    with serving(small_settings()) as server:
        yield server


@pytest.fixture
def client(live: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url) as client:
        yield client


@pytest.fixture(params=HALVES)
def make_client(request: pytest.FixtureRequest) -> Iterator[MakeClient]:
    """Makes clients of the blocking half, then of the asynchronous one, which is used as if it blocked."""
    with client_of(request.param) as make:
        yield make
