"""The experiments of the Deep Spectrum papers, end to end on a small corpus with small networks."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from export.classifiers.answers import Predictions
from export.classifiers.examples import TrainingError
from export.corpora.audio import read_waveform
from export.corpora.tables import read_corpus
from export.denoiser.scores import si_sdr_db
from research import trainings
from research.__main__ import main
from research.classes import Classes
from research.comparison import MISSING, NO_COMPARE, RANDOM
from research.conditions import CONDITIONS, make_conditions
from research.confusions import share_rows, write_confusions
from research.denoising_effect import mixtures
from research.preparation import thinned
from research.published import NETWORKS
from tests.shared_material import ROOT
from tests.support.small_corpus import write_small_corpus
from tests.tiny_models import write_speech_bundle

DENOISER = ROOT / "models/denoiser-lstm/1"
CONDITION_WORDS = ("--denoiser", DENOISER, "--alphas", 1e-3, "--codebook-sizes", 10, "--assignments", 1, 2)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiments")
    write_small_corpus(folder / "small", per_class=2)
    for name in ("deep-spectrum-squeezenet", "deep-spectrum-mobilenet-v2"):
        write_speech_bundle(folder / "bundles", name, max_length_s=4.0)
    return folder


def experiment(place, name, *more, out="out"):
    words = [name, "--corpus", place / "small", "--bundles", place / "bundles", "--out", place / out]
    return main(list(map(str, [*words, "--cache", place / "cache", *more])))


def rows_of(file):
    return json.loads(file.read_text())["rows"]


def test_networks_without_weights_stay_in_the_table(place):
    assert experiment(place, "networks") == 0
    rows = rows_of(place / "out/networks.json")
    assert [row["system"] for row in rows] == list(NETWORKS)
    had = {row["system"]: row["devel UAR %"] for row in rows if row["note"] != MISSING}
    assert set(had) == {"squeezenet", "mobilenet_v2"}
    assert all(0 <= value <= 100 for value in had.values())
    assert (place / "out/networks.csv").read_text().count("\n") == 11
    assert "| A12 | densenet121 | – |" in (place / "out/networks.md").read_text()
    assert len(list((place / "out/confusions-networks").glob("small-*.png"))) == 2


def test_random_weights_are_named_and_not_measured(place, tmp_path):
    write_speech_bundle(tmp_path / "bundles", "deep-spectrum-squeezenet", max_length_s=4.0)
    folder = write_speech_bundle(tmp_path / "bundles", "deep-spectrum-vgg16", max_length_s=4.0)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"settings": {"usable": False}}))
    words = ["networks", "--corpus", place / "small", "--bundles", tmp_path / "bundles"]
    assert main(list(map(str, [*words, "--out", tmp_path / "out", "--cache", tmp_path / "cache"]))) == 0
    row = next(row for row in rows_of(tmp_path / "out/networks.json") if row["system"] == "vgg16")
    assert row["note"] == RANDOM
    assert {row["devel UAR %"], row["test UAR %"], row["test accuracy %"]} == {None}


def test_features_are_computed_once(place):
    assert experiment(place, "networks") == 0
    before = {file: file.stat().st_mtime_ns for file in (place / "cache").glob("features-*")}
    assert len(before) >= 4  # two tables and their origins
    assert experiment(place, "networks") == 0
    assert {file: file.stat().st_mtime_ns for file in (place / "cache").glob("features-*")} == before


def test_fusions_that_cannot_be_had_stay_in_the_table(place):
    assert experiment(place, "fusion", "--without-compare") == 0
    rows = rows_of(place / "out/fusion.json")
    had = [row["system"] for row in rows if not row["note"]]
    assert had == ["mobilenet_v2", "squeezenet", "early squeezenet+mobilenet_v2", "late squeezenet+mobilenet_v2"]
    notes = {row["system"]: row["note"] for row in rows if row["note"]}
    assert notes["ComParE + SGD"] == notes["late squeezenet+mobilenet_v2+compare"] == NO_COMPARE
    assert notes["late all-ten+compare"] == notes["early all-ten"] == MISSING


def test_a_second_run_trains_nothing_and_gives_the_same_tables(place, monkeypatch, capsys):
    assert experiment(place, "fusion", "--without-compare", out="twice") == 0
    first = (place / "twice/fusion.md").read_text()
    assert "0 found from before" not in capsys.readouterr().err  # late fusion takes what stands there alone

    def forbidden(*_, **__):
        raise AssertionError("nothing should be trained")

    monkeypatch.setattr(trainings, "train_head", forbidden)
    assert experiment(place, "fusion", "--without-compare", out="twice") == 0
    assert (place / "twice/fusion.md").read_text() == first
    assert "0 trainings made" in capsys.readouterr().err


def test_another_seed_is_another_training(place, capsys):
    assert experiment(place, "networks", "--seed", 1) == 0
    assert "2 trainings made" in capsys.readouterr().err


def test_a_run_that_is_stopped_goes_on_where_it_was(place, monkeypatch, capsys):
    real, made = trainings.train_head, []

    def stopped(*arguments, **more):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(1)
        return real(*arguments, **more)

    monkeypatch.setattr(trainings, "train_head", stopped)
    assert experiment(place, "fusion", "--without-compare", out="stopped") == 130
    monkeypatch.setattr(trainings, "train_head", real)
    capsys.readouterr()
    assert experiment(place, "fusion", "--without-compare", out="stopped") == 0
    assert "1 trainings made, 4 found" in capsys.readouterr().err  # late fusion asks for two of them again
    assert experiment(place, "fusion", "--without-compare", out="whole") == 0
    assert (place / "stopped/fusion.md").read_text() == (place / "whole/fusion.md").read_text()


def test_a_damaged_training_is_made_again(place, capsys):
    assert experiment(place, "networks", out="damaged") == 0
    (damaged,) = (place / "damaged/trainings").glob("*squeezenet*/head.safetensors")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    capsys.readouterr()
    assert experiment(place, "networks", out="damaged") == 0
    assert "1 trainings made, 1 found" in capsys.readouterr().err


def test_every_pair_of_conditions_is_judged(place, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert experiment(place, "conditions", *CONDITION_WORDS, "--two-classes", "negative-neutral") == 0
    rows = rows_of(place / "out/conditions.json")
    assert len(rows) == 2 * 2 * 2 * len(CONDITIONS)  # features, classes, balancing
    assert {row["features"] for row in rows} == {"Deep Spectrum", "BoAW"}
    assert {row["classes"] for row in rows} == {"2, negative-neutral", "all"}
    assert all(0 <= row[f"trained {condition} UAR %"] <= 100 for row in rows for condition in CONDITIONS)
    assert len(list((place / "out/matrices").glob("*.png"))) == 8
    tests = rows_of(place / "out/conditions-tests.json")
    assert len(tests) == 2 * len(CONDITIONS)
    assert all(0 <= row[name] <= 1 for row in tests for name in ("z-test p", "McNemar p"))
    assert all(row["McNemar p"] <= row["McNemar p (Holm)"] for row in tests)
    file = place / "out/confusions-conditions/small-deep-spectrum-all-un.json"
    matrices = json.loads(file.read_text())["matrices"]
    judged = {matrix["name"]: 100 * matrix["uar"] for matrix in matrices}
    row = next(row for row in rows if row["classes"] == "all" and row["test"] == "noisy")
    assert row["trained clean UAR %"] == pytest.approx(judged["clean → noisy"], abs=0.05)


def test_conditions_are_the_same_again_and_in_a_part_of_the_corpus(place, tmp_path):
    corpus = read_corpus(place / "small").partition("test")
    whole = make_conditions(corpus, DENOISER, 3, tmp_path / "one")
    part = make_conditions(replace(corpus, utterances=corpus.utterances[-2:]), DENOISER, 3, tmp_path / "other")
    for condition in CONDITIONS:
        pairs = zip(whole[condition].utterances[-2:], part[condition].utterances, strict=True)
        for first, second in pairs:  # the files hold the second at which they were written, too
            np.testing.assert_array_equal(soundfile.read(first.audio)[0], soundfile.read(second.audio)[0])
    clean, noisy = (soundfile.read(whole[name].utterances[0].audio)[0] for name in ("clean", "noisy"))
    assert np.sqrt(np.mean(clean**2)) == pytest.approx(0.1, rel=1e-3)
    assert si_sdr_db(noisy, clean) < 20


def test_two_classes_of_many_emotions():
    emotions = ("anger", "boredom", "happiness", "sadness")
    assert Classes("negative-neutral").kept(emotions).tolist() == [True, True, False, True]
    assert Classes("negative-rest").kept(emotions).all()
    assert Classes("high-low").kept(emotions).all()
    with pytest.raises(TrainingError, match="mirth"):
        Classes("high-low").kept(("mirth",))


def test_a_large_corpus_is_thinned_evenly(tmp_path):
    corpus = read_corpus(write_small_corpus(tmp_path / "four", per_class=4))
    names = [row.name for row in thinned(corpus, 2).utterances]
    assert len(names) == 2 * 3 * 3  # emotions, and partitions, each of which is one speaker
    assert names[:2] == ["train-anger-0.wav", "train-anger-2.wav"]
    assert thinned(corpus, 9).utterances == corpus.utterances


def test_confusions_are_shares_of_each_acted_class(tmp_path):
    targets = np.array([0, 0, 0, 1], dtype=np.int64)
    chosen = np.array([0, 0, 1, 1])
    part = Predictions("test", ("anger", "neutral"), ("a", "b", "c", "d"), targets, np.eye(2)[chosen])
    assert share_rows(part) == [
        {"acted \\ answered, %": "anger", "anger": 66.7, "neutral": 33.3, "n": 3},
        {"acted \\ answered, %": "neutral", "anger": 0.0, "neutral": 100.0, "n": 1},
    ]
    write_confusions({"one": part, "other": part}, 2, "title", tmp_path / "matrix")
    assert "| anger | 66.7 | 33.3 | 3 |" in (tmp_path / "matrix.md").read_text()
    assert json.loads((tmp_path / "matrix.json").read_text())["matrices"][0]["counts"] == [[2, 1], [0, 1]]
    assert (tmp_path / "matrix.png").stat().st_size > 5000


def test_effect_of_the_denoiser_is_measured_at_every_level(place):
    words = ["denoise", "--corpus", place / "small", "--model", ROOT / "models/emonet-open/2"]
    words += ["--denoiser", DENOISER, "--snr-db", 10, "--out", place / "denoise"]
    assert main(list(map(str, words))) == 0
    rows = rows_of(place / "denoise/denoise.json")
    assert [(row["noise"], row["n"]) for row in rows] == [("none", 6), ("10 dB", 6)]
    first, denoised = json.loads((place / "denoise/confusions-denoise/small-emonet-open.json").read_text())["matrices"][
        :2
    ]
    assert float(rows[0]["UAR % as it is (95 %)"].split()[0]) == pytest.approx(100 * first["uar"], abs=0.05)
    difference = float(rows[0]["difference (95 %)"].split()[0])
    assert difference == pytest.approx(100 * (denoised["uar"] - first["uar"]), abs=0.1)


def test_noise_of_a_level_has_that_level(place):
    speech = read_waveform(place / "small/test-anger-0.wav", 16_000)
    heard = mixtures(speech, "a", [None, 20.0, 0.0], seed=0)
    assert heard[None] is speech
    noises = {level: heard[level] - speech for level in (20.0, 0.0)}
    assert np.mean(noises[0.0] ** 2) == pytest.approx(np.mean(speech**2), rel=1e-3)
    np.testing.assert_allclose(noises[0.0], 10 * noises[20.0], atol=1e-4)


def test_expected_failures_are_one_line(place, tmp_path, capsys):
    words = ["networks", "--corpus", str(place / "small"), "--out", str(tmp_path)]
    assert main([*words, "--bundles", str(tmp_path), "--cache", str(tmp_path)]) == 1
    assert "no bundle deep-spectrum-*" in capsys.readouterr().err
    assert main([*words, "--bundles", str(tmp_path), "--emotions", "mirth"]) == 1
    assert "has no mirth" in capsys.readouterr().err
