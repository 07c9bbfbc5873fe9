"""``python -m research emonet``: baselines from scratch, and transfer from several or single corpora (C5, C19–C29)."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from export.classifiers.answers import Predictions, by_name
from export.cli.common import ExpectedFailure, available_threads, progress_bar, report_to, training_device
from export.corpora.tables import Corpus, CorpusError
from export.emonet.aggregated import TARGETS
from export.emonet.paper_recipe import LAST_FILE_NAME, PATIENCE_EPOCHS, STAGE_STEPS, PaperRecipe, predict, train_paper
from export.emonet.training_loop import load_trained
from export.emonet.waveforms import WaveformCorpus
from export.evaluation.metrics import bootstrap_uar, unweighted_average_recall
from export.evaluation.significance import compare_answers
from export.graph.front_end import PRESETS, FrontEnd
from export.training.checkpoint import CHECKPOINT_FILE_NAME
from research.confusions import write_confusions
from research.preparation import finish, usable
from research.published import EMONET
from research.tables import Cell

BEST, LAST, VGG16 = "ResNet, best epoch", "ResNet, last epoch", "VGG16, best epoch"
"""The baselines; significance is told against the first (C27), also of the VGG16 where its weights are there (C6)."""

ALL = "all"
SINGLE = "single"
SOURCES = (ALL, "arousal", "valence", "both", SINGLE)
"""Corpora to transfer from: each a domain of its own (C24), put together by levels, or each alone (C23)."""


@dataclass(frozen=True)
class Study:
    """One sweep.

    Attributes:
        out: each training has a folder here, and goes on where it stopped.
        recipe: preset and seed.
        share: of the paper's schedule that every training runs (C19, C21).
    """

    out: Path
    recipe: PaperRecipe
    share: float

    def train(self, name: str, corpora: Sequence[Corpus], *, several: bool, **choices: object) -> Path:
        """Train what was not trained before; returns the folder."""
        steps, epochs = (max(1, round(count * self.share)) for count in (STAGE_STEPS, PATIENCE_EPOCHS))
        length = {"stage_steps": steps if several else None, "patience_epochs": epochs}
        recipe = replace(self.recipe, **length, **choices)  # type: ignore[arg-type]
        total = recipe.stage_steps and recipe.stage_steps * len(recipe.rates)
        with progress_bar(name, total) as bar:
            train_paper(corpora, recipe, self.out / "trainings" / name, report_to(bar))
        return self.out / "trainings" / name


def run(arguments: argparse.Namespace) -> int:
    """Train sources and systems, and write the table anew after each corpus."""
    torch.set_num_threads(available_threads())
    device = training_device(arguments.device)
    corpora = usable(arguments)
    if len({corpus.name for corpus in corpora}) < len(corpora):
        raise ExpectedFailure("two corpora have the same name")
    study = Study(arguments.out, PaperRecipe(arguments.preset, seed=arguments.seed, device=device), arguments.budget)
    try:
        sources = _sources(study, corpora, arguments.sources)
        rows: list[dict[str, Cell]] = []
        for corpus in corpora:
            found = _systems(study, corpus, sources, arguments.modes, arguments.vgg16)
            rows += _rows(corpus, found, study.share)
            finish(rows, arguments.out / "emonet", f"EmoNet, front end '{arguments.preset}' (C5, C22–C29)")
    except CorpusError as error:
        raise ExpectedFailure(str(error)) from error
    return 0


def _sources(study: Study, corpora: Sequence[Corpus], wanted: Sequence[str]) -> dict[str, Path]:
    """Checkpoints to transfer from, by name."""
    found = {}
    for name in wanted:
        if name == SINGLE:
            for corpus in corpora:
                found[f"{SINGLE} {corpus.name}"] = study.train(f"source-{corpus.name}", [corpus], several=False)
            continue
        several = len(TARGETS["emotion" if name == ALL else name]) != 1
        target = "emotion" if name == ALL else name
        found[name] = study.train(f"source-{name}", corpora, several=several, target=target)
    return {name: folder / CHECKPOINT_FILE_NAME for name, folder in found.items()}


def _systems(
    study: Study, corpus: Corpus, sources: Mapping[str, Path], modes: Sequence[str], vgg16: str | None
) -> dict[str, dict[str, Predictions]]:
    """Predictions on devel and test of every system, by its name."""
    scratch = study.train(f"scratch-{corpus.name}", [corpus], several=False, adapters=False)
    weights = {BEST: scratch / CHECKPOINT_FILE_NAME, LAST: scratch / LAST_FILE_NAME}
    if vgg16:
        folder = study.train(f"vgg16-{corpus.name}", [corpus], several=False, vgg16=vgg16)
        weights[VGG16] = folder / CHECKPOINT_FILE_NAME
    for source, start in sources.items():
        if source == f"{SINGLE} {corpus.name}":
            continue
        for mode in modes:
            name = f"{mode}-{source}-{corpus.name}".replace(" ", "-")
            domain = "arousal" if source == "both" else None  # of two domains, neither of which is the corpus
            folder = study.train(name, [corpus], several=False, mode=mode, start=start, start_domain=domain)
            weights[f"{source}, {mode}"] = folder / CHECKPOINT_FILE_NAME
    found = {}
    for name, file in weights.items():
        parts = {part: _predictions(file, corpus, part) for part in ("devel", "test")}
        write_confusions(parts, 2, f"{name}, {corpus.name}", study.out / "confusions" / f"{corpus.name}-{name}")
        found[name] = parts
    return found


def _predictions(weights: Path, corpus: Corpus, partition: str) -> Predictions:
    network, preset = load_trained(weights)
    part = corpus.partition(partition)
    heard = WaveformCorpus(part, corpus.labels, PRESETS[preset].sample_rate_hz, seed=0)
    odds = torch.softmax(predict(network, FrontEnd(PRESETS[preset]), heard), dim=1).double().numpy()
    return Predictions(partition, corpus.labels, tuple(row.name for row in part.utterances), heard.truth, odds)


def _rows(corpus: Corpus, found: Mapping[str, Mapping[str, Predictions]], share: float) -> list[dict[str, Cell]]:
    reference = by_name(found[BEST]["test"])
    rows = []
    for name, parts in found.items():
        devel, test = parts["devel"], parts["test"]
        interval = bootstrap_uar(test.targets, test.answers)
        printed = EMONET.get(name.removesuffix(", adapters"))
        row: dict[str, Cell] = {"corpus": corpus.name, "system": name, "n": len(test.targets)}
        row["chance %"] = 100 / len(np.unique(test.targets))
        row["devel UAR %"] = 100 * unweighted_average_recall(devel.targets, devel.answers)
        row["test UAR % (95 %)"] = f"{interval.value:.1%} ({interval.low:.1%}–{interval.high:.1%})".replace("%", "")
        same = None if name == BEST else compare_answers(by_name(test), reference).mcnemar_p
        row["p against the ResNet (McNemar)"] = same
        row["share of the schedule"] = share
        row["paper, EMO-DB test / mean of 26 corpora"] = "–" if printed is None else f"{printed[0]} / {printed[1]}"
        rows.append(row)
    return rows
