"""audonnx folders: ``model.yaml`` beside a graph that takes one signal, as audEERING publishes models.

Such a graph knows nothing of lengths, so the bundle's runs it once for each clip of a batch, cut to its own length: the
answer is the publisher's, bit for bit, whatever the clip was batched with. Nothing of the folder is executed; a model
whose ``transform`` is a program, such as openSMILE, is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.evaluation.verification import Clip
from export.graph.compose import prefixed
from export.published.bundle import Source
from export.published.folder import PUBLISHED, RATES_HZ, PublishedError, read_yaml, refuse_large, sha256_of
from export.published.labels import mapped_labels
from export.published.network import DIMENSIONS
from service.pipeline.device.session import GraphError, Session, Tensor

DESCRIPTION = "model.yaml"
OBJECT = "$audonnx.core.model.Model"
LEAST_OPSET = 13
"""First operator set whose Squeeze, Split and Softmax are those of today."""

SHORTEST_S = 0.1
SUM_TOLERANCE = 1e-4
"""Largest distance from 1 of a sum of what counts as probabilities."""


@dataclass(frozen=True)
class AudonnxFolder:
    """One folder of audonnx, at the rate that its publisher tells elsewhere.

    Attributes:
        path: of the folder.
        sample_rate_hz: audonnx leaves it to the caller.
    """

    path: Path
    sample_rate_hz: int

    @cached_property
    def description(self) -> dict[str, Any]:
        """Members of the model in ``model.yaml``.

        Raises:
            PublishedError: it is of another object, or of a model with a transform.
        """
        file = self.path / DESCRIPTION
        found = read_yaml(file)
        names = list(found)
        if len(names) != 1 or str(names[0]).partition("==")[0] != OBJECT or not isinstance(found[names[0]], dict):
            raise PublishedError(f"{file}: not a model of audonnx, which begins with '{OBJECT}'")
        members: dict[str, Any] = found[names[0]]
        if members.get("transform"):
            raise PublishedError(f"{file}: the model takes features of a transform, not the signal")
        return members

    @cached_property
    def graph_file(self) -> Path:
        """The graph.

        Raises:
            PublishedError: it is not in the folder.
        """
        name = str(self.description.get("path"))
        if Path(name).name != name or not (self.path / name).is_file():
            raise PublishedError(f"{self.path / DESCRIPTION}: its path '{name}' is no file of the folder")
        return self.path / name

    @cached_property
    def session(self) -> Session:
        """The publisher's graph as audonnx runs it.

        Raises:
            PublishedError: it cannot be loaded, or takes something other than one signal.
        """
        refuse_large(self.graph_file, self.graph_file.stat().st_size)
        try:
            session = Session(self.graph_file, device="cpu", threads=1)
        except GraphError as error:
            raise PublishedError(f"{self.graph_file}: {error}") from error
        inputs = session.signature.inputs
        if len(inputs) != 1 or inputs[0].datatype != "FP32" or [size for size in inputs[0].shape if size != 1] != [-1]:
            told = ", ".join(f"{entry.name} {list(entry.shape)}" for entry in inputs)
            raise PublishedError(f"{self.graph_file}: takes {told}, not one signal of any length")
        return session

    @cached_property
    def outputs(self) -> tuple[Tensor, list[str], Tensor | None]:
        """The output with dimensions or classes, its names, and one that can serve as the embedding.

        Raises:
            PublishedError: no output, or more than one, has names.
        """
        tensors = [tensor for tensor in self.session.signature.outputs if _width(tensor)]
        labels = self.description.get("labels")
        named = labels if isinstance(labels, dict) else {tensors[0].name: labels} if labels and tensors else {}
        fitting = [tensor for tensor in tensors if _width(tensor) == len(named.get(tensor.name, ()))]
        wanted = [tensor for tensor in fitting if sorted(named[tensor.name]) == sorted(DIMENSIONS)] or fitting[:1]
        if not wanted:
            raise PublishedError(f"{self.path / DESCRIPTION}: no output of the graph has as many labels as numbers")
        others = [tensor for tensor in tensors if tensor is not wanted[0]]
        return wanted[0], [str(name) for name in named[wanted[0].name]], max(others, key=_width, default=None)

    def run(self, clip: Clip) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """The publisher's numbers for one clip, float32 [1, numbers], and its embedding float32 [1, width]."""
        values, _, embedding = self.outputs
        entry = self.session.signature.inputs[0]
        wanted = [values.name] + ([embedding.name] if embedding else [])
        found = self.session.run({entry.name: clip.reshape(entry.shape)}, wanted)
        return found[values.name].reshape(1, -1), None if embedding is None else found[embedding.name].reshape(1, -1)

    def source(self, chosen: Sequence[str] | None, clip: Clip) -> Source:
        """The model as it is written.

        Args:
            chosen: names of the classes; None for ours of the publisher's.
            clip: tells whether the graph gives probabilities, or numbers before a softmax.

        Raises:
            PublishedError: see :attr:`outputs`; a class has no name here; the rate is none of speech.
        """
        if self.sample_rate_hz not in RATES_HZ:
            raise PublishedError(f"--sample-rate-hz is {self.sample_rate_hz}, not {' or '.join(map(str, RATES_HZ))}")
        _, names, _ = self.outputs
        is_dimensional = sorted(names) == sorted(DIMENSIONS)
        labels = mapped_labels([] if is_dimensional else names, chosen)
        model = onnx.load(self.graph_file)
        opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
        if opset < LEAST_OPSET:
            raise PublishedError(f"{self.graph_file}: operators of set {opset}, at least {LEAST_OPSET} are needed")
        numbers, _ = self.run(clip)
        softmax = not is_dimensional and bool(numbers.min() < 0 or abs(numbers.sum() - 1) > SUM_TOLERANCE)

        def answers(one: Clip) -> Mapping[str, NDArray[np.float32]]:
            values, embedding = self.run(one)
            found = {} if embedding is None else {"embedding": embedding}
            if is_dimensional:
                return found | {name: np.clip(2 * values[:, i] - 1, -1, 1) for i, name in enumerate(names)}
            shares = np.exp(values - values.max()) if softmax else values
            return found | {"probabilities": shares / shares.sum() if softmax else shares}

        return Source(
            task="speech-emotion",
            title=f"audonnx graph, {'dimensions' if is_dimensional else 'classes'}",
            network="audonnx graph",
            preset=f"{PUBLISHED}-audonnx",
            sample_rate_hz=self.sample_rate_hz,
            shortest_samples=round(SHORTEST_S * self.sample_rate_hz),
            published_labels=names,
            labels=labels,
            weights_sha256=sha256_of(self.graph_file),
            make_graph=lambda metadata: self._looped(model, softmax=softmax, metadata=metadata),
            answers=answers,
            program="ONNX Runtime on the publisher's graph",
            made_with=("onnx",),
        )

    def _looped(self, model: onnx.ModelProto, *, softmax: bool, metadata: Mapping[str, str]) -> onnx.ModelProto:
        """The publisher's graph inside a loop over the clips of a batch, and the names of a speech bundle around it."""
        values, names, embedding = self.outputs
        entry = self.session.signature.inputs[0]
        inner = prefixed(model, "published/", keep=()).graph
        whole_numbers: dict[str, int | list[int]] = {"first": 0, "zero": [0], "one": [1], "flat": [-1]}
        whole_numbers["shape"] = list(entry.shape)
        real_numbers = {"float_two": 2.0, "float_one": 1.0, "float_minus_one": -1.0}
        body = [
            helper.make_node("Gather", ["lengths", "number"], ["length"]),
            helper.make_node("Reshape", ["length", "flat"], ["end"]),
            helper.make_node("Gather", ["waveform", "number"], ["row"]),
            helper.make_node("Slice", ["row", "zero", "end", "zero"], ["clip"]),
            helper.make_node("Reshape", ["clip", "shape"], [f"published/{entry.name}"]),
            *inner.node,
            helper.make_node("Identity", ["goes_on"], ["goes_on_still"]),
        ]
        scanned = [values] + ([embedding] if embedding else [])
        body += [
            helper.make_node("Reshape", [f"published/{tensor.name}", "flat"], [f"row_{place}"])
            for place, tensor in enumerate(scanned)
        ]
        scalar = helper.make_tensor_value_info
        loop = helper.make_graph(
            body,
            "clips",
            [scalar("number", TensorProto.INT64, []), scalar("goes_on", TensorProto.BOOL, [])],
            [
                scalar("goes_on_still", TensorProto.BOOL, []),
                *(scalar(f"row_{place}", TensorProto.FLOAT, [_width(one)]) for place, one in enumerate(scanned)),
            ],
        )
        nodes = [
            helper.make_node("Shape", ["lengths"], ["lengths_shape"]),
            helper.make_node("Gather", ["lengths_shape", "first"], ["batch"]),
            helper.make_node("Loop", ["batch", ""], ["values", "embedding"][: len(scanned)], body=loop),
        ]
        is_dimensional = sorted(names) == sorted(DIMENSIONS)
        outputs: dict[str, list[str | int]] = {"probabilities": ["batch", 0 if is_dimensional else len(names)]}
        if embedding:
            outputs["embedding"] = ["batch", _width(embedding)]
        if is_dimensional:
            nodes += [
                helper.make_node("Mul", ["values", "float_two"], ["doubled"]),
                helper.make_node("Sub", ["doubled", "float_one"], ["shifted"]),
                helper.make_node("Clip", ["shifted", "float_minus_one", "float_one"], ["dimensions"]),
                helper.make_node("Slice", ["values", "zero", "zero", "one"], ["probabilities"]),
            ]
            for place, name in enumerate(names):
                whole_numbers[f"at_{place}"] = place
                nodes.append(helper.make_node("Gather", ["dimensions", f"at_{place}"], [name], axis=1))
            outputs |= {name: ["batch"] for name in names}
        else:
            nodes.append(helper.make_node("Softmax" if softmax else "Identity", ["values"], ["probabilities"]))
        whole = helper.make_graph(
            nodes,
            "audonnx",
            [
                scalar("waveform", TensorProto.FLOAT, ["batch", "samples"]),
                scalar("lengths", TensorProto.INT64, ["batch"]),
            ],
            [scalar(name, TensorProto.FLOAT, sizes) for name, sizes in outputs.items()],
            [
                *(numpy_helper.from_array(np.array(value, np.int64), name) for name, value in whole_numbers.items()),
                *(numpy_helper.from_array(np.array(value, np.float32), name) for name, value in real_numbers.items()),
                *inner.initializer,
            ],
        )
        made = helper.make_model(whole, opset_imports=list(model.opset_import), producer_name="emoserve-export")
        made.ir_version = max(model.ir_version, 8)
        helper.set_model_props(made, dict(metadata))
        return made


def _width(tensor: Tensor | None) -> int:
    """How many numbers an output holds for one clip; 0 where that depends on the clip."""
    sizes = [] if tensor is None else [size for size in tensor.shape if size != 1]
    if not sizes:
        return 0 if tensor is None else 1
    return sizes[0] if len(sizes) == 1 and sizes[0] > 0 else 0


def is_audonnx(path: Path) -> bool:
    """Whether the folder is of audonnx."""
    return (path / DESCRIPTION).is_file()
