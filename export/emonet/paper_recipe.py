"""Recipe 'paper': EmoNet's own training, single corpus or round robin, from scratch or by transfer (C19–C22)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.corpora.tables import Corpus, CorpusError
from export.emonet.network import EmoNet, EmoNetConfig
from export.emonet.training_loop import label_set
from export.emonet.waveforms import WaveformCorpus
from export.evaluation.metrics import unweighted_average_recall
from export.graph.front_end import PRESETS, FrontEnd
from export.training.checkpoint import CHECKPOINT_FILE_NAME, append_figures, load_checkpoint, save_checkpoint

MODES = ("scratch", "full", "head", "adapters")
STAGE_RATES = (0.1, 0.01, 0.001)  # C19
TUNING_STAGE_RATES = (0.01, 0.001)  # C20: full and head-only tuning start lower
MOMENTUM = 0.9  # C19
L2 = 1e-6  # C19
RATE_DECAY = 1e-6  # C19, a update
BATCH_SIZE = 64  # C19
EVALUATE_STEPS = 100
RESUME_FILE_NAME = "resume.pt"


@dataclass(frozen=True)
class PaperRecipe:
    """Choices of one training.

    Attributes:
        preset: front end, 'paper' or 'code' (F4).
        mode: 'scratch', or what is tuned of ``start``: 'full', 'head', or 'adapters' with normalisation and head.
        stage_steps: steps a learning-rate stage; a step is one batch of each corpus (C21: 2 500).
        start: checkpoint to transfer from.
    """

    preset: str = "paper"
    mode: str = "scratch"
    stage_steps: int = 2500
    seed: int = 0
    start: Path | None = None
    partitions: tuple[str, ...] = ("train",)


def train_paper(
    corpora: Sequence[Corpus], recipe: PaperRecipe, out: Path, progress: Callable[[int, float], None]
) -> EmoNet:
    """Train with a domain a corpus and keep the weights of the best mean devel UAR; resumable.

    Raises:
        CorpusError: a transfer mode without a checkpoint to start from.
    """
    torch.manual_seed(recipe.seed)
    preset = PRESETS[recipe.preset]
    labels = label_set([corpus.labels for corpus in corpora])
    network = EmoNet(EmoNetConfig(labels, domains=tuple(corpus.name for corpus in corpora)))
    if recipe.mode != "scratch":
        if recipe.start is None:
            raise CorpusError(f"mode '{recipe.mode}' transfers from a checkpoint: give --start")
        load_shared(network, recipe.start)

    def load(corpus: Corpus) -> WaveformCorpus:
        return WaveformCorpus(corpus, labels, preset.sample_rate_hz, recipe.seed)

    training = [load(corpus.partition(*recipe.partitions)) for corpus in corpora]
    devel = [load(corpus.partition("devel")) for corpus in corpora]
    run = _Run(network, FrontEnd(preset), training, devel, out)
    rates = STAGE_RATES if recipe.mode in ("scratch", "adapters") else TUNING_STAGE_RATES
    run.train(tuned_parameters(network, recipe.mode), rates, recipe.stage_steps, progress)
    return network


def load_shared(network: EmoNet, checkpoint: Path) -> None:
    """Take the shared convolutions and attention from a checkpoint; a domain's own parts stay new (C22)."""
    state = torch.load(checkpoint, weights_only=True)["network"]
    domain_parts = (".adapters.", ".norms.", "final_norms.", "heads.")
    shared = {key: value for key, value in state.items() if not any(part in key for part in domain_parts)}
    missing, unexpected = network.load_state_dict(shared, strict=False)
    if unexpected or any(not any(part in key for part in domain_parts) for key in missing):
        raise CorpusError(f"{checkpoint}: weights of another network shape")


def tuned_parameters(network: EmoNet, mode: str) -> list[nn.Parameter]:
    """The parameters that a transfer mode trains (C22)."""
    if mode in ("scratch", "full"):
        return list(network.parameters())
    if mode == "head":
        return list(network.heads.parameters())
    return network.domain_parameters(network.config.domains)


class _Run:
    def __init__(
        self,
        network: EmoNet,
        front_end: FrontEnd,
        training: list[WaveformCorpus],
        devel: list[WaveformCorpus],
        out: Path,
    ) -> None:
        self._network = network
        self._front_end = front_end
        self._training = training
        self._devel = devel
        self._out = out
        self._best = -1.0
        self._weights = [corpus.class_weights() for corpus in training]
        out.mkdir(parents=True, exist_ok=True)

    def train(
        self,
        parameters: list[nn.Parameter],
        rates: Sequence[float],
        stage_steps: int,
        progress: Callable[[int, float], None],
    ) -> None:
        tuned = {id(parameter) for parameter in parameters}
        for parameter in self._network.parameters():
            parameter.requires_grad_(id(parameter) in tuned)
        step, state = self._resume()
        for stage in range(step // stage_steps, len(rates)):
            optimizer = torch.optim.SGD(parameters, rates[stage], momentum=MOMENTUM, weight_decay=L2)
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: 1.0 / (1.0 + RATE_DECAY * update))
            if state is not None and step % stage_steps:
                optimizer.load_state_dict(state["optimizer"])
                schedule.load_state_dict(state["schedule"])
            state = None
            losses = []
            while step < (stage + 1) * stage_steps:
                losses.append(self._one_step(optimizer, schedule))
                step += 1
                progress(step, losses[-1])
                if step % EVALUATE_STEPS == 0 or step == stage_steps * len(rates):
                    self._report(step, rates[stage], sum(losses[-EVALUATE_STEPS:]) / len(losses[-EVALUATE_STEPS:]))
                    self._save(step, optimizer, schedule)

    def _resume(self) -> tuple[int, dict[str, Any] | None]:
        """Step reached before, and the optimiser's state then."""
        state = load_checkpoint(self._out / RESUME_FILE_NAME)
        if state is None:
            return 0, None
        self._network.load_state_dict(state["network"])
        self._best = state["best"]
        return state["step"], state

    def _save(
        self, step: int, optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler
    ) -> None:
        state = {"step": step, "best": self._best, "network": self._network.state_dict()}
        state |= {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
        save_checkpoint(state, self._out / RESUME_FILE_NAME)

    def _one_step(self, optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler) -> float:
        """One batch of each corpus in turn (C21)."""
        self._network.train()
        total = 0.0
        for corpus, weights in zip(self._training, self._weights, strict=True):
            limit = self._front_end.preset.full_length_samples
            logits = self._logits(corpus, *(batch := corpus.draw(BATCH_SIZE, limit))[:2])
            loss = functional.cross_entropy(logits, batch[2], weights)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        return total / len(self._training)

    def _logits(self, corpus: WaveformCorpus, waveform: Tensor, lengths: Tensor) -> Tensor:
        with torch.no_grad():
            pictures, frames = self._front_end(waveform, lengths)
        logits = self._network(pictures[:, None], frames, corpus.corpus.name)["emotion"]
        return logits.masked_fill(~corpus.allowed, -1e9)

    def _report(self, step: int, rate: float, loss: float) -> None:
        figures = {f"devel_uar_{corpus.corpus.name}": self._uar(corpus) for corpus in self._devel}
        append_figures(self._out, {"step": step, "rate": rate, "loss": loss, **figures})
        mean = sum(figures.values()) / len(figures)
        if mean > self._best:
            self._best = mean
            save_checkpoint(
                {"step": step, "config": self._network.config.to_json(), "network": self._network.state_dict()},
                self._out / CHECKPOINT_FILE_NAME,
            )

    def _uar(self, corpus: WaveformCorpus) -> float:
        self._network.eval()
        answers = []
        with torch.inference_mode():
            for waveform, lengths, _ in corpus.ordered(BATCH_SIZE, self._front_end.preset.full_length_samples):
                answers.append(self._logits(corpus, waveform, lengths).argmax(dim=1))
        return unweighted_average_recall(corpus.truth, torch.cat(answers).numpy())
