"""Users' mistakes: the commands answer with one line that names the cause, and an exit status, never a trace."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import save_file

from export.__main__ import main
from export.deep_spectrum.weights.load import random_tensors
from export.features.files import read_table, write_table
from tests.shared_material import ROOT
from tests.support.small_corpus import write_small_corpus
from tests.tiny_models import write_speech_bundle

EXPECTED, USAGE, SOME_LEFT_OUT = 1, 2, 3


def write_voice(file: Path, duration_s: float = 0.5) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(0).normal(0, 0.2, round(duration_s * 16_000)).astype(np.float32)
    soundfile.write(file, samples, 16_000)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, a corpus and its features; damaged and useless things of all kinds beside them."""
    folder = tmp_path_factory.mktemp("bad")
    write_speech_bundle(folder / "models", "tiny", max_length_s=2.0)
    write_small_corpus(folder / "small")
    write_small_corpus(folder / "single", emotions=("anger",))
    words = ("features", "--device", "cpu", "--model", folder / "models/tiny/1", "--data-licence", "CC0-1.0")
    for name in ("small", "single"):
        assert main(list(map(str, (*words, "--corpus", folder / name, "--out", folder / f"{name}.csv")))) == 0
    for name, value in (("nan", np.nan), ("infinite", np.inf)):
        table = read_table(folder / "small.csv")
        table.values[3, 1] = value
        write_table(table, folder / f"{name}.csv")
    (folder / "empty").mkdir()
    write_voice(folder / "mixed/anger/good.wav")
    (folder / "mixed/anger/broken.wav").write_bytes(b"RIFF and nothing more")
    for blip in ("a", "b"):
        write_voice(folder / f"blips/anger/{blip}.wav", 0.01)
    soundfile.write(folder / "blips/anger/mute.wav", np.zeros(16_000, np.float32), 16_000)
    write_voice(folder / "plain/voice.wav")
    (folder / "unlabelled.csv").write_text("file,speaker\nvoice.wav,1\n", encoding="utf-8")
    _write_without_labels(folder / "small.csv", folder / "no-labels.csv")
    (folder / "odd/1").mkdir(parents=True)
    (folder / "odd/1/card.json").write_text('{"name": "odd"}')
    (folder / "damaged.onnx").write_bytes(b"not a graph")
    save_file(random_tensors("squeezenet", 1), folder / "squeezenet.safetensors")
    return folder


def _write_without_labels(source: Path, target: Path) -> None:
    with source.open(encoding="utf-8", newline="") as lines:
        rows = [{key: value for key, value in row.items() if key != "label"} for row in csv.DictReader(lines)]
    with target.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        writer.writerows(rows)


TINY = ("features", "--model", "{0}/models/tiny/1", "--out", "{0}/never.csv", "--corpus")
HEAD = ("train", "deep-spectrum", "--out", "{0}/never", "--features")
NETWORK = ("--weights", "random:1", "--out", "{0}/never")

CASES = {
    "no recording is long enough": ((*TINY, "{0}/blips"), "no recording is long enough for the network and sounds"),
    "empty folder": ((*TINY, "{0}/empty"), "empty: no recordings"),
    "no folder": ((*TINY, "{0}/nowhere"), "nowhere: no such folder"),
    "table without labels": ((*TINY, "{0}/plain", "--labels", "{0}/unlabelled.csv"), "needs a column 'file' and a"),
    "broken recording": ((*TINY, "{0}/mixed"), "mixed/anger/broken.wav: cannot be read as audio"),
    "not a bundle": (("features", "--model", "{0}/empty", *TINY[3:], "{0}/small"), "is not a bundle"),
    "odd card": (("features", "--model", "{0}/odd/1", *TINY[3:], "{0}/small"), "card.json"),
    "unknown format": ((*TINY, "{0}/small", "--out", "{0}/never.txt"), "are written as .csv, .arff, .parquet"),
    "one class": ((*HEAD, "{0}/single.csv"), "a classifier needs two classes, 'train' has 1: anger"),
    "not a number": ((*HEAD, "{0}/nan.csv"), "not finite, the first is of small/train-anger-3.wav"),
    "infinite": ((*HEAD, "{0}/infinite.csv"), "not finite, the first is of small/train-anger-3.wav"),
    "no labels": ((*HEAD, "{0}/no-labels.csv"), "rows have no label, the first is of small/train-anger-0.wav"),
    "unknown colour map": (
        ("export", "squeezenet", *NETWORK, "--colour-map", "rainbows"),
        "matplotlib has no colour map 'rainbows'",
    ),
    "unknown preset": (("export", "squeezenet", *NETWORK, "--preset", "mine"), "choose one of ottl-2020, emonet-2021"),
    "bands too high": (("export", "squeezenet", *NETWORK, "--high-hz", "9000"), "do not fit below half of 16000 Hz"),
    "unknown mel formula": (("export", "squeezenet", *NETWORK, "--mel-formula", "bark"), "there are slaney, htk"),
    "unknown layer": (("export", "squeezenet", *NETWORK, "--layer", "features.99"), "near it are features.9, "),
    "layer too long": (("export", "squeezenet", *NETWORK, "--layer", "features.0"), "gives 788544 numbers, more than"),
    "weights of another network": (
        ("export", "mobilenet_v2", "--weights", "{0}/squeezenet.safetensors", *NETWORK[2:]),
        "squeezenet.safetensors is not mobilenet_v2: it has no features.0.0.weight",
    ),
    "damaged weights": (("export", "squeezenet", "--weights", "{0}/damaged.onnx", *NETWORK[2:]), "damaged.onnx"),
    "layers of an unknown network": (("networks", "--layers", "vgg17"), "there is no extractor 'vgg17'"),
    "unknown head": (
        ("export", "deep-spectrum", "--head", "{0}/empty", "--weights", "random:1", "--out", "{0}/never"),
        "no head there, head.json is missing",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_names_the_cause(place: Path, capsys: pytest.CaptureFixture, case: str) -> None:
    words, cause = CASES[case]
    assert main([word.format(place) for word in words]) == EXPECTED
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("emoserve-export: ")]
    assert cause in line
    assert not list(place.glob("never*"))


@pytest.mark.parametrize(
    "words",
    [
        ("train", "emonet", "--corpus", "{0}/small"),
        ("train", "emonet", "--corpus", "{0}/small", "--recipe", "paper"),
        ("train", "denoiser", "--corpus", "{0}/small"),
        ("train", "recogniser", "--corpus", "{0}/small"),
        ("train", "ge2e", "--corpus", "{0}/small", "--encoder", "{0}/nowhere.whl"),
        ("train", "shallow-fau", "--features", "{0}", "--labels", "{0}"),
        ("train", "deep-spectrum", "--corpus", "{0}/small", "--model", "{0}/models/tiny/1"),
        (*TINY, "{0}/small"),
    ],
)
def test_a_device_that_is_not_there_is_told_before_any_work(
    place: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("service.pipeline.device.session.why_cuda_is_unusable", lambda: "none is there")
    out = () if "--out" in words else ("--out", "{0}/never")
    assert main([word.format(place) for word in (*words, *out, "--device", "cuda")]) == EXPECTED
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert "the device 'cuda' cannot be used" in line
    assert not list(place.glob("never*"))


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("export", "vgg17", "--weights", "random:1"), "invalid choice: 'vgg17'"),
        (("train", "vgg16"), "invalid choice: 'vgg16'"),
        (("export", "squeezenet", "--bands", "many"), "argument --bands: invalid int value: 'many'"),
        (("export", "squeezenet", "--name", "Mine!"), "'Mine!' is no name of a bundle"),
        (("features", "--corpus", "x", "--out", "y.csv"), "one of the arguments --model --opensmile is required"),
    ],
)
def test_wrong_usage_has_a_status_of_its_own(words: tuple[str, ...], cause: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    assert stop.value.code == USAGE
    assert cause in capsys.readouterr().err.splitlines()[-1]


def test_the_program_itself_names_a_broken_recording_and_leaves_nothing(place: Path) -> None:
    words = [word.format(place) for word in (*TINY, "{0}/mixed")]
    run = subprocess.run(
        [sys.executable, "-m", "export", *words], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert run.returncode == EXPECTED
    assert run.stdout == ""
    assert run.stderr.splitlines()[-1].startswith("emoserve-export: ")
    assert "broken.wav: cannot be read as audio" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_rest_goes_on_where_recordings_are_short_or_silent(place: Path, tmp_path: Path) -> None:
    write_voice(tmp_path / "tree/anger/good.wav")
    write_voice(tmp_path / "tree/anger/blip.wav", 0.01)
    soundfile.write(tmp_path / "tree/anger/mute.wav", np.zeros(16_000, np.float32), 16_000)
    words = ["features", "--model", f"{place}/models/tiny/1", "--corpus", f"{tmp_path}/tree", "--out"]
    run = subprocess.run(
        [sys.executable, "-m", "export", *words, f"{tmp_path}/t.csv"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert run.returncode == SOME_LEFT_OUT
    assert "1 rows of 1 recordings" in run.stdout
    assert json.loads((tmp_path / "t.csv.json").read_text())["left_out"] == [
        "tree/anger/blip.wav: 0.010 s, the network needs 0.1 s",
        "tree/anger/mute.wav: digital silence",
    ]
