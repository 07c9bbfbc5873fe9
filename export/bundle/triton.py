"""A speech bundle as a model of Triton Inference Server: its repository's folder, with dynamic batching.

Format: github.com/triton-inference-server/server, docs/user_guide/model_configuration.md.
"""

import shutil
from pathlib import Path

from export.bundle.write import TENSORS_ROLE
from export.failures import UserError
from service.card import CARD_FILE_NAME, Card, read_card
from service.pipeline.device.session import Session, Tensor

CONFIG_FILE_NAME = "config.pbtxt"
GRAPH_FILE_NAME = "model.onnx"
LABELS_FILE_NAME = "labels.txt"
LABELLED = "probabilities"

FIRST_VERSION = "1"
"""Triton's number of a bundle whose version is no whole number."""


class NoTensorsError(UserError):
    """The bundle's graph does not take the waveform; the message is one line."""


def write_triton_model(bundle: Path, repository: Path, *, max_batch: int, queue_delay_us: int) -> Path:
    """Write a bundle into a model repository; of a bundle with domains the first graph.

    Args:
        bundle: folder with a card.
        repository: folder of models; another version of the model may be there.
        max_batch: most clips in a batch.
        queue_delay_us: microseconds for which Triton waits for more clips of the same length.

    Returns:
        The folder of the model.

    Raises:
        NoTensorsError: the graph does not take the waveform.
        OSError: a file cannot be written.
    """
    card = read_card(bundle)
    if card.speech is None or "model" not in {entry.role for entry in card.files.values()}:
        raise NoTensorsError(f"{card.name} ({card.task}) takes no waveform")
    graph = bundle / card.file_with_role(card.graph_role())
    signature = Session(graph, device="cpu", threads=1).signature
    if "waveform" not in {tensor.name for tensor in signature.inputs}:
        raise NoTensorsError(f"{card.name} ({card.task}) takes no waveform")
    folder = repository / card.name
    version = folder / (card.version if card.version.isdigit() and int(card.version) else FIRST_VERSION)
    version.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(graph, version / GRAPH_FILE_NAME)
    for name, entry in card.files.items():
        if entry.role == TENSORS_ROLE:
            shutil.copyfile(bundle / name, version / name)
    shutil.copyfile(bundle / CARD_FILE_NAME, version / CARD_FILE_NAME)
    labels = card.domains[next(iter(card.domains))] if card.domains else card.labels
    if labels:
        (folder / LABELS_FILE_NAME).write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    lines = _config(card, signature.inputs, signature.outputs, bool(labels), max_batch, queue_delay_us)
    (folder / CONFIG_FILE_NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _config(
    card: Card,
    inputs: tuple[Tensor, ...],
    outputs: tuple[Tensor, ...],
    has_labels: bool,
    max_batch: int,
    queue_delay_us: int,
) -> list[str]:
    """Lines of the model's configuration, a ModelConfig in protobuf's text format."""
    return [
        f"# {card.title} ({card.licence.spdx})",
        f'name: "{card.name}"',
        'backend: "onnxruntime"',
        f"max_batch_size: {max_batch}",
        *(line for tensor in inputs for line in _tensor("input", tensor)),
        *(
            line
            for tensor in outputs
            if 0 not in tensor.shape  # of a model without classes: Triton knows no empty tensors
            for line in _tensor("output", tensor, has_labels and tensor.name == LABELLED)
        ),
        f"dynamic_batching {{ max_queue_delay_microseconds: {queue_delay_us} }}",
    ]


def _tensor(kind: str, tensor: Tensor, is_labelled: bool = False) -> list[str]:
    """Lines of an input or output. Triton names no batch dimension; a graph's [batch] is [batch, 1] to its clients."""
    sizes = tensor.shape[1:]
    shape = f"dims: [ {', '.join(map(str, sizes))} ]" if sizes else "dims: [ 1 ] reshape { shape: [ ] }"
    labels = f' label_filename: "{LABELS_FILE_NAME}"' if is_labelled else ""
    return [f'{kind} {{ name: "{tensor.name}" data_type: TYPE_{tensor.datatype} {shape}{labels} }}']
