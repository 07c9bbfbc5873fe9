"""Recipe 'paper': EmoNet's own training, single corpus or round robin, from scratch or by transfer (C19–C22)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.corpora.tables import Corpus, CorpusError
from export.deep_spectrum.networks.layers import WeightsError
from export.deep_spectrum.weights.load import load_weights
from export.emonet.aggregated import TARGETS, aggregated
from export.emonet.network import EmoNet, EmoNetConfig
from export.emonet.training_loop import label_set
from export.emonet.transfer import Source, started, train_mode, tune
from export.emonet.vgg16 import CONVOLUTIONS, Vgg16EmoNet
from export.emonet.waveforms import WaveformCorpus
from export.evaluation.metrics import unweighted_average_recall
from export.graph.front_end import PRESETS, FrontEnd
from export.training.checkpoint import (
    CHECKPOINT_FILE_NAME,
    append_figures,
    load_checkpoint,
    restoring,
    save_checkpoint,
)

STAGE_RATES = (0.1, 0.01, 0.001)  # C19
TUNING_STAGE_RATES = (0.01, 0.001)  # C20: full and head-only tuning start lower
MOMENTUM = 0.9  # C19
WEIGHT_DECAY = 2e-6
"""C19's L2 of 1e-6 adds 1e-6·w² to the loss in Keras, whose gradient is 2e-6·w. It counts for kernels alone."""

RATE_DECAY = 1e-6  # C19, a update
BATCH_SIZE = 64  # C19
STAGE_STEPS = 2500  # C21, a step is one batch of each corpus
PATIENCE_EPOCHS = 50  # C19
EVALUATE_STEPS = 100
LAST_FILE_NAME = "last.pt"
"""The last epoch, which C5 reports beside the best one; training goes on from it."""


@dataclass(frozen=True)
class PaperRecipe:
    """Choices of one training.

    Attributes:
        preset: front end, 'paper' or 'code' (F4).
        mode: 'scratch', or what is tuned of ``start``: 'full', 'head', or 'adapters' with normalisation and head.
        target: 'emotion', with a domain for each corpus, or the levels of the aggregated corpora (C24).
        adapters: whether there are any; without, 'scratch' is the baseline of C5.
        stage_steps: steps a learning-rate stage; None ends a stage after ``patience_epochs`` without a gain.
        vgg16: weights of a VGG16 that takes the place of the residual network (C6), see
            :func:`export.deep_spectrum.weights.load.load_weights`; ``frozen_layers`` of its convolutions do not learn.
        sharpness: λ of C14; 0 pools by the mean.
        start, start_domain: checkpoint to transfer from, and its domain whose parts a new one takes over.
    """

    preset: str = "paper"
    mode: str = "scratch"
    stage_steps: int | None = STAGE_STEPS
    seed: int = 0
    start: Path | None = None
    partitions: tuple[str, ...] = ("train",)
    target: str = "emotion"
    adapters: bool = True
    patience_epochs: int = PATIENCE_EPOCHS
    start_domain: str | None = None
    vgg16: str | None = None
    frozen_layers: int = CONVOLUTIONS
    sharpness: float = 0.3
    device: str = "cpu"

    @property
    def rates(self) -> tuple[float, ...]:
        """Learning rate of each stage; a VGG16 is tuned and not trained from scratch."""
        return STAGE_RATES if self.mode in ("scratch", "adapters") and not self.vgg16 else TUNING_STAGE_RATES


@dataclass
class _Place:
    """How far a training has come: ``stale`` counts the evaluations of the stage without a gain."""

    step: int = 0
    stage: int = 0
    stage_step: int = 0
    stale: int = 0
    best: float = -1.0


def train_paper(
    corpora: Sequence[Corpus], recipe: PaperRecipe, out: Path, progress: Callable[[int, float], None]
) -> EmoNet:
    """Train with a domain a corpus and keep the weights of the best mean devel UAR and the last ones; resumable.

    Raises:
        CorpusError: a transfer mode without a checkpoint to start from, or with one of another front end.
    """
    torch.manual_seed(recipe.seed)
    if axes := TARGETS[recipe.target]:
        corpora = [aggregated(corpora, axis, recipe.seed) for axis in axes]
    network = _network(corpora, recipe)
    preset = PRESETS[recipe.preset]

    def load(corpus: Corpus, *partitions: str) -> WaveformCorpus:
        return WaveformCorpus(corpus.partition(*partitions), corpus.labels, preset.sample_rate_hz, recipe.seed)

    training = [load(corpus, *recipe.partitions) for corpus in corpora]
    _Run(network, recipe, training, [load(corpus, "devel") for corpus in corpora], out).train(progress)
    return network


def _network(corpora: Sequence[Corpus], recipe: PaperRecipe) -> EmoNet:
    config = EmoNetConfig(
        label_set([corpus.labels for corpus in corpora]),
        domains=tuple(corpus.name for corpus in corpora),
        heads=tuple(corpus.labels for corpus in corpora),
        adapters=recipe.adapters and not recipe.vgg16,
        attention_sharpness=recipe.sharpness,
        frozen_layers=recipe.frozen_layers,
        plane=False,
        same_ends=True,
    )
    if not 0 <= recipe.frozen_layers <= CONVOLUTIONS:
        raise CorpusError(f"VGG16 has {CONVOLUTIONS} convolutions, not {recipe.frozen_layers}")
    if recipe.vgg16 and recipe.mode != "scratch":
        raise CorpusError(f"mode '{recipe.mode}' takes its network from --start: leave --vgg16 out")
    if recipe.mode == "scratch":
        return _pretrained(config, recipe.vgg16) if recipe.vgg16 else EmoNet(config)
    if recipe.start is None:
        raise CorpusError(f"mode '{recipe.mode}' transfers from a checkpoint: give --start")
    source = Source.read(recipe.start)
    if source.preset != recipe.preset:
        raise CorpusError(f"{recipe.start}: trained behind front end '{source.preset}', not '{recipe.preset}'")
    return started(config, source, recipe.mode, recipe.start_domain)


def _pretrained(config: EmoNetConfig, source: str) -> Vgg16EmoNet:
    """A network that begins with the weights ``source`` of VGG16: 'publisher', 'random:SEED' or a file.

    Raises:
        CorpusError: the weights cannot be had, or are of another network.
    """
    try:
        weights = load_weights("vgg16", source)
    except (WeightsError, OSError) as error:
        raise CorpusError(str(error)) from error
    base = f"{weights.source}; {weights.licence.spdx}" + f"; sha256 {weights.sha256}" * bool(weights.sha256)
    network = Vgg16EmoNet(replace(config, backbone="vgg16", base=base))
    values = {name.removeprefix("features."): value for name, value in weights.tensors.items() if "features." in name}
    network.features.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in values.items()})
    return network


class _Run:
    def __init__(
        self,
        network: EmoNet,
        recipe: PaperRecipe,
        training: list[WaveformCorpus],
        devel: list[WaveformCorpus],
        out: Path,
    ) -> None:
        self._network = network.to(recipe.device)
        self._recipe = recipe
        self._front_end = FrontEnd(PRESETS[recipe.preset]).to(recipe.device)
        self._training = training
        self._devel = devel
        self._out = out
        self._place = _Place()
        self._weights = [corpus.class_weights() for corpus in training]
        epoch_steps = math.ceil(max(map(len, training)) / BATCH_SIZE)
        self._evaluate_steps = epoch_steps if recipe.stage_steps is None else EVALUATE_STEPS
        out.mkdir(parents=True, exist_ok=True)

    def train(self, progress: Callable[[int, float], None]) -> None:
        """Run the stages that are left."""
        tuned, place = tune(self._network, self._recipe.mode), self._place
        state = load_checkpoint(self._out / LAST_FILE_NAME)
        if state is not None:
            with restoring(self._out):
                self._network.load_state_dict(state["network"])
                place = self._place = _Place(**state["place"])
        while place.stage < len(self._recipe.rates):
            optimizer, schedule = _optimizer(tuned, self._recipe.rates[place.stage])
            if state is not None and place.stage_step:
                optimizer.load_state_dict(state["optimizer"])
                schedule.load_state_dict(state["schedule"])
            state, losses = None, list[float]()
            while not self._is_over():
                losses.append(self._one_step(optimizer, schedule))
                place.step += 1
                place.stage_step += 1
                progress(place.step, losses[-1])
                if place.stage_step % self._evaluate_steps == 0 or self._is_over():
                    self._report(sum(losses) / len(losses))
                    losses = []
                    self._save(LAST_FILE_NAME, optimizer=optimizer.state_dict(), schedule=schedule.state_dict())
            place.stage, place.stage_step, place.stale = place.stage + 1, 0, 0

    def _is_over(self) -> bool:
        if self._recipe.stage_steps is None:
            return self._place.stale >= self._recipe.patience_epochs
        return self._place.stage_step >= self._recipe.stage_steps

    def _one_step(self, optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler) -> float:
        """One batch of each corpus in turn (C21)."""
        train_mode(self._network)
        total = 0.0
        for corpus, weights in zip(self._training, self._weights, strict=True):
            waveform, lengths, truth = corpus.draw(BATCH_SIZE, self._front_end.preset.full_length_samples)
            logits = _logits(self._network, self._front_end, corpus, waveform, lengths)
            loss = functional.cross_entropy(logits, truth, weights)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        return total / len(self._training)

    def _report(self, loss: float) -> None:
        place, rate = self._place, self._recipe.rates[self._place.stage]
        figures = {f"devel_uar_{corpus.corpus.name}": self._uar(corpus) for corpus in self._devel}
        append_figures(self._out, {"step": place.step, "rate": rate, "loss": loss, **figures})
        mean = sum(figures.values()) / len(figures)
        place.stale += 1
        if mean > place.best:
            place.best, place.stale = mean, 0
            self._save(CHECKPOINT_FILE_NAME)

    def _save(self, name: str, **more: object) -> None:
        state = {"config": self._network.config.to_json(), "preset": self._recipe.preset, "place": asdict(self._place)}
        save_checkpoint({**state, "network": self._network.state_dict(), **more}, self._out / name)

    def _uar(self, corpus: WaveformCorpus) -> float:
        answers = predict(self._network, self._front_end, corpus).argmax(dim=1)
        return unweighted_average_recall(corpus.truth, answers.numpy())


def predict(network: EmoNet, front_end: FrontEnd, corpus: WaveformCorpus) -> Tensor:
    """Logits of the corpus's head, float32 [recordings, classes]; longer recordings are cut to their middle."""
    network.eval()
    longest = front_end.preset.full_length_samples
    with torch.inference_mode():
        return torch.cat(
            [
                _logits(network, front_end, corpus, waveform, lengths)
                for waveform, lengths, _ in corpus.ordered(BATCH_SIZE, longest)
            ]
        )


def _logits(network: EmoNet, front_end: FrontEnd, corpus: WaveformCorpus, waveform: Tensor, lengths: Tensor) -> Tensor:
    device = front_end.kernels.device
    with torch.no_grad():
        pictures, frames = front_end(waveform.to(device), lengths.to(device))
    logits: Tensor = network(pictures[:, None], frames, corpus.corpus.name)["emotion"]
    return logits.cpu()


def _optimizer(
    tuned: Sequence[nn.Parameter], rate: float
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """SGD with momentum, whose rate falls a little each update."""
    kernels = [parameter for parameter in tuned if parameter.dim() > 1]
    others = [parameter for parameter in tuned if parameter.dim() <= 1]
    groups: list[dict[str, Any]] = [{"params": kernels, "weight_decay": WEIGHT_DECAY}, {"params": others}]
    optimizer = torch.optim.SGD(groups, rate, momentum=MOMENTUM)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: 1.0 / (1.0 + RATE_DECAY * update))
