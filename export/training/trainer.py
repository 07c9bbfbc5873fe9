"""One training run in one folder: one learning-rate cycle, weights averaged over steps, resumable."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from export.evaluation.calibration import Calibration
from export.training.checkpoint import (
    CHECKPOINT_FILE_NAME,
    append_figures,
    load_checkpoint,
    restoring,
    save_checkpoint,
)
from service.card import Doubt


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
        half_precision: bfloat16 where the recipe uses it.
        rise: share of the steps in which the rate rises.
        average_buffers: whether buffers, such as statistics of batch normalisations, are averaged too.
        device: of PyTorch, where the network is.
    """

    steps: int
    batch_size: int = 32
    peak_rate: float = 1.5e-3
    weight_decay: float = 0.05
    average_decay: float = 0.995
    report_steps: int = 500
    clip_norm: float = 5.0
    half_precision: bool = False
    rise: float = 0.15
    average_buffers: bool = True
    device: str = "cpu"


Network = TypeVar("Network", bound=nn.Module)


class OneCycle:
    """The part of a training that changes weights, and that a checkpoint holds.

    Vectors (biases, normalisation) do not decay.
    """

    def __init__(self, network: nn.Module, config: LoopConfig) -> None:
        self.step = 0
        self._network = network
        self._clip_norm = config.clip_norm
        averaging = get_ema_multi_avg_fn(config.average_decay)
        self._average = AveragedModel(network, multi_avg_fn=averaging, use_buffers=config.average_buffers)
        matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
        self._optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
            lr=config.peak_rate,
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, config.peak_rate, total_steps=config.steps, pct_start=config.rise
        )

    @property
    def averaged(self) -> nn.Module:
        """The network with averaged weights."""
        return self._average.module

    @property
    def rate(self) -> float:
        """The present learning rate."""
        return float(self._schedule.get_last_lr()[0])

    def learn(self, loss: Tensor) -> float:
        """Change the weights once by the gradient of ``loss``; returns its value."""
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), self._clip_norm)
        self._optimizer.step()
        self._schedule.step()
        self._average.update_parameters(self._network)
        self.step += 1
        return float(loss.detach())

    def state(self) -> dict[str, object]:
        """Everything that :meth:`restore` needs to go on as if nothing had happened."""
        return {
            "step": self.step,
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self.step = state["step"]


class Trainer(ABC, Generic[Network]):
    """One training run; started again in the same folder, it goes on where its last checkpoint was made.

    Args:
        settings: what a checkpoint says of the network, so that it can be made again.

    Attributes:
        class_prior: share of each class that the network learns to expect, for the checkpoint.
    """

    def __init__(
        self,
        network: Network,
        config: LoopConfig,
        out: Path,
        seed: int,
        settings: dict[str, object] | str,
    ) -> None:
        torch.manual_seed(seed)
        self.network = network.to(config.device)
        self._config = config
        self._out = out
        self._settings = settings
        self._cycle = OneCycle(network, config)
        self.calibration: Calibration | None = None
        self._doubt: Doubt | None = None
        self.class_prior: dict[str, float] | None = None
        out.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def batch_loss(self) -> Tensor:
        """Loss of the network on a batch that is drawn now."""

    @property
    def step(self) -> int:
        """Batches so far."""
        return self._cycle.step

    def resume(self) -> bool:
        """Load the checkpoint of the folder, if there is one.

        Raises:
            OtherTrainingError: it is of another network.
        """
        state = load_checkpoint(self._out / CHECKPOINT_FILE_NAME)
        if state is None:
            return False
        with restoring(self._out):
            self._cycle.restore(state)
        torch.manual_seed(self.step)
        return True

    def run(
        self, evaluate: Callable[[Network], dict[str, float]] | None, progress: Callable[[int, float], None]
    ) -> None:
        """Train to the end, writing a line of figures and a checkpoint every ``report_steps``."""
        losses: list[float] = []
        began = time.monotonic()
        while self.step < self._config.steps:
            losses.append(self._one_step())
            progress(self.step, losses[-1])
            if self.step % self._config.report_steps == 0 or self.step == self._config.steps:
                figures = evaluate(self.averaged_network()) if evaluate else {}
                self._report({"loss": sum(losses) / len(losses), "elapsed_s": time.monotonic() - began, **figures})
                self._save()
                losses.clear()

    def averaged_network(self) -> Network:
        """The network with averaged weights."""
        return cast("Network", self._cycle.averaged)

    def keep(self, calibration: Calibration, doubt: Doubt | None = None) -> None:
        """Put the calibration of the averaged network, and its bound of plausible labels, into the checkpoint."""
        self.calibration, self._doubt = calibration, doubt
        self._save()

    def _one_step(self) -> float:
        self.network.train()
        return self._cycle.learn(self.batch_loss())

    def _report(self, figures: dict[str, float]) -> None:
        line = {"step": self.step, "rate": self._cycle.rate} | {key: round(value, 5) for key, value in figures.items()}
        append_figures(self._out, line)

    def _save(self) -> None:
        save_checkpoint(
            {
                "config": self._settings,
                "loop": asdict(self._config),
                "calibration": self.calibration and self.calibration.to_settings(),
                "doubt": self._doubt and self._doubt.model_dump(),
                "class_prior": self.class_prior,
            }
            | self._cycle.state(),
            self._out / CHECKPOINT_FILE_NAME,
        )


def load_calibration(checkpoint: Path) -> Calibration | None:
    """The calibration that :meth:`Trainer.keep` put into a checkpoint; None if the training did not come to its end."""
    settings = torch.load(checkpoint, map_location="cpu", weights_only=True).get("calibration")
    return Calibration.from_settings(settings) if settings else None


def load_doubt(checkpoint: Path) -> Doubt | None:
    """The bound of plausible labels that :meth:`Trainer.keep` put into a checkpoint; None if it put none there."""
    values = torch.load(checkpoint, map_location="cpu", weights_only=True).get("doubt")
    return Doubt(**values) if values else None


def load_class_prior(checkpoint: Path) -> dict[str, float] | None:
    """Share of each class that the network learnt to expect; None where the training did not tell."""
    shares: dict[str, float] | None = torch.load(checkpoint, map_location="cpu", weights_only=True).get("class_prior")
    return shares
