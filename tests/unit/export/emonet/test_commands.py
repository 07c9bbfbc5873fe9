import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from export.__main__ import COMMANDS, main
from export.catalogue import CATALOGUE
from export.cli.evaluate import compare
from service.card import read_card, write_card
from tests.shared_material import ROOT
from tests.support.narrow_emonet import narrow_emonet, narrow_vgg16
from tests.support.small_corpus import write_small_corpus


@pytest.fixture(scope="module", autouse=True)
def narrow():
    with pytest.MonkeyPatch.context() as patch:
        narrow_emonet(patch)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A bundle that was trained, exported and scored by the commands alone, on a small corpus."""
    folder = tmp_path_factory.mktemp("trained")
    corpus = write_small_corpus(folder / "small")
    train = ["train", "emonet", "--corpus", corpus, "--out", folder / "run", "--cache", folder / "cache"]
    train += ["--steps", 3, "--batch-size", 4, "--calibration", "biases"]
    assert main(list(map(str, train))) == 0
    card = json.loads((ROOT / "export/emonet/cards/emonet-open.json").read_text())
    card |= {"name": "small", "version": "1", "seen_corpora": ["small"], "calibration_corpora": []}
    (folder / "card.json").write_text(json.dumps(card))
    export = ["export", "emonet", "--weights", folder / "run/checkpoint.pt", "--card", folder / "card.json"]
    export += ["--out", folder / "models", "--corpus", corpus]
    assert main(list(map(str, export))) == 0
    return folder


def export_again(trained, weights, calibration=None):
    """Export once more beside the first bundle; returns the new one."""
    words = ["export", "emonet", "--weights", weights, "--card", trained / "card.json", "--out", trained / "again"]
    words += ["--corpus", trained / "small", *(["--calibration", calibration] if calibration else [])]
    assert main(list(map(str, words))) == 0
    return trained / "again/small/1"


def test_a_trained_network_becomes_a_bundle_with_its_figures(trained):
    card = read_card(trained / "models/small/1")
    assert card.labels == ["anger", "neutral", "sadness"]
    assert card.parity.largest_difference <= card.parity.tolerance
    figures = {entry.metric: entry for entry in card.measurements}
    assert figures["unweighted_average_recall"].n == 12
    low, high = figures["unweighted_average_recall"].interval_95
    assert low <= figures["unweighted_average_recall"].value <= high
    assert (trained / "run/curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_calibration_of_the_training_is_the_one_of_the_bundle(trained, capsys):
    """Fitted on the pictures of the training first, then on what the graph answers, which is nearly the same."""
    folder = export_again(trained, trained / "run/checkpoint.pt", "kept")
    kept, fitted = (read_card(bundle).settings for bundle in (folder, trained / "models/small/1"))
    assert kept["calibrated_on"] == fitted["calibrated_on"] == ["small"]
    np.testing.assert_allclose(kept["class_biases"], fitted["class_biases"], atol=0.1)
    assert "class biases" in capsys.readouterr().err


@pytest.mark.parametrize("calibration", [None, "kept", "biases"])
def test_a_bundle_is_exported_again_as_it_was(trained, calibration):
    """Its weights are enough: the graph is taken away before."""
    former = trained / "models/small/1"
    source = trained / "source/small/1"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(former, source, ignore=shutil.ignore_patterns("*.onnx"))
    again = export_again(trained, source, calibration)
    for file in ("emonet.onnx", "weights.safetensors"):
        assert (again / file).read_bytes() == (former / file).read_bytes()
    assert read_card(again).measurements[0].value == read_card(former).measurements[0].value


def test_biases_can_be_left_out_of_a_bundle_that_has_them(trained):
    bundle = export_again(trained, trained / "models/small/1", "temperature")
    assert "class_biases" not in read_card(bundle).settings
    assert main(["verify", str(bundle)]) == 0


def test_rivals_stay_on_the_card(trained):
    former = trained / "rivalled/small/1"
    shutil.rmtree(former, ignore_errors=True)
    shutil.copytree(trained / "models/small/1", former)
    card = read_card(former)
    first = card.measurements[0].model_copy(update={"rivals": {"another": 0.5}})
    write_card(card.model_copy(update={"measurements": [first, *card.measurements[1:]]}), former)
    rivals = [entry.rivals for entry in read_card(export_again(trained, former, "kept")).measurements]
    assert rivals[0] == {"another": 0.5}
    assert not any(rivals[1:])


def test_an_export_that_is_stopped_leaves_the_former_bundle(trained, monkeypatch):
    former = export_again(trained, trained / "models/small/1", "kept")
    before = {file.name: file.read_bytes() for file in former.iterdir()}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("export.cli.export_emotion.evaluate", stop)
    words = ["export", "emonet", "--weights", former, "--card", trained / "card.json", "--corpus", trained / "small"]
    assert main(list(map(str, [*words, "--calibration", "temperature", "--out", trained / "again"]))) == 130
    assert {file.name: file.read_bytes() for file in former.iterdir()} == before


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda bundle: (bundle / "card.json").unlink(), "is not a bundle"),
        (lambda bundle: (bundle / "weights.safetensors").write_bytes(b"0"), "its sha256 is not the one of its card"),
        (lambda bundle: shutil.rmtree(bundle), "no such checkpoint or bundle"),
    ],
)
def test_bundles_that_cannot_be_exported_again_are_refused(trained, damage, cause, capsys):
    bundle = trained / "damaged/small/1"
    shutil.rmtree(bundle, ignore_errors=True)
    shutil.copytree(trained / "models/small/1", bundle)
    damage(bundle)
    words = ["export", "emonet", "--weights", bundle, "--card", trained / "card.json", "--corpus", trained / "small"]
    assert main(list(map(str, [*words, "--out", trained / "never"]))) == 1
    assert cause in capsys.readouterr().err
    assert not (trained / "never").exists()


def test_evaluate_answers_under_another_prior(trained, capsys):
    bundle = str(trained / "models/small/1")
    figures = {}
    for prior in ("", "uniform", "anger:1,sadness:0", "joy:1"):
        words = [
            "evaluate",
            bundle,
            "--corpus",
            str(trained / "small"),
            "--json",
            *(["--prior", prior] if prior else []),
        ]
        status = main(words)
        output = capsys.readouterr()
        figures[prior] = json.loads(output.out) if status == 0 else output.err
    told, uniform = (dict(figures[prior]) for prior in ("", "uniform"))
    assert uniform.pop("calibration_error") == pytest.approx(told.pop("calibration_error"), abs=1e-6)
    assert uniform == told  # the card tells no other prior
    confusion = np.array(figures["anger:1,sadness:0"]["confusion"])
    anger = figures[""]["classes"].index("anger")
    assert confusion[:, anger].sum() == confusion.sum()
    assert "a label that this model does not know" in figures["joy:1"]


def test_evaluate_prints_json_and_compares(trained, capsys):
    bundle = str(trained / "models/small/1")
    words = ["evaluate", bundle, "--corpus", str(trained / "small"), "--json", "--against", bundle]
    assert main([*words, "--plot", str(trained / "plots")]) == 0
    line = json.loads(capsys.readouterr().out)
    assert line["n"] == 12
    assert line["against"]["test"] == "McNemar"
    assert line["against"]["p"] == 1.0
    assert np.sum(line["confusion"]) == 12
    assert (trained / "plots/confusion-small.png").stat().st_size > 5_000


def test_verify_passes_and_fails_on_another_network(trained, capsys):
    bundle = trained / "models/small/1"
    assert main(["verify", str(bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passed"]
    weights = bundle / "weights.safetensors"
    original = weights.read_bytes()
    damaged = bytearray(original)
    damaged[-40_000:] = bytes(40_000)  # the last tensors become zero: the graph is no longer that network
    weights.write_bytes(bytes(damaged))
    try:
        assert main(["verify", str(bundle)]) == 1
        assert capsys.readouterr().out.startswith("FAIL")
    finally:
        weights.write_bytes(original)


def test_networks_lists_the_catalogue(capsys):
    assert main(["networks", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(CATALOGUE)
    assert main(["networks"]) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert command in capsys.readouterr().out


def change_rows(corpus, change):
    """Rewrite a corpus's table row by row; rows that become None go."""
    table = corpus / "utterances.csv"
    with table.open(newline="") as lines:
        rows = [row for row in map(change, csv.DictReader(lines)) if row]
    with table.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize(
    "network",
    [("emonet",), ("emonet", "--recipe", "paper"), ("ge2e", "--encoder", "/nowhere.whl", "--steps", "1")],
)
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda row: row if row["emotion"] == "anger" else None, "needs two classes, and there is anger alone"),
        (lambda row: row if row["partition"] != "devel" else None, "no recordings of the partition devel"),
        (lambda row: row | {"partition": ""}, "no recordings of the partition train"),
        (lambda row: row | {"emotion": row["emotion"].replace("anger", "nostalgia")}, "'nostalgia' has no place in"),
    ],
)
def test_corpora_that_cannot_be_learnt_from_are_refused(network, change, cause, tmp_path, capsys):
    corpus = write_small_corpus(tmp_path / "small", per_class=1)
    change_rows(corpus, change)
    words = ["train", *network, "--corpus", str(corpus), "--out", str(tmp_path / "run")]
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert cause in line
    assert not (tmp_path / "run").exists()


def test_checkpoints_of_another_network_are_refused(tmp_path, capsys):
    corpus, other = write_small_corpus(tmp_path / "small", per_class=1), tmp_path / "other"
    other.mkdir()
    for name in ("checkpoint.pt", "last.pt"):
        torch.save({"config": {}, "network": {}, "average": {}, "step": 1}, other / name)
    into = ["--corpus", corpus, "--steps", 1, "--out"]
    for words, cause in (
        (["emonet", *into, other], "choose a new --out"),
        (["emonet", "--recipe", "paper", *into, other], "choose a new --out"),
        (["denoiser", *into, other], "choose a new --out"),
        (["emonet", *into, tmp_path / "run", "--start", other / "last.pt"], "last.pt: not a checkpoint of"),
    ):
        assert main(["train", *map(str, words)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert cause in line


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["evaluate", "/nowhere", "--corpus", "/nowhere"], "is not a bundle"),
        (["train", "emonet", "--corpus", "/nowhere", "--out", "/nowhere/out"], "no utterances.csv"),
        (["verify", "/nowhere"], "is not a bundle"),
    ],
)
def test_expected_failures_are_one_line(words, cause, capsys):
    assert main(words) == 1
    error = capsys.readouterr().err
    assert cause in error
    assert "Traceback" not in error


def test_help_does_not_load_torch():
    code = (
        "import sys, export.__main__ as m\ntry: m.main(['--help'])\n"
        "except SystemExit: pass\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)


def test_unpaired_answers_are_compared_by_the_z_test(trained):
    from dataclasses import replace

    from export.cli.evaluate import evaluate
    from export.corpora.tables import read_corpus

    corpus = read_corpus(trained / "small").partition("test")
    figures, correct = evaluate(trained / "models/small/1", corpus, "test")
    rival = replace(figures, left_out=1, n=11, accuracy=0.0)
    assert compare(figures, correct, rival, correct[1:])["test"] == "z on accuracies"


def paper_bundle(folder, corpora, *choices):
    """A network of recipe 'paper' as a bundle, by the commands alone."""
    words = ["train", "emonet", "--recipe", "paper", "--steps", 1, "--out", folder / "run", "--corpus", *corpora]
    words += ["--device", "cpu"]
    assert main(list(map(str, [*words, *choices]))) == 0
    card = json.loads((ROOT / "export/emonet/cards/emonet-open.json").read_text())
    card |= {"name": "paper", "version": "1", "preset": "paper", "seen_corpora": [one.name for one in corpora]}
    card |= {"calibration_corpora": [], "hop_s": 2.5}
    (folder / "card.json").write_text(json.dumps(card))
    words = ["export", "emonet", "--weights", folder / "run/last.pt", "--card", folder / "card.json"]
    assert main(list(map(str, [*words, "--out", folder / "models", "--corpus", *corpora]))) == 0
    return folder / "models/paper/1"


@pytest.fixture(scope="module")
def domains(tmp_path_factory):
    """A bundle with two domains."""
    folder = tmp_path_factory.mktemp("paper")
    corpora = [write_small_corpus(folder / name, per_class=2) for name in ("first", "second")]
    table = corpora[1] / "utterances.csv"
    rows = table.read_text().splitlines()
    table.write_text("\n".join(row for row in rows if ",sadness," not in row) + "\n")
    paper_bundle(folder, corpora)
    return folder


def test_a_vgg16_is_trained_exported_verified_and_scored(tmp_path, capsys, monkeypatch):
    """C6 in miniature, with random weights."""
    narrow_vgg16(monkeypatch)
    corpus = write_small_corpus(tmp_path / "small", per_class=1)
    bundle = paper_bundle(tmp_path, [corpus], "--vgg16", "random:1", "--frozen-layers", "12", "--sharpness", "0")
    network = json.loads(read_card(bundle).settings["network"])
    assert (network["backbone"], network["base"]) == ("vgg16", "random numbers, seed 1; CC0-1.0")
    assert main(["verify", str(bundle)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(bundle), "--corpus", str(corpus), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 3
    again = ["train", "emonet", "--recipe", "paper", "--corpus", corpus, "--out", tmp_path / "full", "--steps", 1]
    for more, cause in (
        (["--vgg16", "random:1", "--mode", "full", "--start", tmp_path / "run/last.pt"], "leave --vgg16 out"),
        (["--vgg16", tmp_path / "nowhere.pth"], "nowhere.pth"),
        (["--vgg16", "random:1", "--frozen-layers", "14"], "VGG16 has 13 convolutions, not 14"),
    ):
        assert main(list(map(str, [*again, *more]))) == 1
        assert cause in capsys.readouterr().err
    assert main(list(map(str, [*again, "--mode", "full", "--start", tmp_path / "run/last.pt"]))) == 0


def test_a_network_of_the_papers_recipe_has_a_graph_for_each_corpus(domains, capsys):
    bundle = domains / "models/paper/1"
    card = read_card(bundle)
    assert card.labels == ["anger", "neutral", "sadness"]
    assert card.domains == {"first": ["anger", "neutral", "sadness"], "second": ["anger", "neutral"]}
    assert card.file_with_role(card.graph_role("second")) == "emonet-second.onnx"
    assert {(one.data, one.metric) for one in card.measurements} >= {
        (name, "unweighted_average_recall") for name in ("first", "second")
    }
    assert main(["verify", str(bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passed"]
    (bundle / "emonet-second.onnx").write_bytes((bundle / "emonet.onnx").read_bytes())
    assert main(["verify", str(bundle)]) != 0


def test_evaluate_asks_the_domain_of_the_corpus_or_the_one_named(domains, capsys):
    bundle, found = str(domains / "models/paper/1"), {}
    for name, more in (("own", []), ("second", ["--domain", "second"]), ("first", ["--domain", "first"])):
        words = ["evaluate", bundle, "--corpus", str(domains / "second"), "--json", *more]
        assert main(words) == 0
        found[name] = json.loads(capsys.readouterr().out)
    assert found["own"] == found["second"]
    assert found["own"]["open_uar"] >= 0
    assert main(["evaluate", bundle, "--corpus", str(domains / "second"), "--domain", "third"]) == 1
    assert "has no domain 'third'; it has first, second" in capsys.readouterr().err


def test_a_card_with_another_front_end_is_refused(domains, capsys):
    card = json.loads((domains / "card.json").read_text()) | {"preset": "code"}
    (domains / "code.json").write_text(json.dumps(card))
    words = ["export", "emonet", "--weights", domains / "run/checkpoint.pt", "--card", domains / "code.json"]
    assert main(list(map(str, [*words, "--out", domains / "never", "--corpus", domains / "first"]))) == 1
    assert "preset 'code', but the weights know 'paper'" in capsys.readouterr().err
    assert not (domains / "never").exists()
