"""Model repositories for Triton, read with its own client's messages and run as its batches are."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from google.protobuf import text_format

from export.__main__ import main
from service.card import read_card
from service.pipeline.device.session import Session
from tests.tiny_models import write_speech_bundle, write_voice_bundle

SAMPLES, BATCH = 16_000, 3
NUMPY = {"TYPE_FP32": np.float32, "TYPE_INT64": np.int64}


def newest(*names: str) -> list[Path]:
    """Folders of committed bundles."""
    return [max(Path("models", name).iterdir()) for name in names]


@pytest.fixture(scope="module")
def messages() -> ModuleType:
    """Triton's messages of model configurations; the package around them wants gRPC."""
    package = importlib.util.find_spec("tritonclient")
    assert package is not None
    assert package.submodule_search_locations
    file = Path(package.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(messages: ModuleType, folder: Path):
    return text_format.Parse((folder / "config.pbtxt").read_text(), messages.ModelConfig())


def shape_in_graph(tensor, open_size: int) -> list[int]:
    """Shape that the graph sees of a batch, by the rules of dims and reshape."""
    sizes = tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims
    return [BATCH, *(open_size if size == -1 else size for size in sizes)]


@pytest.mark.parametrize(
    "folder", newest("ge2e-open", "emonet-open", "denoiser-lstm"), ids=lambda folder: folder.parent.name
)
def test_the_graph_takes_and_gives_what_the_configuration_says(folder, messages, tmp_path):
    assert main(["triton", str(folder), "--out", str(tmp_path), "--max-batch", "4", "--queue-delay-us", "70"]) == 0
    card = read_card(folder)
    config = read(messages, tmp_path / card.name)
    assert (config.name, config.backend, config.max_batch_size) == (card.name, "onnxruntime", 4)
    assert config.dynamic_batching.max_queue_delay_microseconds == 70
    types = messages.DataType.Name
    inputs = {
        tensor.name: np.full(shape_in_graph(tensor, SAMPLES), 0.1, NUMPY[types(tensor.data_type)])
        for tensor in config.input
    }
    inputs["lengths"][:] = SAMPLES
    session = Session(tmp_path / card.name / card.version / "model.onnx", device="cpu", threads=1)
    outputs = session.run(inputs, session.output_names)
    assert [tensor.name for tensor in config.output] == list(outputs)
    for tensor in config.output:
        assert list(outputs[tensor.name].shape) == shape_in_graph(tensor, SAMPLES), tensor.name
        assert outputs[tensor.name].dtype == NUMPY[types(tensor.data_type)]
    labels = [tensor.label_filename for tensor in config.output if tensor.label_filename]
    assert bool(labels) == bool(card.labels)
    for name in labels:
        assert (tmp_path / card.name / name).read_text().split() == card.labels


def test_versions_stand_beside_each_other_and_others_than_numbers_become_1(messages, tmp_path):
    repository = tmp_path / "repository"
    for version in ("3", "12", "2026.1-a"):
        bundle = write_speech_bundle(tmp_path, version=version)
        assert main(["triton", str(bundle), "--out", str(repository)]) == 0
    (model,) = repository.iterdir()
    assert {file.parent.name for file in model.glob("*/model.onnx")} == {"1", "3", "12"}
    assert json.loads((model / "1" / "card.json").read_text())["version"] == "2026.1-a"
    assert read(messages, model).max_batch_size == 8


def test_what_takes_no_sound_is_refused_in_a_line(tmp_path, capsys):
    voice = write_voice_bundle(tmp_path / "models")
    for bundle in (*newest("affect-prior"), voice):
        assert main(["triton", str(bundle), "--out", str(tmp_path / "out")]) == 1
        assert "takes no waveform" in capsys.readouterr().err
    assert main(["triton", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "is not a bundle" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [("--max-batch", "0"), ("--max-batch", "many"), ("--queue-delay-us", "-1")])
def test_bounds_are_told(wrong, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["triton", str(newest("ge2e-open")[0]), "--out", str(tmp_path), *wrong])
    assert "is no whole number" in capsys.readouterr().err
