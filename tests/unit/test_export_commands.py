import json
import subprocess
import sys

import numpy as np
import pytest

from export.__main__ import COMMANDS, main
from export.catalogue import CATALOGUE
from export.cli.evaluate import compare
from service.card import read_card
from tests.shared_material import ROOT, corpus_folder
from tests.unit.small_corpus import write_small_corpus


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A bundle that was trained, exported and scored by the commands alone, on a small corpus."""
    folder = tmp_path_factory.mktemp("trained")
    corpus = write_small_corpus(folder / "small")
    train = ["train", "emonet", "--corpus", corpus, "--out", folder / "run", "--cache", folder / "cache"]
    train += ["--steps", 3, "--batch-size", 4]
    assert main(list(map(str, train))) == 0
    card = json.loads((ROOT / "export/bundles/cards/emonet-open.json").read_text())
    card |= {"name": "small", "seen_corpora": ["small"]}
    (folder / "card.json").write_text(json.dumps(card))
    export = ["export", "emonet", "--weights", folder / "run/checkpoint.pt", "--card", folder / "card.json"]
    export += ["--out", folder / "models", "--corpus", corpus]
    assert main(list(map(str, export))) == 0
    return folder


def test_a_trained_network_becomes_a_bundle_with_its_figures(trained):
    card = read_card(trained / "models/small/1")
    assert card.labels == ["anger", "neutral", "sadness"]
    assert card.parity.largest_difference <= card.parity.tolerance
    figures = {entry.metric: entry for entry in card.measurements}
    assert figures["unweighted_average_recall"].n == 12
    low, high = figures["unweighted_average_recall"].interval_95
    assert low <= figures["unweighted_average_recall"].value <= high
    assert (trained / "run/curves.png").read_bytes().startswith(b"\x89PNG")


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


def test_committed_bundles_verify_on_human_speech(capsys):
    audio = sorted(corpus_folder("ravdess").glob("audio/*.opus"))[:3]
    bundles = [str(ROOT / "models" / name / "1") for name in ("emonet-open", "emonet-research")]
    assert main(["verify", *bundles, "--json", "--audio", *map(str, audio)]) == 0
    assert [json.loads(line)["passed"] for line in capsys.readouterr().out.splitlines()] == [True, True]


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
