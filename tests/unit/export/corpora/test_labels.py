import numpy as np

from export.corpora.labels import PLANE, arousal_matrix, valence_matrix


def test_mapping_is_the_papers():
    # C26, one of each group.
    assert PLANE["disgust"] == ("low", "negative")
    assert PLANE["boredom"] == ("low", "neutral")
    assert PLANE["pride"] == ("low", "positive")
    assert PLANE["anger"] == ("high", "negative")
    assert PLANE["surprise"] == ("high", "neutral")
    assert PLANE["happiness"] == ("high", "positive")
    assert len(PLANE) == 13 + 7 + 5 + 8 + 6 + 9


def test_matrices_are_one_hot_rows():
    labels = ("anger", "boredom", "happiness", "sadness")
    np.testing.assert_array_equal(arousal_matrix(labels), [[0, 1], [1, 0], [0, 1], [1, 0]])
    np.testing.assert_array_equal(valence_matrix(labels), [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
