"""Transfer by the paper's recipe: weights that a training takes from a checkpoint, and those it tunes (C20–C22)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from export.corpora.tables import CorpusError
from export.emonet.network import EmoNet, EmoNetConfig
from export.emonet.vgg16 import make_emonet
from export.training.checkpoint import load_checkpoint

MODES = ("scratch", "full", "head", "adapters")

_OWN_PARTS = ("adapters", "norms", "final_norms", "heads")
"""Modules that hold a part for each domain."""


@dataclass(frozen=True)
class Source:
    """A trained network to start from.

    Attributes:
        file: its checkpoint.
        config: its shape.
        preset: its front end.
        state: its weights by name.
    """

    file: Path
    config: EmoNetConfig
    preset: str
    state: dict[str, torch.Tensor]

    @classmethod
    def read(cls, file: Path) -> Source:
        """Read a checkpoint, the best or the last one of a training.

        Raises:
            CorpusError: there is none, or it is of another recipe.
        """
        saved: dict[str, Any] | None = load_checkpoint(file)
        if saved is None or not {"config", "preset", "network"} <= saved.keys():
            raise CorpusError(f"{file}: no checkpoint of recipe 'paper'")
        return cls(file, EmoNetConfig.from_json(saved["config"]), saved["preset"], saved["network"])

    def domain_for(self, domain: str, wanted: str | None) -> str:
        """The domain whose parts a new one starts from: the one wanted, its own, or the only one.

        Raises:
            CorpusError: there is no such domain, or nothing says which.
        """
        known = self.config.domains
        if wanted is not None and wanted not in known:
            raise CorpusError(f"{self.file} has no domain '{wanted}'; it has {', '.join(known)}")
        if wanted is None and domain not in known and len(known) > 1:
            raise CorpusError(f"{self.file} has several domains, and none is '{domain}': name one with --start-domain")
        return wanted or (domain if domain in known else known[0])


def started(config: EmoNetConfig, source: Source, mode: str, start_domain: str | None) -> EmoNet:
    """A network of ``config`` that starts from ``source``.

    Convolutions and attention come from it always. Tuning of all or of the head takes over a domain's adapters and
    normalisation too, and the head is new. Tuning of adapters begins with new ones (C22), or goes on with those of a
    domain that the source was trained on: the second phase of C21.

    Args:
        start_domain: see :meth:`Source.domain_for`.

    Raises:
        CorpusError: as :meth:`Source.domain_for`, or the weights are of another shape.
    """
    if mode != "adapters":
        config = replace(config, adapters=source.config.adapters)
    if source.config.backbone != config.backbone:
        config = replace(config, backbone=source.config.backbone, base=source.config.base)
    network = make_emonet(config)
    taken = {name: value for name, value in source.state.items() if _owner(name) is None}
    for domain in config.domains:
        is_known = domain in source.config.domains
        if mode == "adapters" and not is_known:
            continue
        goes_on = mode == "adapters" and source.config.classes(domain) == config.classes(domain)
        origin = domain if goes_on else source.domain_for(domain, start_domain)
        for name, value in source.state.items():
            if _owner(name) == origin and (goes_on or not name.startswith("heads.")):
                taken[_renamed(name, domain)] = value
    try:
        missing, unexpected = network.load_state_dict(taken, strict=False)
    except RuntimeError as error:
        raise CorpusError(f"{source.file}: weights of another network shape") from error
    if unexpected or any(_owner(name) is None for name in missing):
        raise CorpusError(f"{source.file}: weights of another network shape")
    return network


def tune(network: EmoNet, mode: str) -> list[nn.Parameter]:
    """Let a mode's parameters learn and no others; returns them."""
    tuned = {
        "head": list(network.heads.parameters()),
        "adapters": network.domain_parameters(network.config.domains),
    }.get(mode, network.learnable())
    network.requires_grad_(False)
    for parameter in tuned:
        parameter.requires_grad_(True)
    return tuned


def train_mode(network: EmoNet) -> None:
    """Training mode, but for normalisation that does not learn: it keeps its running means, as in Keras."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


def _place(name: str) -> int | None:
    parts = name.split(".")
    return next((place + 1 for place, part in enumerate(parts) if part in _OWN_PARTS), None)


def _owner(name: str) -> str | None:
    """The domain that a weight belongs to; None where all share it."""
    place = _place(name)
    return None if place is None else name.split(".")[place]


def _renamed(name: str, domain: str) -> str:
    place, parts = _place(name), name.split(".")
    assert place is not None
    return ".".join([*parts[:place], domain, *parts[place + 1 :]])
