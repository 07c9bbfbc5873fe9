"""Published networks of cropped faces: an ONNX file as its publisher wrote it, recognised and put into our frame.

A file is recognised by its input and output, as the publishers' programs show them: EmotiEffLib's recogniser of its
ONNX files, and LibreFace's notebook that exports its own. Nothing of a publisher is executed but the graph's operators.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.graph.compose import prefixed
from export.published.folder import PublishedError, refuse_large, sha256_of
from service.pipeline.device.session import ANY_SIZE, GraphError, Session, Tensor
from service.pipeline.face.unit_scale import MAX_INTENSITY

LEAST_OPSET = 11
"""First operator set whose Clip and Slice take their bounds as inputs."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""Means and deviations of red, green and blue in 0…1 that the publishers take off."""

CLASSES = ("anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
"""Order of EmotiEffLib's eight classes, before valence and arousal; its networks of seven lack contempt."""

LIBREFACE_UNITS = tuple(f"AU{unit:02d}" for unit in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26))
"""LibreFace's units of intensity, in its order."""


@dataclass(frozen=True)
class Publisher:
    """Who publishes networks of a kind.

    Attributes:
        name, address: of the publisher's program.
        licence, commercial_use: as the program's licence says.
        crop: part of the picture that the network is shown, of ``service.pipeline.face.expression.CROPS``.
        limits: what its user must know.
    """

    name: str
    address: str
    licence: str
    commercial_use: bool
    crop: str
    limits: tuple[str, ...]


EMOTIEFFLIB = Publisher(
    "EmotiEffLib",
    "https://github.com/sb-ai-lab/EmotiEffLib",
    "Apache-2.0",
    commercial_use=True,
    crop="box",
    limits=(
        "Its publisher trained it on AffectNet, whose own terms are for research: whether they bind the weights is for "
        "you to judge.",
        "Valence and arousal were there to improve the classes, its author says, and may be imperfect.",
        "Its author's examples crop faces by another detector; here the crop is the box of the mesh.",
    ),
)
LIBREFACE = Publisher(
    "LibreFace",
    "https://github.com/ihp-lab/LibreFace",
    "LicenseRef-LibreFace-research",
    commercial_use=False,
    crop="eyes-and-mouth",
    limits=("Its licence permits educational, research and non-profit use; for others ask its publisher.",),
)


@dataclass(frozen=True)
class Kind:
    """Kind of a published file: its publisher, what it takes and what it gives.

    Attributes:
        size_px: side of the picture it takes.
        means, deviations: of its colours.
        labels: its classes, ours; none without classes.
        has_plane: whether valence and arousal follow the classes.
        action_units: its units, as shares of the largest intensity.
    """

    publisher: Publisher
    size_px: int
    means: Sequence[float]
    deviations: Sequence[float]
    labels: tuple[str, ...] = ()
    has_plane: bool = False
    action_units: tuple[str, ...] = ()

    @property
    def outputs(self) -> dict[str, int]:
        """Outputs of the bundle's graph and how many numbers each has for a face."""
        found = {"probabilities": len(self.labels), "action_units": len(self.action_units)}
        plane = {"valence": 1, "arousal": 1} if self.has_plane else {}
        return plane | {name: count for name, count in found.items() if count}


@dataclass(frozen=True)
class PublishedGraph:
    """One published file.

    Attributes:
        path: where it lies.
    """

    path: Path

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The graph.

        Raises:
            PublishedError: it is no ONNX graph in one file, or has operators that are not ONNX's own.
        """
        refuse_large(self.path, self.path.stat().st_size)
        try:
            model = onnx.load(self.path, load_external_data=False)
        except DecodeError as error:
            raise PublishedError(f"{self.path}: not an ONNX graph, or cut off") from error
        if any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer):
            raise PublishedError(f"{self.path}: its weights lie in another file; publishers of faces have one file")
        sets = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
        foreign = sorted(set(sets) - {"ai.onnx"})
        if foreign or sets.get("ai.onnx", 0) < LEAST_OPSET:
            told = f"of {foreign[0]}" if foreign else f"of set {sets.get('ai.onnx', 0)}"
            raise PublishedError(f"{self.path}: operators {told}; ONNX's own of set {LEAST_OPSET} or later are read")
        return model

    @cached_property
    def session(self) -> Session:
        """The publisher's graph as its program runs it.

        Raises:
            PublishedError: as :attr:`model`; or it cannot be loaded.
        """
        assert self.model
        try:
            return Session(self.path, device="cpu", threads=1)
        except GraphError as error:
            raise PublishedError(f"{self.path}: {error}") from error

    @cached_property
    def kind(self) -> Kind:
        """Its kind.

        Raises:
            PublishedError: as :attr:`session`; or its input and output are of no publisher that is known.
        """
        inputs, outputs = self.session.signature.inputs, self.session.signature.outputs
        if len(inputs) != 1 or len(outputs) != 1:
            raise self._unknown(inputs, outputs)
        (entry,), (values,) = inputs, outputs
        found = _kind(entry, values)
        if found is None:
            raise self._unknown(inputs, outputs)
        return found

    @property
    def sha256(self) -> str:
        """Hex digest of the file."""
        return sha256_of(self.path)

    def answers(self, picture: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """The publisher's answer about a crop float32 [size, size, 3] in 0…1: float32 [1, …] by output."""
        kind = self.kind
        shifted = (picture.astype(np.float64) - kind.means) / kind.deviations
        entry = self.session.signature.inputs[0]
        crop = shifted.transpose(2, 0, 1)[None].astype(np.float32)
        (values,) = self.session.run({entry.name: crop}, self.session.output_names).values()
        numbers = values.reshape(1, -1)
        found: dict[str, NDArray[np.float32]] = {}
        if kind.action_units:
            found["action_units"] = np.clip(numbers * MAX_INTENSITY, 0.0, MAX_INTENSITY)
        if kind.labels:
            scores = numbers[:, : len(kind.labels)]
            shares = np.exp(scores - scores.max())
            found["probabilities"] = shares / shares.sum()
        if kind.has_plane:
            found |= {"valence": np.clip(numbers[:, -2], -1, 1), "arousal": np.clip(numbers[:, -1], -1, 1)}
        return found

    def framed(self, metadata: Mapping[str, str]) -> onnx.ModelProto:
        """The graph with our names: ``image`` float32 [1, size, size, 3] in 0…1 in, :attr:`Kind.outputs` out."""
        kind = self.kind
        entry, values = self.session.signature.inputs[0], self.session.signature.outputs[0]
        inner = prefixed(self.model, "published/", keep=()).graph
        scale = 1 / np.array(kind.deviations)
        constants: dict[str, NDArray[Any]] = {
            "means": np.array(kind.means, np.float32),
            "scale": scale.astype(np.float32),
            "zero": np.zeros(1, np.int64),
            "axis": np.ones(1, np.int64),
            "classes": np.array([len(kind.labels)], np.int64),
            "valence_place": np.array(len(kind.labels), np.int64),
            "arousal_place": np.array(len(kind.labels) + 1, np.int64),
            "least": np.array(0.0 if kind.action_units else -1.0, np.float32),
            "most": np.array(MAX_INTENSITY if kind.action_units else 1.0, np.float32),
        }
        numbers = f"published/{values.name}"
        nodes = [
            helper.make_node("Sub", ["image", "means"], ["centred"]),
            helper.make_node("Mul", ["centred", "scale"], ["scaled"]),
            helper.make_node("Transpose", ["scaled"], [f"published/{entry.name}"], perm=[0, 3, 1, 2]),
            *inner.node,
        ]
        if kind.labels:
            nodes.append(helper.make_node("Slice", [numbers, "zero", "classes", "axis"], ["scores"]))
            nodes.append(helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1))
        for name in ("valence", "arousal") if kind.has_plane else ():
            nodes.append(helper.make_node("Gather", [numbers, f"{name}_place"], [f"{name}_free"], axis=1))
            nodes.append(helper.make_node("Clip", [f"{name}_free", "least", "most"], [name]))
        if kind.action_units:
            nodes.append(helper.make_node("Mul", [numbers, "most"], ["intensities"]))
            nodes.append(helper.make_node("Clip", ["intensities", "least", "most"], ["action_units"]))
        shape = [1, kind.size_px, kind.size_px, 3]
        graph = helper.make_graph(
            nodes,
            "expression",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [1] if count == 1 else [1, count])
                for name, count in kind.outputs.items()
            ],
            [*(numpy_helper.from_array(value, name) for name, value in constants.items()), *inner.initializer],
        )
        made = helper.make_model(graph, opset_imports=list(self.model.opset_import), producer_name="emoserve-export")
        made.ir_version = max(self.model.ir_version, 6)
        helper.set_model_props(made, dict(metadata))
        return made

    def _unknown(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> PublishedError:
        def told(tensors: Sequence[Tensor]) -> str:
            return ", ".join(f"{one.name} {list(one.shape)}".replace("-1", "n") for one in tensors)

        return PublishedError(
            f"{self.path}: takes {told(inputs)} and gives {told(outputs)}; read are EmotiEffLib's "
            "(input [n, 3, 224, 224], 260 or 112; 7, 8 or 10 numbers) and LibreFace's (image [1, 3, 224, 224]; AUs, "
            "12 numbers)"
        )


def _kind(entry: Tensor, values: Tensor) -> Kind | None:
    """Kind of a graph of one input and one output; None where no publisher is known to write it."""
    one_face = (1, ANY_SIZE)
    if entry.datatype != "FP32" or len(entry.shape) != 4 or entry.shape[0] not in one_face:
        return None
    if len(values.shape) != 2 or values.shape[0] not in one_face:
        return None
    (_, channels, height, width), count = entry.shape, values.shape[1]
    if channels != 3 or height != width:
        return None
    if (entry.name, values.name, height, count) == ("image", "AUs", 224, len(LIBREFACE_UNITS)):
        return Kind(LIBREFACE, height, *IMAGENET, action_units=LIBREFACE_UNITS)
    if entry.name != "input":
        return None
    if height == 112 and count == 10:  # of its networks of this size only MobileFaceNet is published as ONNX
        return Kind(EMOTIEFFLIB, height, *HALVES, labels=CLASSES, has_plane=True)
    if height not in (224, 260) or count not in (7, 8, 10):
        return None
    labels = CLASSES if count > 7 else tuple(name for name in CLASSES if name != "contempt")
    return Kind(EMOTIEFFLIB, height, *IMAGENET, labels=labels, has_plane=count == 10)
