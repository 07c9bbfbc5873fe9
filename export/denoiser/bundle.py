"""Bundles of trained denoisers: graph, parity check, card, verification."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch

from export.bundle.card import BundleFacts, BundleText, build_card
from export.bundle.parity import by_graph, measured_parity
from export.bundle.write import Content, write_bundle
from export.corpora.audio import stack
from export.denoiser.graph import denoiser_model, read_denoiser
from export.denoiser.network import Denoiser, DenoiserConfig
from export.denoiser.scores import ConditionReport
from export.evaluation.verification import (
    Clip,
    Verification,
    batch_check,
    clips_of,
    difference_check,
    verification,
)
from service.card import Measurement, SpeechInput, read_card
from service.pipeline.device.session import Device

GRAPH_FILE_NAME, OUTPUT = "denoiser.onnx", "denoised"
TOLERANCE = 1e-4
"""Largest difference of a sample between PyTorch and ONNX Runtime, where ±1 is full scale."""

WINDOW_S = 30.0
MAX_LENGTH_S = 60.0
MIN_LENGTH_S = 0.08
PRESET = "denoiser"

INTENDED_USE = (
    "Taking noise and reverberation from recordings of one speaker before they are judged, where the classifier was "
    "trained on clean or on denoised speech. Not for evidence, and not for hearing aids."
)

CONDITION_WORDS = {
    "noise": "noise of families that training never made, SNR drawn from −5 … 20 dB",
    "babble": "babble of speakers that training never heard, SNR drawn from −5 … 20 dB",
    "room": "reverberation alone (RT60 0.2 … 0.9 s, 3 m); wanted is the direct sound with the first 50 ms",
    "both": "unseen noise and reverberation; wanted is the direct sound with the first 50 ms",
    "clean": "the recording itself, undisturbed: what the denoiser leaves of it",
}


def write_denoiser_bundle(network: Denoiser, about: BundleText, out: Path, recordings: Sequence[Clip]) -> Path:
    """Write ``out/<name>/<version>/`` and check the graph against the network on ``recordings``.

    Args:
        recordings: float32 [samples] at the network's rate.

    Raises:
        ParityError: graph and network differ by more than :data:`TOLERANCE`; nothing is left behind.
    """
    graph = denoiser_model(network, about.metadata).SerializeToString()
    pair = by_graph(graph, OUTPUT), partial(run_network, network)
    facts = BundleFacts(
        task="denoiser",
        speech=SpeechInput(
            sample_rate_hz=network.config.sample_rate_hz,
            window_s=WINDOW_S,
            hop_s=WINDOW_S,
            min_length_s=MIN_LENGTH_S,
            max_length_s=MAX_LENGTH_S,
            preset=PRESET,
        ),
        settings={"network": network.config.to_text()},
        intended_use=INTENDED_USE,
        parity=measured_parity(about.name, [pair], recordings, TOLERANCE),
        made_with=("torch",),
    )
    return write_bundle(out, {GRAPH_FILE_NAME: Content(graph)}, partial(build_card, about, facts))


def load_denoiser_bundle(folder: Path) -> Denoiser:
    """The PyTorch network of a bundle, read back from its graph."""
    card = read_card(folder)
    settings = card.settings["network"]
    assert isinstance(settings, str)
    return read_denoiser(onnx.load(folder / card.file_with_role("model")), DenoiserConfig.from_text(settings))


def denoiser_of(folder: Path, device: Device = "cpu", threads: int = 1) -> Callable[[Clip], Clip]:
    """The function that takes the noise from one clip, float32 [samples], by the graph of a bundle."""
    compute = by_graph(folder / read_card(folder).file_with_role("model"), OUTPUT, device, threads)
    return lambda clip: compute([clip])[0]


def run_network(network: Denoiser, clips: Sequence[Clip]) -> Clip:
    """Denoise a batch in PyTorch, float32 [batch, samples of the longest]."""
    waveform, lengths = stack(clips)
    with torch.inference_mode():
        denoised: Clip = network(torch.from_numpy(waveform), torch.from_numpy(lengths)).numpy()
    return denoised


def denoising_measurements(
    reports: list[ConditionReport], corpus: str, partition: str, seen: bool, folder: Path, seed: int
) -> list[Measurement]:
    """Entries of the card: the gain in SI-SDR of each condition, and what is left of clean speech."""
    origin = "speakers held out" if seen else "corpus never trained on"
    command = (
        f"emoserve-export evaluate {'/'.join(folder.parts[-3:])} --corpus DIR/{corpus} --partition {partition} "
        f"--seed {seed}"
    )
    entries = []
    for report in reports:
        clean = report.condition == "clean"
        figure = report.after_db if clean else report.gain_db
        before = "" if clean else f"; before denoising {report.before_db:.1f} dB"
        entries.append(
            Measurement(
                metric="clean_si_sdr_db" if clean else f"{report.condition}_si_sdr_gain_db",
                value=round(figure.value, 2),
                interval_95=(round(figure.low, 2), round(figure.high, 2)),
                data=corpus,
                split=partition,
                n=report.n,
                protocol=f"{origin}; {CONDITION_WORDS[report.condition]}; noises and rooms are synthetic{before}",
                seen_corpus=seen,
                command=command,
            )
        )
    return entries


def verify_denoiser_bundle(folder: Path, recordings: Sequence[Clip]) -> Verification:
    """Compare ONNX Runtime with PyTorch, and each recording alone with the same one in a batch."""
    card = read_card(folder)
    assert card.speech is not None
    assert card.parity is not None
    clips = clips_of(card.speech, recordings)
    graph = by_graph(folder / card.file_with_role("model"), OUTPUT)
    network = load_denoiser_bundle(folder)
    alone = [graph([clip])[0] for clip in clips]
    together = graph(clips)
    by_torch = [run_network(network, [clip])[0] for clip in clips]

    def largest(others: Sequence[Clip]) -> float:
        """Largest difference of a sample from the clips denoised alone; a row of a batch is longer than its clip."""
        pairs = zip(alone, others, strict=True)
        return float(np.max([np.abs(own - other[: len(own)]).max() for own, other in pairs]))

    return verification(
        card,
        len(clips),
        difference_check("torch", largest(by_torch), card.parity.tolerance),
        batch_check(largest(list(together))),
    )
