"""Frames that arrive piece by piece get the rows of a whole recording."""

import numpy as np
import pytest

from service.pipeline.affect.live import AffectRows, LiveAffect
from service.pipeline.affect.model import AffectModel
from service.pipeline.face.face_series import FaceSeries
from service.problems import Unprocessable
from service.registry import Registry
from service.settings import Settings
from tests.shared_material import ROOT

DURATION_S = 30.0


@pytest.fixture(scope="module")
def model() -> AffectModel:
    registry = Registry.load(Settings(model_dirs=[ROOT / "models"]))
    return AffectModel(registry.find("affect-prior", task="affect"))


@pytest.fixture(scope="module")
def frames() -> FaceSeries:
    """25 a second, unevenly, with a face that is lost for three seconds."""
    random = np.random.default_rng(5)
    time_s = np.arange(0, DURATION_S, 0.04) + random.uniform(0, 0.005, round(DURATION_S / 0.04))
    time_s[0] = 0.0
    tracked = (time_s < 12) | (time_s > 15)
    units = np.clip(np.cumsum(random.normal(0, 0.2, (len(time_s), 17)), axis=0), 0, 5) * tracked[:, None]
    return FaceSeries(time_s, np.where(tracked, 0.98, 0.0), units, tracked)


def whole(
    model: AffectModel, frames: FaceSeries, duration_s: float, turn: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    features = model.features(frames, turn=turn, duration_s=duration_s)
    return {"time_s": features.time_s, "face_confidence": features.face_confidence, **model.series(features)}


def send(live: LiveAffect, frames: FaceSeries, piece: int) -> list[AffectRows]:
    return [live.add(frames[begin : begin + piece]) for begin in range(0, len(frames), piece)]


def joined(parts: list[AffectRows], name: str) -> np.ndarray:
    return np.concatenate([getattr(part, name) for part in parts])


SPEAKING = (np.arange(301) // 70 % 2).astype(np.float64)


@pytest.mark.parametrize("turn", [None, SPEAKING], ids=["unknown", "speaking"])
@pytest.mark.parametrize("piece", [1, 7, 100, 10_000])
def test_rows_are_those_of_the_whole_recording(
    model: AffectModel, frames: FaceSeries, piece: int, turn: np.ndarray | None
) -> None:
    live = LiveAffect(model, turn=turn)
    parts = [*send(live, frames, piece), live.finish(DURATION_S)]
    expected = whole(model, frames, DURATION_S, turn)
    assert np.isnan(expected["arousal"]).sum() > 10
    for name, column in expected.items():
        np.testing.assert_allclose(joined(parts, name), column, atol=1e-5)


def test_a_row_comes_when_it_is_final_and_not_before(model: AffectModel, frames: FaceSeries) -> None:
    live = LiveAffect(model)
    for index in range(len(frames)):
        rows = live.add(frames[index : index + 1])
        if len(rows):
            assert 0 < frames.time_s[index] - rows.time_s[-1] - model.look_ahead_s < 0.1 + 0.05
    assert live.rows > 270
    assert len(live._frames) < 25 * (model.reach_rows * 2 * model.hop_s + 5)


def test_causal_rows_come_at_once_and_see_no_future(model: AffectModel, frames: FaceSeries) -> None:
    live, other = LiveAffect(model, causal=True), LiveAffect(model, causal=True)
    parts = send(live, frames, 3)
    again = send(other, frames[:400], 50)  # neither the pieces nor what follows changes a row
    count = len(joined(again, "time_s"))
    assert count == pytest.approx(frames.time_s[399] / 0.1, abs=1)
    for name in ("time_s", "arousal", "valence", "face_confidence"):
        np.testing.assert_allclose(joined(parts, name)[:count], joined(again, name), atol=1e-6)
    final = whole(model, frames, DURATION_S)["arousal"][:count]
    both = np.isfinite(final) & np.isfinite(joined(again, "arousal"))
    assert 0 < np.abs(final - joined(again, "arousal"))[both].mean() < 0.2


def test_a_still_face_is_the_same_for_both(model: AffectModel) -> None:
    time_s = np.arange(0, 20, 0.04)
    still = FaceSeries(time_s, np.full(500, 0.98), np.full((500, 17), 1.5), np.ones(500, np.bool_))
    causal, live = LiveAffect(model, causal=True), LiveAffect(model)
    provisional, final = causal.add(still), live.add(still)
    rows = slice(60, 150)  # the filter's reach away from the beginning
    np.testing.assert_allclose(provisional.valence[rows], final.valence[rows], atol=1e-5)


def test_no_frames_no_rows(model: AffectModel) -> None:
    live = LiveAffect(model)
    assert len(live.add(FaceSeries.empty())) == len(live.finish(0.0)) == 0


def test_a_model_that_needs_the_whole_recording_is_refused(model: AffectModel, monkeypatch) -> None:
    monkeypatch.setattr(AffectModel, "reach_rows", None)
    with pytest.raises(Unprocessable) as caught:
        LiveAffect(model)
    assert caught.value.pointer == "/model"


def test_rows_without_uncertainty_join_without_it() -> None:
    column = np.zeros(2, np.float32)
    plain = AffectRows(np.arange(2.0), column, column, column)
    sure = AffectRows(np.arange(2.0), column, column, column, column, column)
    assert AffectRows.joined([plain, sure]).arousal_uncertainty is None
    assert AffectRows.joined([sure, sure]).valence_uncertainty.shape == (4,)
