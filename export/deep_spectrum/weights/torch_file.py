"""Weights in PyTorch's own files and in safetensors files."""

import pickle
import re
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from export.deep_spectrum.networks.layers import WeightsError

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys below which training programs keep the weights of a network."""

OLD_DENSE_LAYER = re.compile(r"(denselayer\d+)\.(norm|relu|conv)\.([12])\.")
"""torchvision's DenseNet files are older than its present names: 'norm.1' is 'norm1' today."""


def read_torch_file(file: Path) -> dict[str, NDArray[np.float32]]:
    """Tensors of a state dictionary by the present names; nothing in the file is executed.

    Raises:
        WeightsError: the file is no state dictionary.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{file.name} is not a file of PyTorch weights: {reason}") from error
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not any(isinstance(value, torch.Tensor) for value in content.values()):
        raise WeightsError(f"{file.name} holds no state dictionary")
    tensors = {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}
    return {present_name(str(key)): value.detach().float().numpy() for key, value in tensors.items()}


def read_safetensors_file(file: Path) -> dict[str, NDArray[np.float32]]:
    """Tensors of a safetensors file by the present names. Raises WeightsError if the file is damaged."""
    try:
        tensors = load_file(file)
    except (SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"{file.name} is not a safetensors file of floats: {error}") from error
    return {present_name(key): np.asarray(value, dtype=np.float32) for key, value in tensors.items()}


def present_name(key: str) -> str:
    """Today's name of a weight: without the prefix of a parallel wrapper, and without DenseNet's old dots."""
    return OLD_DENSE_LAYER.sub(r"\1.\2\3.", key.removeprefix("module."))
