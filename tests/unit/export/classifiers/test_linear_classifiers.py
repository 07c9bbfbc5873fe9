"""Linear classifiers: scikit-learn's probabilities by our rules and graphs, selection, balancing, refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import LinearSVC

from export.classifiers.answers import figures_of
from export.classifiers.examples import TrainingError, split
from export.classifiers.fitting import both_classes, fit, fit_scaling, make_machine, oversampled, prepare
from export.classifiers.graph import classifier_graph
from export.classifiers.head import Head, HeadError, read_head, write_head
from export.classifiers.probabilities import probabilities
from export.classifiers.recipe import RECIPES, Setting
from export.classifiers.selection import speaker_folds
from export.classifiers.training import train_head
from export.features.origin import Backbone, Origin
from export.features.table import FeatureTable
from service.card import Licence, TrainingData
from service.pipeline.device.session import Session

EMOTIONS = ("anger", "fear", "joy", "sadness")


def make_table(classes=3, rows=120, dimensions=6, seed=0, network="net", spread=1.0, licence="CC0-1.0") -> FeatureTable:
    """Classes around points of their own; speakers s0 … s5, a third of the rows in each partition."""
    random = np.random.default_rng(seed)
    targets = np.arange(rows) % classes
    centres = np.random.default_rng(9).normal(0, 2, (classes, dimensions))
    values = (centres[targets] + random.normal(0, spread, (rows, dimensions))) * 10.0 ** np.arange(-2, dimensions - 2)
    partitions = tuple(("train", "devel", "test")[row * 3 // rows] for row in range(rows))
    backbone = Backbone(
        kind="graph",
        network=network,
        preset="p",
        weights_sha256=f"{seed:064d}",
        licence=Licence(spdx="MIT", commercial_use=True, attribution=network),
        dimensions=dimensions,
        sample_rate_hz=16_000,
        max_length_s=3.0,
    )
    return FeatureTable(
        names=tuple(f"c/{row}.wav" for row in range(rows)),
        speakers=tuple(f"s{row // classes % 6}" for row in range(rows)),
        partitions=partitions,
        labels=tuple(EMOTIONS[target] for target in targets),
        start_s=np.zeros(rows),
        end_s=np.full(rows, 2.0),
        values=values.astype(np.float32),
        feature_names=tuple(f"{network}_{place}" for place in range(dimensions)),
        origin=Origin(backbones=[backbone], data=[TrainingData(name="c", licence=licence)]),
    )


def graph_answers(head: Head, values: np.ndarray) -> np.ndarray:
    session = Session(classifier_graph(head).SerializeToString(), device="cpu", threads=1)
    return session.run({"embedding": values.astype(np.float32)}, ("probabilities",))["probabilities"]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("loss", ["log_loss", "modified_huber"])
@pytest.mark.parametrize("alpha", [1e-6, 1e-2])
def test_head_and_graph_give_scikit_learns_probabilities(classes, loss, alpha):
    table = make_table(classes, spread=3.0)
    recipe = replace(RECIPES["ottl"], losses=(loss,), penalties=("l2",), strengths=(alpha,))
    head = train_head(table, recipe, 1).head
    train = np.array(table.partitions) == "train"
    scaler = MinMaxScaler().fit(table.values[train].astype(np.float64))
    machine = SGDClassifier(loss=loss, penalty="l2", alpha=alpha, max_iter=1000, random_state=0)
    machine.fit(scaler.transform(table.values[train].astype(np.float64)), np.array(table.labels)[train])
    far = table.values * np.float32(50)  # far outside of the training data: saturated and all-zero rows
    for values in (table.values, far):
        expected = machine.predict_proba(scaler.transform(values.astype(np.float64)))
        np.testing.assert_allclose(head.probabilities(values.astype(np.float64)), expected, atol=1e-9)
        np.testing.assert_allclose(graph_answers(head, values), expected, atol=1e-5)
    assert head.card.labels == list(machine.classes_)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
@pytest.mark.parametrize(("loss", "strength"), [("hinge", 1e-4), ("log_loss", 1e-3), ("modified_huber", 1e-2)])
def test_more_features_than_rows_are_fitted_as_scikit_learn_does(penalty, loss, strength):
    table = make_table(3, rows=90)
    wide = np.random.default_rng(2).normal(size=(90, 200)).astype(np.float32)
    wide[:, 5] = 1.0  # a feature that never changes
    names = tuple(f"wide_{place}" for place in range(200))
    parts = split(replace(table, values=wide, feature_names=names))
    recipe = replace(RECIPES["ottl"], losses=(loss,), penalties=(penalty,), oversampling=1.0)
    setting = Setting(loss, penalty, strength)
    prepared = prepare(parts.train, recipe)
    assert (prepared.basis is not None) == ((loss, penalty) == ("hinge", "l2"))
    linear = fit(prepared, setting, recipe).linear
    machine = make_machine(setting, recipe).fit(prepared.values, prepared.targets)
    np.testing.assert_allclose(linear.weights, machine.coef_, atol=1e-8 * np.abs(machine.coef_).max())
    np.testing.assert_allclose(linear.bias, machine.intercept_, rtol=1e-8)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(("recipe", "loss"), [("cummins", "hinge"), ("gerczuk", "svm")])
def test_margins_become_a_softmax_that_answers_as_the_machine(classes, recipe, loss):
    table = make_table(classes, spread=3.0)
    head = train_head(table, replace(RECIPES[recipe], strengths=(1e-2,)), 1).head
    answers = graph_answers(head, table.values)
    np.testing.assert_allclose(answers, head.probabilities(table.values.astype(np.float64)), atol=1e-5)
    np.testing.assert_allclose(answers.sum(axis=1), 1.0, atol=1e-6)
    scores = head.linear.scores(table.values.astype(np.float64))
    np.testing.assert_array_equal(answers.argmax(axis=1), scores.argmax(axis=1))
    assert head.card.temperature > 0
    assert any("defines no probabilities" in note for note in head.card.notes)
    assert head.card.loss == loss


@pytest.mark.parametrize("loss", ["log_loss", "modified_huber"])
def test_a_temperature_from_devel_makes_saturated_probabilities_honest(loss):
    table = make_table(4, rows=360, spread=6.0)
    recipe = replace(RECIPES["ottl"], losses=(loss,), penalties=("l2",), strengths=(1e-5,))
    plain = train_head(table, recipe, 1)
    trained = train_head(table, replace(recipe, calibration="temperature"), 1)
    assert plain.uncalibrated == []
    assert (plain.head.card.calibration, trained.head.card.calibration) == ("none", "temperature")
    np.testing.assert_array_equal(trained.head.linear.weights, plain.head.linear.weights)
    for before, unchanged in zip(trained.uncalibrated, plain.answers, strict=True):
        np.testing.assert_allclose(before.probabilities, unchanged.probabilities)
    test = trained.answers[1]
    figures = figures_of(test, "c", trained.uncalibrated[1])
    assert figures.calibration_error < figures.uncalibrated_error / 2
    assert figures_of(test, "c").uncalibrated_error is None
    # Fitted without a look at test: other recordings there leave it as it is.
    other = train_head(table, replace(recipe, calibration="temperature"), 1, make_table(4, rows=360, seed=5)).head
    assert other.card.temperature == trained.head.card.temperature
    if loss == "log_loss":  # a sigmoid keeps the order of scores; a clip makes ties of them
        np.testing.assert_array_equal(test.answers, plain.answers[1].answers)


def test_a_calibrated_head_comes_back_and_its_graph_agrees(tmp_path):
    table = make_table(3, spread=3.0)
    recipe = replace(RECIPES["ottl"], strengths=(1e-5,), calibration="temperature")
    head = train_head(table, recipe, 1).head
    back = read_head(write_head(head, tmp_path / "head"))
    values = table.values.astype(np.float64)
    np.testing.assert_array_equal(back.probabilities(values), head.probabilities(values))
    np.testing.assert_allclose(graph_answers(head, table.values), head.probabilities(values), atol=1e-5)
    assert any("temperature was fitted on devel" in note for note in head.card.notes)


def test_a_head_of_before_calibration_was_stated_is_read(tmp_path):
    head = train_head(make_table(3), replace(RECIPES["ottl"], strengths=(1e-4,)), 1).head
    folder = write_head(head, tmp_path / "head")
    card = json.loads((folder / "head.json").read_text())
    del card["calibration"]
    (folder / "head.json").write_text(json.dumps(card))
    assert read_head(folder).card.link == "normalised sigmoid"


def test_the_rules_hold_where_everything_saturates():
    """G8: a row without any positive share is uniform; sigmoids of scores far below zero stay finite."""
    scores = np.array([[-9.0, -2.0, -1.0], [0.0, 3.0, -5.0], [-4000.0, -4001.0, -5000.0]])
    clipped = probabilities(scores, "normalised clip")
    np.testing.assert_allclose(clipped, [[1 / 3] * 3, [1 / 3, 2 / 3, 0.0], [1 / 3] * 3])
    sigmoid = probabilities(scores, "normalised sigmoid")
    np.testing.assert_allclose(sigmoid[2], [1 / (1 + np.exp(-1)), 1 / (1 + np.e), 0.0])
    shares = 1 / (1 + np.exp(-scores[1]))
    np.testing.assert_allclose(sigmoid[1], shares / shares.sum())


def test_svm_is_chosen_on_devel_and_refitted_on_both():
    table = make_table(3, spread=4.0)
    trained = train_head(table, RECIPES["gerczuk"], 2)
    parts = split(table)
    uars = {}
    for cell in trained.head.card.grid:
        scale, offset = fit_scaling(parts.train.values, "standard")
        machine = LinearSVC(C=cell.strength, class_weight="balanced", max_iter=4000, random_state=0)
        machine.fit(parts.train.values * scale + offset, parts.train.targets)
        answers = machine.predict(parts.devel.values * scale + offset)
        recalls = [(answers[parts.devel.targets == label] == label).mean() for label in range(3)]
        uars[cell.strength] = np.mean(recalls)
        assert cell.uar == pytest.approx(uars[cell.strength], abs=1e-5)
    assert trained.head.card.strength == max(uars, key=uars.get)
    both = parts.train.joined(parts.devel)
    scale, offset = fit_scaling(both.values, "standard")
    machine = LinearSVC(C=trained.head.card.strength, class_weight="balanced", max_iter=4000, random_state=0)
    machine.fit(both.values * scale + offset, both.targets)
    np.testing.assert_allclose(trained.head.linear.weights, machine.coef_)
    assert trained.head.card.refit


def test_grids_are_those_of_the_papers():
    assert len(RECIPES["ottl"].grid) == 20
    assert sorted(RECIPES["ottl"].strengths) == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
    assert len(RECIPES["cummins"].grid) == 24
    assert (min(RECIPES["cummins"].strengths), max(RECIPES["cummins"].strengths)) == pytest.approx((1e-6, 50))
    assert RECIPES["gerczuk"].strengths[0] == 1
    assert RECIPES["gerczuk"].strengths[-1] == pytest.approx(1e-9)


def test_folds_keep_speakers_together_in_order():
    speakers = [f"{number:02d}" for number in range(1, 33) for _ in range(3)]
    folds = speaker_folds(speakers, 2)
    assert {speaker for speaker, fold in zip(speakers, folds, strict=True) if fold == 0} == {
        f"{number:02d}" for number in range(1, 17)
    }
    with pytest.raises(TrainingError, match="3 folds cannot be made of 2 speakers"):
        speaker_folds(["a", "b"], 3)
    with pytest.raises(TrainingError, match="need the speaker of every row"):
        speaker_folds(["a", ""], 2)


def test_oversampling_raises_small_classes_to_three_quarters():
    targets = np.repeat([0, 1, 2], [40, 7, 31])
    rows = oversampled(targets, 0.75, seed=1)
    assert np.bincount(targets[rows]).tolist() == [40, 30, 31]
    np.testing.assert_array_equal(rows, oversampled(targets, 0.75, seed=1))
    assert not np.array_equal(rows, oversampled(targets, 0.75, seed=2))
    np.testing.assert_array_equal(oversampled(targets, None, seed=1), np.arange(78))


def test_scaling_knows_training_rows_alone_and_survives_constants():
    values = np.array([[1.0, 5.0], [3.0, 5.0]])
    scale, offset = fit_scaling(values, "min-max")
    np.testing.assert_allclose(values * scale + offset, [[0, 0], [1, 0]])
    assert np.isfinite(np.concatenate(fit_scaling(values, "standard"))).all()
    weights, bias = both_classes(np.array([[2.0, 1.0]]), np.array([0.5]))
    assert weights.tolist() == [[-2.0, -1.0], [2.0, 1.0]]
    assert bias.tolist() == [-0.5, 0.5]


def test_windows_of_a_recording_are_answered_together():
    table = make_table(2, rows=120)
    pairs = replace(table, names=tuple(f"c/{row // 4 * 2 + row % 2}.wav" for row in range(120)))
    trained = train_head(pairs, replace(RECIPES["ottl"], strengths=(1e-4,)), 1)
    test = next(part for part in trained.answers if part.partition == "test")
    assert len(test.names) == 20
    rows = trained.head.probabilities(pairs.values.astype(np.float64))
    first = [row for row, name in enumerate(pairs.names) if name == test.names[0]]
    np.testing.assert_allclose(test.probabilities[0], rows[first].mean(axis=0), atol=1e-6)


def spoiled(**changes) -> FeatureTable:
    return replace(make_table(2, rows=12), **changes)


@pytest.mark.parametrize(
    ("table", "recipe", "cause"),
    [
        (spoiled(labels=("anger",) * 12), "ottl", "needs two classes, 'train' has 1"),
        (spoiled(labels=("anger", "fear") * 5 + ("joy", "fear")), "ottl", "joy is in 'test' but missing from 'train'"),
        (
            spoiled(labels=("anger", "fear") * 2 + ("fear",) * 4 + ("anger", "fear") * 2),
            "ottl",
            "anger is in 'train' but missing from 'devel'",
        ),
        (spoiled(values=np.full((12, 6), np.nan, np.float32)), "ottl", "not finite, the first is of c/0.wav"),
        (spoiled(partitions=("",) * 12), "ottl", "12 rows have no partition"),
        (spoiled(partitions=("dev",) * 12), "ottl", "unknown partitions dev"),
        (spoiled(labels=("",) + ("anger",) * 11), "ottl", "1 rows have no label"),
        (spoiled(partitions=("train",) * 12), "ottl", "no row is in the partition 'devel'"),
        (spoiled(partitions=("test",) * 12), "ottl", "no row is in the partition 'train'"),
        (spoiled(names=("c/0.wav",) * 12), "ottl", "is both"),
        (
            spoiled(partitions=("train",) * 12, speakers=("a", "b") * 6),
            "cummins",
            "missing from fold 1's training speakers",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_said(table, recipe, cause):
    with pytest.raises(TrainingError, match=cause):
        train_head(table, RECIPES[recipe], 1)


def test_a_head_comes_back_and_damage_is_found(tmp_path):
    table = make_table(3, licence="CC-BY-NC-4.0")
    head = train_head(table, replace(RECIPES["ottl"], strengths=(1e-4,)), 1).head
    back = read_head(write_head(head, tmp_path / "head"))
    values = table.values.astype(np.float64)
    np.testing.assert_array_equal(back.probabilities(values), head.probabilities(values))
    assert (back.card.licence.spdx, back.card.licence.commercial_use) == ("CC-BY-NC-4.0", False)
    assert back.card.window_s == 2.0
    with pytest.raises(HeadError, match="takes 6 features, not 5"):
        back.probabilities(values[:, :5])
    file = tmp_path / "head/head.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(HeadError, match="is not the file that its card describes"):
        read_head(tmp_path / "head")
    with pytest.raises(HeadError, match=r"head\.json is missing"):
        read_head(tmp_path)


def test_another_recording_condition_takes_the_place_of_test():
    """D15: fitted on one condition, answered on another; devel and the classifier stay those of the first."""
    table, noisy = make_table(3), make_table(3, spread=8.0)
    recipe = replace(RECIPES["ottl"], strengths=(1e-3,))
    same, crossed = train_head(table, recipe, 1), train_head(table, recipe, 1, test_table=noisy)
    np.testing.assert_array_equal(same.head.linear.weights, crossed.head.linear.weights)
    devel, test = crossed.answers
    np.testing.assert_array_equal(devel.probabilities, same.answers[0].probabilities)
    rows = noisy.rows(np.array(noisy.partitions) == "test")
    np.testing.assert_allclose(test.probabilities, crossed.head.probabilities(rows.values.astype(np.float64)))
    with pytest.raises(TrainingError, match="no row of the test table is in the partition 'test'"):
        train_head(table, recipe, 1, test_table=noisy.rows(np.array(noisy.partitions) != "test"))
