"""Bundles of trained EmoNets: graph, weights, parity check, card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save

from export.bundle.card import SPEECH_EMOTION_USE, BundleFacts, BundleText, build_card
from export.bundle.write import Content, write_bundle
from export.corpora.audio import stack
from export.emonet.graph import emonet_model
from export.emonet.network import EmoNet, EmoNetConfig
from export.evaluation.calibration import Calibration
from export.evaluation.verification import Clip, Compute, largest_difference, refuse_difference
from export.graph.front_end import PRESETS, FrontEnd
from export.graph.high_pass import HIGH_PASS_HZ, high_passed
from service.card import Parity, SpeechInput, read_card
from service.pipeline.device.session import Session

GRAPH_FILE_NAME = "emonet.onnx"
WEIGHTS_FILE_NAME = "weights.safetensors"
TOLERANCE = 1e-4
"""Largest difference of a probability between PyTorch and ONNX Runtime; both run in fp32."""


@dataclass(frozen=True)
class EmotionText(BundleText):
    """Text and settings of the card that do not follow from the network.

    Attributes:
        calibration_corpora: whose devel partitions the calibration is fitted on; empty means all that were seen.
    """

    preset: str = "open"
    hop_s: float = 1.0
    min_length_s: float = 0.08
    calibration_corpora: Sequence[str] = ()


def write_emotion_bundle(
    network: EmoNet, about: EmotionText, calibration: Calibration, out: Path, inputs: list[NDArray[np.float32]]
) -> Path:
    """Write ``out/<name>/<version>/`` and check the graph against the network on ``inputs``.

    Args:
        inputs: recordings, float32 [samples] at the preset's rate.

    Raises:
        ParityError: graph and network differ by more than :data:`TOLERANCE`; nothing is left behind.
    """
    preset = PRESETS[about.preset]
    graph = emonet_model(network, preset, about.metadata, calibration=calibration).SerializeToString()
    clips = [clip[: preset.full_length_samples] for clip in inputs]
    difference = largest_difference(
        by_graph(Session(graph, device="cpu", threads=1)),
        by_network(network, about.preset, calibration, is_high_passed=True),
        clips,
    )
    refuse_difference(about.name, difference, TOLERANCE)
    window_s = preset.full_length_samples / preset.sample_rate_hz
    facts = BundleFacts(
        task="speech-emotion",
        speech=SpeechInput(
            sample_rate_hz=preset.sample_rate_hz,
            window_s=window_s,
            hop_s=about.hop_s,
            min_length_s=about.min_length_s,
            max_length_s=window_s,
            preset=about.preset,
            high_pass_hz=HIGH_PASS_HZ,
        ),
        settings={**calibration.to_settings(), "network": network.config.to_text()},
        intended_use=SPEECH_EMOTION_USE,
        parity=Parity(
            tolerance=TOLERANCE,
            largest_difference=difference,
            against=f"PyTorch {torch.__version__} on {len(inputs)} recordings, alone and in one batch",
        ),
        made_with=("torch",),
        labels=network.config.labels,
    )
    weights = save({key: value.contiguous() for key, value in network.state_dict().items()})
    contents = {GRAPH_FILE_NAME: Content(graph), WEIGHTS_FILE_NAME: Content(weights, "weights")}
    return write_bundle(out, contents, partial(build_card, about, facts))


def load_network(folder: Path) -> EmoNet:
    """The PyTorch network of a bundle, in evaluation mode, from its unfolded weights."""
    card = read_card(folder)
    settings = card.settings["network"]
    assert isinstance(settings, str)
    network = EmoNet(EmoNetConfig.from_text(settings))
    network.load_state_dict(load_file(folder / card.file_with_role("weights")))
    return network.eval()


def by_graph(session: Session) -> Compute:
    """The bundle's graph: clips to probabilities float32 [clips, classes]."""

    def compute(clips: Sequence[Clip]) -> NDArray[np.float32]:
        waveform, lengths = stack(clips)
        return session.run({"waveform": waveform, "lengths": lengths}, ("probabilities",))["probabilities"]

    return compute


def by_network(network: EmoNet, preset: str, calibration: Calibration, *, is_high_passed: bool) -> Compute:
    """The network in PyTorch behind its front end: clips to probabilities float32 [clips, classes].

    Args:
        is_high_passed: whether the graph takes out what lies below speech, so that the network gets the same clips.
    """
    front_end = FrontEnd(PRESETS[preset])

    def compute(clips: Sequence[Clip]) -> NDArray[np.float32]:
        rate_hz = PRESETS[preset].sample_rate_hz
        waveform, lengths = stack([high_passed(clip, rate_hz) for clip in clips] if is_high_passed else clips)
        with torch.inference_mode():
            pictures, frames = front_end(torch.from_numpy(waveform), torch.from_numpy(lengths))
            logits = network(pictures[:, None], frames)["emotion"]
        return calibration.probabilities(logits.numpy())

    return compute
