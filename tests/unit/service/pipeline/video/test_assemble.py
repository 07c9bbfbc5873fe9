"""The speaker turn as it is told: nothing where the file has no sound."""

import numpy as np
import pytest

from service.pipeline.affect.functionals import time_grid
from service.pipeline.results import FlagSpan
from service.pipeline.video.assemble import SpeakerTurn

STEP_S = 0.032


@pytest.mark.parametrize("seed", range(50))
def test_steps_in_a_gap_are_unknown_and_no_others(seed: int) -> None:
    random = np.random.default_rng(seed)
    duration_s = random.uniform(2.0, 20.0)
    edges_s = np.sort(random.uniform(0.0, duration_s, 4))
    if random.random() < 0.5:
        edges_s[0], edges_s[-1] = 0.0, duration_s  # a late start and an early end
    spans = [FlagSpan("sound_gap", *pair) for pair in edges_s.reshape(2, 2).tolist()]
    grid_s = time_grid(duration_s)
    speech = (random.random(round(duration_s / STEP_S)) < 0.5).astype(np.float64)
    turn = SpeakerTurn.heard([speech], grid_s, STEP_S, [*spans, FlagSpan("clipped", 0.0, duration_s)])
    told = turn.told(grid_s, duration_s)
    assert told is not None
    assert turn.steps is not None
    assert turn.gaps == tuple(spans)
    fine_s = np.linspace(0.0, duration_s, 40_000)
    has_sound = np.ones(len(fine_s), np.bool_)
    for begin_s, end_s in edges_s.reshape(2, 2):
        has_sound &= (fine_s < begin_s) | (fine_s > end_s)
    for time_s, value, step in zip(grid_s, told, turn.steps, strict=True):
        if not has_sound[np.abs(fine_s - time_s) < 0.051].any():
            assert np.isnan(value)
        elif has_sound[np.abs(fine_s - time_s) < 0.049].any():
            assert value == step
