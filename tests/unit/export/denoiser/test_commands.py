import json

import numpy as np
import pytest

from export.__main__ import main
from export.corpora.tables import read_corpora
from export.denoiser.bundle import load_denoiser_bundle
from export.denoiser.mixtures import MixtureConfig
from export.denoiser.network import DenoiserConfig
from export.denoiser.recipe import DenoiserRecipe, load_denoiser, train_denoiser
from service.card import read_card
from service.registry import BundleError, Registry
from service.settings import Settings
from tests.shared_material import ROOT, corpus_folder
from tests.support.small_corpus import write_small_corpus

SMALL = DenoiserConfig(recurrent_units=8, feed_forward_units=4)
MIXTURES = MixtureConfig(segment_s=0.5, noises=4, rooms=2, noise_s=1.0)


def recipe(steps):
    return DenoiserRecipe(steps, batch_size=4, report_steps=2, half_precision=False, mixtures=MIXTURES)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint of a small network and its bundle, by the exporting command."""
    folder = tmp_path_factory.mktemp("denoiser")
    corpus = write_small_corpus(folder / "small", per_class=1)
    train_denoiser(read_corpora([corpus]), recipe(4), folder / "run", lambda step, loss: None, SMALL)
    card = json.loads((ROOT / "export/denoiser/cards/denoiser-lstm.json").read_text())
    card |= {"name": "small", "seen_corpora": ["small"]}
    (folder / "card.json").write_text(json.dumps(card))
    words = ["export", "denoiser", "--weights", folder / "run/checkpoint.pt", "--card", folder / "card.json"]
    assert main(list(map(str, [*words, "--out", folder / "models", "--corpus", corpus]))) == 0
    return folder


def test_the_bundle_is_served_and_tells_its_figures(trained):
    card = Registry.load(Settings(model_dirs=[trained / "models"])).find(task="denoiser").card
    assert card.speech.sample_rate_hz == 16_000
    assert card.speech.min_length_s <= card.speech.window_s <= card.speech.max_length_s
    assert card.parity.largest_difference <= card.parity.tolerance
    figures = {entry.metric: entry for entry in card.measurements}
    assert figures.keys() == {
        "noise_si_sdr_gain_db", "babble_si_sdr_gain_db", "room_si_sdr_gain_db", "both_si_sdr_gain_db", "clean_si_sdr_db"
    }  # fmt: skip
    assert figures["room_si_sdr_gain_db"].n == 3
    assert all("synthetic" in entry.protocol for entry in figures.values())


def test_a_denoiser_without_its_times_is_refused(trained, tmp_path):
    source = trained / "models/small/1"
    folder = tmp_path / "small" / "1"
    folder.mkdir(parents=True)
    card = json.loads((source / "card.json").read_text())
    del card["speech"]
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "denoiser.onnx").write_bytes((source / "denoiser.onnx").read_bytes())
    with pytest.raises(BundleError, match="needs 'speech'"):
        Registry.load(Settings(model_dirs=[tmp_path]))


def test_evaluate_prints_the_figures_of_the_card_and_draws(trained, capsys):
    bundle = trained / "models/small/1"
    words = ["evaluate", str(bundle), "--corpus", str(trained / "small"), "--plot", str(trained / "plots")]
    assert main([*words, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    by_metric = {entry.metric: entry.value for entry in read_card(bundle).measurements}
    for line in lines:
        if line["condition"] != "clean":
            gain = line["gain_db"]["value"]
            assert gain == pytest.approx(by_metric[f"{line['condition']}_si_sdr_gain_db"], abs=0.006)
    assert (trained / "plots/denoised-small.png").read_bytes().startswith(b"\x89PNG")
    assert main(words[:4]) == 0
    assert "small clean (n 3)" in capsys.readouterr().out
    assert main([*words[:4], "--against", str(bundle)]) == 1


def test_verify_passes_and_fails_on_other_weights(trained, capsys, monkeypatch):
    bundle = str(trained / "models/small/1")
    assert main(["verify", bundle, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passed"]

    def disturbed(folder):
        network = load_denoiser_bundle(folder)
        network.mask_layer.bias.data += 1.0
        return network

    monkeypatch.setattr("export.denoiser.bundle.load_denoiser_bundle", disturbed)
    assert main(["verify", bundle]) == 1
    assert capsys.readouterr().out.startswith("FAIL")


def test_training_goes_on_where_it_stopped(trained, tmp_path):
    corpora = read_corpora([trained / "small"])
    steps = []
    train = [corpus.partition("train") for corpus in corpora]  # from which alone is learnt
    whole = train_denoiser(train, recipe(4), tmp_path / "whole", lambda step, loss: steps.append(loss), SMALL)
    halves = []

    def stop_after_two(step, loss):
        halves.append(loss)
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_denoiser(corpora, recipe(4), tmp_path / "parts", stop_after_two, SMALL)
    resumed = train_denoiser(corpora, recipe(4), tmp_path / "parts", lambda step, loss: halves.append(loss), SMALL)
    assert halves[:2] + halves[3:] == pytest.approx(steps)
    for name, values in whole.state_dict().items():
        assert np.allclose(values, resumed.state_dict()[name], atol=1e-6), name


def test_the_train_command_writes_checkpoint_and_curve(trained, tmp_path):
    words = ["train", "denoiser", "--corpus", str(trained / "small"), "--out", str(tmp_path), "--steps", "1"]
    assert main([*words, "--threads", "1"]) == 0
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert load_denoiser(tmp_path / "checkpoint.pt").config == DenoiserConfig()


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["train", "denoiser", "--corpus", "SMALL", "--out", "OUT", "--partitions", "devel"], "no partition 'devel'"),
        (["export", "denoiser", "--weights", "OUT/none.pt", "--card", "x", "--corpus", "SMALL"], "no such checkpoint"),
    ],
)
def test_expected_failures_are_one_line(trained, tmp_path, words, cause, capsys):
    small = write_small_corpus(tmp_path / "small", per_class=1)
    table = small / "utterances.csv"
    table.write_text("\n".join(line for line in table.read_text().splitlines() if ",devel," not in line) + "\n")
    words = [word.replace("SMALL", str(small)).replace("OUT", str(tmp_path / "out")) for word in words]
    assert main(words) == 1
    assert cause in capsys.readouterr().err


def test_the_committed_denoiser_verifies_and_helps_on_human_speech(capsys):
    audio = sorted(corpus_folder("emodb4").glob("audio/12*.flac"))[:3]
    bundle = ROOT / "models/denoiser-lstm/1"
    assert main(["verify", str(bundle), "--json", "--audio", *map(str, audio)]) == 0
    assert json.loads(capsys.readouterr().out)["passed"]
    figures = {(entry.data, entry.metric): entry for entry in read_card(bundle).measurements}
    assert figures["emodb4", "noise_si_sdr_gain_db"].interval_95[0] > 0
    assert figures["emodb4", "both_si_sdr_gain_db"].interval_95[0] > 0


def test_the_document_has_the_figures_of_the_card():
    text = (ROOT / "docs/denoiser.md").read_text(encoding="utf-8")
    for entry in read_card(ROOT / "models/denoiser-lstm/1").measurements:
        low, high = entry.interval_95
        assert f"{entry.value:.1f} ({low:.1f}–{high:.1f})" in text, (entry.data, entry.metric)
