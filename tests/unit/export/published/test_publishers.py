import contextlib
import shutil

import numpy as np
import pytest
import torch
import yaml

from export.__main__ import main
from export.evaluation.voice import synthetic_voice
from service.card import read_card
from service.pipeline.device.session import Session
from tests.support.published import assert_refused
from tests.support.publishers import (
    SPEECHBRAIN_CLASSES,
    TOKENS,
    emotion2vec_config,
    write_emotion2vec,
    write_speechbrain,
)

RATE_HZ = 16_000
OURS = dict(
    zip(
        TOKENS,
        ("anger", "disgust", "fear", "happiness", "neutral", "other", "sadness", "surprise", "unknown"),
        strict=True,
    )
)
CLIPS = [synthetic_voice(seconds, RATE_HZ, seed) for seed, seconds in ((7, 0.41), (8, 1.7))]


def run_import(folder, out, *more):
    return main(["import", str(folder), "--out", str(out), *map(str, more)])


def answers(bundle):
    """By output the rows for both clips in one batch, whose padding is loud."""
    lengths = np.array(list(map(len, CLIPS)))
    waveform = np.full((2, lengths.max() + 999), 0.7, np.float32)
    for row, clip in enumerate(CLIPS):
        waveform[row, : len(clip)] = clip
    session = Session(bundle / "model.onnx", device="cpu", threads=1)
    return session.run({"waveform": waveform, "lengths": lengths}, session.output_names)


def test_speechbrains_folder_answers_as_its_package(tmp_path):
    theirs = write_speechbrain(tmp_path / "iemocap")
    assert run_import(tmp_path / "iemocap", tmp_path / "models") == 0
    bundle = tmp_path / "models/iemocap/1"
    found = answers(bundle)
    for row, clip in enumerate(CLIPS):
        probabilities, pooled = theirs.classify(torch.from_numpy(clip)[None])
        assert found["probabilities"][row] == pytest.approx(probabilities[0].numpy(), abs=1e-4)
        assert found["embedding"][row] == pytest.approx(
            pooled[0].numpy(), abs=2e-4
        )  # 9e-5 of it is its pooling's noise
    assert np.abs(found["probabilities"][0] - found["probabilities"][1]).max() > 1e-3
    card = read_card(bundle)
    assert card.labels == ["neutral", "anger", "happiness", "sadness"]
    assert card.settings["published_labels"] == list(SPEECHBRAIN_CLASSES)
    assert {"wav2vec2.ckpt", "model.ckpt"} <= {line.split("  ")[1] for line in card.settings["files"]}
    assert main(["verify", str(bundle), "--published", str(tmp_path / "iemocap")]) == 0


@pytest.fixture(scope="module")
def emotion2vec(tmp_path_factory):
    """A small emotion2vec folder, not to be changed."""
    folder = tmp_path_factory.mktemp("funasr") / "tiny"
    write_emotion2vec(folder)
    return folder


KINDS = {
    "as published": ({}, TOKENS, ""),
    "fine-tuned, with outputs of no use": ({}, (*TOKENS[:4], "unuse_0", "<unk>"), "d2v_model."),
    "norms first, scales by layer": ({"layer_norm_first": True, "learned_alibi_scale_per_layer": True}, TOKENS, ""),
    "norm over time, one scale, six heads": (
        {
            "extractor_mode": "default",
            "learned_alibi_scale_per_head": False,
            "num_heads": 6,
            "num_alibi_heads": 6,
            "embed_dim": 24,
        },
        TOKENS,
        "",
    ),
    "without ALiBi, even kernels": ({"use_alibi_encoder": False, "conv_pos_width": 12}, TOKENS, ""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_emotion2vec_answers_as_funasr(kind, tmp_path):
    changed, tokens, begin = KINDS[kind]
    theirs = write_emotion2vec(tmp_path / "tiny", tokens, emotion2vec_config(**changed), begin)
    assert run_import(tmp_path / "tiny", tmp_path / "models") == 0
    found = answers(tmp_path / "models/tiny/1")
    used = [place for place, token in enumerate(tokens) if not token.startswith("unuse")]
    for row, clip in enumerate(CLIPS):
        with torch.inference_mode():
            samples = torch.nn.functional.layer_norm(torch.from_numpy(clip), (len(clip),))[None]
            pooled = theirs.extract_features(samples)["x"].mean(1)
            probabilities = theirs.proj(pooled)[0, used].softmax(0)
        assert found["probabilities"][row] == pytest.approx(probabilities.numpy(), abs=1e-4)
        assert found["embedding"][row] == pytest.approx(pooled[0].numpy(), abs=1e-4)
    assert np.abs(found["probabilities"][0] - found["probabilities"][1]).max() > 1e-3
    labels = read_card(tmp_path / "models/tiny/1").labels
    assert labels == [OURS[tokens[place]] for place in used]


@pytest.mark.parametrize("publisher", ["speechbrain", "emotion2vec"])
def test_an_encoder_alone_is_an_embedding(publisher, tmp_path, capsys):
    folder = tmp_path / "tiny"
    if publisher == "speechbrain":
        write_speechbrain(folder)
        (folder / "model.ckpt").unlink()
        (folder / "label_encoder.txt").unlink()
    else:
        write_emotion2vec(folder, tokens=())
    assert run_import(folder, tmp_path / "models") == 1
    assert ("label_encoder.txt" if publisher == "speechbrain" else "--embedding") in capsys.readouterr().err
    assert run_import(folder, tmp_path / "models", "--embedding") == 0
    card = read_card(tmp_path / "models/tiny/1")
    assert (card.task, card.labels, card.members[0].dimensions) == ("speech-embedding", [], 32)
    assert main(["verify", str(tmp_path / "models/tiny/1"), "--published", str(folder)]) == 0
    assert run_import(folder, tmp_path / "models", "--embedding", "--labels", "anger,neutral") == 1
    assert "this model has none" in capsys.readouterr().err


def text(name, old, new):
    def spoil(folder):
        before = (folder / name).read_text(encoding="utf-8")
        assert old in before
        (folder / name).write_text(before.replace(old, new), encoding="utf-8")

    return spoil


def conf(**changed):
    return lambda folder: (folder / "config.yaml").write_text(yaml.safe_dump(emotion2vec_config(**changed)))


def without(name):
    return lambda folder: (folder / name).unlink()


def executable(name):
    return lambda folder: torch.save({"weights": print}, folder / name)


def state_of_another(name):
    return lambda folder: torch.save({"some.weight": torch.zeros(3)}, folder / name)


def on_the_known_encoder(folder):
    text(HYPER, "tiny/encoder", "facebook/wav2vec2-base")(folder)
    (folder / "config.json").write_text('{"speechbrain_interface": "EncoderWav2vecClassifier"}')
    text(HYPER, "encoder_dim: 32", "encoder_dim: 768")(folder)


HYPER = "hyperparams.yaml"
BROKEN_SPEECHBRAIN = {
    "no YAML": (lambda folder: (folder / HYPER).write_text("a: ["), "hyperparams.yaml: not YAML"),
    "another encoder": (
        text(HYPER, "huggingface_wav2vec.HuggingFaceWav2Vec2", "ECAPA_TDNN.ECAPA_TDNN"),
        "wav2vec2 is new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN, not SpeechBrain's HuggingFaceWav2Vec2",
    ),
    "a class of somebody else": (
        text(HYPER, "!new:speechbrain.nnet.linear.Linear", "!new:os.system"),
        "is new:os.system",
    ),
    "deviations": (text(HYPER, "return_std: False", "return_std: True"), "avg_pool gives deviations too"),
    "a value that is not known": (text(HYPER, "bias: False", "combine_dims: True"), "output_mlp has combine_dims"),
    "another number of classes": (text(HYPER, "out_n_neurons: 4", "out_n_neurons: 5"), "n_neurons of output_mlp is 5"),
    "an encoder without its config": (without("config.json"), "put its config.json and preprocessor_config.json"),
    "smaller than the encoder that is named": (on_the_known_encoder, "wanted is [512, 1, 10]"),
    "no labels": (without("label_encoder.txt"), "label_encoder.txt: not labels"),
    "labels with a gap": (text("label_encoder.txt", "=> 3", "=> 4"), "does not number the classes"),
    "no weights": (without("wav2vec2.ckpt"), "no wav2vec2.ckpt"),
    "weights of another network": (state_of_another("wav2vec2.ckpt"), "of another network"),
    "a head of another network": (state_of_another("model.ckpt"), "of another network"),
    "a pickle that would run": (executable("model.ckpt"), "not a file of tensors alone"),
    "no licence": (without("README.md"), "names no licence"),
}
BROKEN_EMOTION2VEC = {
    "no YAML": (lambda folder: (folder / "config.yaml").write_text("a: ["), "config.yaml: not YAML"),
    "another model of FunASR": (text("config.yaml", "Emotion2vec", "Paraformer"), "model is Paraformer"),
    "a spec that would run": (
        conf(feature_encoder_spec="__import__('os').system('true')"),
        "not a config of Emotion2vec",
    ),
    "a value that is not known": (conf(conv_pos_pre_ln=True), "conv_pos_pre_ln has a value"),
    "a value is missing": (text("config.yaml", "prenet_depth", "depth_of_prenet"), "KeyError('prenet_depth')"),
    "other sizes": (conf(embed_dim=64), "of another network"),
    "no weights": (without("model.pt"), "no model.pt"),
    "cut short": (
        lambda folder: (folder / "model.pt").write_bytes((folder / "model.pt").read_bytes()[:-999]),
        "not a file of",
    ),
    "weights of another network": (state_of_another("model.pt"), "no classifier"),
    "a pickle that would run": (executable("model.pt"), "not a file of tensors alone"),
    "no tokens": (without("tokens.txt"), "no tokens.txt"),
    "another number of tokens": (
        text("tokens.txt", "<unk>", "<unk>\n困惑/confused"),
        "proj.weight is [9, 32], wanted is [10, 32]",
    ),
    "tokens nobody maps": (text("tokens.txt", "生气/angry", "生气"), "生气 are no emotions"),
    "no licence": (without("README.md"), "names no licence"),
}


@pytest.fixture(scope="module")
def speechbrain(tmp_path_factory):
    """A small folder of SpeechBrain, not to be changed."""
    folder = tmp_path_factory.mktemp("speechbrain") / "tiny"
    write_speechbrain(folder)
    return folder


@pytest.mark.parametrize(
    ("publisher", "case"),
    [("speechbrain", case) for case in BROKEN_SPEECHBRAIN] + [("emotion2vec", case) for case in BROKEN_EMOTION2VEC],
)
def test_a_broken_folder_is_refused_in_one_line(publisher, case, request, tmp_path, capsys):
    folder = shutil.copytree(request.getfixturevalue(publisher), tmp_path / "tiny")
    spoil, message = (BROKEN_SPEECHBRAIN if publisher == "speechbrain" else BROKEN_EMOTION2VEC)[case]
    spoil(folder)
    with contextlib.chdir(tmp_path):
        assert run_import(folder, tmp_path / "models") == 1
    assert_refused(message, tmp_path / "models", capsys)
