"""Scores of action units beside a reference, held against textbook formulas."""

import numpy as np
import pytest

from export.faces.evaluate import Recording, score
from service.pipeline.face.unit_scale import ACTION_UNITS


def recording(seed: int, noise: float) -> Recording:
    rng = np.random.default_rng(seed)
    reference = rng.uniform(0, 3, (200, 17))
    reference[:, 5] = 0.0
    units = np.clip(reference + rng.normal(0, noise, reference.shape), 0, 5)
    units[:, 5] = 0.0
    return Recording(np.arange(200) / 25, units, reference)


def test_intraclass_correlation_is_that_of_the_analysis_of_variance():
    recordings = [recording(0, 0.7), recording(1, 0.7)]
    found = score(recordings)["AU12"].intraclass
    raters = np.stack(
        [np.concatenate([getattr(one, side)[:, 8] for one in recordings]) for side in ("units", "reference")], axis=1
    )
    frames, sides = raters.shape
    grand = raters.mean()
    between = sides * ((raters.mean(axis=1) - grand) ** 2).sum() / (frames - 1)
    total = ((raters - grand) ** 2).sum()
    rater = frames * ((raters.mean(axis=0) - grand) ** 2).sum()
    error = (total - between * (frames - 1) - rater) / ((frames - 1) * (sides - 1))
    assert found == pytest.approx((between - error) / (between + error))


def test_perfect_agreement_is_1_and_a_unit_that_neither_moves_has_no_figure():
    scores = score([recording(2, 0.0)])
    assert list(scores) == list(ACTION_UNITS)
    assert (scores["AU12"].intraclass, scores["AU12"].f1) == (pytest.approx(1.0), 1.0)
    assert scores["AU07"].intraclass is None
    assert scores["AU07"].correlation is None


def test_a_shift_of_one_side_is_no_disagreement_and_a_stretch_is():
    one = recording(3, 0.0)
    shifted = Recording(one.time_s, one.units + 1.0, one.reference)
    stretched = Recording(one.time_s, 3.0 * one.units, one.reference)
    assert score([shifted])["AU12"].intraclass == pytest.approx(1.0)
    assert score([stretched])["AU12"].intraclass == pytest.approx(0.6)
