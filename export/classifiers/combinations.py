"""The combinations of networks that were reported for fusion (A22, A23)."""

import re
from collections.abc import Sequence
from pathlib import Path

from export.failures import UserError
from export.features.table import FeatureTable

TEN_NETWORKS = (
    "alexnet", "vgg16", "vgg19", "resnet50", "densenet121", "densenet169", "densenet201", "mobilenetv2",
    "squeezenet", "xception",
)  # fmt: skip
"""A8–A17, in the order of the list."""

COMPARE = "compare2016"

COMBINATIONS: dict[str, tuple[str, ...]] = {
    "densenet121+vgg19": ("densenet121", "vgg19"),
    "densenet121+vgg19+compare": ("densenet121", "vgg19", COMPARE),
    "all-ten": TEN_NETWORKS,
    "all-ten+compare": (*TEN_NETWORKS, COMPARE),
}
"""A22 reports 'all-ten' and 'densenet121+vgg19' fused early; A23 all four fused late."""

SPELLINGS = {"squeezenet1": "squeezenet", "squeezenet11": "squeezenet"}


class CombinationError(UserError):
    """Tables that do not hold the networks of a combination; the message names those missing."""


def plain_name(network: str) -> str:
    """A network's name without case and punctuation, so that 'MobileNet_V2' is 'mobilenetv2'."""
    plain = re.sub(r"[^a-z0-9]", "", network.lower())
    return SPELLINGS.get(plain, plain)


def choose(name: str, tables: Sequence[tuple[Path, FeatureTable]]) -> list[tuple[Path, FeatureTable]]:
    """The tables of a combination, in its order; others are passed over.

    Raises:
        CombinationError: a network has no table, or several.
    """
    by_network: dict[str, list[tuple[Path, FeatureTable]]] = {}
    for file, table in tables:
        if len(table.origin.backbones) == 1:
            by_network.setdefault(plain_name(table.origin.backbones[0].network), []).append((file, table))
    missing = [network for network in COMBINATIONS[name] if network not in by_network]
    if missing:
        raise CombinationError(f"the combination '{name}' needs features of {', '.join(missing)} too")
    several = [network for network in COMBINATIONS[name] if len(by_network[network]) > 1]
    if several:
        raise CombinationError(f"several tables hold features of {', '.join(several)}")
    return [by_network[network][0] for network in COMBINATIONS[name]]
