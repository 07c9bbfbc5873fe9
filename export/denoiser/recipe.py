"""Training the denoiser (D12): mixtures made on the fly, signal approximation, one learning-rate cycle, resumable.

The loss is a choice, since D12 names none: the negative signal-to-noise ratio of the masked spectrum against the
wanted one, which a tight frame makes an upper bound of the error of the waveform, and the squared error of
compressed magnitudes, which weighs quiet parts more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from export.corpora.tables import Corpus
from export.denoiser.mixtures import MixtureConfig, MixtureSampler
from export.denoiser.network import Denoiser, DenoiserConfig
from export.training.checkpoint import averaged_weights
from export.training.trainer import LoopConfig, Trainer

ERROR_FLOOR = 1e-3
"""Share of the speech power below which an error counts no more: a ratio of 30 dB is as good as perfect."""

COMPRESSION = 0.3
COMPRESSED_SHARE = 2.0
"""Exponent of the compressed magnitudes, and how much their error counts."""


def has_half_layers() -> bool:
    """Whether PyTorch runs recurrent layers in bfloat16 here: without AVX-512 it raises an error instead."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@dataclass(frozen=True)
class DenoiserRecipe:
    """How long and how fast.

    Attributes:
        half_precision: bfloat16 for the recurrent layers, by default where PyTorch has such layers for the processor.
        report_steps: batches between lines of the log and checkpoints.
    """

    steps: int
    seed: int = 0
    partitions: tuple[str, ...] = ("train",)
    batch_size: int = 24
    report_steps: int = 100
    half_precision: bool = field(default_factory=has_half_layers)
    device: str = "cpu"
    mixtures: MixtureConfig = field(default_factory=MixtureConfig)

    @property
    def loop(self) -> LoopConfig:
        """The rates of the training run."""
        return LoopConfig(
            self.steps,
            self.batch_size,
            peak_rate=2e-3,
            weight_decay=0.01,
            report_steps=self.report_steps,
            half_precision=self.half_precision and self.device == "cpu",
            device=self.device,
            rise=0.1,
            average_buffers=False,
        )


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
    trainer = DenoiserTrainer(Denoiser(config or DenoiserConfig()), sampler, recipe, out)
    if not trainer.resume():
        trainer.fit_bands()
    trainer.run(None, progress)
    return trainer.averaged_network()


def load_denoiser(checkpoint: Path) -> Denoiser:
    """The averaged network of a checkpoint, in evaluation mode."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = Denoiser(DenoiserConfig.from_text(state["config"]))
    network.load_state_dict(averaged_weights(state))
    return network.eval()


class DenoiserTrainer(Trainer[Denoiser]):
    """A run whose batches depend on their step alone."""

    def __init__(self, network: Denoiser, sampler: MixtureSampler, recipe: DenoiserRecipe, out: Path) -> None:
        super().__init__(network, recipe.loop, out, recipe.seed, network.config.to_text())
        self._sampler = sampler

    def fit_bands(self) -> None:
        """Fit the scale of the bands to a first batch."""
        spectrum, _, level = self._batch(0)
        with torch.no_grad():
            bands = self.network.bands(spectrum, level)
            self.network.fit_bands(bands)
            self.averaged_network().fit_bands(bands)

    def batch_loss(self) -> Tensor:
        """Mix speech and noise, and compare the masked spectrum with that of the speech."""
        spectrum, wanted, level = self._batch(self.step + 1)
        with torch.no_grad():
            bands = self.network.bands(spectrum, level)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._config.half_precision):
            mask = self.network.mask(bands).float()
        return denoising_loss(spectrum * mask.repeat(1, 2, 1), wanted)

    def _batch(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Spectra of disturbed and wanted speech, and the mean square of the disturbed one."""
        parts = self._sampler.draw(step, self._config.batch_size)
        heard, wanted = (torch.from_numpy(part).to(self._config.device) for part in parts)
        with torch.no_grad():
            return self.network.transform(heard), self.network.transform(wanted), heard.square().mean(dim=1)


def _compressed(spectrum: Tensor) -> Tensor:
    real, imaginary = spectrum.chunk(2, dim=1)
    return (real.square() + imaginary.square() + 1e-6) ** (COMPRESSION / 2)
