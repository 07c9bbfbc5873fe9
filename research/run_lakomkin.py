"""``python -m research lakomkin``: baselines, reused and progressive systems of Lakomkin et al. (B14–B20)."""

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.classifiers.answers import Predictions, by_name
from export.classifiers.examples import TrainingError
from export.cli.common import ExpectedFailure, advance_by, available_threads, note, progress_bar, say
from export.corpora.tables import Corpus
from export.evaluation.metrics import accuracy, macro_f1, unweighted_average_recall
from export.evaluation.significance import compare_answers, holm
from export.speech_representations.recogniser.deepspeech import CheckpointError
from research.confusions import write_confusions
from research.preparation import finish, usable
from research.published import REUSED
from research.reused_speech import SYSTEMS, Heard, StudyRecipe, folds_of, judge, sequences_of
from research.speech_frames import Encoded, FrozenEncoder, Ge2eEncoder, RecogniserEncoder, encode, hear
from research.tables import Cell

REFERENCE = "Baseline 96"
OWN = "own features"
MOST_RUNS = 10
"""Runs of an earlier start that the table takes in."""

Answers = list[NDArray[np.float64]]
"""Probabilities float64 [recordings, classes] of each run."""


def run(arguments: argparse.Namespace) -> int:
    """Train what was not trained before; the table holds all that was trained with the same recipe."""
    torch.set_num_threads(available_threads())
    unknown = set(arguments.systems or ()) - {system.name for system in SYSTEMS}
    if unknown:
        raise ExpectedFailure(f"there is no system {', '.join(sorted(unknown))}: see docs/lakomkin.md")
    if arguments.runs < 1 or arguments.epochs < 1:
        raise ExpectedFailure("--runs and --epochs are 1 at least")
    encoders: list[FrozenEncoder] = []
    try:
        encoders += [RecogniserEncoder(arguments.recogniser)] if arguments.recogniser else []
    except CheckpointError as error:
        raise ExpectedFailure(str(error)) from error
    encoders += [Ge2eEncoder(arguments.encoder)] if arguments.encoder else []
    for corpus in usable(arguments, needed=()):
        try:
            folds_of([row.speaker for row in corpus.utterances])
            _study(corpus, encoders, arguments)
        except (TrainingError, ValueError) as error:
            raise ExpectedFailure(f"{corpus.name}: {error}") from error
    return 0


def _study(corpus: Corpus, encoders: Sequence[FrozenEncoder], arguments: argparse.Namespace) -> None:
    labels = corpus.labels
    names = tuple(row.name for row in corpus.utterances)
    targets = np.array([labels.index(row.emotion) for row in corpus.utterances])
    speakers = [row.speaker for row in corpus.utterances]
    recipe = StudyRecipe(arguments.rate, arguments.batch_size, arguments.epochs, arguments.softmax_epochs)
    own = hear(corpus, arguments.cache)
    encoded: dict[str, Encoded] = {}
    for encoder in encoders:
        with progress_bar(f"{encoder.name} of {corpus.name}", len(names)) as bar:
            encoded[encoder.name] = encode(encoder, corpus, arguments.cache, advance_by(bar))
        draw_means(encoded[encoder.name], targets, labels, arguments.out / f"tsne-{corpus.name}-{encoder.name}.png")
    digests = {encoder.name: encoder.sha256 for encoder in encoders}
    found: dict[tuple[str, str], Answers] = {
        (name, "none"): [part] for name, part in _chance(targets, len(labels), arguments.seed).items()
    }
    for system in SYSTEMS:
        is_asked = not arguments.systems or system.name in arguments.systems
        for source in [OWN] if not system.layer else encoded:
            reused = encoded[source].states[system.layer] if system.layer else None
            heard = Heard(sequences_of(system, own, reused), targets, speakers)
            runs = []
            for seed in range(arguments.seed, arguments.seed + max(arguments.runs, MOST_RUNS)):
                what = (system, recipe, digests.get(source, ""), names, targets.tolist(), seed)
                file = arguments.out / "answers" / f"{hashlib.sha256(repr(what).encode()).hexdigest()[:16]}.npy"
                if is_asked and seed < arguments.seed + arguments.runs and not file.is_file():
                    _keep(judge(system, heard, len(labels), recipe, seed), file)
                    note(f"{system.name}, {source}, run {seed}: trained and judged")
                if file.is_file():
                    runs.append(np.load(file))
            if runs:
                found[system.name, source] = runs
    parts = {key: Predictions("all", labels, names, targets, np.mean(runs, axis=0)) for key, runs in found.items()}
    for (system_name, source), part in parts.items():
        name = f"{corpus.name}-{system_name}-{source}".lower().replace(" ", "-")
        title = f"{system_name}, {source}, {corpus.name}"
        write_confusions({system_name: part}, 1, title, arguments.out / "confusions" / name)
    finish(_rows(found, parts), arguments.out / f"lakomkin-{corpus.name}", f"Reused speech layers, {corpus.name}")
    for one in encoded.values():
        for layer, (unit, correlation) in one.loudest_units.items():
            say(f"{corpus.name}, {one.name}, layer {layer}: unit {unit} follows loudness, r = {correlation:.2f} (B6)")


def _chance(targets: NDArray[np.int64], classes: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """The rows of B18 as probabilities."""
    random = np.random.default_rng(seed).integers(classes, size=len(targets))
    return {
        "Most frequent class": np.eye(classes)[np.full(len(targets), np.bincount(targets).argmax())],
        "Random": np.eye(classes)[random],
    }


def _keep(values: NDArray[np.float64], file: Path) -> None:
    """Write answers so that they are whole or not there: a study that is started again repeats none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file.with_suffix(".part.npy"), values)
    file.with_suffix(".part.npy").replace(file)


def _rows(
    found: Mapping[tuple[str, str], Answers], parts: Mapping[tuple[str, str], Predictions]
) -> list[dict[str, Cell]]:
    """A row a system and encoder: figures of each run, their mean and deviation, the test against the baseline."""
    reference = parts.get((REFERENCE, OWN))
    compared = [key for key in found if reference and key[1] != "none" and key != (REFERENCE, OWN)]
    p_values = []
    for key in compared:
        assert reference is not None
        p_values.append(compare_answers(by_name(parts[key]), by_name(reference)).mcnemar_p)
    corrected = dict(zip(compared, holm(p_values), strict=True))
    rows = []
    for key, answers in found.items():
        truth = parts[key].targets
        row: dict[str, Cell] = {"system": key[0], "layers of": key[1]}
        choices = [run.argmax(axis=1) for run in answers]
        for name, figure in (("accuracy", accuracy), ("UAR", unweighted_average_recall), ("macro F1", macro_f1)):
            values = [figure(truth, choice) for choice in choices]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            row[name] = f"{np.mean(values):.3f}{spread}"
        row["p against Baseline 96 (McNemar, Holm)"] = corrected.get(key)
        printed = REUSED[key[0]]
        row["paper, IEMOCAP: U-Acc / W-Acc / F1"] = " / ".join("–" if v is None else f"{v:.2f}" for v in printed)
        row["runs"] = len(answers)
        row["n"] = len(truth)
        rows.append(row)
    return rows


def draw_means(encoded: Encoded, targets: NDArray[np.int64], labels: Sequence[str], file: Path) -> None:
    """Draw the mean of each layer over each recording by t-SNE: all classes, and sadness with anger (B20)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure
    from sklearn.manifold import TSNE

    pair = [labels.index(name) for name in ("anger", "sadness") if name in labels]
    chosen = [np.arange(len(targets)), np.flatnonzero(np.isin(targets, pair))]
    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 3, squeeze=False)
    for column, (layer, states) in enumerate(encoded.states.items()):
        means = np.stack([value.mean(axis=0, dtype=np.float32) for value in states])
        for row, places in enumerate(chosen):
            axes = panels[row][column]
            axes.set(title=f"{encoded.name}, layer {layer}", xticks=[], yticks=[])
            if len(places) < 4:
                continue
            near = TSNE(perplexity=min(30, (len(places) - 1) / 3), random_state=0).fit_transform(means[places])
            for number in np.unique(targets[places]):
                dots = near[targets[places] == number]
                axes.scatter(dots[:, 0], dots[:, 1], s=8, color=f"C{number}", label=labels[number])
    handles, texts = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=len(labels), frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)
