"""Tensors of a model in the words of the Open Inference Protocol, from its card.

Inputs and outputs of each task are fixed: ``waveform`` [batch, samples] and ``lengths`` [batch] give
``probabilities`` [batch, classes]; ``features`` [batch, steps, 37] give ``affect`` [batch, steps].
"""

from __future__ import annotations

from service.card import Card
from service.schemas import TensorMetadata

PLATFORM = "onnxruntime_onnx"
ANY = -1
AFFECT_FEATURES = 37


def inputs_of(card: Card) -> list[TensorMetadata]:
    """Inputs of the model; empty for tasks that are chains of several graphs."""
    if card.task == "speech-emotion":
        return [
            TensorMetadata(name="waveform", datatype="FP32", shape=[ANY, ANY]),
            TensorMetadata(name="lengths", datatype="INT64", shape=[ANY]),
        ]
    if card.task == "affect":
        return [TensorMetadata(name="features", datatype="FP32", shape=[ANY, ANY, AFFECT_FEATURES])]
    return []


def outputs_of(card: Card) -> list[TensorMetadata]:
    """Outputs that every model of the task has; empty for tasks that are chains of several graphs."""
    if card.task == "speech-emotion":
        return [TensorMetadata(name="probabilities", datatype="FP32", shape=[ANY, len(card.labels)])]
    if card.task == "affect":
        return [TensorMetadata(name="affect", datatype="FP32", shape=[ANY, ANY])]
    return []
