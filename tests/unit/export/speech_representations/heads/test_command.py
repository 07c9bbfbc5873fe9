"""``train head``: from a folder of an encoder and a corpus to a bundle that is served; and what it refuses."""

import csv
import json
import shutil

import httpx
import numpy as np
import pytest
import torch

from export.__main__ import main
from export.evaluation.voice import synthetic_voice
from export.speech_representations import encoder
from export.speech_representations.heads import states
from export.speech_representations.recogniser.network import Recogniser, RecogniserConfig
from service.card import read_card
from service.pipeline.device.session import Session
from tests.plain_wav import wav
from tests.support.published import change, write_published
from tests.support.small_corpus import EMOTIONS, write_small_corpus
from tests.support.tiny_services import serving_tiny
from tests.tiny_models import write_voice_bundle
from tests.unit.export.speech_representations.test_commands import write_wheel

RATE_HZ = 16_000
QUICK = ("--steps", 2, "--report-steps", 1, "--batch-size", 4, "--units", 5, "--hidden-units", 6)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A corpus and encoders of all kinds, not to be changed."""
    folder = tmp_path_factory.mktemp("heads")
    write_small_corpus(folder / "small", 2)
    for network in ("wav2vec2-base", "wavlm-base", "whisper"):
        write_published(folder / network, network)
    write_published(folder / "theirs", "wav2vec2-base", licence="cc-by-nc-4.0")
    write_wheel(folder)
    torch.manual_seed(0)
    network = Recogniser(RecogniserConfig("_AB", 2, 6, 3))
    average = {f"module.{name}": value for name, value in network.state_dict().items()}
    (folder / "recogniser").mkdir()
    torch.save(
        {"config": {"recogniser": network.config.to_text()}, "average": average}, folder / "recogniser/checkpoint.pt"
    )
    return folder


def train(place, out, *words, corpus="small"):
    """Run the command with everything it writes below ``out``."""
    below = ("--out", out / "models", "--cache", out / "cache", "--work", out / "work")
    return main(list(map(str, ("train", "head", "--corpus", place / corpus, *QUICK, *below, *words))))


@pytest.fixture(scope="module")
def trained(place, tmp_path_factory):
    """The folder of a mean head on wav2vec 2.0, not to be changed."""
    out = tmp_path_factory.mktemp("trained")
    words = ("--encoder", place / "wav2vec2-base", "--head", "mean", "--data-licence", "CC-BY-4.0")
    assert train(place, out, *words, "--name", "tiny-head") == 0
    return out


def assert_invariant(bundle):
    """A clip's answers are the same alone, in a batch, and before whatever lies beyond it."""
    session = Session(bundle / "model.onnx", device="cpu", threads=1)
    clips = [synthetic_voice(seconds, RATE_HZ, seed) for seed, seconds in ((7, 0.41), (8, 1.7), (9, 1.0))]
    waveform = np.full((3, 40_000), 0.5, np.float32)
    for row, clip in enumerate(clips):
        waveform[row, : len(clip)] = clip
    outputs = ("probabilities", "arousal", "valence", "embedding")
    together = session.run({"waveform": waveform, "lengths": np.array(list(map(len, clips)))}, outputs)
    for row, clip in enumerate(clips):
        alone = session.run({"waveform": clip[None], "lengths": np.array([len(clip)])}, outputs)
        for name in outputs:
            assert np.abs(alone[name][0] - together[name][row]).max() <= 1e-5, name
    assert np.ptp(together["embedding"], axis=0).max() > 1e-3  # the network hears the difference


@pytest.mark.parametrize(
    ("network", "head"),
    [
        ("wav2vec2-base", "attention"),
        ("wav2vec2-base", "recurrent"),
        ("wav2vec2-base", "progressive"),
        ("whisper", "recurrent"),
        ("wavlm-base", "mean"),
    ],
)
def test_a_head_on_a_published_encoder_becomes_a_verified_bundle(place, network, head, tmp_path, capsys):
    assert train(place, tmp_path, "--encoder", place / network, "--head", head, "--data-licence", "CC0-1.0") == 0
    (bundle,) = (tmp_path / "models").glob("*/1")
    assert_invariant(bundle)
    capsys.readouterr()
    assert main(["verify", str(bundle), "--published", str(place / network), "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["torch_difference"] <= whole["torch_tolerance"] == 1e-4
    assert main(["verify", str(bundle)]) == 0  # the head alone, where the publisher's files are not at hand
    other = "wavlm-base" if network != "wavlm-base" else "whisper"
    assert main(["verify", str(bundle), "--published", str(place / other)]) == 1
    assert "these are not the weights" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "head"), [("encoder.whl", "recurrent"), ("recogniser", "attention"), ("mel", "mean")])
def test_a_head_on_an_encoder_of_this_project_is_verified_from_its_bundle(place, kind, head, tmp_path, monkeypatch):
    digest = encoder.hashlib.sha256((place / "pretrained.pt").read_bytes()).hexdigest()
    monkeypatch.setattr(encoder, "WEIGHTS_SHA256", digest)
    word = kind if kind == "mel" else place / kind
    words = ("--encoder", word, "--head", head, "--licence", "CC0-1.0", "--name", "own")
    assert train(place, tmp_path, *words) == 0
    assert main(["verify", str(tmp_path / "models/own/1")]) == 0
    assert_invariant(tmp_path / "models/own/1")


def test_the_card_tells_what_was_trained_and_measured(trained):
    card = read_card(trained / "models/tiny-head/1")
    assert card.labels == list(EMOTIONS)
    assert card.licence.spdx == "Apache-2.0 AND CC-BY-4.0"
    assert "wav2vec2-base" in card.licence.attribution
    (uar,) = [entry for entry in card.measurements if entry.metric == "unweighted_average_recall"]
    assert (uar.data, uar.split, uar.n) == ("small", "test", 6)
    assert card.members[0].network == "wav2vec 2.0"
    assert sum(card.class_prior.values()) == pytest.approx(1.0, abs=1e-3)
    lines = [json.loads(line) for line in (trained / "work/training.jsonl").read_text().splitlines()]
    best = max(lines, key=lambda line: line["devel_uar_small"])
    assert card.settings["devel_uar"] == pytest.approx(best["devel_uar_small"], abs=1e-4)
    assert card.settings["best_step"] == best["step"]


def test_the_service_answers_with_it(trained, tmp_path):
    shutil.copytree(trained / "models", tmp_path / "models")
    write_voice_bundle(tmp_path / "models")
    sound = {"content": wav(synthetic_voice(1.3, RATE_HZ, 5)), "headers": {"content-type": "audio/wav"}}
    with serving_tiny(tmp_path / "models") as server:
        answer = httpx.post(f"{server.url}/v1/audio/emotion", params={"model": "tiny-head"}, **sound)
        assert answer.status_code == 200, answer.text
        assert answer.json()["labels"] == list(EMOTIONS)
        assert sum(answer.json()["probabilities"]) == pytest.approx(1.0, abs=1e-5)
        assert -1.0 <= answer.json()["arousal"] <= 1.0
        embedding = httpx.post(f"{server.url}/v1/audio/embedding", params={"model": "tiny-head"}, **sound)
        assert embedding.json()["dimensions"] == 32


def test_a_training_goes_on_and_hears_nothing_twice(place, trained, tmp_path, monkeypatch, capsys):
    out = shutil.copytree(trained, tmp_path / "again")
    monkeypatch.setattr(states, "save_graph", None)  # what calls it fails
    words = ("--encoder", place / "wav2vec2-base", "--data-licence", "CC-BY-4.0", "--name", "tiny-head", "--head")
    before = (out / "work/training.jsonl").read_text()
    assert train(place, out, *words, "mean") == 0
    assert (out / "work/training.jsonl").read_text() == before
    assert train(place, out, *words, "mean", "--hidden-units", 0) == 1
    assert "checkpoint of another training; choose a new --work" in capsys.readouterr().err


@pytest.mark.parametrize("head", ["mean", "attention"])
def test_states_of_a_former_version_are_computed_again(place, head, tmp_path):
    words = ("--encoder", "mel", "--head", head, "--name", "own")
    assert train(place, tmp_path, *words) == 0
    (train_states, *_) = files = sorted(tmp_path.glob("cache/*/values.bin"))
    before = {file: file.read_bytes() for file in files}
    values = np.fromfile(train_states, np.float32 if head == "mean" else np.float16)
    (values + 1).tofile(train_states)
    assert train(place, tmp_path, *words) == 0
    assert {file: file.read_bytes() for file in files} == before


def test_small_weights_pass_the_gate(trained, tmp_path):
    bundle = trained / "models/tiny-head/1"
    words = ["export", "reduced", "--model", bundle, "--precision", "fp16", "--out", tmp_path]
    assert main(list(map(str, words))) == 0
    assert main(["verify", str(tmp_path / "tiny-head-fp16/1")]) == 0


def test_the_licence_policy_is_that_of_imports(place, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EMOSERVE_LICENCE_POLICY", "commercial")
    for words, cause in (
        (("--encoder", place / "theirs", "--data-licence", "CC0-1.0"), "CC-BY-NC-4.0 forbids commercial use"),
        (("--encoder", place / "wav2vec2-base"), "LicenseRef-not-stated forbids commercial use"),
    ):
        assert train(place, tmp_path, *words, "--head", "mean") == 1
        assert cause in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def no_config(folder):
    (folder / "encoder/config.json").unlink()


def another_training(folder):
    shutil.rmtree(folder / "encoder")
    (folder / "encoder").mkdir()
    torch.save({"config": {"network": "{}"}}, folder / "encoder/checkpoint.pt")


def table(folder, **values):
    """Give every row of the corpus's table these values; a function gets the row."""
    file = folder / "small/utterances.csv"
    rows = list(csv.DictReader(file.open(encoding="utf-8")))
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {key: value(row) if callable(value) else value for key, value in values.items()})


BAD = {
    "no config": (no_config, "no config.json, which says what network the weights are of, and no checkpoint.pt"),
    "no encoder": (lambda folder: change(folder / "encoder/config.json", model_type="bert"), "model_type 'bert'"),
    "weights of another": (
        lambda folder: shutil.copy(folder / "whisper/model.safetensors", folder / "encoder"),
        "no weights of wav2vec 2.0",
    ),
    "no folder": (lambda folder: shutil.rmtree(folder / "encoder"), "encoder: no such folder"),
    "no licence": (lambda folder: (folder / "encoder/README.md").unlink(), "names no licence"),
    "another training": (another_training, "not a checkpoint of 'emoserve-export train recogniser'"),
    "one class": (lambda folder: table(folder, emotion="anger"), "there is anger alone"),
    "one class in train": (
        lambda folder: table(folder, emotion=lambda r: "anger" if r["partition"] == "train" else r["emotion"]),
        "fewer than two emotions",
    ),
    "no test": (
        lambda folder: table(folder, partition=lambda r: r["partition"].replace("test", "devel")),
        "no recordings of the partition test",
    ),
    "no devel": (
        lambda folder: table(folder, partition=lambda r: r["partition"].replace("devel", "test")),
        "no recordings of the partition devel",
    ),
    "too short": (lambda folder: table(folder, duration_s=0.02), "lasts 0.02 s, the encoder takes 0.05 s at least"),
    "no place in the plane": (
        lambda folder: table(folder, emotion=lambda r: r["emotion"].replace("anger", "wrath")),
        "'wrath' has no place in the plane",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_before_any_work(place, case, tmp_path, capsys, monkeypatch):
    shutil.copytree(place / "wav2vec2-base", tmp_path / "bad/encoder")
    shutil.copytree(place / "small", tmp_path / "bad/small")
    shutil.copytree(place / "whisper", tmp_path / "bad/whisper")
    spoil, cause = BAD[case]
    spoil(tmp_path / "bad")
    monkeypatch.setattr(states, "save_graph", None)  # what calls it fails
    words = ("--encoder", tmp_path / "bad/encoder", "--head", "mean")
    assert train(tmp_path / "bad", tmp_path / "out", *words) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("emoserve-export: ")
    assert cause in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("--encoder", "nowhere", "--head", "mean"), "nowhere: no such folder or file, and no owner/model"),
        (("--encoder", "{0}/absent.whl", "--head", "mean"), "no such folder"),
        (("--encoder", "{0}/encoder.whl", "--head", "mean"), "is not that of resemblyzer/pretrained.pt"),
        (("--encoder", "{0}/pretrained.pt", "--head", "mean"), "nor the GE2E encoder"),
        (("--encoder", "{0}/recogniser", "--head", "mean"), "name the licence of the recogniser's weights"),
        (("--encoder", "mel", "--head", "progressive"), "head 'progressive' adds 'mel' by itself"),
        (("--encoder", "mel", "--head", "mean", "--steps", "0"), "--steps is 1 at least"),
        (("--encoder", "mel", "--head", "mean", "--device", "cuda"), "the device 'cuda' cannot be used"),
    ],
)
def test_bad_words_are_refused_before_any_work(place, words, cause, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert train(place, tmp_path / "out", *(word.format(place) for word in words)) == 1
    assert cause in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_an_unknown_head_is_wrong_usage(place, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        train(place, tmp_path, "--encoder", "mel", "--head", "transformer")
    assert stop.value.code == 2
    assert "choose from 'mean', 'attention', 'recurrent', 'progressive'" in capsys.readouterr().err


def test_states_that_do_not_fit_on_the_disk_are_refused(place, tmp_path, capsys, monkeypatch):
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(states.shutil, "disk_usage", lambda _: full)
    assert train(place, tmp_path / "out", "--encoder", place / "wav2vec2-base", "--head", "attention") == 1
    assert "0.0 GB are free" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_encoder_that_one_file_cannot_hold_is_refused(place, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("export.speech_representations.heads.published.MAX_GRAPH_BYTES", 10_000)
    assert train(place, tmp_path / "out", "--encoder", place / "wav2vec2-base", "--head", "mean") == 1
    assert "a head goes behind 1e-05 GB at most" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
