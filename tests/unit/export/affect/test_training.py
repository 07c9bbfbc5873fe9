"""Training: a planted filter is found again, runs resume exactly, folders are read, bundles are written."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from export.affect.avec_folders import partition_of, read_features, read_labels, read_turns
from export.affect.sequence_folders import read_sequences
from export.affect.sequences import AffectSequence, make_batch, shift_to_back, shift_to_front
from export.affect.train import TrainingPlan, train_affect
from export.affect.train_bundle import train_shallow_fau
from service.card import read_card
from service.pipeline.affect.attribution import AffectFilter, answers, read_affect_filter
from service.pipeline.affect.columns import COLUMNS
from service.pipeline.affect.model import AffectModel
from service.pipeline.face.action_unit_table import read_action_unit_table
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.registry import Bundle
from service.settings import Limits


def planted(kernel):
    """Smiling now raises, frowning a second ago lowers, speech raises."""
    weights = np.zeros((37, kernel))
    middle = (kernel - 1) // 2
    weights[COLUMNS.index("AU12_mean"), middle : middle + 5] = 0.04
    weights[COLUMNS.index("AU04_mean"), middle - 10 : middle - 4] = -0.03
    weights[COLUMNS.index("turn"), middle] = 0.05
    return AffectFilter(weights, 0.1)


def synthetic(model, recordings=14, steps=700, delay=0, target="arousal"):
    rng = np.random.default_rng(7)
    sequences = []
    for number in range(recordings):
        columns = rng.normal(size=(steps, 37)).astype(np.float32)
        labels = shift_to_back(answers(columns, model), delay).astype(np.float32)
        partition = "train" if number < recordings - 4 else "devel" if number < recordings - 2 else "test"
        sequences.append(AffectSequence(f"{number:02d}", partition, columns, {target: labels}))
    return sequences


def test_a_planted_filter_is_found_again():
    model = planted(20)
    plan = TrainingPlan(network="D", kernel=20, epochs=300, delay_s=1.0, seed=3)
    outcome = train_affect(plan, synthetic(model, steps=300, delay=10))
    assert outcome.scores["test"].concatenated >= 0.99
    found = outcome.network.filter()[0][0].detach().numpy()
    assert np.corrcoef(found.ravel(), model.weights.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("network", ["A", "B", "C", "D", "lstm"])
def test_every_network_learns(network):
    weights = np.zeros((37, 20))
    weights[COLUMNS.index("AU12_mean"), 9] = 1.0  # the label is the smile of that moment
    sequences = synthetic(AffectFilter(weights, 0.0), recordings=6, steps=80)
    plan = TrainingPlan(network=network, kernel=20, epochs=25, delay_s=0.0, learning_rate=3e-3)
    outcome = train_affect(plan, sequences)
    assert outcome.loss[-1] < 0.5 * outcome.loss[0]
    assert len(outcome.devel) == 25
    assert outcome.devel[outcome.best_epoch - 1] == max(outcome.devel)


def test_e_keeps_to_its_columns_and_l1_makes_filters_sparse():
    sequences = synthetic(planted(20), recordings=6, steps=200)
    plan = TrainingPlan(network="E", kernel=20, epochs=30, delay_s=0.0, columns=("AU12_mean", "turn"))
    weights = train_affect(plan, sequences).network.filter()[0][0]
    assert weights.abs().sum(dim=1).nonzero().flatten().tolist() == [COLUMNS.index("AU12_mean"), 36]
    plain, sparse = (
        train_affect(TrainingPlan(network="C", kernel=20, epochs=60, delay_s=0.0, l1=l1), sequences)
        .network.filter()[0]
        .abs()
        .sum()
        for l1 in (0.0, 0.05)
    )
    assert sparse < plain
    with pytest.raises(ValueError, match="sparse"):
        train_affect(TrainingPlan(network="A", l1=0.1, epochs=1), sequences)
    with pytest.raises(ValueError, match="AU99"):
        train_affect(TrainingPlan(network="E", columns=("AU99_mean",), epochs=1), sequences)


@pytest.mark.parametrize("network", ["B", "lstm"])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(tmp_path, network):
    sequences = synthetic(planted(20), recordings=6, steps=60)
    plan = TrainingPlan(network=network, kernel=20, epochs=6, delay_s=0.0)
    whole = train_affect(plan, sequences)
    checkpoint = tmp_path / "checkpoint.pt"
    train_affect(replace(plan, epochs=3), sequences, checkpoint=checkpoint)
    resumed = train_affect(plan, sequences, checkpoint=checkpoint)
    assert resumed.loss == pytest.approx(whole.loss, abs=1e-6)
    for one, other in zip(resumed.network.parameters(), whole.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    with pytest.raises(ValueError, match="another plan"):
        train_affect(replace(plan, seed=9), sequences, checkpoint=checkpoint)


def test_delay_is_compensated_in_training_and_undone_for_scoring():
    labels = np.arange(1.0, 8.0, dtype=np.float32)
    assert shift_to_front(labels, 3).tolist() == [4, 5, 6, 7, 0, 0, 0]
    assert shift_to_back(labels, 3).tolist() == [0, 0, 0, 1, 2, 3, 4]
    assert shift_to_front(labels, 9).tolist() == [0] * 7
    sequence = AffectSequence("a", "train", np.ones((7, 37), np.float32), {"valence": labels})
    short = replace(sequence, features=np.ones((4, 37), np.float32), labels={"valence": labels[:4]})
    batch = make_batch([sequence, short], "valence", 2)
    assert batch.features.shape == (2, 7, 37)
    assert batch.mask.sum(dim=1).tolist() == [5, 2]
    assert batch.labels[0, :5].tolist() == [3, 4, 5, 6, 7]
    assert not batch.features[1, 4:].any()
    assert [TrainingPlan(target=t).compensated_s for t in ("arousal", "valence")] == [4.0, 2.8]
    assert TrainingPlan(network="lstm").compensated_s == 2.0


def write_recording(features, labels, name, seed, rate=25, seconds=40, delimiter=",", header=True):
    """Smiles that come and go, with labels that follow them."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(rate * seconds) / rate
    smile = 2.5 + 2.4 * np.sin(time_s / rng.uniform(1, 4) + seed)
    names = ["frame", "timestamp", "confidence", "success", *(f"{unit}_r" for unit in ACTION_UNITS)]
    values = rng.uniform(0, 0.2, (time_s.size, 17))
    values[:, 8] = smile
    lines = [delimiter.join(names)]
    for index, row in enumerate(values):
        cells = [index + 1, f"{time_s[index]:.3f}", 0.98, 1, *(f"{value:.3f}" for value in row)]
        lines.append(delimiter.join(map(str, cells)))
    (features / f"{name}.csv").write_text("\n".join(lines))
    grid_s = np.arange(seconds * 10) / 10
    truth = np.interp(grid_s, time_s, smile) / 5
    rows = [f"'{name}';{t:.6f};{v:.6f};{v / 2:.6f};0.0" for t, v in zip(grid_s, truth, strict=True)]
    if header:
        rows.insert(0, "name;timestamp;arousal;valence;liking")
    (labels / f"{name}.csv").write_text("\n".join(rows))


@pytest.mark.parametrize("header", [True, False], ids=["2019", "2018"])
def test_folders_to_bundle(tmp_path, header):
    features, labels = tmp_path / "features", tmp_path / "labels"
    features.mkdir()
    labels.mkdir()
    for number in range(6):
        partition = "Train" if number < 4 else "Devel"
        name = f"{partition}_DE_{number:02d}"
        write_recording(features, labels, name, number, delimiter=";" if header else ",", header=header)
    heard = []
    plan = TrainingPlan(network="D", kernel=20, epochs=40, delay_s=0.0)
    card = train_shallow_fau(features, labels, tmp_path / "out", plan, on_epoch=lambda *figures: heard.append(figures))
    bundle = tmp_path / "out" / "bundle" / "affect-cnn" / "1"
    assert read_card(bundle) == card
    assert {entry.role for entry in card.files.values()} == {"arousal", "valence"}
    assert card.settings["look_ahead_s"] == 1.0
    assert read_affect_filter((bundle / "arousal.onnx").read_bytes()).weights.shape == (37, 20)
    assert len(heard) == 80
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert set(told["arousal"]["scores"]["devel"]["per_sequence"]) == {"Devel_DE_04", "Devel_DE_05"}
    assert told["arousal"]["scores"]["devel"]["ccc"] > 0.8
    assert (tmp_path / "out" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_network_with_an_activation_window_and_one_target_is_served(tmp_path):
    features, labels = tmp_path / "features", tmp_path / "labels"
    features.mkdir()
    labels.mkdir()
    for number in range(4):
        write_recording(features, labels, f"talk{number}", number, seconds=12)
        table = (labels / f"talk{number}.csv").read_text().splitlines()
        (labels / f"talk{number}.csv").write_text("\n".join(row.rsplit(";", 2)[0] for row in table))
    plan = TrainingPlan(network="B", activation="tanh", kernel=6, window_s=2.0, epochs=3, delay_s=0.0)
    card = train_shallow_fau(features, labels, tmp_path, plan)
    bundle = tmp_path / "bundle" / "affect-cnn" / "1"
    assert read_affect_filter((bundle / "arousal.onnx").read_bytes()) is None
    model = AffectModel(Bundle(card, bundle))
    assert (model.window_s, model.tells_both, model.reach_rows) == (2.0, False, None)
    frames = read_action_unit_table((features / "talk0.csv").read_bytes(), Limits())
    wide = model.features(frames, duration_s=11.9)
    np.testing.assert_allclose(
        wide.columns[:, :36], read_sequences(features, labels, window_s=2.0)[0].features[:, :36], atol=1e-5
    )
    series = model.series(wide)
    assert np.isfinite(series["arousal"]).all()
    assert np.isnan(series["valence"]).all()
    assert model.attribution(wide) is None


@pytest.mark.parametrize(
    ("change", "name"),
    [({}, "MyModel"), ({"kernel": 0}, "mine"), ({"window_s": 0.0}, "mine"), ({"window_s": 1e9}, "mine")],
)
def test_what_no_bundle_can_be_is_refused_before_the_training(tmp_path, change, name):
    with pytest.raises(ValueError, match=r"no name of a bundle|kernels have"):
        train_shallow_fau(tmp_path, tmp_path, tmp_path, TrainingPlan(**change), name=name)


def test_recordings_without_partition_are_divided_by_seed(tmp_path):
    for number in range(8):
        write_recording(tmp_path, tmp_path, f"talk{number}", number, seconds=4)
    features, labels = tmp_path / "f", tmp_path / "l"
    features.mkdir()
    labels.mkdir()
    for number in range(8):
        write_recording(features, labels, f"talk{number}", number, seconds=4)
    first, again, other = (read_sequences(features, labels, seed=seed) for seed in (0, 0, 5))
    parts = [[sequence.partition for sequence in some] for some in (first, again, other)]
    assert parts[0] == parts[1]
    assert parts[0] != parts[2]
    assert parts[0].count("devel") == 2
    assert first[0].features.shape == (40, 37)


def test_functionals_turns_and_labels_files(tmp_path):
    values = np.random.default_rng(0).uniform(0, 1, (20, 36)).round(4)
    lines = [f"'x';{step / 10:.1f};" + ";".join(map(str, row)) for step, row in enumerate(values)]
    path = tmp_path / "x.csv"
    path.write_text("\n".join(lines))
    turns = tmp_path / "turns.csv"
    turns.write_text("start,end\n0.2,0.4\n1.5,9.0\n")
    turn = read_turns(turns, 20)
    assert np.flatnonzero(turn).tolist() == [2, 3, 4, 15, 16, 17, 18, 19]
    columns = read_features(path, turn=turn)
    np.testing.assert_allclose(columns[:, :36], values, atol=1e-6)
    assert columns[:, 36].tolist() == turn.tolist()
    own = tmp_path / "own.csv"
    own.write_text("time_s,valence\n0,0\n1,1\n")
    labels = read_labels(own)
    assert list(labels) == ["valence"]
    np.testing.assert_allclose(labels["valence"], np.arange(11) / 10, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "reader"),
    [
        ("a,b\n1,2\n", read_features),
        ("x;0.0;" + ";".join("1" * 35), read_features),
        ("x;0.0;" + ";".join("1" * 35) + ";nan", read_features),
        ("AU01_r,confidence\n1,1\n", read_features),
        ("", read_labels),
        ("arousal\n0.3\n", read_labels),
        ("time_s,arousal\n0,0\n0,1\n", read_labels),
        ("time_s,arousal\n0,zero\n", read_labels),
        ("x;0.0;1\n", read_labels),
    ],
)
def test_unusable_files_are_named(tmp_path, content, reader):
    path = tmp_path / "broken.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"broken\.csv"):
        reader(path)


def test_partitions_by_name():
    assert [partition_of(name) for name in ("Train_DE_01", "Devel_HU_02", "Test_CN_70", "talk")] == [
        "train",
        "devel",
        "test",
        None,
    ]
