"""The training loop of recipe 'open': AdamW, one learning-rate cycle, weights averaged over steps, resumable."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from export.emonet.network import EmoNet, EmoNetConfig
from export.evaluation.calibration import Calibration
from export.training.batches import Batch, BatchSampler

CHECKPOINT_FILE_NAME = "checkpoint.pt"
LOG_FILE_NAME = "training.jsonl"


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


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Matrices decay; vectors (biases, normalisation) do not."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


class Trainer:
    """One training run in one folder; started again, it goes on where its last checkpoint was made."""

    def __init__(
        self,
        network: EmoNet,
        sampler: BatchSampler,
        loss: Callable[[dict[str, Tensor], Batch], Tensor],
        config: LoopConfig,
        out: Path,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        # Channels last is the fast layout for bfloat16; in fp32 PyTorch 2.13's backward pass corrupts memory with it.
        self._layout = torch.channels_last if config.half_precision else torch.contiguous_format
        self.network = network.to(memory_format=self._layout)
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.average_decay), use_buffers=True)
        self._sampler = sampler
        self._loss = loss
        self._config = config
        self._out = out
        self._optimizer = torch.optim.AdamW(parameter_groups(network, config.weight_decay), lr=config.peak_rate)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, config.peak_rate, total_steps=config.steps, pct_start=0.15
        )
        self.step = 0
        self.calibration: Calibration | None = None
        out.mkdir(parents=True, exist_ok=True)

    def resume(self) -> bool:
        """Load the checkpoint of the folder, if there is one."""
        file = self._out / CHECKPOINT_FILE_NAME
        if not file.is_file():
            return False
        state = torch.load(file, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self.step = state["step"]
        torch.manual_seed(self.step)
        return True

    def run(self, evaluate: Callable[[EmoNet], dict[str, float]], progress: Callable[[int, float], None]) -> None:
        """Train to the end, writing a line of figures and a checkpoint every ``report_steps``."""
        losses: list[float] = []
        began = time.monotonic()
        while self.step < self._config.steps:
            losses.append(self._one_step())
            self.step += 1
            progress(self.step, losses[-1])
            if self.step % self._config.report_steps == 0 or self.step == self._config.steps:
                figures = evaluate(self.averaged_network())
                self._report({"loss": sum(losses) / len(losses), "elapsed_s": time.monotonic() - began, **figures})
                self._save()
                losses.clear()

    def averaged_network(self) -> EmoNet:
        """The network with averaged weights."""
        network = self.average.module
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
        loss = self._loss(logits, batch)
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self._config.clip_norm)
        self._optimizer.step()
        self._schedule.step()
        self.average.update_parameters(self.network)
        return float(loss.detach())

    def _report(self, figures: dict[str, float]) -> None:
        rate = self._schedule.get_last_lr()[0]
        line = {"step": self.step, "rate": rate} | {key: round(value, 5) for key, value in figures.items()}
        with (self._out / LOG_FILE_NAME).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")

    def _save(self) -> None:
        partial = self._out / (CHECKPOINT_FILE_NAME + ".partial")
        torch.save(
            {
                "step": self.step,
                "config": self.network.config.to_json(),
                "loop": asdict(self._config),
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "calibration": self.calibration and self.calibration.to_settings(),
                "optimizer": self._optimizer.state_dict(),
                "schedule": self._schedule.state_dict(),
            },
            partial,
        )
        partial.replace(self._out / CHECKPOINT_FILE_NAME)


def load_trained(checkpoint: Path) -> EmoNet:
    """The averaged network of a checkpoint of recipe 'open', in evaluation mode.

    Raises:
        ValueError: it is of another recipe.
    """
    state = torch.load(checkpoint, weights_only=True)
    if "average" not in state:
        raise ValueError(f"{checkpoint}: not a checkpoint of recipe 'open', which alone becomes a bundle")
    network = EmoNet(EmoNetConfig.from_json(state["config"]))
    network.load_state_dict(
        {key.removeprefix("module."): value for key, value in state["average"].items() if key.startswith("module.")}
    )
    return network.eval()


def load_calibration(checkpoint: Path) -> Calibration | None:
    """What :meth:`Trainer.keep` put into a checkpoint; None if the training did not come to its end."""
    settings = torch.load(checkpoint, weights_only=True).get("calibration")
    return Calibration.from_settings(settings) if settings else None


def label_set(corpora: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """One alphabetical label set over the corpora."""
    return tuple(sorted({label for labels in corpora for label in labels}))
