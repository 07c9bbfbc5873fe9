"""A training's folder: its checkpoint, which is there and whole or not there, and its log."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export.failures import UserError

CHECKPOINT_FILE_NAME = "checkpoint.pt"
LOG_FILE_NAME = "training.jsonl"

AVERAGED_PREFIX = "module."
"""Prefix that :class:`torch.optim.swa_utils.AveragedModel` gives to the names of the weights."""


class OtherTrainingError(UserError):
    """A checkpoint of another network or training."""


@contextmanager
def restoring(folder: Path) -> Iterator[None]:
    """Put the state of a checkpoint in ``folder`` back, within ``with``.

    Raises:
        OtherTrainingError: the state does not fit.
    """
    try:
        yield
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise OtherTrainingError(f"{folder}: has the checkpoint of another training; choose a new --out") from error


def save_checkpoint(state: Mapping[str, object], file: Path) -> None:
    """Write ``state`` beside ``file`` and rename it, so that an interruption leaves the checkpoint before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    torch.save(dict(state), partial)
    partial.replace(file)


def load_checkpoint(file: Path) -> dict[str, Any] | None:
    """The state in ``file`` on the CPU, or None where there is no such file; nothing in it is executed."""
    if not file.is_file():
        return None
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def averaged_weights(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Averaged weights of a checkpoint by the names of the network."""
    averaged: dict[str, Tensor] = state["average"]
    return {
        name.removeprefix(AVERAGED_PREFIX): value
        for name, value in averaged.items()
        if name.startswith(AVERAGED_PREFIX)
    }


def append_figures(folder: Path, figures: Mapping[str, float]) -> None:
    """Append one JSON line to the log of the training in ``folder``."""
    with (folder / LOG_FILE_NAME).open("a", encoding="utf-8") as log:
        log.write(json.dumps(dict(figures)) + "\n")
