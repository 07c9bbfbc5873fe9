import json
import shutil
import zipfile

import numpy as np
import pytest
import torch

from export.__main__ import main
from export.evaluation.calibration import Calibration
from export.speech_representations import encoder
from export.speech_representations.encoder import WHEEL_MEMBER, EncoderFileError, encoder_layers, read_encoder
from service.card import read_card
from tests.shared_material import ROOT
from tests.support.small_corpus import write_small_corpus


def write_wheel(folder, seed=0, gain=1.0):
    """A wheel laid out as that of resemblyzer, with random weights; returns its path and the hash of its weights.

    Args:
        gain: on PyTorch's usual weights, with which clips hardly differ.
    """
    torch.manual_seed(seed)
    state = {
        f"lstm.{name[:-1]}{index}": gain * value
        for index, layer in enumerate(encoder_layers())
        for name, value in layer.state_dict().items()
    }
    behind = torch.nn.Linear(encoder.UNITS, encoder.UNITS)
    state |= {f"linear.{name}": value for name, value in behind.state_dict().items()}
    torch.save({"step": 1, "model_state": state}, folder / "pretrained.pt")
    wheel = folder / "encoder.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(folder / "pretrained.pt", WHEEL_MEMBER)
    return wheel, encoder.hashlib.sha256((folder / "pretrained.pt").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A bundle that was trained, exported and scored by the commands alone, on two small corpora."""
    folder = tmp_path_factory.mktemp("trained")
    corpora = [write_small_corpus(folder / name, 2) for name in ("one", "two")]
    wheel, digest = write_wheel(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "WEIGHTS_SHA256", digest)
        train = ["train", "ge2e", "--corpus", *corpora, "--left-out", corpora[0], "--encoder", wheel]
        train += [
            "--out",
            folder / "run",
            "--cache",
            folder / "cache",
            "--steps",
            3,
            "--batch-size",
            8,
            "--tuning-steps",
            2,
        ]
        assert main(list(map(str, [*train, "--versions", 2, "--unheard"]))) == 0
    card = json.loads((ROOT / "export/emonet/cards/emonet-open.json").read_text())
    card |= {"name": "small", "version": "1", "seen_corpora": ["one", "two"], "calibration_corpora": []}
    (folder / "card.json").write_text(json.dumps(card))
    export = ["export", "ge2e", "--weights", folder / "run/checkpoint.pt", "--card", folder / "card.json"]
    assert main(list(map(str, [*export, "--out", folder / "models", "--corpus", *corpora]))) == 0
    return folder


def test_a_trained_network_becomes_a_verified_bundle(trained):
    card = read_card(trained / "models/small/1")
    assert card.labels == ["anger", "neutral", "sadness"]
    assert card.speech.high_pass_hz == 70.0
    assert {entry.data for entry in card.measurements} == {"one", "two"}
    assert main(["verify", str(trained / "models/small/1")]) == 0
    assert card.doubt.fitted_on == ["one (unheard)", "two (unheard)"]
    assert sum(card.class_prior.values()) == pytest.approx(1.0, abs=1e-3)
    rows = [json.loads(line) for line in (trained / "run/head/training.jsonl").read_text().splitlines()]
    assert "left_out_uar_one" in rows[-1]


def test_a_bundle_is_exported_again_as_it_was(trained):
    former = trained / "models/small/1"
    words = ["export", "ge2e", "--weights", former, "--card", trained / "card.json", "--calibration", "kept"]
    words += ["--out", trained / "again", "--corpus", trained / "one"]
    assert main(list(map(str, words))) == 0
    assert (trained / "again/small/1/ge2e.onnx").read_bytes() == (former / "ge2e.onnx").read_bytes()
    assert read_card(trained / "again/small/1").class_prior == read_card(former).class_prior


def test_a_bundle_learns_what_is_familiar(trained, capsys):
    """Exported again from itself, without its training: corpus two counts as never heard."""
    card = json.loads((trained / "card.json").read_text())
    (trained / "one.json").write_text(json.dumps(card | {"version": "2", "calibration_corpora": ["one", "two"]}))
    (trained / "none.json").write_text(json.dumps(card | {"seen_corpora": []}))
    former, words = trained / "models/small/1", ["export", "ge2e", "--calibration", "familiarity"]
    words += ["--out", trained / "models", "--corpus", trained / "one", trained / "two", "--weights"]
    assert main(list(map(str, [*words, former, "--card", trained / "one.json"]))) == 0
    found = Calibration.from_settings(dict(read_card(trained / "models/small/2").settings))
    assert found.kind == "familiarity"
    assert main(["verify", str(trained / "models/small/2")]) == 0
    assert read_card(trained / "models/small/2").class_prior == read_card(former).class_prior
    capsys.readouterr()
    assert main(list(map(str, [*words, former, "--card", trained / "none.json"]))) == 1
    assert "partition 'train' of the corpora that were trained on" in capsys.readouterr().err


def test_weights_of_another_network_are_refused(trained, capsys):
    words = ["--card", trained / "card.json", "--corpus", trained / "one", "--out", trained / "never"]
    damaged = trained / "damaged"
    shutil.copytree(trained / "models/small/1", damaged)
    (damaged / "ge2e.onnx").write_bytes(b"0")
    for weights, cause in (
        (ROOT / "models/emonet-open/2", "not a bundle of a network on the GE2E encoder"),
        (damaged, "its sha256 is not the one of its card"),
    ):
        assert main(list(map(str, ["export", "ge2e", "--weights", weights, *words]))) == 1
        assert cause in capsys.readouterr().err
    assert not (trained / "never").exists()


def test_the_encoder_is_read_from_its_wheel_or_its_file(tmp_path, monkeypatch):
    wheel, digest = write_wheel(tmp_path)
    monkeypatch.setattr(encoder, "WEIGHTS_SHA256", digest)
    for one, other in zip(read_encoder(wheel), read_encoder(tmp_path / "pretrained.pt"), strict=True):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name])
            assert np.abs(value.numpy()).max() > 0


def test_other_files_are_refused_before_they_are_read(tmp_path):
    """The file is a pickle: its hash decides before anything of it is looked at."""
    wheel, _ = write_wheel(tmp_path, seed=1)
    for file in (wheel, tmp_path / "pretrained.pt"):
        with pytest.raises(EncoderFileError, match="is not that of"):
            read_encoder(file)
    with pytest.raises(EncoderFileError, match="no such file"):
        read_encoder(tmp_path / "absent.whl")


def test_each_corpus_is_judged_by_a_network_that_never_heard_it(tmp_path, monkeypatch, capsys):
    corpora = [write_small_corpus(tmp_path / name, 2) for name in ("one", "two")]
    wheel, digest = write_wheel(tmp_path)
    monkeypatch.setattr(encoder, "WEIGHTS_SHA256", digest)
    words = ["leave-out", "--corpus", *corpora, "--encoder", wheel, "--versions", 1, "--steps", 2]
    for left in ("corpus", "speakers"):
        assert main(list(map(str, [*words, "--left", left]))) == 0
        rows = [line.split("|") for line in capsys.readouterr().out.splitlines()[3:]]
        assert [row[1].strip() for row in rows] == ["one", "two"]
        assert all(0.0 <= float(row[4].split("(")[0]) <= 100.0 for row in rows)
    alone = ["train", "ge2e", "--corpus", corpora[0], *words[4:], "--unheard", "--out", tmp_path / "never"]
    assert main(list(map(str, alone))) == 1
    assert "no corpus is left to train on" in capsys.readouterr().err
    assert main(list(map(str, [*words, "--judge", "three"]))) == 1
    assert "three is not among the corpora" in capsys.readouterr().err
