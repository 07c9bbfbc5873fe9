"""Tensors of a model in the words of the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.card import Card
from service.schemas.about import ModelMetadata, TensorMetadata

if TYPE_CHECKING:
    from service.pipeline.device.session import Signature, Tensor

PLATFORM = "onnxruntime_onnx"
ANY = -1
AFFECT_FEATURES = 37


def metadata_of(card: Card, versions: list[str], signature: Signature | None) -> ModelMetadata:
    """What a client of the protocol must know to call the model.

    Args:
        card: of the model.
        versions: that are served.
        signature: of its graph, or None where it is not a single graph: an affect model is two graphs alike,
            ``features`` [batch, steps, 37] → ``affect`` [batch, steps]; of chains of different graphs, such
            as those of faces, nothing is said.
    """
    inputs: list[TensorMetadata] = []
    outputs: list[TensorMetadata] = []
    if signature is not None:
        inputs, outputs = _tensors(signature.inputs), _tensors(signature.outputs)
    elif card.task == "affect":
        inputs = [TensorMetadata(name="features", datatype="FP32", shape=[ANY, ANY, AFFECT_FEATURES])]
        outputs = [TensorMetadata(name="affect", datatype="FP32", shape=[ANY, ANY])]
    return ModelMetadata(name=card.name, versions=versions, platform=PLATFORM, inputs=inputs, outputs=outputs)


def _tensors(tensors: Sequence[Tensor]) -> list[TensorMetadata]:
    return [TensorMetadata(name=tensor.name, datatype=tensor.datatype, shape=list(tensor.shape)) for tensor in tensors]
