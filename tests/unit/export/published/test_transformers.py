import json
import shutil
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
import transformers

from export.__main__ import main
from export.classifiers.head import read_head
from export.evaluation.voice import synthetic_voice
from export.graph.high_pass import OFFSET_AND_MAINS, high_passed
from service.card import read_card, write_card
from service.pipeline.device.session import Session
from service.registry import Registry
from service.settings import Settings
from tests.plain_wav import tone, wav
from tests.support.published import CLASSES, NETWORKS, assert_refused, change, write_published
from tests.support.small_corpus import EMOTIONS, write_small_corpus
from tests.support.tiny_services import serving_tiny
from tests.tiny_models import write_speech_bundle, write_voice_bundle

RATE_HZ = 16_000
OURS = ["neutral", "happiness", "anger", "sadness"]


def run_import(folder, out, *more):
    return main(["import", str(folder), "--out", str(out), *map(str, more)])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tiny wav2vec 2.0 folder, not to be changed."""
    return write_published(tmp_path_factory.mktemp("published") / "tiny-er", "wav2vec2-base")


@pytest.fixture(scope="module")
def imported(base, tmp_path_factory):
    """A folder with its bundle, not to be changed."""
    models = tmp_path_factory.mktemp("imported")
    assert run_import(base, models) == 0
    return models


@pytest.fixture
def folder(base, tmp_path):
    """The same, to be broken."""
    return shutil.copytree(base, tmp_path / "tiny-er")


@pytest.mark.parametrize("network", NETWORKS)
def test_a_bundle_answers_as_the_pipeline_of_transformers(network, tmp_path):
    published = write_published(tmp_path / network, network)
    assert run_import(published, tmp_path / "models") == 0
    bundle = tmp_path / "models" / network / "1"
    session = Session(bundle / "model.onnx", device="cpu", threads=1)
    session.require(("waveform", "lengths"), ("probabilities", "embedding"))
    classify = transformers.pipeline("audio-classification", model=str(published))
    clips = [synthetic_voice(seconds, RATE_HZ, seed) for seed, seconds in ((7, 0.41), (8, 1.7))]
    waveform = np.full((2, 40_000), 0.5, np.float32)  # what lies beyond a clip must not count
    for row, clip in enumerate(clips):
        waveform[row, : len(clip)] = clip
        scores = classify({"raw": clip.copy(), "sampling_rate": RATE_HZ}, top_k=None)
        expected = {entry["label"]: entry["score"] for entry in scores}
        alone = session.run({"waveform": clip[None], "lengths": np.array([len(clip)])}, ("probabilities",))
        assert alone["probabilities"][0] == pytest.approx([expected[name] for name in CLASSES], abs=1e-4)
        waveform[row, : len(clip)] = clip
    lengths = np.array(list(map(len, clips)))
    together = session.run({"waveform": waveform, "lengths": lengths}, ("probabilities",))["probabilities"]
    assert together[1] == pytest.approx(alone["probabilities"][0], abs=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3  # the network hears the difference


def test_the_card_tells_what_was_imported(base, tmp_path):
    (shutil.copytree(base, tmp_path / "tiny-er") / "LICENSE").write_text("Do as you like.")
    assert run_import(tmp_path / "tiny-er", tmp_path / "models") == 0
    card = read_card(tmp_path / "models/tiny-er/1")
    assert card.labels == OURS
    assert card.licence.spdx == "Apache-2.0"
    assert card.licence.commercial_use
    assert card.settings["licence_text"] == "Do as you like."
    assert card.settings["published_labels"] == list(CLASSES)
    (digest,) = [line.split()[0] for line in card.settings["files"] if line.endswith("  model.safetensors")]
    assert digest == card.members[0].weights_sha256
    assert card.parity.largest_difference < 1e-4


def test_the_licence_policy_withholds_what_forbids_commercial_use(tmp_path):
    write_published(tmp_path / "theirs", "wav2vec2-base", licence="cc-by-nc-sa-4.0")
    assert run_import(tmp_path / "theirs", tmp_path / "models") == 0
    settings = Settings(model_dirs=[tmp_path / "models"], licence_policy="commercial")
    (withheld,) = Registry.load(settings).withheld
    assert (withheld.name, "CC-BY-NC-SA-4.0" in withheld.reason) == ("theirs", True)


def test_a_pickle_of_tensors_is_read(folder, tmp_path):
    model = transformers.Wav2Vec2ForSequenceClassification.from_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert run_import(folder, tmp_path / "models") == 0


def test_classes_that_nobody_maps_can_be_named(tmp_path, capsys):
    published = write_published(tmp_path / "odd", "wav2vec2-base", labels=("LABEL_0", "LABEL_1", "LABEL_2"))
    assert run_import(published, tmp_path / "models") == 1
    assert "LABEL_0, LABEL_1, LABEL_2 are no emotions" in capsys.readouterr().err
    assert run_import(published, tmp_path / "models", "--labels", "anger,neutral") == 1
    assert "--labels names 2 classes, the model has 3" in capsys.readouterr().err
    assert run_import(published, tmp_path / "models", "--labels", "anger,neutral,relief") == 0
    assert read_card(tmp_path / "models/odd/1").labels == ["anger", "neutral", "relief"]


def without(name):
    return lambda folder: (folder / name).unlink()


def cut_short(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def garbled(folder):
    (folder / "model.safetensors").write_bytes(b"\xff" * 200)


def executable_pickle(folder):
    without("model.safetensors")(folder)
    torch.save({"weights": print}, folder / "pytorch_model.bin")


def other_weights(folder):
    write_published(folder.parent / "other", "hubert-base")
    shutil.copy(folder.parent / "other/model.safetensors", folder)


def encoder_alone(folder):
    model = transformers.Wav2Vec2ForSequenceClassification.from_pretrained(folder)
    model.wav2vec2.save_pretrained(folder)


def other_sizes(folder):
    change(folder / "config.json", intermediate_size=64)


BROKEN = {
    "no folder": (shutil.rmtree, "no such folder"),
    "no config": (without("config.json"), "no config.json"),
    "config is no JSON": (lambda folder: (folder / "config.json").write_text("{"), "config.json: not JSON"),
    "no front end": (without("preprocessor_config.json"), "no preprocessor_config.json"),
    "no weights": (without("model.safetensors"), "neither model.safetensors nor pytorch_model.bin"),
    "cut short": (cut_short, "the file is broken"),
    "garbled": (garbled, "not a safetensors file"),
    "pickle that would run": (executable_pickle, "not a file of tensors alone"),
    "weights of another network": (other_weights, "none begins with 'wav2vec2.'"),
    "encoder alone": (encoder_alone, "no classifier"),
    "another number of outputs": (
        lambda folder: change(folder / "config.json", id2label={"0": "ang", "1": "sad", "2": "neu"}),
        "4 outputs, config.json names 3",
    ),
    "labels with a gap": (lambda f: change(f / "config.json", id2label={"0": "ang", "2": "sad"}), "'id2label'"),
    "two classes with one name": (
        lambda f: change(f / "config.json", id2label={"0": "ang", "1": "angry", "2": "sad", "3": "neu"}),
        "two of its classes get one name",
    ),
    "another kind of network": (lambda f: change(f / "config.json", model_type="bert"), "model_type 'bert'"),
    "other sizes": (other_sizes, "transformers cannot read it"),
    "adapter": (lambda f: change(f / "config.json", add_adapter=True), "add_adapter"),
    "rate of music": (lambda f: change(f / "preprocessor_config.json", sampling_rate=44_100), "sampling_rate is 44100"),
    "front end of another": (
        lambda f: change(f / "preprocessor_config.json", feature_extractor_type="WhisperFeatureExtractor"),
        "takes Wav2Vec2FeatureExtractor",
    ),
    "no licence": (without("README.md"), "names no licence"),
    "odd model card": (lambda f: (f / "README.md").write_text("---\na: [\n---\n"), "its header is no YAML"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_refused_in_one_line(case, folder, tmp_path, capsys):
    spoil, message = BROKEN[case]
    spoil(folder)
    assert run_import(folder, tmp_path / "models") == 1
    assert_refused(message, tmp_path / "models", capsys)


def test_an_encoder_that_does_not_fit_into_memory_is_refused(folder, tmp_path, capsys):
    file = folder / "model.safetensors"
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    header["large"] = {"dtype": "F32", "shape": [10**11], "data_offsets": [end, end + 4 * 10**11]}
    text = json.dumps(header).encode()
    with file.open("wb") as stream:  # a file of 400 GB that is a hole on the disk
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + end + 4 * 10**11)
    assert run_import(folder, tmp_path / "models") == 1
    assert "the import takes about 2000.0 GB of memory" in capsys.readouterr().err


def test_tensors_that_one_file_cannot_hold_lie_beside_the_graph(base, imported, tmp_path, monkeypatch):
    monkeypatch.setattr("export.published.bundle.MAX_GRAPH_BYTES", 10_000)
    assert run_import(base, tmp_path / "models") == 0
    bundle = tmp_path / "models/tiny-er/1"
    assert {entry.role for entry in read_card(bundle).files.values()} == {"model", "tensors"}
    inputs = {"waveform": synthetic_voice(1.0, RATE_HZ, 3)[None], "lengths": np.array([RATE_HZ])}
    answers = [
        Session(folder / "tiny-er/1/model.onnx", device="cpu").run(inputs, ("probabilities",))["probabilities"]
        for folder in (imported, tmp_path / "models")
    ]
    assert (answers[0] == answers[1]).all()
    assert main(["verify", str(bundle), "--published", str(base)]) == 0
    assert Registry.load(Settings(model_dirs=[tmp_path / "models"])).bundles
    assert main(["triton", str(bundle), "--out", str(tmp_path / "repository")]) == 0
    copy = tmp_path / "repository/tiny-er/1/model.onnx"
    assert (Session(copy, device="cpu").run(inputs, ("probabilities",))["probabilities"] == answers[0]).all()


def test_a_bundle_is_verified_with_the_files_that_it_was_made_of(imported, folder, capsys):
    verify = ["verify", str(imported / "tiny-er/1")]
    assert main([*verify, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["published_difference"] is None
    assert main([*verify, "--json", "--published", str(folder)]) == 0
    assert 0.0 < json.loads(capsys.readouterr().out)["published_difference"] < 1e-4
    other_weights_of_the_same(folder)
    assert main([*verify, "--published", str(folder)]) == 1
    assert "these are not the weights that tiny-er 1 is made of" in capsys.readouterr().err


def other_weights_of_the_same(folder):
    model = transformers.Wav2Vec2ForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        model.classifier.bias.add_(1.0)
    model.save_pretrained(folder)


def test_the_service_answers_with_it(imported, tmp_path):
    shutil.copytree(imported, tmp_path / "models")
    write_voice_bundle(tmp_path / "models")
    write_speech_bundle(tmp_path / "models")
    sound = {"content": wav(tone(2.0, amplitude=0.6)), "headers": {"Content-Type": "audio/wav"}}
    with serving_tiny(tmp_path / "models") as server:
        query = {"model": "tiny-er", "timeline": "true"}
        answer = httpx.post(f"{server.url}/v1/audio/emotion", params=query, **sound)
        assert answer.status_code == 200, answer.text
        assert answer.json()["labels"] == OURS
        assert sum(answer.json()["probabilities"]) == pytest.approx(1.0, abs=1e-5)
        embedding = httpx.post(f"{server.url}/v1/audio/embedding", params={"model": "tiny-er"}, **sound)
        assert embedding.json()["dimensions"] == 32


@pytest.mark.parametrize("network", ["wav2vec2-base", "hubert-large", "w2v-bert", "whisper"])
def test_an_encoder_alone_is_an_embedding(network, tmp_path, capsys):
    folder = write_published(tmp_path / network, network)
    if network == "wav2vec2-base":  # as encoders are published; the others leave a head out
        encoder_alone(folder)
    assert run_import(folder, tmp_path / "models", "--embedding") == 0
    bundle = tmp_path / "models" / network / "1"
    card = read_card(bundle)
    assert (card.task, card.labels) == ("speech-embedding", [])
    clip = synthetic_voice(1.3, RATE_HZ, 5)
    session = Session(bundle / "model.onnx", device="cpu")
    found = session.run({"waveform": clip[None], "lengths": np.array([len(clip)])}, session.output_names)
    inputs = transformers.AutoFeatureExtractor.from_pretrained(folder)(clip, sampling_rate=RATE_HZ, return_tensors="pt")
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        states = (model.encoder if network == "whisper" else model)(**inputs).last_hidden_state[0]
    if network == "w2v-bert":
        states = states[inputs.attention_mask[0].bool()]
    assert list(found) == ["embedding"]
    assert found["embedding"][0] == pytest.approx(states.mean(0).numpy(), abs=3e-4)
    assert main(["verify", str(bundle), "--published", str(folder)]) == 0
    assert run_import(folder, tmp_path / "models", "--embedding", "--labels", "anger,neutral") == 1
    assert "this model has none" in capsys.readouterr().err


def test_own_classes_are_trained_on_an_encoder(tmp_path, capsys):
    folder = write_published(tmp_path / "hubert", "hubert-base")
    corpus, models, table, head = (tmp_path / name for name in ("clinic", "models", "features.csv", "head"))
    write_small_corpus(corpus)
    assert run_import(folder, models, "--embedding") == 0
    encoder = str(models / "hubert" / "1")
    assert main(["features", "--model", encoder, "--corpus", str(corpus), "--out", str(table)]) == 0
    assert main(["train", "deep-spectrum", "--features", str(table), "--out", str(head)]) == 0
    assert main(["export", "deep-spectrum", "--head", str(head), "--extractor", encoder, "--out", str(models)]) == 0
    bundle = models / "hubert-clinic" / "1"
    assert tuple(read_card(bundle).labels) == EMOTIONS
    assert main(["verify", str(bundle)]) == 0
    clip = synthetic_voice(1.3, RATE_HZ, 5)

    def answer(folder, output, sound):
        session = Session(folder / "model.onnx", device="cpu")
        return session.run({"waveform": sound[None], "lengths": np.array([len(sound)])}, (output,))[output]

    embedding = answer(models / "hubert" / "1", "embedding", high_passed(clip, RATE_HZ, OFFSET_AND_MAINS))
    expected = read_head(head).probabilities(embedding.astype(np.float64))
    assert answer(bundle, "probabilities", clip)[0] == pytest.approx(expected[0], abs=1e-4)
    assert read_card(bundle).speech.high_pass_hz == OFFSET_AND_MAINS.below_hz

    card = read_card(Path(encoder))
    write_card(card.model_copy(update={"speech": card.speech.model_copy(update={"high_pass_hz": 70.0})}), Path(encoder))
    again = ["export", "deep-spectrum", "--head", str(head), "--extractor", encoder, "--name", "again"]
    assert main([*again, "--out", str(models)]) == 0  # one that filters by itself gets no second filter
    unfiltered = read_head(head).probabilities(answer(models / "hubert" / "1", "embedding", clip).astype(np.float64))
    assert answer(models / "again" / "1", "probabilities", clip)[0] == pytest.approx(unfiltered[0], abs=1e-5)
    assert read_card(models / "again" / "1").speech.high_pass_hz == 70.0
    capsys.readouterr()
    other = write_published(tmp_path / "other", "hubert-large")
    assert run_import(other, models, "--embedding") == 0
    arguments = ["export", "deep-spectrum", "--head", str(head), "--extractor", str(models / "other" / "1")]
    assert main([*arguments, "--out", str(models)]) == 1
    assert "hubert" in capsys.readouterr().err
