"""Strict sessions of ONNX Runtime: the requested provider runs, or there is no session.

Without CUDA libraries ONNX Runtime silently falls back to the CPU, and it lists providers that cannot be loaded. A GPU
counts as usable only after a small convolution ran on it with ``session.disable_cpu_ep_fallback``. No other module
imports onnxruntime: version 1.31 stores events, error messages included, in the user's cache folder for its maker to
collect, unless that is switched off before the library is loaded.
"""

import contextlib
import ctypes
import functools
import io
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read while the library is loaded; disable_telemetry_events() is too late

import onnxruntime

from service.problems import EmoserveError

Provider = Literal["CPUExecutionProvider", "CUDAExecutionProvider"]
Device = Literal["auto", "cpu", "cuda"]
Array = NDArray[Any]

CPU: Provider = "CPUExecutionProvider"
CUDA: Provider = "CUDAExecutionProvider"

ERRORS_ONLY = 3
"""Least severity that ONNX Runtime logs to stderr; its failures are raised as exceptions too."""

CUDA_OPTIONS = {
    "cudnn_conv_algo_search": "HEURISTIC",  # the default tunes for every shape: 634 ms, not 2 (PaddleX#5057)
    "use_tf32": "0",  # TF32 keeps 10 bits of the mantissa: answers would differ from those of the CPU
}


PROBE_PROVIDERS = [(CUDA, CUDA_OPTIONS)]
"""The probe's providers. The CPU is not among them: ONNX Runtime refuses to list it and to disable it at once."""

ANY_SIZE = -1
"""Size of a dimension that a graph leaves open."""

DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(double)": "FP64",
    "tensor(float)": "FP32",
    "tensor(float16)": "FP16",
    "tensor(bfloat16)": "BF16",
    "tensor(string)": "BYTES",
    **{f"tensor(int{bits})": f"INT{bits}" for bits in (8, 16, 32, 64)},
    **{f"tensor(uint{bits})": f"UINT{bits}" for bits in (8, 16, 32, 64)},
}
"""Data types: ONNX Runtime's name → the Open Inference Protocol's."""


@dataclass(frozen=True)
class Tensor:
    """One input or output of a graph: name, datatype such as 'FP32', and sizes, :data:`ANY_SIZE` for an open one."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a graph."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class DeviceError(EmoserveError):
    """The requested device cannot be used; the message is one line."""


class GraphError(ValueError):
    """A graph cannot be loaded, or lacks the inputs and outputs of its task; the message is one line."""


def resolve_provider(device: Device) -> Provider:
    """Find the provider for the setting ``device`` by trying it.

    Raises:
        DeviceError: ``device`` is ``'cuda'`` and no graph runs there.
    """
    if device == "cpu":
        return CPU
    cause = why_cuda_is_unusable()
    if cause is None:
        return CUDA
    if device == "cuda":
        raise DeviceError(f"the device 'cuda' cannot be used: {cause}")
    return CPU


def why_fallen_back(device: Device) -> str | None:
    """Why the CPU runs although a GPU is there: one line, or None where nothing fell back.

    A machine whose driver finds no GPU does not fall back: the CPU is its device.
    """
    if device != "auto" or not _driver_finds_a_gpu():
        return None
    return why_cuda_is_unusable()


class Session:
    """One graph on one provider. ``run`` may be called from several threads at once.

    Args:
        model: the ``.onnx`` file, or its bytes.
        device: ``'cuda'`` never runs on the CPU; ``'auto'`` uses a GPU where one works.
        threads: CPU threads of one ``run``; 1 suits callers that run several graphs at once.

    Raises:
        DeviceError: see :func:`resolve_provider`.
        GraphError: the model cannot be loaded.
    """

    def __init__(self, model: Path | bytes, *, device: Device = "auto", threads: int = 1) -> None:
        self.provider: Provider = resolve_provider(device)
        self._session = _create(model, self.provider, _options(threads))
        if self._session.get_providers()[0] != self.provider:
            raise DeviceError(f"asked for {self.provider}, got {self._session.get_providers()[0]}")
        self._session.disable_fallback()
        self.signature = Signature(
            tuple(map(_tensor, self._session.get_inputs())), tuple(map(_tensor, self._session.get_outputs()))
        )
        self.input_names: tuple[str, ...] = tuple(tensor.name for tensor in self.signature.inputs)
        self.output_names: tuple[str, ...] = tuple(tensor.name for tensor in self.signature.outputs)
        self.optional_input_names = tuple(entry.name for entry in self._session.get_overridable_initializers())

    def require(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Check that the graph has exactly ``inputs`` and at least ``outputs``.

        Raises:
            GraphError: it does not.
        """
        if set(self.input_names) != set(inputs):
            raise GraphError(f"its inputs are {_listed(self.input_names)}, not {_listed(inputs)}")
        missing = [name for name in outputs if name not in self.output_names]
        if missing:
            raise GraphError(f"it has no output {_listed(missing)}")

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run the graph once; returns the ``outputs`` by name.

        Args:
            inputs: one array for each of ``input_names``, and for those of ``optional_input_names`` that are given.
        """
        names = list(outputs)
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads  # never left to the runtime, which counts the host's cores
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = ERRORS_ONLY
    options.enable_mem_pattern = False  # patterns are kept for every shape seen, and clips have any length
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning halved throughput (measured)
    return options


def _create(
    model: Path | bytes, provider: Provider, options: onnxruntime.SessionOptions
) -> onnxruntime.InferenceSession:
    providers: list[Any] = [CPU] if provider == CPU else [(CUDA, CUDA_OPTIONS), CPU]
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=providers, enable_fallback=0)
    except Exception as error:  # the runtime's exceptions have no common base below Exception
        raise GraphError(f"ONNX Runtime cannot load it: {_first_line(error)}") from error


@functools.cache
def why_cuda_is_unusable() -> str | None:
    """Try a convolution on the GPU, once per process. None if it ran, else the cause in one line."""
    onnxruntime.set_default_logger_severity(ERRORS_ONLY)
    if not _driver_finds_a_gpu():
        return "the NVIDIA driver finds no GPU"
    if CUDA not in onnxruntime.get_available_providers():
        return "this ONNX Runtime is built without CUDA"
    options = _options(threads=1)
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # the loader prints errors; the probe reports them
            onnxruntime.preload_dlls()
        session = onnxruntime.InferenceSession(_probe_graph(), options, providers=PROBE_PROVIDERS, enable_fallback=0)
        session.run(["y"], {"x": np.ones((1, 1, 8), np.float32)})
    except Exception as error:  # missing libraries show as many kinds of exception
        return _missing_library() or _first_line(error)
    return None


def _missing_library() -> str | None:
    """The shared library that the CUDA provider misses; ONNX Runtime itself tells it to the log alone."""
    provider = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
    try:
        ctypes.CDLL(str(provider))
    except OSError as error:
        found = re.search(r"(lib[\w.+-]+): cannot open shared object file", str(error))
        return None if found is None else f"the library {found[1]} is missing"
    return None


def _driver_finds_a_gpu() -> bool:
    """Ask the CUDA driver for GPUs: 1 ms, and silent without a driver, unlike loading the CUDA provider."""
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        found = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except (OSError, AttributeError):
        return False
    return found and count.value > 0


def _probe_graph() -> bytes:
    """A convolution over 8 samples; it needs cuDNN, as the speech front ends do."""
    from onnx import TensorProto, helper  # imported late: it takes longer than the probe

    kernel = helper.make_tensor("w", TensorProto.FLOAT, (1, 1, 3), [1.0, 1.0, 1.0])
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "probe",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 1, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 1, 6))],
        [kernel],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    serialized: bytes = model.SerializeToString()
    return serialized


def _tensor(entry: onnxruntime.NodeArg) -> Tensor:
    shape = tuple(size if isinstance(size, int) else ANY_SIZE for size in entry.shape)
    return Tensor(entry.name, DATATYPES.get(entry.type, entry.type), shape)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none"


DEVICE = 0
"""Index of the GPU: ONNX Runtime uses the first that the process may see."""


class GpuMemory:
    """Reads the memory in use on the GPU from the CUDA driver, because ONNX Runtime does not report it.

    It uses the context that the CUDA provider has already made, and takes no memory itself. ``driver`` replaces the
    driver's functions in tests.
    """

    def __init__(self, driver: Any = None) -> None:  # noqa: ANN401 - a ctypes library
        self._context = ctypes.c_void_p()
        try:
            self._driver = driver or ctypes.CDLL("libcuda.so.1")
            device = ctypes.c_int(0)
            self._usable = (
                self._driver.cuInit(0) == 0
                and self._driver.cuDeviceGet(ctypes.byref(device), DEVICE) == 0
                and self._driver.cuDevicePrimaryCtxRetain(ctypes.byref(self._context), device) == 0
            )
        except (OSError, AttributeError):
            self._usable = False

    def used_bytes(self) -> float:
        """Bytes in use by all processes; NaN without a driver. Thread-safe."""
        if not self._usable or self._driver.cuCtxPushCurrent_v2(self._context) != 0:
            return math.nan
        free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
        try:
            told = self._driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) == 0
        finally:
            self._driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
        return float(total.value - free.value) if told else math.nan
