"""The training loop of recipe 'open': AdamW, one learning-rate cycle, weights averaged over steps, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from export.emonet.batches import BatchSampler
from export.emonet.network import EmoNet, EmoNetConfig
from export.evaluation.calibration import Calibration
from export.training.affect_loss import Targets
from export.training.checkpoint import (
    CHECKPOINT_FILE_NAME,
    append_figures,
    averaged_weights,
    load_checkpoint,
    save_checkpoint,
)
from export.training.one_cycle import OneCycle


def has_matrix_units() -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware (AMX).

    Elsewhere bfloat16 is slower than fp32, and PyTorch 2.13's backward pass aborts in it (seen on AVX-512 BF16).
    """
    return torch.cpu._is_amx_tile_supported()


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast.

    Attributes:
        steps: number of batches.
        peak_rate: highest learning rate of the cycle (Smith 2018).
        weight_decay: AdamW's decay, on matrices only.
        average_decay: decay of the exponential average of the weights, which is what is kept.
        report_steps: batches between evaluations and checkpoints.
        clip_norm: largest gradient norm.
        half_precision: bfloat16 for the convolutions; by default where the processor has matrix units for it.
    """

    steps: int
    batch_size: int = 32
    peak_rate: float = 1.5e-3
    weight_decay: float = 0.05
    average_decay: float = 0.995
    report_steps: int = 500
    clip_norm: float = 5.0
    half_precision: bool = field(default_factory=has_matrix_units)


class Trainer:
    """One training run in one folder; started again, it goes on where its last checkpoint was made."""

    def __init__(
        self,
        network: EmoNet,
        sampler: BatchSampler,
        loss: Callable[[dict[str, Tensor], Targets], Tensor],
        config: LoopConfig,
        out: Path,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        # Channels last is the fast layout for bfloat16; in fp32 PyTorch 2.13's backward pass corrupts memory with it.
        self._layout = torch.channels_last if config.half_precision else torch.contiguous_format
        self.network = network.to(memory_format=self._layout)  # type: ignore[call-overload]  # missing in its declarations
        self._sampler = sampler
        self._loss = loss
        self._config = config
        self._out = out
        self._cycle = OneCycle(
            network,
            steps=config.steps,
            peak_rate=config.peak_rate,
            rise=0.15,
            weight_decay=config.weight_decay,
            average_decay=config.average_decay,
            average_buffers=True,
            clip_norm=config.clip_norm,
        )
        self.calibration: Calibration | None = None
        out.mkdir(parents=True, exist_ok=True)

    @property
    def step(self) -> int:
        """Batches so far."""
        return self._cycle.step

    def resume(self) -> bool:
        """Load the checkpoint of the folder, if there is one."""
        state = load_checkpoint(self._out / CHECKPOINT_FILE_NAME)
        if state is None:
            return False
        self._cycle.restore(state)
        torch.manual_seed(self.step)
        return True

    def run(self, evaluate: Callable[[EmoNet], dict[str, float]], progress: Callable[[int, float], None]) -> None:
        """Train to the end, writing a line of figures and a checkpoint every ``report_steps``."""
        losses: list[float] = []
        began = time.monotonic()
        while self.step < self._config.steps:
            losses.append(self._one_step())
            progress(self.step, losses[-1])
            if self.step % self._config.report_steps == 0 or self.step == self._config.steps:
                figures = evaluate(self.averaged_network())
                self._report({"loss": sum(losses) / len(losses), "elapsed_s": time.monotonic() - began, **figures})
                self._save()
                losses.clear()

    def averaged_network(self) -> EmoNet:
        """The network with averaged weights."""
        network = self._cycle.averaged
        assert isinstance(network, EmoNet)
        return network

    def keep(self, calibration: Calibration) -> None:
        """Put the calibration of the averaged network beside it in the checkpoint."""
        self.calibration = calibration
        self._save()

    def _one_step(self) -> float:
        self.network.train()
        batch = self._sampler.draw()
        pictures = batch.pictures.to(memory_format=self._layout)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._config.half_precision):
            logits = self.network(pictures, batch.frames)
        loss = self._loss(logits, batch.targets)
        return self._cycle.learn(loss)

    def _report(self, figures: dict[str, float]) -> None:
        line = {"step": self.step, "rate": self._cycle.rate} | {key: round(value, 5) for key, value in figures.items()}
        append_figures(self._out, line)

    def _save(self) -> None:
        save_checkpoint(
            {
                "config": self.network.config.to_json(),
                "loop": asdict(self._config),
                "calibration": self.calibration and self.calibration.to_settings(),
            }
            | self._cycle.state(),
            self._out / CHECKPOINT_FILE_NAME,
        )


def load_trained(checkpoint: Path) -> EmoNet:
    """The averaged network of a checkpoint of recipe 'open', in evaluation mode.

    Raises:
        ValueError: it is of another recipe.
    """
    state = torch.load(checkpoint, weights_only=True)
    if "average" not in state:
        raise ValueError(f"{checkpoint}: not a checkpoint of recipe 'open', which alone becomes a bundle")
    network = EmoNet(EmoNetConfig.from_json(state["config"]))
    network.load_state_dict(averaged_weights(state))
    return network.eval()


def load_calibration(checkpoint: Path) -> Calibration | None:
    """The calibration that :meth:`Trainer.keep` put into a checkpoint; None if the training did not come to its end."""
    settings = torch.load(checkpoint, weights_only=True).get("calibration")
    return Calibration.from_settings(settings) if settings else None


def label_set(corpora: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """One alphabetical label set over the corpora."""
    return tuple(sorted({label for labels in corpora for label in labels}))
