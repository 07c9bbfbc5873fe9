"""``emoserve-export evaluate`` on affect bundles: planted answers, delays and rivals are found."""

import json

import numpy as np
import pytest

from export.__main__ import main
from export.affect.bundle import affect_settings, graph_parity, write_affect_bundle
from export.affect.evaluate import answer_folder
from export.affect.graph import one_filter_graph
from export.bundle.card import BundleText
from export.evaluation.concordance import concordance_coefficient, concordance_difference
from service.card import Licence
from tests.shared_material import shared_file

DELAY_STEPS = {"arousal": 20, "valence": 7}
NAMES = ("Test_DE_01", "Test_DE_02", "Test_DE_03", "Test_HU_01", "Train_DE_01", "own")
STEPS = 240


def write_bundle(folder, name, weights_of, targets=("arousal", "valence")):
    """One column each makes the answer: ``weights_of`` gives its index."""
    graphs = {}
    for target in targets:
        weights = np.zeros((1, 37, 5), np.float32)
        weights[0, weights_of[target], 1:4] = 0.1
        graphs[target] = one_filter_graph(weights, np.zeros(1, np.float32))
    case = np.zeros((1, 20, 37), np.float32)
    licence = Licence(spdx="CC0-1.0", commercial_use=True, attribution="nobody")
    write_affect_bundle(
        folder,
        graphs,
        BundleText(name=name, version="1", title=name, description="for a test", licence=licence),
        affect_settings(5, list(targets), [DELAY_STEPS[target] / 10 for target in targets], "test"),
        graph_parity([(graph, case, np.zeros((1, 20))) for graph in graphs.values()], "zeros"),
    )
    return folder


def write_corpus(folder, names=NAMES, noise=0.0):
    """Functionals without a turn; labels are what columns 1 and 2 give, as late as annotators are."""
    rng = np.random.default_rng(0)
    for part in ("features", "labels"):
        (folder / part).mkdir(parents=True)
    for name in names:
        columns = np.abs(np.cumsum(rng.normal(0, 0.1, (STEPS, 36)), axis=0)).round(3)
        rows = [";".join([f"'{name}'", f"{step / 10:.1f}", *map(str, row)]) for step, row in enumerate(columns)]
        (folder / "features" / f"{name}.csv").write_text("\n".join(rows))
        labels = ["timestamp;arousal;valence"]
        series = []
        for target, column in (("arousal", 1), ("valence", 2)):
            answer = np.clip(np.convolve(columns[:, column], [0.1, 0.1, 0.1], "same"), -1, 1)
            late = np.concatenate([np.zeros(DELAY_STEPS[target]), answer])[:STEPS]
            series.append(late + rng.normal(0, noise, STEPS))
        labels += [f"{step / 10:.1f};{a};{v}" for step, (a, v) in enumerate(zip(*series, strict=True))]
        (folder / "labels" / f"{name}.csv").write_text("\n".join(labels))
    return folder


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("right"), "right", {"arousal": 1, "valence": 2})


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("wrong"), "wrong", {"arousal": 3, "valence": 2})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("planted") / "planted")


def figures(capsys, *arguments):
    assert main(["evaluate", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_planted_answers_are_found_at_their_delay(right, corpus, capsys):
    line = figures(capsys, right, "--corpus", corpus)
    assert (line["model"], line["corpus"], line["partition"]) == ("right", "planted", "test")
    for target, found in line["targets"].items():
        assert found["ccc"] == pytest.approx(1, abs=2e-3)
        assert set(found["per_sequence"]) == {"own", *(name for name in NAMES if name.startswith("Test"))}
        assert (found["n_sequences"], found["n_steps"]) == (5, 5 * STEPS)
        assert found["delay_s"] == DELAY_STEPS[target] / 10
        assert found["interval_95"][0] <= found["ccc"] <= found["interval_95"][1]
    undelayed = figures(capsys, right, "--corpus", corpus, "--delay-s", 0)
    assert undelayed["targets"]["arousal"]["ccc"] < 0.97
    assert figures(capsys, right, "--corpus", corpus, "--partition", "all")["targets"]["arousal"]["n_sequences"] == 6
    train = figures(capsys, right, "--corpus", corpus, "--partition", "train")["targets"]["arousal"]
    assert (train["n_sequences"], train["interval_95"]) == (1, None)


def test_a_rival_is_told_apart_where_it_differs(right, wrong, corpus, capsys):
    line = figures(capsys, right, "--corpus", corpus, "--against", wrong)
    against = line["against"]
    assert against["model"] == "wrong"
    arousal, valence = against["targets"]["arousal"], against["targets"]["valence"]
    assert arousal["difference"] == pytest.approx(arousal["ccc"] - line["targets"]["arousal"]["ccc"], abs=2e-6)
    assert arousal["difference"] < -0.2
    assert arousal["difference_interval_95"][1] < 0
    assert arousal["p"] < 0.01
    assert (valence["difference"], valence["p"]) == (0.0, 1.0)


def test_the_same_in_words(right, wrong, corpus, capsys):
    assert main(["evaluate", str(right), "--corpus", str(corpus), "--against", str(wrong)]) == 0
    text = capsys.readouterr().out
    assert "arousal: CCC 0.99" in text or "arousal: CCC 1.00" in text
    assert "Test_HU_01: " in text
    assert "arousal, against wrong: CCC" in text


def test_a_bundle_of_one_target_and_tables_of_openface(tmp_path, right):
    """The publisher's sample table has broken time stamps, so ``fps`` replaces them."""
    table = shared_file("media/OpenFace_Test.csv").read_bytes()
    for part in ("visual_features", "labels"):
        (tmp_path / part).mkdir()
    (tmp_path / "visual_features" / "a.csv").write_bytes(table)
    (tmp_path / "labels" / "a.csv").write_text("\n".join(["time_s,valence", *[f"{t / 10},0.1" for t in range(33)]]))
    found = answer_folder(right, tmp_path, "all", fps=30.0)
    assert list(found) == ["valence"]
    assert len(found["valence"].gold[0]) == 33
    assert np.isfinite(found["valence"].predicted[0]).all()
    single = write_bundle(tmp_path / "single", "single", {"arousal": 1}, ("arousal",))
    with pytest.raises(ValueError, match="no labels of arousal"):
        answer_folder(single, tmp_path, "all", fps=30.0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--partition", "devel"], "partition 'devel'"),
        (["--plot", "somewhere"], "confusion"),
        (["--against", "models/emonet-open/2"], "different tasks"),
    ],
)
def test_what_cannot_be_is_told(right, corpus, capsys, arguments, told):
    assert main(["evaluate", str(right), "--corpus", str(corpus), *arguments]) == 1
    assert told in capsys.readouterr().err


def test_folders_that_are_none_are_told(right, tmp_path, capsys):
    assert main(["evaluate", str(right), "--corpus", str(tmp_path)]) == 1
    assert "needs a folder of tables" in capsys.readouterr().err
    assert main(["evaluate", "models/emonet-open/2", "--corpus", str(tmp_path), "--partition", "all"]) == 1
    assert "affect bundles" in capsys.readouterr().err


def test_a_difference_is_that_of_the_same_draws():
    rng = np.random.default_rng(3)
    gold = [rng.normal(size=60) for _ in range(8)]
    near, far = ([series + rng.normal(0, spread, 60) for series in gold] for spread in (0.3, 1.5))
    found = concordance_difference(gold, far, near)
    joined = [concordance_coefficient(np.concatenate(gold), np.concatenate(model)) for model in (near, far)]
    assert found.value == pytest.approx(joined[0] - joined[1])
    assert found.interval_95[0] > 0
    assert found.p < 0.01
    assert concordance_difference(gold[:1], far[:1], near[:1]).interval_95 is None
