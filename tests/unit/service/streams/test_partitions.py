"""The rows of a stream of faces do not depend on how it was cut, nor on the jitter of its times."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.pipeline.affect.live import LiveAffect
from service.pipeline.affect.model import AffectModel
from service.pipeline.face.face_series import FaceSeries
from service.registry import Registry
from service.settings import Settings
from tests.shared_material import ROOT
from tests.support.long_recordings import pieces

FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def model() -> AffectModel:
    return AffectModel(Registry.load(Settings(model_dirs=[ROOT / "models"])).find("affect-prior", task="affect"))


@st.composite
def jittered_frames(draw: st.DrawFn) -> FaceSeries:
    """Up to 15 s at 5 to 30 frames a second, each up to 40 % of a step too early or too late, some without a face."""
    step_s = 1 / draw(st.integers(5, 30))
    count = draw(st.integers(1, int(15 / step_s)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    time_s = (np.arange(count) + random.uniform(-0.4, 0.4, count)) * step_s
    tracked = random.random(count) < draw(st.sampled_from([0.5, 0.95, 1.0]))
    units = (random.uniform(0, 5, (count, 17)) * tracked[:, None]).astype(np.float32)
    return FaceSeries(time_s - time_s[0], np.where(tracked, 0.98, 0.0), units, tracked)


@FEW
@given(frames=jittered_frames(), cuts=st.lists(st.integers(0, 450), max_size=8))
def test_rows_are_those_of_a_recording_for_any_jitter_and_partition(
    model: AffectModel, frames: FaceSeries, cuts: list[int]
) -> None:
    duration_s = float(frames.time_s[-1])
    live = LiveAffect(model)
    parts = [live.add(frames[piece]) for piece in pieces(len(frames), cuts)]
    parts.append(live.finish(duration_s))
    features = model.features(frames, duration_s=duration_s)
    expected = {"time_s": features.time_s, "face_confidence": features.face_confidence, **model.series(features)}
    for name, column in expected.items():
        np.testing.assert_allclose(np.concatenate([getattr(part, name) for part in parts]), column, atol=1e-5)
