import dataclasses
import json

import pytest

from export.__main__ import main
from export.bundle import precision
from service.card import read_card
from service.registry import Registry
from service.settings import Settings
from tests.support.published import write_dimensional, write_published
from tests.support.small_corpus import write_small_corpus
from tests.tiny_models import write_speech_bundle


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tiny HuBERT of three classes as a bundle, and a corpus of these; not to be changed."""
    place = tmp_path_factory.mktemp("precision")
    write_published(place / "tiny", "hubert-base", labels=("ang", "neu", "sad"))
    assert main(["import", str(place / "tiny"), "--out", str(place / "models")]) == 0
    write_small_corpus(place / "small", 2)
    return place


@pytest.fixture
def reduce(place, tmp_path):
    def run(*words, model="models/tiny/1"):
        return main(["export", "reduced", "--model", str(place / model), "--out", str(tmp_path / "models"), *words])

    return run


def test_half_precision_halves_the_file_and_keeps_labels(place, reduce, tmp_path, capsys):
    assert reduce("--precision", "fp16") == 0
    told = capsys.readouterr().err
    assert "0 labels changed" in told
    first, card = read_card(place / "models/tiny/1"), read_card(tmp_path / "models/tiny-fp16/1")
    assert card.files["model.onnx"].size_bytes < 0.85 * first.files["model.onnx"].size_bytes
    assert card.settings | {"precision": "fp16", "reduced_from": "tiny/1"} == card.settings
    assert 0 < card.parity.largest_difference <= card.parity.tolerance == 2e-3
    assert card.parity.against == "tiny/1 in float32 on 3 recordings, each alone"
    assert {one.metric for one in card.measurements} == {"output_difference", "label_changes"}
    assert (card.labels, card.members, card.licence.spdx) == (first.labels, first.members, first.licence.spdx)
    assert card.licence.attribution.endswith("exported to ONNX by Emoserve. Weights stored in fp16.")
    assert card.check_clip.outputs != first.check_clip.outputs
    assert Registry.load(Settings(model_dirs=[tmp_path / "models"])).bundles


def test_eight_bits_tell_what_they_cost_a_corpus(place, reduce, tmp_path, capsys):
    assert reduce("--precision", "int8") == 1
    assert "int8 needs --corpus" in capsys.readouterr().err
    assert reduce("--precision", "int8", "--corpus", str(place / "small"), "--name", "smaller") == 0
    assert "small devel: UAR " in capsys.readouterr().err
    card = read_card(tmp_path / "models/smaller/1")
    rows = {one.metric: one for one in card.measurements}
    assert (rows["label_agreement"].data, rows["label_agreement"].split, rows["label_agreement"].n) == (
        "small",
        "devel",
        6,
    )
    assert abs(rows["unweighted_average_recall_loss"].value) <= precision.UAR_LOSS
    assert rows["output_difference"].value > 1e-3  # the figure is of this model: 8 bits are heard


def test_it_is_verified_with_the_bundle_that_it_was_made_of(place, capsys):
    models = place / "models"
    words = ["export", "reduced", "--model", str(models / "tiny/1"), "--precision", "fp16", "--name", "half"]
    assert main([*words, "--out", str(models)]) == 0
    capsys.readouterr()
    assert main(["verify", "--json", str(models / "half/1")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 0 < found["float32_difference"] <= found["float32_tolerance"] == 2e-3
    assert found["batch_difference"] <= 1e-5


GATES = {
    "an output differs": ("fp16", "TOLERANCES", {"fp16": 1e-9, "int8": 1e-9}, "tiny in float32 differ by"),
    "no number": ("fp16", "scaled_difference", lambda *_: float("nan"), "differ by nan"),
    "recall falls": ("int8", "UAR_LOSS", -1.0, "UAR on small falls from"),
    "a batch counts": ("fp16", "BATCH_TOLERANCE", -1.0, "itself in a batch"),
}


@pytest.mark.parametrize("case", GATES)
def test_nothing_is_written_when_a_gate_fails(case, place, reduce, tmp_path, capsys, monkeypatch):
    kind, name, value, message = GATES[case]
    monkeypatch.setattr(precision, name, value)
    assert reduce("--precision", kind, "--corpus", str(place / "small")) == 1
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "models").exists()


def test_another_label_fails_the_gate(place, reduce, tmp_path, capsys, monkeypatch):
    compared = precision._compared
    monkeypatch.setattr(precision, "_compared", lambda *args: dataclasses.replace(compared(*args), changed=1))
    assert reduce("--precision", "fp16") == 1
    assert "1 of 3 recordings get another label" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_what_cannot_be_reduced_is_told_before_any_work(place, reduce, tmp_path, capsys):
    def told(*words, **more):
        assert reduce("--precision", "fp16", *words, **more) == 1
        return capsys.readouterr().err.strip().splitlines()[-1]

    assert "is not a bundle" in told(model="models/none/1")
    write_dimensional(place / "plane")
    assert main(["import", str(place / "plane"), "--out", str(place / "models")]) == 0
    capsys.readouterr()
    assert "has no classes that a corpus could score" in told("--corpus", str(place / "small"), model="models/plane/1")
    write_small_corpus(place / "other", 1, emotions=("joy", "relief"))
    assert "other has none of the classes of tiny: anger" in told("--corpus", str(place / "other"))
    write_speech_bundle(place / "models", "toy")
    assert "no float32 weights that could be stored" in told(model="models/toy/1")
    assert (
        main(
            [
                "export",
                "reduced",
                "--model",
                str(place / "models/tiny/1"),
                "--precision",
                "fp16",
                "--out",
                str(tmp_path),
            ]
        )
        == 0
    )
    capsys.readouterr()
    assert "has small weights already; take tiny/1" in told(model=tmp_path / "tiny-fp16/1")
