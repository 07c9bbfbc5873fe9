"""From a trained EmoNet to a bundle: graph, weights, parity check, card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save

from export.bundle.parity import refuse_difference
from export.bundle.trained import FromNetwork, TrainedBundle, trained_card
from export.bundle.write import Content, write_bundle
from export.corpora.audio import stack
from export.emonet.graph import emonet_model
from export.emonet.network import EmoNet, EmoNetConfig
from export.evaluation.calibration import Calibration
from export.graph.front_end import PRESETS, FrontEnd
from service.card import SpeechInput, read_card
from service.pipeline.device.session import Session

GRAPH_FILE_NAME = "emonet.onnx"
WEIGHTS_FILE_NAME = "weights.safetensors"
TOLERANCE = 1e-4
"""Largest difference of a probability between PyTorch and ONNX Runtime; both run in fp32."""

INTENDED_USE = (
    "Estimating the vocal expression of emotion in recordings of one speaker, for research and as one input among "
    "others to people in health care. Not a diagnosis, not a lie detector, not a judgement of what a person feels. "
    "The EU AI Act (Regulation 2024/1689, article 5(1)(f)) prohibits emotion recognition at work and in education "
    "except for medical or safety reasons; elsewhere it is high-risk and people must be told."
)


@dataclass(frozen=True)
class EmotionBundle(TrainedBundle):
    """What the card needs to know beyond the network.

    Attributes:
        calibration_corpora: whose devel partitions the calibration is fitted on; empty means all that were seen.
    """

    preset: str = "open"
    hop_s: float = 1.0
    min_length_s: float = 0.08
    calibration_corpora: Sequence[str] = ()


def write_emotion_bundle(
    network: EmoNet, about: EmotionBundle, calibration: Calibration, out: Path, inputs: list[NDArray[np.float32]]
) -> Path:
    """Write ``out/<name>/<version>/`` and check the graph against the network on ``inputs``.

    Args:
        inputs: recordings, float32 [samples] at the preset's rate.

    Raises:
        ParityError: graph and network differ by more than :data:`TOLERANCE`; nothing is left behind.
    """
    preset = PRESETS[about.preset]
    graph = emonet_model(network, preset, about.metadata, calibration=calibration).SerializeToString()
    difference = largest_difference(graph, network, about.preset, calibration, inputs)
    refuse_difference(about.name, difference, TOLERANCE)
    window_s = preset.full_length_samples / preset.sample_rate_hz
    content = FromNetwork(
        task="speech-emotion",
        speech=SpeechInput(
            sample_rate_hz=preset.sample_rate_hz,
            window_s=window_s,
            hop_s=about.hop_s,
            min_length_s=about.min_length_s,
            max_length_s=window_s,
            preset=about.preset,
        ),
        settings={**calibration.to_settings(), "network": network.config.to_text()},
        intended_use=INTENDED_USE,
        tolerance=TOLERANCE,
        difference=difference,
        recordings=len(inputs),
        labels=network.config.labels,
    )
    weights = save({key: value.contiguous() for key, value in network.state_dict().items()})
    contents = {GRAPH_FILE_NAME: Content(graph), WEIGHTS_FILE_NAME: Content(weights, "weights")}
    return write_bundle(out, contents, lambda files: trained_card(about, content, files))


def load_network(folder: Path) -> EmoNet:
    """The PyTorch network of a bundle, in evaluation mode, from its unfolded weights."""
    card = read_card(folder)
    settings = card.settings["network"]
    assert isinstance(settings, str)
    network = EmoNet(EmoNetConfig.from_text(settings))
    network.load_state_dict(load_file(folder / card.file_with_role("weights")))
    return network.eval()


def torch_probabilities(
    network: EmoNet,
    preset: str,
    calibration: Calibration,
    waveform: NDArray[np.float32],
    lengths: NDArray[np.int64],
) -> NDArray[np.float32]:
    """What PyTorch answers, float32 [batch, classes]."""
    with torch.inference_mode():
        pictures, frames = FrontEnd(PRESETS[preset])(torch.from_numpy(waveform), torch.from_numpy(lengths))
        logits = network(pictures[:, None], frames)["emotion"]
        return calibration.probabilities(logits.numpy())


def largest_difference(
    graph: bytes, network: EmoNet, preset: str, calibration: Calibration, inputs: list[NDArray[np.float32]]
) -> float:
    """Largest difference of a probability between graph and network, each clip alone and all in one batch."""
    session = Session(graph, device="cpu", threads=1)
    limit = PRESETS[preset].full_length_samples
    clips = [clip[:limit] for clip in inputs]
    batches = [[clip] for clip in clips] + [clips]
    worst = 0.0
    for batch in batches:
        waveform, lengths = stack(batch)
        answer = session.run({"waveform": waveform, "lengths": lengths}, ("probabilities",))["probabilities"]
        expected = torch_probabilities(network, preset, calibration, waveform, lengths)
        worst = max(worst, float(np.abs(answer - expected).max()))
    return worst
