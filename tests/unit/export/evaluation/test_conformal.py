import numpy as np
import pytest

from export.evaluation.conformal import Judged, fit_doubt, set_sizes, share_covered


def drawn(seed: int, utterances: int, sharpness: float) -> Judged:
    """Probabilities that are right as often as they say."""
    random = np.random.default_rng(seed)
    odds = np.exp(random.normal(size=(utterances, 4)) * sharpness)
    probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    truth = (random.uniform(size=(utterances, 1)) > np.cumsum(probabilities, axis=1)).sum(axis=1).clip(max=3)
    return Judged(f"corpus {seed}", probabilities, truth)


def test_the_right_label_is_plausible_as_often_as_stated():
    doubt = fit_doubt([drawn(1, 3000, 1.5), drawn(2, 500, 1.0)])
    assert doubt.fitted_on == ["corpus 1", "corpus 2"]
    for seed, sharpness in ((3, 1.5), (4, 1.0)):
        assert share_covered(drawn(seed, 3000, sharpness), doubt.least_probability) == pytest.approx(0.9, abs=0.05)
    assert 1.0 < doubt.mean_size < 4.0


def test_every_corpus_counts_the_same():
    """Ten thousand easy utterances do not hide a hundred hard ones."""
    easy, hard = drawn(1, 10_000, 4.0), drawn(2, 100, 0.3)
    alone, both = fit_doubt([easy]), fit_doubt([easy, hard])
    assert both.least_probability < alone.least_probability


def test_a_sharper_model_has_smaller_sets():
    assert fit_doubt([drawn(1, 2000, 3.0)]).mean_size < fit_doubt([drawn(1, 2000, 0.5)]).mean_size


def test_the_most_probable_label_is_always_plausible():
    sizes = set_sizes(np.array([[0.3, 0.3, 0.4], [0.9, 0.1, 0.0]], np.float32), 0.95)
    np.testing.assert_array_equal(sizes, [1, 1])


def test_nothing_can_be_fitted_on_nothing():
    with pytest.raises(ValueError, match="no utterance"):
        fit_doubt([Judged("empty", np.zeros((0, 3), np.float32), np.zeros(0, np.int64))])
