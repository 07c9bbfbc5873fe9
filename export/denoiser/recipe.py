"""Training the denoiser (D12): mixtures made on the fly, signal approximation, one learning-rate cycle, resumable.

The loss is a choice, since D12 names none: the negative signal-to-noise ratio of the masked spectrum against the
wanted one, which a tight frame makes an upper bound of the error of the waveform, and the squared error of
compressed magnitudes, which weighs quiet parts more.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from export.corpora.tables import Corpus
from export.denoiser.mixtures import MixtureConfig, MixtureSampler
from export.denoiser.network import Denoiser, DenoiserConfig
from export.training.checkpoint import (
    CHECKPOINT_FILE_NAME,
    append_figures,
    averaged_weights,
    load_checkpoint,
    save_checkpoint,
)
from export.training.one_cycle import OneCycle

ERROR_FLOOR = 1e-3
"""Share of the speech power below which an error counts no more: a ratio of 30 dB is as good as perfect."""

COMPRESSION = 0.3
COMPRESSED_SHARE = 2.0
"""Exponent of the compressed magnitudes, and how much their error counts."""


@dataclass(frozen=True)
class DenoiserRecipe:
    """How long and how fast.

    Attributes:
        half_precision: bfloat16 for the recurrent layers.
        report_steps: batches between lines of the log and checkpoints.
    """

    steps: int
    seed: int = 0
    partitions: tuple[str, ...] = ("train",)
    batch_size: int = 24
    peak_rate: float = 2e-3
    weight_decay: float = 0.01
    average_decay: float = 0.995
    clip_norm: float = 5.0
    report_steps: int = 100
    half_precision: bool = True
    mixtures: MixtureConfig = field(default_factory=MixtureConfig)


def denoising_loss(estimate: Tensor, wanted: Tensor) -> Tensor:
    """Loss of spectra float32 [batch, 2·bins, frames]; a scalar, about −3 where all is perfect."""
    error = (estimate - wanted).square().sum(dim=(1, 2))
    power = wanted.square().sum(dim=(1, 2))
    ratio = torch.log10((power + 1e-8) / (error + ERROR_FLOOR * power + 1e-8))
    scale = torch.rsqrt(power / wanted[0].numel() + 1e-12)[:, None, None]
    difference = _compressed(estimate * scale) - _compressed(wanted * scale)
    return COMPRESSED_SHARE * difference.square().mean() - ratio.mean()


def train_denoiser(
    corpora: Sequence[Corpus],
    recipe: DenoiserRecipe,
    out: Path,
    progress: Callable[[int, float], None],
    config: DenoiserConfig | None = None,
) -> Denoiser:
    """Train on ``corpora``, or go on from the checkpoint in ``out``, and return the averaged network."""
    torch.manual_seed(recipe.seed)
    sampler = MixtureSampler([corpus.partition(*recipe.partitions) for corpus in corpora], recipe.mixtures, recipe.seed)
    run = _Run(Denoiser(config or DenoiserConfig()), sampler, recipe, out)
    run.start()
    run.train(progress)
    return run.averaged_network()


def load_denoiser(checkpoint: Path) -> Denoiser:
    """The averaged network of a checkpoint, in evaluation mode."""
    state = torch.load(checkpoint, weights_only=True)
    network = Denoiser(DenoiserConfig.from_text(state["config"]))
    network.load_state_dict(averaged_weights(state))
    return network.eval()


class _Run:
    """One training run in one folder."""

    def __init__(self, network: Denoiser, sampler: MixtureSampler, recipe: DenoiserRecipe, out: Path) -> None:
        self._network = network
        self._sampler = sampler
        self._recipe = recipe
        self._out = out
        self._cycle = OneCycle(
            network,
            steps=recipe.steps,
            peak_rate=recipe.peak_rate,
            rise=0.1,
            weight_decay=recipe.weight_decay,
            average_decay=recipe.average_decay,
            average_buffers=False,
            clip_norm=recipe.clip_norm,
        )
        out.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Load the folder's checkpoint, or fit the scale of the bands for a new run."""
        state = load_checkpoint(self._out / CHECKPOINT_FILE_NAME)
        if state is not None:
            self._cycle.restore(state)
            return
        spectrum, _, level = self._batch(step=0)
        with torch.no_grad():
            bands = self._network.bands(spectrum, level)
            self._network.fit_bands(bands)
            self.averaged_network().fit_bands(bands)

    def train(self, progress: Callable[[int, float], None]) -> None:
        """Train to the end, with a line of figures and a checkpoint every ``report_steps``."""
        losses: list[float] = []
        began = time.monotonic()
        while self._cycle.step < self._recipe.steps:
            losses.append(self._one_step())
            step = self._cycle.step
            progress(step, losses[-1])
            if step % self._recipe.report_steps == 0 or step == self._recipe.steps:
                self._report(sum(losses) / len(losses), time.monotonic() - began)
                self._save()
                losses.clear()

    def averaged_network(self) -> Denoiser:
        """The network with averaged weights."""
        network = self._cycle.averaged
        assert isinstance(network, Denoiser)
        return network

    def _batch(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Spectra of disturbed and wanted speech, and the mean square of the disturbed one."""
        heard, wanted = (torch.from_numpy(part) for part in self._sampler.draw(step, self._recipe.batch_size))
        with torch.no_grad():
            return self._network.transform(heard), self._network.transform(wanted), heard.square().mean(dim=1)

    def _one_step(self) -> float:
        spectrum, wanted, level = self._batch(self._cycle.step + 1)
        with torch.no_grad():
            bands = self._network.bands(spectrum, level)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._recipe.half_precision):
            mask = self._network.mask(bands).float()
        loss = denoising_loss(spectrum * mask.repeat(1, 2, 1), wanted)
        return self._cycle.learn(loss)

    def _report(self, loss: float, elapsed_s: float) -> None:
        line = {"step": self._cycle.step, "loss": round(loss, 5), "elapsed_s": round(elapsed_s, 1)}
        append_figures(self._out, line)

    def _save(self) -> None:
        save_checkpoint(
            {
                "config": self._network.config.to_text(),
                "recipe": json.dumps(asdict(self._recipe)),
            }
            | self._cycle.state(),
            self._out / CHECKPOINT_FILE_NAME,
        )


def _compressed(spectrum: Tensor) -> Tensor:
    real, imaginary = spectrum.chunk(2, dim=1)
    return (real.square() + imaginary.square() + 1e-6) ** (COMPRESSION / 2)
