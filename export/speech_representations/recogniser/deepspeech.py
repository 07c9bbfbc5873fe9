"""Checkpoints of SeanNaren's deepspeech.pytorch as it was in February 2018 (commit 96700b2): the paper's software (B5).

Nothing of the file is executed. Conventions of that program that could not be checked here, with no such weights at
hand, are those of B5.
"""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export.speech_representations.recogniser.network import Recogniser, RecogniserConfig
from export.speech_representations.recogniser.training import load_recogniser
from export.training.checkpoint import CHECKPOINT_FILE_NAME

CONVOLUTIONS = {"conv.0": "convolutions.0", "conv.1": "convolution_norms.0", "conv.3": "convolutions.1"} | {
    "conv.4": "convolution_norms.1"
}
HEAD = {"fc.0.module.0": "norms.{last}", "fc.0.module.1": "characters"}
DIRECTIONS = {"": "onward", "_reverse": "homeward"}
LABELS = "labels"


class CheckpointError(ValueError):
    """A checkpoint that is of no recogniser known here; the message is one line."""


def read_weights(file: Path) -> Recogniser:
    """The network of a checkpoint, or of the folder of a training; the other program's checkpoints too.

    Raises:
        CheckpointError: the file is of another network.
    """
    file = file / CHECKPOINT_FILE_NAME if file.is_dir() else file
    if not file.is_file():
        raise CheckpointError(f"{file}: no such checkpoint")
    try:
        state: Any = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(f"{file}: not a file of weights alone ({str(error).splitlines()[0][:120]})") from error
    if not isinstance(state, dict) or "state_dict" not in state:
        try:
            return load_recogniser(file)
        except (ValueError, AttributeError) as error:
            raise CheckpointError(str(error)) from error
    return from_deepspeech(state, str(file))


def from_deepspeech(package: dict[str, Any], source: str) -> Recogniser:
    """The network of a package that deepspeech.pytorch saved, in evaluation mode.

    Raises:
        CheckpointError: it is of another kind of network, or a tensor is missing or of another shape.
    """
    if str(package.get("rnn_type", "")).lower() != "gru" or not package.get("bidirectional", True):
        raise CheckpointError(f"{source}: its layers are not bidirectional GRUs ({package.get('rnn_type')})")
    labels = "".join(package.get(LABELS, ""))
    if len(labels) < 2:
        raise CheckpointError(f"{source}: it names no characters")
    given: dict[str, Tensor] = {key.removeprefix("module."): value for key, value in package["state_dict"].items()}
    layers, channels = int(package["hidden_layers"]), len(given.get("conv.0.weight", ()))
    network = Recogniser(RecogniserConfig(labels, channels or 32, int(package["hidden_size"]), layers))
    names = {theirs: ours.format(last=layers - 1) for theirs, ours in (CONVOLUTIONS | HEAD).items()}
    names |= {f"rnns.{index}.batch_norm.module": f"norms.{index - 1}" for index in range(1, layers)}
    wanted = network.state_dict()
    found = {}
    for name, value in given.items():
        place, _, part = name.rpartition(".")
        if place in names:
            found[f"{names[place]}.{part}"] = value
        elif part.startswith("weight_"):
            index, way = place.removeprefix("rnns.").partition(".")[0], part.endswith("_reverse")
            found[f"layers.{index}.{DIRECTIONS['_reverse' if way else '']}.{part.removesuffix('_reverse')}"] = value
    for name, tensor in wanted.items():
        if name.endswith("num_batches_tracked"):
            found.setdefault(name, tensor)  # older PyTorch did not count
        elif name not in found or found[name].shape != tensor.shape:
            shape = tuple(found[name].shape) if name in found else "missing"
            raise CheckpointError(f"{source}: what would be {name} {tuple(tensor.shape)} is {shape}")
    network.load_state_dict({name: found[name] for name in wanted})
    return network.eval()
