"""Pictures that arrive one by one: the face that was asked for, smoothed to the end, after its neutral stretch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from service.pipeline.action_units import ActionUnitModel, smooth
from service.pipeline.affect import AffectModel
from service.pipeline.face.face_log import FaceLog
from service.pipeline.face.face_networks import FaceNetworks
from service.pipeline.face.neutral import Neutral
from service.pipeline.live import live_video
from service.pipeline.live.live_affect import FaceFrames
from service.pipeline.live.live_video import LiveVideo, LiveVideoOptions, open_live_video
from service.pipeline.live.unit_stream import UnitStream
from service.pipeline.task import Task
from service.problems import ModelNotFound, Unprocessable
from service.registry import Registry
from service.settings import Settings
from tests.shared_material import ROOT

TIME_S = np.arange(100) * 0.04
SMILE = np.tile((np.sin(TIME_S * 3) + 2).astype(np.float16).astype(np.float32)[:, None], 17)
CONFIDENCE = 0.9


class PlainUnits:
    """Every unit is the one feature there is."""

    smoothing_frames, confidence, bundle = 3, CONFIDENCE, None

    def features(self, faces: Sequence[SimpleNamespace]) -> np.ndarray:
        return np.array([[face.smile] for face in faces], np.float32)

    def start_log(self, features: np.ndarray, neutral: Neutral) -> FaceLog:
        return FaceLog(None)

    def values(self, features: np.ndarray, base: np.ndarray | None) -> np.ndarray:
        return np.tile(features, 17)


class TwoFaces:
    """Face 0 is still, face 1 smiles."""

    def __init__(self, networks: object) -> None: ...

    def step(self, picture: np.ndarray, time_s: float) -> list[SimpleNamespace]:
        smile = SMILE[round(time_s / 0.04), 0]
        return [SimpleNamespace(number=0, smile=0.0), SimpleNamespace(number=1, smile=smile)]


class TimesOnly:
    """Decodes pictures of which nothing but their times matters."""

    def pictures(self, frames: Sequence[tuple[float, bytes]], on_frame, *, timeout_s: float) -> None:
        for time_s, _ in frames:
            on_frame(SimpleNamespace(time_s=time_s, image=None))


UNITS = cast("ActionUnitModel", PlainUnits())


@pytest.fixture(scope="module")
def affect() -> AffectModel:
    return AffectModel(Registry.load(Settings(model_dirs=[ROOT / "models"])).find("affect-prior", task="affect"))


def opened(affect: AffectModel, units: ActionUnitModel | None = UNITS, **options: object) -> LiveVideo:
    networks = cast("FaceNetworks", SimpleNamespace(bundle=None, has_blendshapes=False))
    asked = LiveVideoOptions(**options)  # type: ignore[arg-type]
    return open_live_video(asked, affect, networks, units, TimesOnly(), lambda function, task: function())


def task() -> Task:
    return Task(time.monotonic() + 60, None, None)


def test_rows_are_those_of_the_face_that_was_asked_for(affect: AffectModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_video, "FaceTracker", TwoFaces)
    seen = np.ones(len(TIME_S), np.bool_)
    frames = FaceFrames(TIME_S, np.full(len(TIME_S), CONFIDENCE), smooth(SMILE, np.flatnonzero(seen), 3), seen)
    reference = opened(affect, pictures=False)
    expected = [reference.add_units(frames, task()), reference.finish(task())]
    live = opened(affect, face=1)
    given = [live.add_pictures([(time_s, b"")], task()) for time_s in TIME_S.tolist()] + [live.finish(task())]
    for name in ("time_s", "arousal", "valence", "face_confidence"):
        both = [np.concatenate([getattr(part, name) for part in parts]) for parts in (given, expected)]
        assert len(both[0]) == 40
        np.testing.assert_allclose(*both, atol=1e-6)
    absent = opened(affect, face=2, causal=True)
    assert np.isnan(absent.add_pictures([(0.0, b""), (0.2, b"")], task()).arousal).all()


def test_pictures_need_a_face_model(affect: AffectModel) -> None:
    with pytest.raises(ModelNotFound):
        opened(affect, None)


@pytest.mark.parametrize("last_s", [0.4, 0.6], ids=["ended in it", "passed"])
def test_a_neutral_stretch_without_the_face_is_refused(last_s: float) -> None:
    stream = UnitStream(UNITS, Neutral("stretch", 0.1, 0.5))
    assert len(stream.add([(0.0, np.ones(1, np.float32)), (0.2, None)])) == 0
    with pytest.raises(Unprocessable) as caught:
        stream.finish() if last_s < 0.5 else stream.add([(last_s, np.ones(1, np.float32))])
    assert caught.value.pointer == "/neutral"
