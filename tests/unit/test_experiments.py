"""The experiments of the Deep Spectrum papers, end to end on a small corpus with small networks."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from export.__main__ import main
from export.corpora.tables import read_corpus
from export.evaluation.denoising import si_sdr_db
from export.experiments.comparison import MISSING
from export.experiments.conditions import CONDITIONS, make_conditions
from export.experiments.published import NETWORKS
from tests.shared_material import ROOT
from tests.tiny_models import write_speech_bundle
from tests.unit.small_corpus import write_small_corpus

DENOISER = ROOT / "models/denoiser-lstm/1"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiments")
    write_small_corpus(folder / "small", per_class=2)
    for name in ("deep-spectrum-squeezenet", "deep-spectrum-mobilenet-v2"):
        write_speech_bundle(folder / "bundles", name, max_length_s=4.0)
    return folder


def experiment(place, name, *more):
    words = ["experiment", name, "--corpus", place / "small", "--bundles", place / "bundles", "--out", place / "out"]
    return main(list(map(str, [*words, "--cache", place / "cache", *more])))


def test_networks_without_weights_stay_in_the_table(place):
    assert experiment(place, "networks") == 0
    rows = json.loads((place / "out/networks.json").read_text())["rows"]
    assert [row["system"] for row in rows] == list(NETWORKS)
    had = {row["system"]: row["devel UAR %"] for row in rows if row["note"] != MISSING}
    assert set(had) == {"squeezenet", "mobilenet_v2"}
    assert all(0 <= value <= 100 for value in had.values())
    assert (place / "out/networks.csv").read_text().count("\n") == 11
    assert "| A12 | densenet121 | – |" in (place / "out/networks.md").read_text()


def test_features_are_computed_once(place):
    assert experiment(place, "networks") == 0
    before = {file: file.stat().st_mtime_ns for file in (place / "cache").glob("features-*")}
    assert len(before) == 4  # two tables and their origins
    assert experiment(place, "networks") == 0
    assert {file: file.stat().st_mtime_ns for file in (place / "cache").glob("features-*")} == before


def test_fusions_that_cannot_be_had_stay_in_the_table(place):
    assert experiment(place, "fusion", "--without-compare") == 0
    rows = json.loads((place / "out/fusion.json").read_text())["rows"]
    had = [row["system"] for row in rows if not row["note"]]
    assert had == ["mobilenet_v2", "squeezenet", "early squeezenet+mobilenet_v2", "late squeezenet+mobilenet_v2"]
    assert {row["note"] for row in rows} == {"", MISSING, "ComParE was left out"}


def test_every_pair_of_conditions_is_judged(place, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    words = ("--denoiser", DENOISER, "--alphas", 1e-3, "--codebook-sizes", 10, "--assignments", 1, 2)
    assert experiment(place, "conditions", *words) == 0
    rows = json.loads((place / "out/conditions.json").read_text())["rows"]
    assert len(rows) == 2 * 2 * 2 * len(CONDITIONS)  # features, classes, balancing
    assert {row["features"] for row in rows} == {"Deep Spectrum", "BoAW"}
    assert all(0 <= row[f"trained {condition} UAR %"] <= 100 for row in rows for condition in CONDITIONS)
    assert len(list((place / "out/matrices").glob("*.png"))) == 8
    tests = json.loads((place / "out/conditions-tests.json").read_text())["rows"]
    assert all(0 <= row["z-test p"] <= 1 for row in tests)


def test_conditions_are_the_same_again_and_noisy_is_noisier(place, tmp_path):
    corpus = read_corpus(place / "small").partition("test")
    one, other = (make_conditions(corpus, DENOISER, 3, tmp_path / name) for name in ("one", "other"))
    for condition in CONDITIONS:
        pairs = zip(one[condition].utterances, other[condition].utterances, strict=True)
        for first, second in pairs:  # the files hold the second at which they were written, too
            np.testing.assert_array_equal(soundfile.read(first.audio)[0], soundfile.read(second.audio)[0])
    clean, noisy = (soundfile.read(one[name].utterances[0].audio)[0] for name in ("clean", "noisy"))
    assert np.sqrt(np.mean(clean**2)) == pytest.approx(0.1, rel=1e-3)
    assert si_sdr_db(noisy, clean) < 20


def test_expected_failures_are_one_line(place, tmp_path, capsys):
    words = ["experiment", "networks", "--corpus", str(place / "small"), "--out", str(tmp_path)]
    assert main([*words, "--bundles", str(tmp_path), "--cache", str(tmp_path)]) == 1
    assert "no bundle deep-spectrum-*" in capsys.readouterr().err
