"""Training over one learning-rate cycle: AdamW, clipped gradients, and an exponential average of the weights."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class OneCycle:
    """The part of a training that changes weights, and that a checkpoint holds.

    Args:
        network: what is trained.
        steps: number of batches in all.
        peak_rate: highest learning rate of the cycle (Smith 2018).
        rise: share of the steps in which the rate rises.
        weight_decay: AdamW's decay, on matrices only; vectors (biases, normalisation) do not decay.
        average_decay: decay of the exponential average of the weights.
        average_buffers: whether buffers, such as statistics of batch normalisations, are averaged too.
        clip_norm: largest gradient norm.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        steps: int,
        peak_rate: float,
        rise: float,
        weight_decay: float,
        average_decay: float,
        average_buffers: bool,
        clip_norm: float,
    ) -> None:
        self.step = 0
        self._network = network
        self._clip_norm = clip_norm
        averaging = get_ema_multi_avg_fn(average_decay)
        self._average = AveragedModel(network, multi_avg_fn=averaging, use_buffers=average_buffers)
        matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
        self._optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}],
            lr=peak_rate,
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, peak_rate, total_steps=steps, pct_start=rise
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
