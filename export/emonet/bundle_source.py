"""Sources of an EmoNet bundle: a checkpoint of its training, or a bundle made before."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from export.bundle.emotion import EmotionSource, check_weights, former
from export.emonet.bundle import load_network, write_emonet_bundle
from export.emonet.training_loop import load_trained
from export.training.trainer import load_calibration
from service.card import read_card


def read_source(weights: Path) -> EmotionSource:
    """Read a checkpoint, or the folder of a bundle, whose graph is not needed.

    Raises:
        ValueError: the checkpoint is of another recipe, the bundle is no EmoNet, or its weights are not those that its
            card names; the message is one line.
    """
    if not weights.is_dir():
        return EmotionSource(partial(write_emonet_bundle, load_trained(weights)), load_calibration(weights))
    check_weights(read_card(weights), weights, "weights")
    return EmotionSource(partial(write_emonet_bundle, load_network(weights)), *former(weights))
