"""Training of the recogniser with CTC (B1, B4, B10): batches of like length, the first epoch from short to long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from export.speech_representations.recogniser.beam import beam_search
from export.speech_representations.recogniser.network import LEAST_FRAMES, Recogniser, RecogniserConfig
from export.speech_representations.recogniser.text import character_error_rate, encode, greedy
from export.speech_representations.recogniser.transcripts import Spoken
from export.training.checkpoint import averaged_weights, load_checkpoint
from export.training.trainer import LoopConfig, Trainer

TEMPO = (0.85, 1.15)
GAIN_DB = (-3.0, 6.0)
"""Ranges of augmentation (B10)."""

INNER_SHARE = 0.5
"""Share of the loss that comes from the layers before the last; the characters' layer reads each (Lee 2021)."""

Magnitudes = NDArray[np.float16]


@dataclass(frozen=True)
class Readings:
    """Recordings of a partition, and their magnitudes, float16 [161, frames] each."""

    spoken: Sequence[Spoken]
    magnitudes: Sequence[Magnitudes]

    def where(self, partition: str) -> Readings:
        """Those of one partition."""
        places = [place for place, row in enumerate(self.spoken) if row.partition == partition]
        return Readings([self.spoken[place] for place in places], [self.magnitudes[place] for place in places])


def batch_of(magnitudes: Sequence[NDArray[np.floating]]) -> tuple[Tensor, Tensor]:
    """Magnitudes float32 [batch, 161, frames], zero beyond each clip, and frames int64 [batch]."""
    frames = [value.shape[1] for value in magnitudes]
    padded = np.zeros((len(frames), magnitudes[0].shape[0], max(frames)), np.float32)
    for row, value in zip(padded, magnitudes, strict=True):
        row[:, : value.shape[1]] = value
    return torch.from_numpy(padded), torch.tensor(frames)


def augmented(random: np.random.Generator, value: Magnitudes, shortest: int) -> NDArray[np.float32]:
    """Another tempo and gain: frames are taken between frames, so that the pitch stays as it is.

    Args:
        shortest: frames that are needed for the text.
    """
    count = max(round(value.shape[1] / random.uniform(*TEMPO)), shortest)
    place = np.linspace(0.0, value.shape[1] - 1.0, count)
    left = place.astype(np.int64)
    right = np.minimum(left + 1, value.shape[1] - 1)
    share = (place - left).astype(np.float32)
    gain = np.float32(10.0 ** (random.uniform(*GAIN_DB) / 20.0))
    return gain * (value[:, left] * (1 - share) + value[:, right] * share)


class RecogniserTrainer(Trainer[Recogniser]):
    """A run: the seed and the step alone say which recordings are drawn, so a run that goes on draws the same."""

    def __init__(
        self, network: Recogniser, readings: Readings, config: LoopConfig, out: Path, seed: int, augment: bool = True
    ) -> None:
        super().__init__(network, config, out, seed, {"recogniser": network.config.to_text()})
        order = np.argsort([row.duration_s for row in readings.spoken], kind="stable")
        self._batches = [order[start : start + config.batch_size] for start in range(0, len(order), config.batch_size)]
        self._readings = readings
        self._targets = [encode(row.text, network.config.alphabet) for row in readings.spoken]
        self._seed, self._augment = seed, augment

    @property
    def epoch_steps(self) -> int:
        """Batches of one epoch."""
        return len(self._batches)

    def batch_loss(self) -> Tensor:
        """CTC's loss a character; the first epoch goes from short recordings to long ones (SortaGrad, B10)."""
        epoch, place = divmod(self.step, len(self._batches))
        if epoch:
            place = int(np.random.default_rng((self._seed, epoch)).permutation(len(self._batches))[place])
        random = np.random.default_rng((self._seed, self.step, 1))
        rows, values = self._batches[place], []
        for row in rows:
            value = self._readings.magnitudes[row]
            shortest = 2 * 2 * len(self._targets[row]) + LEAST_FRAMES
            values.append(augmented(random, value, min(shortest, value.shape[1])) if self._augment else value)
        scores, steps = self.network.scores_by_layer(*(part.to(self._config.device) for part in batch_of(values)))
        wanted = [torch.tensor(self._targets[row]) for row in rows]
        lengths = torch.tensor([len(target) for target in wanted])
        *inner, outer = (
            functional.ctc_loss(layer.cpu(), torch.cat(wanted), steps.cpu(), lengths, zero_infinity=True)
            for layer in scores
        )
        return (1 - INNER_SHARE) * outer + INNER_SHARE * torch.stack(inner).mean() if inner else outer


def transcribe(
    network: Recogniser, magnitudes: Sequence[Magnitudes], beams: int = 1, batch_size: int = 16
) -> list[str]:
    """Texts that the network hears, character by character, without a language model.

    Args:
        beams: prefixes that a beam search follows; 1 takes the most probable character of each step.
    """
    network.eval()
    device, texts = network.characters.weight.device, []
    with torch.inference_mode():
        for start in range(0, len(magnitudes), batch_size):
            scores, steps = network(*(part.to(device) for part in batch_of(magnitudes[start : start + batch_size])))
            for row, count in zip(scores.transpose(0, 1).cpu().numpy(), steps.tolist(), strict=True):
                texts.append(_text(row[:count], network.config.alphabet, beams))
    return texts


def _text(scores: NDArray[np.float32], alphabet: str, beams: int) -> str:
    if beams == 1:
        return greedy(scores.argmax(axis=1).tolist(), alphabet)
    return "".join(alphabet[place] for place in beam_search(scores, beams)[0])


def error_rate(network: Recogniser, readings: Readings, beams: int = 1) -> float:
    """Character error rate of :func:`transcribe`."""
    heard = transcribe(network, readings.magnitudes, beams)
    return character_error_rate([row.text for row in readings.spoken], heard)


def load_recogniser(checkpoint: Path) -> Recogniser:
    """The averaged network of a checkpoint, in evaluation mode.

    Raises:
        ValueError: it is of another network.
    """
    state = load_checkpoint(checkpoint) or {}
    config = state.get("config")
    text = config.get("recogniser") if isinstance(config, dict) else None
    if not isinstance(text, str):
        raise ValueError(f"{checkpoint}: not a checkpoint of 'emoserve-export train recogniser'")
    network = Recogniser(RecogniserConfig.from_text(text))
    network.load_state_dict(averaged_weights(state))
    return network.eval()
