"""The training run of recipe 'open', and reading its checkpoints."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from export.emonet.batches import BatchSampler
from export.emonet.network import EmoNet, EmoNetConfig
from export.emonet.vgg16 import make_emonet
from export.training.affect_loss import Targets
from export.training.checkpoint import OtherTrainingError, averaged_weights, load_checkpoint
from export.training.trainer import LoopConfig, Trainer


def has_matrix_units() -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware (AMX).

    Elsewhere bfloat16 is slower than fp32, and PyTorch 2.13's backward pass aborts in it (seen on AVX-512 BF16).
    """
    return torch.cpu._is_amx_tile_supported()


class EmoNetTrainer(Trainer[EmoNet]):
    """A run of recipe 'open'."""

    def __init__(
        self,
        network: EmoNet,
        sampler: BatchSampler,
        loss: Callable[[dict[str, Tensor], Targets], Tensor],
        config: LoopConfig,
        out: Path,
        seed: int,
    ) -> None:
        super().__init__(network, config, out, seed, network.config.to_json())
        # Channels last is the fast layout for bfloat16; in fp32 PyTorch 2.13's backward pass corrupts memory with it.
        self._layout = torch.channels_last if config.half_precision else torch.contiguous_format
        network.to(memory_format=self._layout)  # type: ignore[call-overload]  # missing in its declarations
        self._sampler = sampler
        self.class_prior = sampler.class_prior
        self._loss = loss

    def batch_loss(self) -> Tensor:
        """Draw clips, and compare what the network says with what is wanted."""
        batch = self._sampler.draw()
        device = self._config.device
        pictures = batch.pictures.to(device, memory_format=self._layout)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._config.half_precision):
            logits = self.network(pictures, batch.frames.to(device))
        return self._loss({name: value.cpu() for name, value in logits.items()}, batch.targets)


def load_trained(checkpoint: Path) -> tuple[EmoNet, str]:
    """The network of a checkpoint in evaluation mode, the averaged one of recipe 'open', and its front end.

    Raises:
        OtherTrainingError: it is of no EmoNet.
    """
    state = load_checkpoint(checkpoint) or {}
    config = state.get("config", {})
    if "labels" not in config or not {"average", "preset"} & state.keys():
        raise OtherTrainingError(f"{checkpoint}: not a checkpoint of 'emoserve-export train emonet'")
    network = make_emonet(EmoNetConfig.from_json(config))
    network.load_state_dict(averaged_weights(state) if "average" in state else state["network"])
    return network.eval(), state.get("preset", "open")


def label_set(corpora: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """One alphabetical label set over the corpora."""
    return tuple(sorted({label for labels in corpora for label in labels}))
