"""Bundles of the network on the GE2E encoder: reading a checkpoint or a bundle, and writing one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.bundle.emotion import Drawn, EmotionSource, EmotionText, check_weights, former, write_emotion_bundle
from export.corpora.audio import stack
from export.evaluation.calibration import Calibration
from export.evaluation.verification import Clip, Compute
from export.graph.front_end import FrontEnd
from export.graph.high_pass import BELOW_SPEECH, high_passed
from export.speech_representations.encoder import PRESET
from export.speech_representations.familiarity import fit_familiarity
from export.speech_representations.graph import read_voice, voice_model
from export.speech_representations.network import HALF_WEIGHT_CLIPS, POOLED, VoiceConfig, VoiceNetwork
from export.training.checkpoint import averaged_weights, load_checkpoint
from export.training.trainer import load_calibration, load_class_prior, load_doubt
from service.card import ProfileInput, SpeechInput, read_card

GRAPH_FILE_NAME = "ge2e.onnx"
CPU_BATCH = 4
"""Windows of 3.0 s at once on one core: 16.6 ms each alone, 11.5 ms in twos, 9.4 ms in fours.

``EMOSERVE_DEVICE=cpu python -m benchmarks gpu`` prints windows a second by batch.
"""


def read_source(weights: Path) -> EmotionSource:
    """Read a checkpoint, or the folder of a bundle.

    Raises:
        ValueError: the checkpoint or the bundle is of another network, or the weights are not those that the card
            names; the message is one line.
    """
    if not weights.is_dir():
        network, prior = load_trained(weights), load_class_prior(weights)
        source = EmotionSource(
            partial(write_voice_bundle, network),
            load_calibration(weights),
            doubt=load_doubt(weights),
            class_prior=prior,
        )
    else:
        check_weights(read_card(weights), weights, "model")
        network = load_network(weights)
        source = EmotionSource(partial(write_voice_bundle, network), *former(weights))
    return replace(source, learn_familiar=partial(learn_familiar, network))


def learn_familiar(
    network: VoiceNetwork, training: Sequence[NDArray[np.float32]]
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Let the network know the speech of its training; what tells the unfamiliarity of other recordings.

    Args:
        training: the graph's statistics of each corpus's recordings, float32 [recordings, 1536].
    """

    def seen(statistics: NDArray[np.float32]) -> Tensor:
        return network.seen(torch.from_numpy(statistics))

    familiarity = network.familiarity = fit_familiarity([seen(part).numpy() for part in training])

    def unfamiliarity(statistics: NDArray[np.float32]) -> NDArray[np.float32]:
        return familiarity.unfamiliarity(seen(statistics)).numpy()

    return unfamiliarity


def load_trained(checkpoint: Path) -> VoiceNetwork:
    """The averaged network of a checkpoint, in evaluation mode.

    Raises:
        ValueError: it is of another network.
    """
    state = load_checkpoint(checkpoint) or {}
    settings = state.get("config", {}).get("network")
    if not isinstance(settings, str):
        raise ValueError(f"{checkpoint}: not a checkpoint of 'emoserve-export train ge2e'")
    network = VoiceNetwork(VoiceConfig.from_text(settings))
    network.load_state_dict(averaged_weights(state))
    return network.eval()


def load_network(folder: Path) -> VoiceNetwork:
    """The PyTorch network of a bundle, in evaluation mode.

    Raises:
        ValueError: the bundle is of another network.
    """
    card = read_card(folder)
    if card.speech is None or card.speech.preset != PRESET.name:
        raise ValueError(f"{folder}: not a bundle of a network on the GE2E encoder")
    config = VoiceConfig.from_text(str(card.settings["network"]))
    return read_voice(onnx.load(folder / card.file_with_role("model")), config)


def write_voice_bundle(
    network: VoiceNetwork, about: EmotionText, calibration: Calibration, out: Path, inputs: list[NDArray[np.float32]]
) -> Path:
    """Write ``out/<name>/<version>/``; see :func:`export.bundle.emotion.write_emotion_bundle`."""
    window_s = PRESET.full_length_samples / PRESET.sample_rate_hz
    speech = SpeechInput(
        sample_rate_hz=PRESET.sample_rate_hz,
        window_s=window_s,
        hop_s=about.hop_s,
        min_length_s=about.min_length_s,
        max_length_s=window_s,
        preset=PRESET.name,
        high_pass_hz=BELOW_SPEECH.below_hz,
        cpu_batch=CPU_BATCH,
        profile=ProfileInput(
            encoder_sha256=network.encoder.sha256,
            dimensions=POOLED // 2,
            half_weight_clips=HALF_WEIGHT_CLIPS,
        ),
    )
    drawn = Drawn(
        voice_model(network, about.metadata, calibration).SerializeToString(),
        GRAPH_FILE_NAME,
        by_network(network, calibration),
        network.config.to_text(),
        network.config.labels,
    )
    return write_emotion_bundle(drawn, about, speech, calibration, out, inputs)


def by_network(network: VoiceNetwork, calibration: Calibration) -> Compute:
    """The network in PyTorch behind filter and front end: clips to probabilities float32 [clips, classes]."""
    front_end = FrontEnd(PRESET)

    def compute(clips: Sequence[Clip]) -> NDArray[np.float32]:
        waveform, lengths = stack([high_passed(clip, PRESET.sample_rate_hz, BELOW_SPEECH) for clip in clips])
        with torch.inference_mode():
            power, frames = front_end(torch.from_numpy(waveform), torch.from_numpy(lengths))
            return calibrated(network, calibration, power.transpose(1, 2), frames)

    return compute


def calibrated(network: VoiceNetwork, calibration: Calibration, power: Tensor, frames: Tensor) -> NDArray[np.float32]:
    """Probabilities, float32 [batch, classes], of the network's input; see :meth:`VoiceNetwork.forward`."""
    pooled = network.encoder(power, frames)
    logits = network.judge(pooled)["emotion"].numpy()
    if network.familiarity is None:
        return calibration.probabilities(logits)
    return calibration.probabilities(logits, network.familiarity.unfamiliarity(network.seen(pooled)).numpy())
