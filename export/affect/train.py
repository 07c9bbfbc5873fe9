"""Train one affect network on one target: full batch, RMSprop, 1 − CCC, best epoch kept (E7 to E10)."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export.affect.avec_lstm import AvecLstm
from export.affect.sequences import AVEC_DELAY_S, DELAY_S, AffectSequence, delay_steps, make_batch, shift_to_back
from export.affect.shallow_cnn import KERNEL, Activation, ConvolutionStack, OneFilter, OneFilterDense, fold
from export.evaluation.concordance import Concordance, concordance, concordance_coefficient
from export.training.checkpoint import load_checkpoint, save_checkpoint
from service.pipeline.affect.columns import COLUMNS
from service.pipeline.affect.functionals import HOP_S, WINDOW_S

Scope = Literal["sequence", "concatenated"]
NetworkName = Literal["A", "B", "C", "D", "E", "lstm"]
#: Columns that the seed paper always found relevant (E15), the default of network E.
RELEVANT_COLUMNS = ("confidence_mean", "AU05_deviation", "turn")
EPOCHS: dict[NetworkName, int] = {"A": 2000, "B": 2000, "C": 2000, "D": 2000, "E": 2000, "lstm": 50}  # E7, E20
#: Keras' RMSprop, which the seed used: decay 0.9 and epsilon 1e-7, where torch's defaults are 0.99 and 1e-8.
RMSPROP_DECAY, RMSPROP_EPSILON = 0.9, 1e-7
CHECKPOINT_EVERY = 50

#: Called after each epoch with epoch, epochs, loss and development CCC.
Progress = Callable[[int, int, float, float], None]


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that decides the outcome beside the data.

    Attributes:
        network: 'A', 'B' (linear, folded to D), 'C', 'D' (trained as B, then folded), 'E' or 'lstm'.
        target: 'arousal' or 'valence'.
        epochs: 0 for the network's own number.
        learning_rate: of RMSprop (E7).
        delay_s: annotators' delay; None for the target's own (E8, E20).
        l1: weight of the sum of the filter's magnitudes (E10); the paper gives no value.
        columns: names of the columns of network E.
        scope: of the loss.
        hop_s: seconds a step.
        kernel: of networks B to E.
        activation: behind the convolution of network B; only a linear one is folded.
        window_s: seconds of the functionals' windows, of tables of units.
        seed: of weights and dropout.
    """

    network: NetworkName = "D"
    target: str = "arousal"
    epochs: int = 0
    learning_rate: float = 1e-3
    delay_s: float | None = None
    l1: float = 0.0
    columns: tuple[str, ...] = RELEVANT_COLUMNS
    scope: Scope = "sequence"
    hop_s: float = HOP_S
    kernel: int = KERNEL
    activation: Activation = "linear"
    window_s: float = WINDOW_S
    seed: int = 0

    @property
    def total_epochs(self) -> int:
        """Epochs to train."""
        return self.epochs or EPOCHS[self.network]

    @property
    def compensated_s(self) -> float:
        """Seconds of delay compensated."""
        if self.delay_s is not None:
            return self.delay_s
        return AVEC_DELAY_S if self.network == "lstm" else DELAY_S[self.target]


@dataclass
class TrainedAffect:
    """Outcome of a training.

    Attributes:
        network: the weights of the best epoch, networks D and linear B folded to one filter.
        best_epoch: counted from 1.
        loss: of each epoch.
        devel: CCC of each epoch, sequences joined.
        scores: of each partition with labels, the best epoch's.
    """

    network: nn.Module
    best_epoch: int
    loss: list[float] = field(default_factory=list)
    devel: list[float] = field(default_factory=list)
    scores: dict[str, Concordance] = field(default_factory=dict)


def concordance_loss(predicted: Tensor, gold: Tensor, mask: Tensor, scope: Scope = "sequence") -> Tensor:
    """One minus the concordance correlation coefficient (E7).

    Args:
        predicted: float32 [batch, steps].
        gold: float32 [batch, steps].
        mask: [batch, steps], 1 at steps that count. The challenge's script lets the zero padding count;
            here it does not, so a sequence's loss does not depend on the longest one.
        scope: 'sequence' averages the CCC of each sequence, as the challenge's script does; 'concatenated'
            takes that of all steps joined, which is what is scored.

    Returns:
        A scalar in 0…2. Variances and covariance are over N, a smooth and consistent choice for training.
    """
    if scope == "concatenated":
        predicted, gold, mask = predicted.reshape(1, -1), gold.reshape(1, -1), mask.reshape(1, -1)
    weight = mask.to(predicted.dtype)
    count = weight.sum(dim=1, keepdim=True).clamp_min(1.0)

    def mean(values: Tensor) -> Tensor:
        return (values * weight).sum(dim=1, keepdim=True) / count

    predicted_mean, gold_mean = mean(predicted), mean(gold)
    predicted_rest, gold_rest = predicted - predicted_mean, gold - gold_mean
    spread = mean(predicted_rest**2) + mean(gold_rest**2) + (predicted_mean - gold_mean) ** 2
    coefficient = 2.0 * mean(predicted_rest * gold_rest) / (spread + torch.finfo(spread.dtype).eps)
    return 1.0 - coefficient.mean()


def build(plan: TrainingPlan, train: list[AffectSequence]) -> nn.Module:
    """A fresh network; the LSTM standardises with the training frames that are not all zero (E20).

    Raises:
        ValueError: an unknown column.
    """
    torch.manual_seed(plan.seed)
    if plan.network == "A":
        return ConvolutionStack()
    if plan.network in ("B", "D"):
        return OneFilterDense(plan.activation if plan.network == "B" else "linear", plan.kernel)
    if plan.network == "C":
        return OneFilter(kernel=plan.kernel)
    if plan.network == "E":
        unknown = [name for name in plan.columns if name not in COLUMNS]
        if unknown:
            raise ValueError(f"no such column: {', '.join(unknown)}")
        return OneFilter([COLUMNS.index(name) for name in plan.columns], plan.kernel)
    frames = np.concatenate([sequence.features for sequence in train])
    frames = frames[np.abs(frames).max(axis=1) > 0]
    deviation = frames.std(axis=0)
    # A column that never varies (no turn in the corpus) would be divided by nothing.
    deviation = np.where(deviation > 1e-6, deviation, 1.0)
    return AvecLstm(torch.from_numpy(frames.mean(axis=0)), torch.from_numpy(deviation.astype(np.float32)))


def train_affect(
    plan: TrainingPlan,
    sequences: list[AffectSequence],
    *,
    checkpoint: Path | None = None,
    device: str = "cpu",
    on_epoch: Progress | None = None,
) -> TrainedAffect:
    """Train, or go on from ``checkpoint``; an interrupted training ends as an uninterrupted one.

    Args:
        plan: what to train.
        sequences: of all partitions; 'train' is learnt from, 'devel' chooses the epoch.
        checkpoint: file written every 50 epochs and at the end, and resumed from when it exists.
        device: of torch.
        on_epoch: told of each epoch.

    Raises:
        ValueError: no labelled recordings, L1 on a network without a filter, or a checkpoint of
            another plan.
    """
    parts = {
        name: [one for one in sequences if one.partition == name and plan.target in one.labels]
        for name in ("train", "devel", "test")
    }
    if not parts["train"] or not parts["devel"]:
        raise ValueError(f"no recordings with labels of {plan.target} to train on, or none for development")
    network = build(plan, parts["train"]).to(device)
    filters = [module.convolution.weight for module in network.modules() if isinstance(module, OneFilter)]
    if plan.l1 and not filters:
        raise ValueError(f"network {plan.network} has no single filter to make sparse")
    optimiser = torch.optim.RMSprop(
        network.parameters(), lr=plan.learning_rate, alpha=RMSPROP_DECAY, eps=RMSPROP_EPSILON
    )
    delay = delay_steps(plan.compensated_s, plan.hop_s)
    batch = make_batch(parts["train"], plan.target, delay)
    features, labels, mask = batch.features.to(device), batch.labels.to(device), batch.mask.to(device)
    state = _resume(checkpoint, plan, network, optimiser)
    for epoch in range(len(state.loss) + 1, plan.total_epochs + 1):
        # Seeding each epoch makes a resumed training equal an uninterrupted one, dropout included.
        torch.manual_seed(plan.seed * 1_000_003 + epoch)
        network.train()
        optimiser.zero_grad()
        loss = concordance_loss(network(features), labels, mask, plan.scope)
        (loss + plan.l1 * sum(weights.abs().sum() for weights in filters)).backward()
        optimiser.step()
        state.loss.append(loss.item())
        state.devel.append(_joined_ccc(network, parts["devel"], plan.target, delay, device))
        if not state.best or state.devel[-1] > state.devel[state.best_epoch - 1]:
            state.best_epoch = epoch
            state.best = {name: value.detach().clone() for name, value in network.state_dict().items()}
        if on_epoch is not None:
            on_epoch(epoch, plan.total_epochs, state.loss[-1], state.devel[-1])
        if checkpoint is not None and (epoch % CHECKPOINT_EVERY == 0 or epoch == plan.total_epochs):
            _save(checkpoint, plan, network, optimiser, state)
    network.load_state_dict(state.best)
    network = network.cpu().eval()
    final = network
    if isinstance(network, OneFilterDense) and network.activation == "linear":
        final = fold(network)
    scores = {name: score(final, part, plan.target, delay) for name, part in parts.items() if part}
    return TrainedAffect(final, state.best_epoch, state.loss, state.devel, scores)


def predict(network: nn.Module, sequence: AffectSequence, device: str = "cpu") -> NDArray[np.float64]:
    """Raw answers, float64 [steps]; each speaks of the face at its own step."""
    network.eval()
    with torch.no_grad():
        out = network(torch.from_numpy(sequence.features)[None].to(device))
    return out[0].cpu().numpy().astype(np.float64)


def score(network: nn.Module, part: list[AffectSequence], target: str, delay: int) -> Concordance:
    """CCC of shifted answers with the labels as they are (E9, E21), per sequence and joined."""
    gold = [sequence.labels[target].astype(np.float64) for sequence in part]
    return concordance(gold, [shift_to_back(predict(network, sequence), delay) for sequence in part])


def _joined_ccc(network: nn.Module, part: list[AffectSequence], target: str, delay: int, device: str) -> float:
    predicted = [shift_to_back(predict(network, sequence, device), delay) for sequence in part]
    value = concordance_coefficient(
        np.concatenate([sequence.labels[target] for sequence in part]).astype(np.float64), np.concatenate(predicted)
    )
    return value if np.isfinite(value) else -1.0


@dataclass
class _State:
    loss: list[float] = field(default_factory=list)
    devel: list[float] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, torch.Tensor] = field(default_factory=dict)


def _resume(
    checkpoint: Path | None, plan: TrainingPlan, network: nn.Module, optimiser: torch.optim.Optimizer
) -> _State:
    stored = None if checkpoint is None else load_checkpoint(checkpoint)
    if checkpoint is None or stored is None:
        return _State()
    if stored["plan"] != _comparable(plan):
        raise ValueError(f"{checkpoint.name} is of another plan; remove it or choose another folder")
    network.load_state_dict(stored["network"])
    optimiser.load_state_dict(stored["optimiser"])
    return _State(stored["loss"], stored["devel"], stored["best_epoch"], stored["best"])


def _save(
    checkpoint: Path, plan: TrainingPlan, network: nn.Module, optimiser: torch.optim.Optimizer, state: _State
) -> None:
    save_checkpoint(
        {
            "plan": _comparable(plan),
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "loss": state.loss,
            "devel": state.devel,
            "best_epoch": state.best_epoch,
            "best": state.best,
        },
        checkpoint,
    )


def _comparable(plan: TrainingPlan) -> dict[str, object]:
    """The plan without its number of epochs, so that a finished training can be prolonged."""
    stored = asdict(plan)
    del stored["epochs"]
    return stored | {"columns": list(plan.columns)}
