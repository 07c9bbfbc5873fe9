"""The committed affect prior: what it answers, what its card says, and that the command makes it again."""

import hashlib

import numpy as np
import onnxruntime
import pytest

from export.affect.graph import Spread, one_filter_graph
from export.affect.prior import smoothing_window, write_prior
from service.card import read_card
from service.pipeline.affect.attribution import AffectFilter, answers, read_affect_filter
from service.pipeline.affect.columns import COLUMNS
from tests.shared_material import ROOT, SHARED

BUNDLE = ROOT / "models" / "affect-prior" / "3"
TARGETS = ("arousal", "valence")


@pytest.fixture(scope="module")
def sessions():
    return {
        target: onnxruntime.InferenceSession(BUNDLE / f"{target}.onnx", providers=["CPUExecutionProvider"])
        for target in TARGETS
    }


def face(steps=200, turn=0.0, **units):
    """A held expression, float32 [1, steps, 37]."""
    features = np.zeros((1, steps, 37), np.float32)
    features[..., COLUMNS.index("confidence_mean")] = 0.98
    features[..., COLUMNS.index("turn")] = turn
    for unit, intensity in units.items():
        features[..., COLUMNS.index(f"{unit}_mean")] = intensity
    return features


def answer(sessions, target, features):
    return sessions[target].run(["affect"], {"features": features})[0][0, features.shape[1] // 2]


SMILE = {"AU06": 3.0, "AU12": 4.0}


def test_smiling_raises_valence_and_frowning_lowers_it(sessions):
    rest = answer(sessions, "valence", face())
    assert rest == pytest.approx(0.0, abs=1e-6)
    assert answer(sessions, "valence", face(**SMILE)) > rest + 0.4
    assert answer(sessions, "valence", face(AU12=1.0)) > rest + 0.05
    assert answer(sessions, "valence", face(AU04=3.0)) < rest - 0.2
    assert answer(sessions, "valence", face(AU09=3.0, AU15=2.0)) < rest - 0.1


def test_any_expression_movement_and_speech_raise_arousal(sessions):
    rest = answer(sessions, "arousal", face())
    assert -0.3 < rest < -0.1
    assert answer(sessions, "arousal", face(**SMILE)) > rest + 0.2
    assert answer(sessions, "arousal", face(AU01=3.0, AU05=3.0, AU26=3.0)) > rest + 0.05
    assert answer(sessions, "arousal", face(turn=1.0)) > rest
    moving = face()
    moving[..., COLUMNS.index("AU05_deviation")] = 0.5
    assert answer(sessions, "arousal", moving) > rest


def test_squint_and_shout_are_no_joy(sessions):
    assert answer(sessions, "valence", face(AU06=4.0, AU10=4.0)) <= 0.0
    assert answer(sessions, "valence", face(AU06=3.0, AU10=3.0, AU12=3.0)) > 0.2


def test_emotions_lie_in_their_order(sessions):
    """EMFACS' expressions at 2 of 5."""
    expressions = {
        "happiness": ("AU06", "AU12"),
        "surprise": ("AU01", "AU02", "AU05", "AU26"),
        "anger": ("AU04", "AU05", "AU07", "AU23"),
        "fear": ("AU01", "AU02", "AU04", "AU05", "AU07", "AU20", "AU26"),
        "disgust": ("AU09", "AU10"),
        "sadness": ("AU01", "AU04", "AU15", "AU17"),
        "rest": (),
    }
    found = {
        target: {
            name: answer(sessions, target, face(**dict.fromkeys(units, 2.0))) for name, units in expressions.items()
        }
        for target in TARGETS
    }
    valence, arousal = found["valence"], found["arousal"]
    assert valence["happiness"] > valence["rest"]
    assert all(valence["rest"] > valence[name] for name in ("sadness", "anger", "fear", "disgust"))
    least = min(arousal[name] for name in ("surprise", "anger", "fear", "happiness"))
    assert least > max(arousal["rest"], arousal["sadness"])


@pytest.mark.parametrize("target", TARGETS)
def test_uncertainty_grows_with_the_expression(sessions, target):
    def uncertainty(features):
        return sessions[target].run(["uncertainty"], {"features": features})[0][0, features.shape[1] // 2]

    rest, slight, strong = (uncertainty(face(AU12=intensity, AU04=intensity)) for intensity in (0.0, 1.0, 4.0))
    assert rest == pytest.approx(0.02 if target == "arousal" else 0.0, abs=0.005)
    assert rest < slight < strong < 0.2


def test_uncertainty_is_the_spread_of_answers_of_other_weights():
    rng = np.random.default_rng(2)
    mixing = rng.normal(0, 0.02, (38, 5))
    window = smoothing_window()
    graph = one_filter_graph(
        np.zeros((1, 37, 100), np.float32), np.zeros(1, np.float32), Spread(window[window > 0], mixing @ mixing.T)
    )
    features = rng.uniform(0, 2, (2, 50, 37)).astype(np.float32)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    told = session.run(["uncertainty"], {"features": features})[0]
    drawn = rng.normal(size=(5000, 5)) @ mixing.T
    for sequence, half in zip(features, told, strict=True):
        smooth = np.stack([answers(sequence[:, [column]], AffectFilter(window[None], 0.0)) for column in range(37)])
        spread = (drawn @ np.concatenate([smooth, np.ones((1, 50))])).std(axis=0)
        np.testing.assert_allclose(half, 1.96 * spread, rtol=0.06)


@pytest.mark.parametrize("target", TARGETS)
def test_rest_does_not_fade_at_the_ends_and_extremes_stay_on_the_scale(sessions, target):
    (still,) = sessions[target].run(["affect"], {"features": np.zeros((1, 60, 37), np.float32)})
    assert np.ptp(still) == 0.0
    for value in (50.0, -50.0):
        out = sessions[target].run(["affect"], {"features": np.full((1, 60, 37), value, np.float32)})[0]
        assert np.abs(out).max() == 1.0


@pytest.mark.parametrize("target", TARGETS)
def test_the_filter_in_the_file_gives_the_files_answers(sessions, target):
    model = read_affect_filter((BUNDLE / f"{target}.onnx").read_bytes())
    assert model is not None
    assert model.weights.shape == (37, 100)
    features = np.random.default_rng(5).uniform(0, 2, (3, 80, 37)).astype(np.float32)
    out = sessions[target].run(["affect"], {"features": features})[0]
    expected = np.stack([np.clip(answers(sequence, model), -1, 1) for sequence in features])
    np.testing.assert_allclose(out, expected, atol=1e-5)
    alone = sessions[target].run(["affect"], {"features": features[:1]})[0]
    np.testing.assert_allclose(alone[0], out[0], atol=1e-6)


def test_the_smoothing_window_is_even_and_reaches_one_second():
    window = smoothing_window()
    assert window.sum() == pytest.approx(1.0)
    taps = np.flatnonzero(window)
    assert (taps[0] - 49, taps[-1] - 49) == (-10, 10)
    np.testing.assert_allclose(window[39:60], window[39:60][::-1])


def test_the_card_tells_what_it_is():
    card = read_card(BUNDLE)
    assert card.task == "affect"
    assert card.settings["trained"] == "prior"
    assert {entry.role for entry in card.files.values()} == set(TARGETS)
    for name, entry in card.files.items():
        content = (BUNDLE / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry.sha256
        assert len(content) == entry.size_bytes
    assert card.parity is not None
    assert card.parity.largest_difference <= card.parity.tolerance
    assert all(m.interval_95[0] < m.value < m.interval_95[1] for m in card.measurements)
    assert any("change within one recording" in limit for limit in card.known_limits)
    assert card.licence.commercial_use


def test_the_command_makes_the_committed_bundle_again(tmp_path):
    ratings = SHARED / "affect" / "haines2019.csv"
    if not ratings.exists():
        pytest.skip(f"no table of ratings at {ratings}; set EMOSERVE_SHARED")
    card = write_prior(ratings, tmp_path)
    committed = read_card(BUNDLE)
    for target in TARGETS:
        again = read_affect_filter((tmp_path / f"{target}.onnx").read_bytes())
        kept = read_affect_filter((BUNDLE / f"{target}.onnx").read_bytes())
        np.testing.assert_allclose(again.weights, kept.weights, atol=1e-6)
    for made, kept in zip(card.measurements, committed.measurements, strict=True):
        assert made.value == pytest.approx(kept.value, abs=1e-3)
        assert made.value > 0.5 or made.metric == "root_mean_square_error"
        assert made.protocol == kept.protocol
