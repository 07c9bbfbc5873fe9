import numpy as np
import pytest

from export.evaluation.calibration import Calibration
from export.evaluation.calibration_fit import CalibrationError, HeldOut, calibrate, expected_classes
from export.evaluation.metrics import fit_temperature
from service.card import read_card
from tests.shared_material import ROOT

BIASES = (0.9, -1.2, 0.3, 0.0)


def drawn(count: int, temperature: float = 1.0, biases: tuple[float, ...] = (), seed: int = 440):
    """Logits, and truths that are as likely as softmax(logits / temperature + biases) says."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2.0, (count, len(BIASES)))
    chances = Calibration(temperature, biases).probabilities(logits).astype(np.float64)
    truth = (chances.cumsum(axis=1) < random.random((count, 1)) * chances.sum(axis=1, keepdims=True)).sum(axis=1)
    return logits, truth


def held_out(logits, truth, own=None, corpus="one") -> HeldOut:
    return HeldOut(corpus, logits, truth, np.ones(logits.shape[1], bool) if own is None else np.array(own))


def test_known_temperature_and_biases_are_found():
    logits, truth = drawn(20_000, 1.6, BIASES)
    found = calibrate([held_out(logits, truth)], "biases")
    assert found.kind == "biases"
    assert found.temperature == pytest.approx(1.6, rel=0.05)
    np.testing.assert_allclose(found.biases, BIASES, atol=0.08)
    assert sum(found.biases) == pytest.approx(0.0, abs=1e-9)


def test_classes_become_as_likely_as_they_are():
    """At the optimum the mean probability of a class is its share, however wrong the network is."""
    logits, truth = drawn(700, 1.0, BIASES, seed=7)
    logits[:, 1] += np.random.default_rng(8).normal(2.0, 3.0, 700)
    answers = calibrate([held_out(logits, truth)], "biases").probabilities(logits)
    np.testing.assert_allclose(answers.mean(axis=0), np.bincount(truth) / 700, atol=1e-3)
    expected = expected_classes([held_out(logits, truth)], "abcd")
    assert list(expected) == ["a", "b", "c", "d"]
    np.testing.assert_allclose(answers.mean(axis=0), list(expected.values()), atol=1e-3)


def test_every_utterance_counts_the_same_for_biases():
    logits, truth = drawn(400, 1.0, BIASES)
    together = calibrate([held_out(logits, truth)], "biases")
    parts = [held_out(logits[:350], truth[:350]), held_out(logits[350:], truth[350:], corpus="other")]
    apart = calibrate(parts, "biases")
    assert (apart.temperature, apart.biases) == (together.temperature, together.biases)
    assert apart.fitted_on == ("one", "other")


def test_switched_off_there_is_a_temperature_alone():
    """It changes no answer, chooses among each corpus's classes and lets every corpus count the same."""
    logits, truth = drawn(900, 1.0, BIASES)
    narrow = (truth == 0) | (truth == 2)
    parts = [held_out(logits, truth), held_out(logits[narrow], truth[narrow], [True, False, True, False], "narrow")]
    found = calibrate(parts, "temperature")
    assert (found.kind, found.biases) == ("temperature", ())
    np.testing.assert_array_equal(found.probabilities(logits).argmax(axis=1), logits.argmax(axis=1))
    among_own = np.where(parts[1].own, logits[narrow], -1e9)
    weights = np.concatenate([np.full(900, 1 / 900), np.full(narrow.sum(), 1 / narrow.sum())])
    wanted = fit_temperature(np.concatenate([logits, among_own]), np.concatenate([truth, truth[narrow]]), weights)
    assert found.temperature == pytest.approx(wanted)
    assert found.temperature != pytest.approx(fit_temperature(logits, truth), rel=1e-3)


def strange(count: int, about: float, temperature: float, growth: float, seed: int, corpus: str, is_known: bool):
    """A corpus whose speech is about that unfamiliar, and whose truths are as likely as a growing temperature says."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2.0, (count, 4))
    unfamiliarity = random.normal(about, 0.1, count)
    chances = Calibration(temperature, growth=growth).probabilities(logits, unfamiliarity).astype(np.float64)
    truth = (chances.cumsum(axis=1) < random.random((count, 1)) * chances.sum(axis=1, keepdims=True)).sum(axis=1)
    return HeldOut(corpus, logits, truth, np.ones(4, bool), unfamiliarity, is_known)


def test_a_known_growth_of_the_temperature_is_found():
    parts = [
        strange(8_000, about, 0.9, 1.2, seed, str(about), about < 1.2) for seed, about in enumerate((1.1, 1.5, 2.0))
    ]
    found = calibrate(parts, "familiarity")
    assert (found.kind, found.fitted_on) == ("familiarity", ("1.1", "1.5", "2.0"))
    assert found.temperature == pytest.approx(0.9, rel=0.05)
    assert found.growth == pytest.approx(1.2, rel=0.05)
    assert found.temperatures(np.array([0.2, 1.0, 9.0])) == pytest.approx([found.temperature, found.temperature, 5.0])


def test_known_corpora_together_count_as_much_as_the_others():
    """Ten more corpora that were never heard move nothing, where they say the same as one."""
    known, never = strange(500, 1.1, 0.7, 0.0, 1, "known", True), strange(500, 1.6, 2.0, 0.0, 2, "never", False)
    few, many = calibrate([known, never], "familiarity"), calibrate([known, *[never] * 10], "familiarity")
    assert many.temperature == pytest.approx(few.temperature, rel=1e-3)
    assert many.growth == pytest.approx(few.growth, abs=1e-2)


@pytest.mark.parametrize("kind", ["temperature", "biases"])
def test_utterances_of_unknown_classes_are_left_out(kind):
    logits, truth = drawn(300, 1.3, BIASES)
    wanted = calibrate([held_out(logits, truth)], kind)
    more = np.concatenate([logits, 50.0 * logits[:40]]), np.concatenate([truth, np.full(40, -1)])
    assert calibrate([held_out(*more)], kind) == wanted


@pytest.mark.parametrize("kind", ["temperature", "biases"])
def test_nothing_to_calibrate_on_is_refused(kind):
    with pytest.raises(CalibrationError, match="no held-out utterance"):
        calibrate([], kind)
    with pytest.raises(CalibrationError, match="no held-out utterance"):
        calibrate([held_out(np.zeros((3, 4)), np.full(3, -1))], kind)


def test_a_class_that_nobody_speaks_gets_no_bias():
    logits, truth = drawn(100)
    with pytest.raises(CalibrationError, match="1 of 4 classes"):
        calibrate([held_out(logits[truth != 2], truth[truth != 2])], "biases")


def test_biases_stay_finite_where_nothing_is_wrong():
    truth = np.arange(40) % 4
    found = calibrate([held_out(10.0 * np.eye(4)[truth], truth)], "biases")
    assert np.isfinite(found.biases).all()
    assert found.temperature >= 0.2


@pytest.mark.parametrize(
    "calibration", [Calibration(1.7), Calibration(0.8, BIASES, ("a", "b")), Calibration(0.9, growth=1.4)]
)
def test_settings_of_a_card_hold_a_calibration(calibration):
    assert Calibration.from_settings({**calibration.to_settings(), "network": "{}"}) == calibration


def test_the_committed_cards_say_how_they_are_calibrated():
    cards = {name: read_card(ROOT / "models" / name / "2") for name in ("emonet-open", "emonet-research")}
    found = {name: Calibration.from_settings(dict(card.settings)) for name, card in cards.items()}
    assert len(found["emonet-open"].biases) == len(cards["emonet-open"].labels)
    assert found["emonet-open"].biases[cards["emonet-open"].labels.index("boredom")] < -0.5
    assert found["emonet-research"].kind == "temperature"
