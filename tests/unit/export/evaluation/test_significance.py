"""Tests of significance against values computed by hand and by SciPy."""

import numpy as np
import pytest
from scipy.stats import chi2, norm

from export.evaluation.significance import (
    compare_answers,
    holm,
    mcnemar,
    mcnemar_chi_squared,
    paired_uar_difference,
    proportion_z_test,
    significance_mark,
)


def paired(both: int, only: int, only_rival: int, none: int) -> tuple[np.ndarray, np.ndarray]:
    ours = np.repeat([True, True, False, False], [both, only, only_rival, none])
    theirs = np.repeat([True, False, True, False], [both, only, only_rival, none])
    return ours, theirs


def test_mcnemar_of_a_published_table():
    """Agresti's approval of a prime minister, 150 against 86 changes: (|150 − 86| − 1)² / 236 = 16.818."""
    ours, theirs = paired(794, 150, 86, 570)
    assert mcnemar_chi_squared(ours, theirs) == pytest.approx(chi2.sf(63**2 / 236, 1))
    assert mcnemar_chi_squared(ours, theirs) == pytest.approx(4.115e-5, rel=1e-3)
    assert mcnemar(ours, theirs) == pytest.approx(3.72e-5, rel=0.01)
    assert mcnemar_chi_squared(*paired(5, 0, 0, 5)) == 1.0
    assert mcnemar_chi_squared(*paired(5, 3, 3, 5)) == 1.0


def test_z_test_by_hand():
    """D17, 2 classes, clean: .683 against .654 of 7 886: pooled .6685, z = 3.868."""
    z = (0.683 - 0.654) / np.sqrt(0.6685 * 0.3315 * 2 / 7886)
    assert z == pytest.approx(3.868, abs=2e-3)
    assert proportion_z_test(0.683, 7886, 0.654, 7886) == pytest.approx(2 * norm.sf(z))


@pytest.mark.parametrize(
    ("only", "only_rival", "exact", "chi_squared"),
    [
        (0, 0, 1.0, 1.0),
        (1, 0, 1.0, 1.0),
        (3, 9, 0.14599609375, 0.14891467317876567),
        (10, 10, 1.0, 1.0),
        (25, 8, 0.004551384132355452, 0.005348770520482034),
        (400, 320, 0.0032110124861901186, 0.0032383654606946547),
    ],
)
def test_mcnemar_by_binomial_coefficients(only, only_rival, exact, chi_squared):
    answers = paired(3, only, only_rival, 2)
    assert mcnemar(*answers) == pytest.approx(exact, rel=1e-12)
    assert mcnemar_chi_squared(*answers) == pytest.approx(chi_squared, rel=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs", "p"),
    [
        ((0.5, 100), (0.5, 100), 1.0),
        ((0.8, 200), (0.7, 150), 0.03084646173774236),
        ((0.61, 1000), (0.55, 900), 0.008116448495116295),
        ((1.0, 20), (1.0, 30), 1.0),
        ((0.9, 30), (0.2, 25), 1.6015901249206115e-07),
    ],
)
def test_z_test_by_the_error_function(ours, theirs, p):
    assert proportion_z_test(*ours, *theirs) == pytest.approx(p, rel=1e-12)


def test_marks_are_those_of_the_papers():
    assert [significance_mark(p, better=True) for p in (0.2, 0.05, 0.049, 0.0099)] == ["", "", "+", "++"]
    assert significance_mark(0.001, better=False) == "--"


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_paired_difference_is_narrower_than_unpaired_ones():
    random = np.random.default_rng(4)
    truth = random.integers(0, 3, 200)
    rival = np.where(random.random(200) < 0.6, truth, random.integers(0, 3, 200))
    better = np.where(random.random(200) < 0.2, truth, rival)
    found = paired_uar_difference(truth, better, rival, samples=400)
    assert 0 < found.low < found.value < found.high
    same = paired_uar_difference(truth, rival, rival, samples=50)
    assert (same.low, same.value, same.high) == (0.0, 0.0, 0.0)


def test_comparison_goes_by_name():
    ours = {f"{number}": ("a" if number % 2 else "b", "a" if number % 2 else "b") for number in range(20)}
    theirs = {name: (label, "a") for name, (label, _) in reversed(ours.items())}
    found = compare_answers(ours, theirs)
    assert (found.uar, found.rival_uar, found.n, found.mark) == (1.0, 0.5, 20, "++")
    assert found.mcnemar_p == pytest.approx(2 / 2**10)
    assert found.uar_difference.value == 0.5
    with pytest.raises(ValueError, match="1 recordings were answered by one of them only"):
        compare_answers(ours, {name: pair for name, pair in theirs.items() if name != "3"})
    with pytest.raises(ValueError, match="other labels to be true"):
        compare_answers(ours, dict.fromkeys(ours, ("a", "a")))
