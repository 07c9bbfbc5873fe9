import numpy as np

from service.pipeline.results import DoubtBound
from service.pipeline.speech.plausible import plausible_labels, plausible_set

LABELS = ("anger", "fear", "neutral")
DOUBT = DoubtBound(coverage=0.9, least_probability=0.25)


def test_labels_above_the_bound_are_plausible_the_most_probable_first():
    rows = np.array([[0.3, 0.1, 0.6], [0.2, 0.79, 0.01], [np.nan] * 3], np.float32)
    assert plausible_labels(rows, LABELS, DOUBT) == [("neutral", "anger"), ("fear",), None]


def test_one_label_is_always_plausible():
    doubt = DoubtBound(coverage=0.9, least_probability=0.9)
    assert plausible_set(np.array([0.3, 0.5, 0.2], np.float32), LABELS, doubt) == ("fear",)


def test_what_is_excluded_is_never_plausible():
    doubt = DoubtBound(coverage=0.9, least_probability=0.0)
    assert plausible_set(np.array([0.3, 0.0, 0.7], np.float32), LABELS, doubt) == ("neutral", "anger")


def test_nothing_is_told_without_a_bound_or_an_answer():
    assert plausible_labels(np.ones((1, 3), np.float32), LABELS, None) is None
    assert plausible_set(None, LABELS, DOUBT) is None
