import shutil

import audonnx
import numpy as np
import onnx
import pytest
import torch
import transformers
import yaml
from safetensors.torch import load_file, save_file

from export.__main__ import main
from export.evaluation.voice import synthetic_voice
from service.card import read_card
from service.pipeline.device.session import Session
from tests.support.published import DIMENSIONS, EmotionModel, assert_refused, change, write_audonnx, write_dimensional
from tests.support.small_corpus import write_small_corpus

RATE_HZ = 16_000


def run_import(folder, out, *more):
    return main(["import", str(folder), "--out", str(out), *map(str, more)])


def answers(bundle, clips, names):
    """By output the rows for ``clips`` in one batch, whose padding is loud."""
    lengths = np.array(list(map(len, clips)))
    waveform = np.full((len(clips), lengths.max() + 999), 0.7, np.float32)
    for row, clip in enumerate(clips):
        waveform[row, : len(clip)] = clip
    return Session(bundle / "model.onnx", device="cpu").run({"waveform": waveform, "lengths": lengths}, names)


@pytest.fixture(scope="module")
def clips():
    return [synthetic_voice(seconds, RATE_HZ, seed) for seed, seconds in ((7, 0.41), (8, 1.7))]


def test_arousal_dominance_and_valence_are_the_publishers_on_our_scale(tmp_path, clips):
    folder = write_dimensional(tmp_path / "msp-dim")
    assert run_import(folder, tmp_path / "models") == 0
    bundle = tmp_path / "models/msp-dim/1"
    found = answers(bundle, clips, ("probabilities", "embedding", *DIMENSIONS))
    assert found["probabilities"].shape == (2, 0)
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    model = EmotionModel.from_pretrained(folder).eval()
    for row, clip in enumerate(clips):
        inputs = extractor(clip, sampling_rate=RATE_HZ, return_tensors="pt").input_values
        with torch.inference_mode():
            states, values = model(inputs)
        assert 0.05 < values.min() < values.max() < 0.95  # none is clipped
        ours = [found[name][row] for name in DIMENSIONS]
        assert ours == pytest.approx((2 * values[0] - 1).tolist(), abs=1e-4)
        assert found["embedding"][row] == pytest.approx(states[0].numpy(), abs=1e-4)
    card = read_card(bundle)
    assert card.labels == []
    assert not card.licence.commercial_use
    assert card.settings["licence_text"] == "Not for commerce."


@pytest.mark.parametrize("labels", [DIMENSIONS, ("anger", "sad", "neutral", "happy")])
def test_an_audonnx_folder_answers_as_audonnx(labels, tmp_path, clips):
    folder = write_audonnx(tmp_path / "raw", labels)
    assert run_import(folder, tmp_path / "models", "--licence", "CC-BY-4.0") == 0
    bundle = tmp_path / "models/raw/1"
    names = DIMENSIONS if labels == DIMENSIONS else ("probabilities",)
    found = answers(bundle, clips, ("embedding", *names))
    model = audonnx.load(str(folder))
    for row, clip in enumerate(clips):
        theirs = model(clip[None], RATE_HZ)
        if labels == DIMENSIONS:
            wanted = np.clip(2 * theirs["logits"][0] - 1, -1, 1)
            assert [found[name][row] for name in DIMENSIONS] == pytest.approx(wanted.tolist(), abs=1e-6)
        else:
            wanted = torch.from_numpy(theirs["logits"]).softmax(1)[0].numpy()
            assert found["probabilities"][row] == pytest.approx(wanted, abs=1e-6)
        assert found["embedding"][row] == pytest.approx(theirs["hidden_states"][0], abs=1e-6)
    assert read_card(bundle).labels == ([] if labels == DIMENSIONS else ["anger", "sadness", "neutral", "happiness"])
    assert main(["verify", str(bundle), "--published", str(folder)]) == 0


def in_yaml(**members):
    def spoil(folder):
        file = folder / "model.yaml"
        ((name, old),) = yaml.safe_load(file.read_text()).items()
        file.write_text(yaml.safe_dump({name: old | members}))

    return spoil


def two_inputs(folder):
    model = onnx.load(folder / "model.onnx")
    model.graph.input.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1]))
    onnx.save(model, folder / "model.onnx")


def old_operators(folder):
    shutil.rmtree(folder)
    write_audonnx(folder, operators=12)


BROKEN = {
    "no YAML": (lambda folder: (folder / "model.yaml").write_text("a: ["), "model.yaml: not YAML"),
    "another object": (
        lambda folder: (folder / "model.yaml").write_text("$os.system==1: {}"),
        "not a model of audonnx",
    ),
    "a transform": (in_yaml(transform={"$opensmile.Smile==2.6": {}}), "features of a transform"),
    "no graph": (lambda folder: (folder / "model.onnx").unlink(), "is no file of the folder"),
    "a graph elsewhere": (in_yaml(path="../model.onnx"), "is no file of the folder"),
    "a broken graph": (lambda folder: (folder / "model.onnx").write_bytes(b"none"), "ONNX Runtime cannot load it"),
    "two inputs": (two_inputs, "not one signal"),
    "old operators": (old_operators, "at least 13 are needed"),
    "no labels": (in_yaml(labels=None), "no output of the graph has as many labels as numbers"),
    "labels of another": (in_yaml(labels={"logits": ["anger", "sad"]}), "as many labels as numbers"),
    "labels nobody maps": (
        in_yaml(labels={"logits": ["male", "female", "child"]}),
        "male, female, child are no emotions",
    ),
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A folder of audonnx, not to be changed."""
    return write_audonnx(tmp_path_factory.mktemp("audonnx") / "raw")


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_audonnx_folder_is_refused_in_one_line(case, raw, tmp_path, capsys):
    folder = shutil.copytree(raw, tmp_path / "raw")
    spoil, message = BROKEN[case]
    spoil(folder)
    assert run_import(folder, tmp_path / "models", "--licence", "MIT") == 1
    assert_refused(message, tmp_path / "models", capsys)


def without_layer(folder):
    state = load_file(folder / "model.safetensors")
    del state["classifier.dense.bias"]
    save_file(state, folder / "model.safetensors")


BROKEN_DIMENSIONS = {
    "other outputs": (
        {"id2label": {"0": "arousal", "1": "valence", "2": "age"}},
        None,
        "not arousal, dominance, valence",
    ),
    "two outputs": ({"id2label": {"0": "arousal", "1": "valence"}}, None, "3 outputs, config.json names 2"),
    "a layer is missing": ({}, without_layer, "lacks classifier.dense.bias"),
    "of HuBERT": ({"model_type": "hubert"}, None, "no classifier"),
    "other sizes": ({"hidden_size": 48}, None, "transformers cannot read it"),
}


@pytest.mark.parametrize("case", BROKEN_DIMENSIONS)
def test_a_broken_dimensional_folder_is_refused_in_one_line(case, tmp_path, capsys):
    folder = write_dimensional(tmp_path / "msp-dim")
    values, spoil, message = BROKEN_DIMENSIONS[case]
    change(folder / "config.json", **values)
    if spoil:
        spoil(folder)
    assert run_import(folder, tmp_path / "models") == 1
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


def test_labels_are_not_for_dimensions(tmp_path, capsys):
    folder = write_dimensional(tmp_path / "msp-dim")
    assert run_import(folder, tmp_path / "models", "--labels", "anger,neutral,joy") == 1
    assert "this model has none" in capsys.readouterr().err


def test_a_corpus_of_classes_does_not_score_dimensions(raw, tmp_path, capsys):
    assert run_import(raw, tmp_path / "models", "--licence", "MIT") == 0
    corpus = write_small_corpus(tmp_path / "small", 1)
    words = ["evaluate", str(tmp_path / "models/raw/1"), "--corpus", str(corpus), "--partition", "test"]
    assert main(words) == 1
    assert "none of the classes of raw: it answers dimensions alone" in capsys.readouterr().err
