"""Sessions are strict about their provider, quiet, and name what is wrong with a graph in one line."""

import re
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from service.pipeline.device import session as session_module
from service.pipeline.device.session import CPU, DeviceError, GraphError, Session, resolve_provider
from tests.tiny_models import expected_probabilities, speech_model

OUTPUTS = ("probabilities", "arousal")


@pytest.fixture
def driver(monkeypatch):
    """Sets whether the driver finds a GPU."""
    session_module.why_cuda_is_unusable.cache_clear()
    yield lambda found: monkeypatch.setattr(session_module, "_driver_finds_a_gpu", lambda: found)
    session_module.why_cuda_is_unusable.cache_clear()


def test_signature_is_in_the_words_of_the_open_inference_protocol():
    signature = Session(speech_model(3), device="cpu").signature
    assert [(t.name, t.datatype, t.shape) for t in signature.inputs] == [
        ("waveform", "FP32", (-1, -1)),
        ("lengths", "INT64", (-1,)),
    ]
    assert [(t.name, t.datatype, t.shape) for t in signature.outputs] == [
        ("probabilities", "FP32", (-1, 3)),
        ("arousal", "FP32", (-1,)),
        ("valence", "FP32", (-1,)),
        ("embedding", "FP32", (-1, 2)),
        ("statistics", "FP32", (-1, 2)),
    ]


def test_runs_on_the_cpu_and_gives_outputs_by_name():
    session = Session(speech_model(), device="cpu")
    clip = np.linspace(-1, 1, 800, dtype=np.float32)
    answer = session.run({"waveform": clip[None], "lengths": np.array([800])}, OUTPUTS)
    assert session.provider == CPU
    assert set(answer) == set(OUTPUTS)
    np.testing.assert_allclose(answer["probabilities"][0], expected_probabilities(clip), atol=1e-5)
    assert session.input_names == ("waveform", "lengths")
    assert set(session.output_names) == {"probabilities", "arousal", "valence", "embedding", "statistics"}
    assert session.optional_input_names == ("profile", "profile_weight")


def test_cuda_without_a_gpu_is_an_error_and_auto_states_the_cpu(driver):
    driver(False)
    with pytest.raises(DeviceError, match="finds no GPU"):
        Session(speech_model(), device="cuda")
    assert Session(speech_model(), device="auto").provider == CPU


def test_cuda_libraries_that_do_not_load_are_an_error_although_cuda_is_listed(driver):
    """A driver alone is not enough: the probe runs a graph that may not fall back to the CPU."""
    driver(True)
    assert session_module.CUDA in onnxruntime.get_available_providers()
    if resolve_provider("auto") != CPU:
        pytest.skip("this machine has a GPU that works")
    with pytest.raises(DeviceError) as caught:
        resolve_provider("cuda")
    assert re.fullmatch(r"the device 'cuda' cannot be used: the library lib[\w.]+ is missing", str(caught.value))
    assert session_module.why_fallen_back("auto") in str(caught.value)
    assert session_module.why_fallen_back("cpu") is None


def test_the_probe_asks_for_nothing_that_onnx_runtime_refuses(driver, monkeypatch):
    """ONNX Runtime refuses a list with the CPU in it where the fallback to the CPU is disabled, GPU or none."""
    driver(True)
    asked = []
    real = onnxruntime.InferenceSession

    def record(graph, options, **arguments):
        asked.append((graph, options, arguments["providers"]))
        return real(graph, options, **arguments)

    monkeypatch.setattr(onnxruntime, "InferenceSession", record)
    session_module.why_cuda_is_unusable()
    ((graph, options, providers),) = asked
    assert options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"
    assert [name for name, _ in providers] == [session_module.CUDA]
    assert "Conflicting session configuration" in refusal(real, graph, options, [*providers, CPU])
    assert "Conflicting" not in refusal(real, graph, options, providers)  # missing libraries alone stop it


def refusal(create, graph, options, providers):
    """Why ONNX Runtime creates no session; empty where it does."""
    try:
        create(graph, options, providers=providers, enable_fallback=0)
    except Exception as error:
        return str(error)
    return ""


@pytest.mark.parametrize("model", [b"", b"no graph at all", speech_model()[:200]], ids=["empty", "text", "cut"])
def test_broken_graph_is_one_line(model):
    with pytest.raises(GraphError) as caught:
        Session(model, device="cpu")
    assert str(caught.value).startswith("ONNX Runtime cannot load it: ")
    assert "\n" not in str(caught.value)


def test_require_names_what_is_missing():
    session = Session(speech_model(dimensions=False), device="cpu")
    session.require(("lengths", "waveform"), ("probabilities",))
    with pytest.raises(GraphError, match="no output 'arousal'"):
        session.require(("lengths", "waveform"), ("probabilities", "arousal"))
    with pytest.raises(GraphError, match="its inputs are 'waveform', 'lengths', not 'input'"):
        session.require(("input",), ())


def test_creating_and_running_a_session_prints_nothing(tmp_path):
    (tmp_path / "model.onnx").write_bytes(speech_model())
    program = (
        "import numpy, sys\n"
        "from pathlib import Path\n"
        "from service.pipeline.device.session import Session\n"
        "session = Session(Path(sys.argv[1]), device='auto')\n"
        "clip = numpy.zeros((2, 100), numpy.float32)\n"
        "session.run({'waveform': clip, 'lengths': numpy.array([100, 50])}, ('probabilities',))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "model.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("", "")
