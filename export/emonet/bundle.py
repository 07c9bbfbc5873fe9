"""Bundles of trained EmoNets: reading a checkpoint or a bundle, and writing one."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from export.bundle.emotion import (
    DomainGraph,
    Drawn,
    EmotionSource,
    EmotionText,
    check_weights,
    former,
    write_emotion_bundle,
)
from export.corpora.audio import stack
from export.emonet.graph import emonet_model
from export.emonet.network import EmoNet, EmoNetConfig
from export.emonet.training_loop import load_trained
from export.emonet.vgg16 import make_emonet
from export.evaluation.calibration import Calibration
from export.evaluation.verification import Clip, Compute
from export.graph.front_end import PRESETS, FrontEnd
from export.graph.high_pass import OFFSET_AND_MAINS, high_passed
from export.training.trainer import load_calibration, load_class_prior
from service.card import SpeechInput, read_card

GRAPH_FILE_NAME = "emonet.onnx"


def write_emonet_bundle(
    network: EmoNet, about: EmotionText, calibration: Calibration, out: Path, inputs: list[NDArray[np.float32]]
) -> Path:
    """Write ``out/<name>/<version>/``; see :func:`export.bundle.emotion.write_emotion_bundle`."""
    preset = PRESETS[about.preset]
    window_s = preset.full_length_samples / preset.sample_rate_hz
    speech = SpeechInput(
        sample_rate_hz=preset.sample_rate_hz,
        window_s=window_s,
        hop_s=about.hop_s,
        min_length_s=about.min_length_s,
        max_length_s=window_s,
        preset=about.preset,
        high_pass_hz=OFFSET_AND_MAINS.below_hz,
    )
    config = network.config

    def graph(domain: str) -> DomainGraph:
        return DomainGraph(
            emonet_model(network, preset, about.metadata, domain, calibration).SerializeToString(),
            GRAPH_FILE_NAME if domain == config.domains[0] else f"emonet-{domain}.onnx",
            by_network(network, about.preset, calibration, is_high_passed=True, domain=domain),
        )

    first = graph(config.domains[0])
    drawn = Drawn(
        first.data,
        first.file_name,
        first.reference,
        config.to_text(),
        config.labels,
        network,
        {name: config.classes(name) for name in config.domains} if len(config.domains) > 1 else {},
        {name: graph(name) for name in config.domains[1:]},
    )
    return write_emotion_bundle(drawn, about, speech, calibration, out, inputs)


def load_network(folder: Path) -> EmoNet:
    """The PyTorch network of a bundle, in evaluation mode, from its unfolded weights."""
    card = read_card(folder)
    settings = card.settings["network"]
    assert isinstance(settings, str)
    network = make_emonet(EmoNetConfig.from_text(settings))
    network.load_state_dict(load_file(folder / card.file_with_role("weights")))
    return network.eval()


def by_network(
    network: EmoNet, preset: str, calibration: Calibration, *, is_high_passed: bool, domain: str | None = None
) -> Compute:
    """The network in PyTorch behind its front end: clips to probabilities float32 [clips, classes].

    Args:
        is_high_passed: whether the graph takes out what lies below speech, so that the network gets the same clips.
        domain: whose parts count; left out, the first.
    """
    domain = domain or network.config.domains[0]
    front_end = FrontEnd(PRESETS[preset])

    def compute(clips: Sequence[Clip]) -> NDArray[np.float32]:
        rate_hz = PRESETS[preset].sample_rate_hz
        waveform, lengths = stack([high_passed(clip, rate_hz) for clip in clips] if is_high_passed else clips)
        with torch.inference_mode():
            pictures, frames = front_end(torch.from_numpy(waveform), torch.from_numpy(lengths))
            logits = network(pictures[:, None], frames, domain)["emotion"]
        return calibration.probabilities(network.among_all(logits, domain).numpy())

    return compute


def read_source(weights: Path) -> EmotionSource:
    """Read a checkpoint, or the folder of a bundle, whose graph is not needed.

    Raises:
        ValueError: the checkpoint is of another recipe, the bundle is no EmoNet, or its weights are not those that its
            card names; the message is one line.
    """
    if not weights.is_dir():
        network, preset = load_trained(weights)
        prior = load_class_prior(weights)
        write = partial(write_emonet_bundle, network)
        return EmotionSource(write, load_calibration(weights), class_prior=prior, preset=preset)
    card = read_card(weights)
    check_weights(card, weights, "weights")
    preset = card.speech.preset if card.speech else ""
    return EmotionSource(partial(write_emonet_bundle, load_network(weights)), *former(weights), preset=preset)
