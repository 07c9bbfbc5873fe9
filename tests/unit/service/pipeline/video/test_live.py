"""Pictures that arrive one by one: the face that was asked for, smoothed to the end, after its neutral stretch."""

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from service.pipeline.affect.live import AffectRows, LiveAffect
from service.pipeline.affect.model import AffectModel
from service.pipeline.decoding.decode import Decoder
from service.pipeline.device.batch import Batcher
from service.pipeline.device.task import Work
from service.pipeline.face.action_units import ActionUnitModel, smooth
from service.pipeline.face.face_log import VALUES
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.neutral import Neutral
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.pipeline.face.unit_stream import UnitStream
from service.pipeline.video import live as live_video
from service.pipeline.video.early_rows import EarlyRows, can_tell_early
from service.pipeline.video.live import LiveVideo, LiveVideoOptions, open_live_video
from service.problems import ModelNotFound, TooManyFrames, Unprocessable
from service.registry import Registry
from service.schemas.streams import ActionUnitFrame, VideoConfig
from service.settings import Limits, Settings
from service.streams.analyser import Item
from service.streams.video_analyser import VideoAnalyser
from tests.shared_material import ROOT

TIME_S = np.arange(100) * 0.04
SMILE = np.tile((np.sin(TIME_S * 3) + 2).astype(np.float16).astype(np.float32)[:, None], 17)
CONFIDENCE = 0.9


class PlainUnits:
    """Every unit is the first number of the first point."""

    smoothing_frames, confidence, bundle = 3, CONFIDENCE, None

    def values(self, points: np.ndarray, blendshapes: np.ndarray | None) -> np.ndarray:
        return np.tile(points[:, 0, :1].astype(np.float32), VALUES)

    neutral = ActionUnitModel.neutral
    resting_in_stretch = ActionUnitModel.resting_in_stretch

    def limited(self, values: np.ndarray, resting: np.ndarray | None) -> np.ndarray:
        return np.clip(values[:, :17], 0.0, 5.0)


class TwoFaces:
    """Face 0 is still, face 1 smiles."""

    def __init__(self, networks: object) -> None: ...

    def step(self, picture: np.ndarray, time_s: float) -> list[SimpleNamespace]:
        smile = SMILE[round(time_s / 0.04), 0]
        return [SimpleNamespace(number=number, points=np.full((1, 3), number * smile)) for number in (0, 1)]


class TimesOnly:
    """Decodes pictures of which nothing but their times matters."""

    def pictures(self, frames: Sequence[tuple[float, bytes]], on_frame, *, timeout_s: float) -> None:
        for time_s, _ in frames:
            on_frame(SimpleNamespace(time_s=time_s, image=None))


UNITS = cast("ActionUnitModel", PlainUnits())
DEVICE = Batcher(1, name="live-video")


@pytest.fixture(scope="module")
def affect() -> AffectModel:
    return AffectModel(Registry.load(Settings(model_dirs=[ROOT / "models"])).find("affect-prior", task="affect"))


def opened(affect: AffectModel, units: ActionUnitModel | None = UNITS, **options: object) -> LiveVideo:
    networks = cast("FaceNetworks", SimpleNamespace(bundle=None, has_blendshapes=False))
    asked = LiveVideoOptions(**options)  # type: ignore[arg-type]
    return open_live_video(asked, affect, networks, units, cast("Decoder", TimesOnly()), DEVICE)


def work() -> Work:
    return Work(time.monotonic() + 60, None, None)


def test_rows_are_those_of_the_face_that_was_asked_for(affect: AffectModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_video, "FaceTracker", TwoFaces)
    seen = np.ones(len(TIME_S), np.bool_)
    frames = FaceSeries(TIME_S, np.full(len(TIME_S), CONFIDENCE), smooth(SMILE, np.flatnonzero(seen), 3), seen)
    reference = opened(affect, pictures=False)
    expected = [reference.add_units(frames, work()), reference.finish(work())]
    live = opened(affect, face=1)
    given = [live.add_pictures([(time_s, b"")], work()) for time_s in TIME_S.tolist()] + [live.finish(work())]
    for name in ("time_s", "arousal", "valence", "face_confidence"):
        both = [np.concatenate([getattr(part, name) for part in parts]) for parts in (given, expected)]
        assert len(both[0]) == 40
        np.testing.assert_allclose(*both, atol=1e-6)
    absent = opened(affect, face=2, causal=True)
    assert np.isnan(absent.add_pictures([(0.0, b""), (0.2, b"")], work()).arousal).all()


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


def watch(
    affect: AffectModel, neutral: Neutral, face: str = "largest", turn: np.ndarray | None = None
) -> tuple[EarlyRows, list[tuple[AffectRows, int, bool]]]:
    told: list[tuple[AffectRows, int, bool]] = []
    return EarlyRows(lambda *rows: told.append(rows), affect, UNITS, neutral, face, turn), told


@pytest.mark.parametrize(("face", "number", "is_final"), [("largest", 1, False), ("1", 1, True), ("0", 0, True)])
def test_rows_are_told_of_the_face_that_was_the_largest_at_first(
    affect: AffectModel, face: str, number: int, is_final: bool
) -> None:
    turn = (np.arange(60) // 7 % 2).astype(np.float64)
    note, told = watch(affect, Neutral("none"), face, turn)
    faces = [{0: (n, np.zeros(1, np.float32)), 1: (20.0, SMILE[n, :1])} for n in range(len(TIME_S))]
    note([(float(TIME_S[0]), {}), *zip(TIME_S[1:].tolist(), faces[1:], strict=True)])
    seen = TIME_S > 0
    units = smooth((SMILE if number else 0 * SMILE) * seen[:, None], np.flatnonzero(seen), 3)
    frames = FaceSeries(TIME_S, np.where(seen, CONFIDENCE, 0.0), units, seen)
    expected = LiveAffect(affect, turn=turn).add(frames[:-1])
    [(rows, *what)] = told
    assert what == [number, is_final]
    assert len(rows) > 20
    for name in ("time_s", "arousal", "valence"):
        np.testing.assert_allclose(getattr(rows, name), getattr(expected, name), atol=1e-6)


@pytest.mark.parametrize(("rate_hz", "is_final"), [(25, True), (40, True), (50, False), (60, False)])
def test_rows_of_many_frames_a_second_may_change(affect: AffectModel, rate_hz: int, is_final: bool) -> None:
    """In the end five of them are averaged, not three."""
    note, told = watch(affect, Neutral("none"), "0")
    for number in range(4 * rate_hz):
        note([(number / rate_hz, {0: (9.0, np.ones(1, np.float32))})])
    assert told
    assert {final for _, _, final in told} == {is_final}


def test_rows_are_not_final_while_another_track_may_have_the_faces(affect: AffectModel) -> None:
    note, told = watch(affect, Neutral("none"), "0")
    note([(time_s, {}) for time_s in TIME_S.tolist()])
    note([(TIME_S[-1] + time_s, {0: (9.0, np.ones(1, np.float32))}) for time_s in TIME_S[1:].tolist()])
    (_, _, before), (_, _, after) = told
    assert (before, after) == (False, True)


def test_nothing_is_told_without_a_neutral(affect: AffectModel) -> None:
    note, told = watch(affect, Neutral("stretch", 0.0, 0.5), "0")
    note([(0.0, {}), (0.6, {})])
    note([(1.0 + time_s, {0: (9.0, np.ones(1, np.float32))}) for time_s in TIME_S.tolist()])
    assert told == []


def test_what_can_tell_early(affect: AffectModel, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [
        (Neutral("none"), True),
        (Neutral("median"), False),
        (Neutral("stretch", 0, 60), True),
        (Neutral("stretch", 0, 61), False),
        (Neutral("document"), True),
    ]
    assert [can_tell_early(affect, neutral) for neutral, _ in kinds] == [can for _, can in kinds]
    monkeypatch.setattr(AffectModel, "reach_rows", None)
    assert not any(can_tell_early(affect, neutral) for neutral, _ in kinds)


def test_action_units_are_limited_and_untracked_frames_stay_so() -> None:
    given: list[FaceSeries] = []
    live = SimpleNamespace(
        look_ahead_s=1.0, bundles={}, add_units=lambda frames, _: given.append(frames) or np.zeros(0)
    )
    config = VideoConfig(type="config", input="action_units")
    analyser = VideoAnalyser(cast("LiveVideo", live), config, Limits(max_frames=2))
    units = {f"{name}_r": 5.04 for name in ACTION_UNITS}

    def read(number: int) -> Item:
        return analyser.read(ActionUnitFrame(type="frame", time_s=number, confidence=1.0, success=number > 0, **units))

    analyser.process([read(0), read(1)], work())
    assert given[0].tracked.tolist() == [False, True]
    assert given[0].action_units.max() == 5.0
    with pytest.raises(TooManyFrames):
        read(2)
