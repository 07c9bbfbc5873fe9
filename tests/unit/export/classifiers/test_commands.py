"""The commands alone take corpora to bundles that the service loads."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import soundfile

from export.__main__ import main
from export.classifiers.bundle import read_network
from export.classifiers.head import read_head, write_head
from export.classifiers.licences import data_licence, strictest
from export.classifiers.recipe import RECIPES
from export.classifiers.training import train_head
from export.cli.export_classifier import default_name
from export.features.files import read_table, write_table
from service.card import Licence, TrainingData, read_card
from service.pipeline.device.session import Session
from service.registry import Registry
from service.settings import Settings
from tests.shared_material import ROOT
from tests.support.small_corpus import write_small_corpus
from tests.tiny_models import speech_model, write_speech_bundle
from tests.unit.export.classifiers.test_linear_classifiers import make_table


def command(*words) -> int:
    return main(list(map(str, words)))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two networks with one front end, a corpus, its features, a trained head and a trained fusion of each kind."""
    folder = tmp_path_factory.mktemp("classifiers")
    corpus = write_small_corpus(folder / "small")
    write_speech_bundle(folder / "networks", "tiny", max_length_s=2.0)
    other = onnx.load_from_string(speech_model())
    scale = onnx.helper.make_tensor("scale", onnx.TensorProto.FLOAT, [], [3.0])
    other.graph.initializer.append(scale)
    concat = next(node for node in other.graph.node if node.op_type == "Concat")
    concat.output[0] = "unscaled"
    place = list(other.graph.node).index(concat)
    other.graph.node.insert(place + 1, onnx.helper.make_node("Mul", ["unscaled", "scale"], ["embedding"]))
    write_speech_bundle(folder / "networks", "tiny-scaled", max_length_s=1.5, model=other.SerializeToString())
    tables = []
    for name in ("tiny", "tiny-scaled"):
        tables.append(folder / f"{name}.parquet")
        bundle = folder / "networks" / name / "1"
        words = ("features", "--model", bundle, "--corpus", corpus, "--data-licence", "CC0-1.0")
        assert command(*words, "--out", tables[-1]) == 0
    assert command("train", "deep-spectrum", "--features", tables[0], "--out", folder / "head") == 0
    for kind in ("early", "late"):
        words = ("train", "fusion", "--kind", kind, "--features", *tables, "--strength", 1e-4, "--penalty", "l2")
        assert command(*words, "--out", folder / kind) == 0
    return folder


def run_both(folder, clip):
    session = Session(folder / "model.onnx", device="cpu", threads=1)
    inputs = {"waveform": clip[None], "lengths": np.array([len(clip)])}
    return session.run(inputs, ("probabilities", "embedding"))


def test_training_leaves_a_report_and_pictures(place):
    report = json.loads((place / "head/report.json").read_text())
    assert [part["partition"] for part in report["figures"]] == ["devel", "test"]
    assert report["figures"][1]["n"] == 12
    assert report["figures"][1]["calibration_error"] <= report["figures"][1]["uncalibrated_error"] + 0.2
    for picture in ("confusion", "reliability"):
        assert (place / f"head/{picture}-test.png").read_bytes().startswith(b"\x89PNG")
    assert "chosen of 20" in (place / "head/report.txt").read_text()
    assert len((place / "head/answers.csv").read_text().splitlines()) == 25


def test_a_head_becomes_a_bundle_that_the_service_loads(place, capsys):
    words = ("export", "deep-spectrum", "--head", place / "head", "--extractor", place / "networks/tiny/1")
    assert command(*words, "--out", place / "models", "--name", "small-one") == 0
    folder = place / "models/small-one/1"
    card = read_card(folder)
    assert (card.licence.spdx, card.licence.commercial_use) == ("CC0-1.0", True)
    assert [member.network for member in card.members] == ["tiny"]
    assert card.parity.largest_difference <= 1e-5
    assert card.speech.window_s == pytest.approx(1.4)  # of the longest training row
    assert command("verify", folder, "--json") == 0
    capsys.readouterr()
    assert command("evaluate", folder, "--corpus", place / "small", "--json") == 0
    line = json.loads(capsys.readouterr().out)
    measured = {entry.split: entry.value for entry in card.measurements if entry.metric == "unweighted_average_recall"}
    assert line["uar"]["value"] == pytest.approx(measured["test"], abs=1e-4)
    assert line["arousal_uar"] is None
    registry = Registry.load(Settings(model_dirs=[place / "models"]))
    assert registry.find("small-one").card.labels == ["anger", "neutral", "sadness"]


@pytest.mark.parametrize("kind", ["early", "late"])
def test_a_fusion_is_one_graph_with_one_front_end(place, kind):
    extractors = [place / "networks/tiny-scaled/1", place / "networks/tiny/1"]  # matched by their weights, not order
    words = ("export", "fusion", "--fusion", place / kind, "--extractor", *extractors, "--out", place / "models")
    assert command(*words) == 0
    folder = place / f"models/tiny-tiny-scaled-{kind}-small/1"
    card = read_card(folder)
    assert [member.network for member in card.members] == ["tiny", "tiny-scaled"]
    assert card.speech.max_length_s == 1.5
    clip = np.random.default_rng(0).normal(0, 0.3, 8000).astype(np.float32)
    answer = run_both(folder, clip)
    np.testing.assert_allclose(answer["embedding"][0, 2:], 3 * answer["embedding"][0, :2], rtol=1e-6)
    np.testing.assert_allclose(answer["probabilities"].sum(), 1.0, atol=1e-6)
    nodes = [node.op_type for node in onnx.load(folder / "model.onnx").graph.node]
    assert nodes.count("ReduceSumSquare") == 1
    assert command("verify", folder) == 0


def test_another_network_is_refused_unless_allowed(place, capsys):
    words = ["export", "deep-spectrum", "--head", place / "head", "--out", place / "others", "--name", "other"]
    words += ["--extractor", place / "networks/tiny-scaled/1"]
    assert command(*words) == 1
    assert "--allow-other-weights" in capsys.readouterr().err
    assert command(*words, "--allow-other-weights") == 0
    limits = read_card(place / "others/other/1").known_limits
    assert any("other weights or another preset" in limit for limit in limits)


def test_a_network_of_another_width_is_refused_even_so(place, capsys):
    write_head(train_head(make_table(3), replace(RECIPES["gerczuk"], strengths=(1.0,)), 1).head, place / "wide-head")
    words = ["export", "deep-spectrum", "--head", place / "wide-head", "--extractor", place / "networks/tiny/1"]
    assert command(*words, "--out", place / "never-wide", "--allow-other-weights") == 1
    assert "gives 2 features, the classifier takes 6" in capsys.readouterr().err


def test_a_graph_that_leaves_its_width_open_is_measured(place):
    folder = place / "networks/tiny/1"
    open_width = onnx.load(folder / "model.onnx")
    dimension = next(value for value in open_width.graph.output if value.name == "embedding").type.tensor_type.shape.dim
    dimension[1].dim_param = "features"
    bundle = write_speech_bundle(place / "open", "open-width", model=open_width.SerializeToString())
    assert read_network(bundle).backbone.dimensions == 2


def test_the_strictest_licence_holds_and_everybody_is_named():
    free = Licence(spdx="CC0-1.0", commercial_use=True, attribution="a")
    named = Licence(spdx="CC-BY-4.0", commercial_use=True, attribution="b")
    closed = Licence(spdx="LicenseRef-x", commercial_use=False, attribution="c")
    assert strictest([free, named]) == Licence(spdx="CC-BY-4.0", commercial_use=True, attribution="a; b")
    found = strictest([named, closed, data_licence(TrainingData(name="d", licence="CC-BY-NC-4.0"))])
    assert (found.spdx, found.commercial_use) == ("CC-BY-NC-4.0 AND LicenseRef-x", False)
    permitted = ("CC0-1.0", "MIT", "CC-BY-SA-4.0", "ODbL-1.0")
    assert all(data_licence(TrainingData(name="d", licence=spdx)).commercial_use for spdx in permitted)
    assert not data_licence(TrainingData(name="d", licence="whatever")).commercial_use


def test_the_card_states_the_calibration_before_and_after(place):
    card = json.loads((place / "head/head.json").read_text())
    assert (card["calibration"], card["link"]) == ("temperature", "softmax")
    named = {(entry["metric"], entry["split"]) for entry in card["measurements"]}
    assert ("expected_calibration_error", "test") in named
    assert ("expected_calibration_error_uncalibrated", "test") in named
    # Late fusion averages what scikit-learn gives (A23).
    member = json.loads((place / "late/member-0/head.json").read_text())
    assert member["calibration"] == "none"


def test_restricted_data_makes_a_restricted_bundle(place):
    out = place / "restricted-head"
    words = ("train", "deep-spectrum", "--features", place / "tiny.parquet", "--data-licence", "CC-BY-NC-SA-4.0")
    assert command(*words, "--out", out) == 0
    words = ("export", "deep-spectrum", "--head", out, "--extractor", place / "networks/tiny/1")
    assert command(*words, "--out", place / "restricted", "--name", "restricted") == 0
    licence = read_card(place / "restricted/restricted/1").licence
    assert (licence.spdx, licence.commercial_use) == ("CC-BY-NC-SA-4.0", False)
    settings = Settings(model_dirs=[place / "restricted"], licence_policy="commercial")
    assert Registry.load(settings).bundles == ()


def test_data_without_a_licence_is_not_commercial(place, capsys):
    table = read_table(place / "tiny.parquet")
    origin = table.origin.model_copy(
        update={"data": [table.origin.data[0].model_copy(update={"licence": "LicenseRef-not-stated"})]}
    )
    object.__setattr__(table, "origin", origin)
    write_table(table, place / "unstated.csv")
    assert command("train", "deep-spectrum", "--features", place / "unstated.csv", "--out", place / "unstated") == 0
    assert "its licence is not stated" in capsys.readouterr().err
    assert not json.loads((place / "unstated/head.json").read_text())["licence"]["commercial_use"]


def test_opensmile_features_cannot_be_exported(place, capsys):
    table = read_table(place / "tiny.parquet")
    backbone = table.origin.backbones[0].model_copy(update={"kind": "opensmile", "network": "ComParE_2016"})
    object.__setattr__(table, "origin", table.origin.model_copy(update={"backbones": [backbone]}))
    write_table(table, place / "compare.csv")
    out = place / "with-compare"
    words = ("train", "fusion", "--kind", "late", "--features", place / "tiny-scaled.parquet", place / "compare.csv")
    assert command(*words, "--out", out) == 0
    assert capsys.readouterr().err.startswith("openSMILE is licensed for research")
    card = json.loads((out / "member-1/head.json").read_text())
    assert any("openSMILE" in note for note in card["notes"])
    extractors = (place / "networks/tiny-scaled/1", place / "networks/tiny/1")
    assert command("export", "fusion", "--fusion", out, "--extractor", *extractors, "--out", place / "never") == 1
    error = capsys.readouterr().err
    assert "ComParE_2016" in error
    assert "research licence" in error
    assert not (place / "never").exists()


def test_two_trainings_are_compared(place, capsys):
    words = ("train", "deep-spectrum", "--model", place / "networks/tiny/1", "--corpus", place / "small")
    words += ("--classifier", "svm", "--data-licence", "CC0-1.0", "--out", place / "svm", "--against", place / "head")
    assert command(*words) == 0
    assert "McNemar p" in capsys.readouterr().out
    found = json.loads((place / "svm/report.json").read_text())["against"]
    assert [entry["partition"] for entry in found] == ["devel", "test"]
    assert all(0 <= entry["mcnemar_p"] <= entry["mcnemar_p_holm"] <= 1 for entry in found)


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["--features", "{0}/tiny.parquet", "--corpus", "{0}/small"], "--features already holds the corpora"),
        (["--model", "{0}/networks/tiny/1"], "--model needs --corpus"),
        (["--features", "{0}/tiny.parquet", "{0}/tiny-scaled.parquet"], "one network at a time"),
        (["--features", "{0}/none.csv"], "no such file"),
        (["--features", "{0}/tiny.parquet", "--loss", "svm", "hinge"], "search it on its own"),
        (["--features", "{0}/tiny.parquet", "--test-features", "{0}/tiny-scaled.parquet"], "are not those of"),
        (["--features", "{0}/tiny.parquet", "--against", "{0}/small"], "answers.csv"),
        (["--features", "{0}/tiny.parquet", "--selection", "speaker-folds"], "2 folds cannot be made of 1 speakers"),
    ],
)
def test_wrong_use_is_one_line(place, capsys, words, cause):
    words = [word.format(place) for word in words]
    assert command("train", "deep-spectrum", *words, "--out", place / "wrong") == 1
    error = capsys.readouterr().err
    assert cause in error
    assert "Traceback" not in error


def test_a_head_and_a_file_of_weights_are_enough(place, tmp_path, capsys):
    corpus, bundles = place / "small", tmp_path / "networks"
    assert command("export", "squeezenet", "--weights", "random:1", "--out", bundles) == 0
    words = ("train", "deep-spectrum", "--model", bundles / "deep-spectrum-squeezenet/1", "--corpus", corpus)
    assert command(*words, "--data-licence", "CC0-1.0", "--strength", 1e-2, "--out", tmp_path / "head") == 0
    words = ("export", "deep-spectrum", "--head", tmp_path / "head", "--out", tmp_path / "models", "--name", "whole")
    assert command(*words, "--weights", "random:2") == 1
    assert "trained on squeezenet with weights" in capsys.readouterr().err
    assert not (tmp_path / "models/whole").exists()
    assert command(*words, "--weights", "random:1") == 0
    assert read_card(tmp_path / "models/whole/1").labels == ["anger", "neutral", "sadness"]
    assert command("verify", tmp_path / "models/whole/1") == 0


def test_a_head_behind_another_kind_of_network_needs_its_bundle(place, tmp_path, capsys):
    words = ("export", "deep-spectrum", "--head", place / "head", "--out", tmp_path)
    assert command(*words, "--weights", "random:1") == 1
    assert "behind 'tiny', not a Deep Spectrum network" in capsys.readouterr().err


def test_a_card_counts_the_recordings_that_were_trained_on(place):
    card = json.loads((place / "head/head.json").read_text())
    assert [(entry["utterances"], entry["speakers"]) for entry in card["training_data"]] == [(12, 1)]


def test_a_recording_too_short_to_evaluate_is_named(place, tmp_path, capsys):
    words = ("export", "deep-spectrum", "--head", place / "head", "--extractor", place / "networks/tiny/1")
    assert command(*words, "--out", tmp_path / "models", "--name", "judge") == 0
    corpus = write_small_corpus(tmp_path / "short")
    soundfile.write(corpus / "test-anger-0.wav", np.zeros(40), 16_000)
    assert command("evaluate", tmp_path / "models/judge/1", "--corpus", corpus) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("emoserve-export:")]
    assert "test-anger-0.wav" in line


def test_the_bundle_is_called_as_the_committed_head(place):
    for folder in sorted((ROOT / "models/heads").iterdir()):
        backbone = read_head(folder).card.backbones[0].network
        assert folder.name == default_name(
            [read_head(folder)], [SimpleNamespace(backbone=SimpleNamespace(network=backbone))], None
        )  # type: ignore[list-item]


def test_the_catalogue_is_not_folded_where_there_is_no_terminal(capsys):
    assert command("networks") == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "A12, F22" in line]
    assert "DenseNet121, global mean, 1024 numbers" in line
    assert "emoserve-export export densenet121" in line
