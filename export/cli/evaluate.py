"""``emoserve-export evaluate``: figures of a bundle on a partition of corpora, with intervals and a rival bundle."""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from export.cli import evaluate_affect, evaluate_denoiser, evaluate_units
from export.cli.common import (
    ExpectedFailure,
    add_corpus_argument,
    advance_by,
    available_threads,
    bundle_card,
    note,
    progress_bar,
    say,
)
from export.corpora.tables import Corpus, read_corpora
from export.evaluation.bundle import CorpusAnswers, answer_corpus
from export.evaluation.plots import draw_confusion
from export.evaluation.ratings import describe_ratings, rating_figures
from export.evaluation.report import EmotionReport, report
from export.evaluation.significance import mcnemar, proportion_z_test
from service.card import read_card
from service.pipeline.prior import prior_for
from service.problems import Unprocessable


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", type=Path, help="bundle folder, such as models/emonet-open/2")
    add_corpus_argument(parser)
    parser.add_argument(
        "--partition",
        default="test",
        choices=["train", "devel", "test", "all"],
        help="'all' for affect bundles only, whose recordings without a partition count as 'test'",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="MODEL",
        help="a second bundle, compared by McNemar's test or, for affect, by a paired bootstrap over sequences",
    )
    parser.add_argument(
        "--domain",
        metavar="NAME",
        help="of a speech model that has several; default: that of the corpus's name, or the first",
    )
    parser.add_argument(
        "--prior",
        metavar="HOW",
        help="answers of a speech model under another prior: uniform, or LABEL:P,… as requests say",
    )
    parser.add_argument("--plot", type=Path, metavar="DIR", help="write a confusion matrix for each corpus")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the noises that denoisers are tested in, and of affect's bootstrap"
    )
    parser.add_argument("--json", action="store_true", help="one JSON line a corpus instead of text")
    affect = parser.add_argument_group(
        "affect bundles", "their corpora are folders with 'features', 'labels' and, if there is one, 'turns'"
    )
    affect.add_argument("--fps", type=float, help="replaces the time stamps of tables of action units")
    affect.add_argument("--delay-s", type=float, help="of the annotators; default: as the bundle was trained")
    units = parser.add_argument_group(
        "action-unit bundles", "their corpora are folders of videos beside tables of the same name; --fps as above"
    )
    units.add_argument(
        "--faces", type=Path, default=Path("var/models"), metavar="DIR", help="folder of the face bundle"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate and print."""
    tasks = {bundle_card(bundle).task for bundle in filter(None, (arguments.model, arguments.against))}
    if len(tasks) > 1:
        raise ExpectedFailure(f"bundles of different tasks cannot be compared: {', '.join(sorted(tasks))}")
    if tasks == {"affect"}:
        return evaluate_affect.run(arguments)
    if tasks == {"action-units"}:
        return evaluate_units.run(arguments)
    if tasks == {"face-expression"}:
        raise ExpectedFailure("bundles of the task 'face-expression' are not scored by this command")
    if tasks == {"denoiser"}:
        return evaluate_denoiser.run(arguments)
    if arguments.partition == "all" or arguments.fps is not None or arguments.delay_s is not None:
        raise ExpectedFailure("--partition all and --delay-s are for affect bundles, --fps for those and action units")
    card = bundle_card(arguments.model)
    for corpus in read_corpora(arguments.corpus):
        part = corpus.partition(arguments.partition)
        if not part.utterances:
            raise ExpectedFailure(f"{corpus.name} has no partition '{arguments.partition}'")
        if not set(card.labels) & set(corpus.labels):
            if not any(utterance.ratings for utterance in part.utterances):
                known = ", ".join(card.labels) or "it answers dimensions alone, and the corpus has no ratings of them"
                raise ExpectedFailure(f"{corpus.name} has none of the classes of {card.name}: {known}")
            if arguments.prior or arguments.plot:
                raise ExpectedFailure(f"--prior and --plot are for classes: {corpus.name} and {card.name} share none")
            say(_ratings_alone(arguments, part))
            continue
        figures, correct = evaluate(arguments.model, part, arguments.partition, arguments.domain, arguments.prior)
        line: dict[str, object] = {"model": card.name, **figures.to_json()}
        if arguments.against:
            rival, rival_correct = evaluate(arguments.against, part, arguments.partition)
            line["against"] = compare(figures, correct, rival, rival_correct)
        if arguments.plot:
            draw_confusion(figures, arguments.plot / f"confusion-{corpus.name}.png")
        say(json.dumps(line) if arguments.json else describe(figures, line.get("against")))
    return 0


def _ratings_alone(arguments: argparse.Namespace, part: Corpus) -> str:
    """Figures of a corpus whose classes the model does not know, from listeners' ratings."""
    found = []
    for bundle in filter(None, (arguments.model, arguments.against)):
        card = read_card(bundle)
        answers = _answered(bundle, part, arguments.domain if bundle == arguments.model else None)
        figures = rating_figures(answers, part, arguments.seed)
        if not figures:
            raise ExpectedFailure(f"{card.name} gives none of the dimensions that {part.name} has ratings of")
        found.append((card.name, figures))
    lines = [
        json.dumps(
            {
                "model": name,
                "corpus": part.name,
                "partition": arguments.partition,
                "n": len(part.utterances),
                "ratings": {dimension: asdict(one) for dimension, one in figures.items()},
            }
        )
        if arguments.json
        else "\n".join([f"{name} on {part.name} {arguments.partition}:", *describe_ratings(figures)])
        for name, figures in found
    ]
    return "\n".join(lines)


def _answered(bundle: Path, corpus: Corpus, domain: str | None) -> CorpusAnswers:
    with progress_bar(f"{read_card(bundle).name} on {corpus.name}", len(corpus.utterances)) as bar:
        return answer_corpus(bundle, corpus, available_threads(), advance_by(bar), domain)


def evaluate(
    bundle: Path, corpus: Corpus, partition: str, domain: str | None = None, prior: str | None = None
) -> tuple[EmotionReport, np.ndarray]:
    """Figures of ``bundle`` on an already selected partition, under a prior as requests name it.

    Raises:
        ExpectedFailure: the prior does not fit the model.
    """
    try:
        other = prior_for(prior, read_card(bundle))
    except Unprocessable as problem:
        raise ExpectedFailure(f"--{problem.detail}") from problem
    answers = _answered(bundle, corpus, domain)
    if not np.isfinite(answers.probabilities).all():
        note(f"{bundle}: some probabilities are not finite")
    if other is not None:
        posterior = other.posterior({"probabilities": answers.probabilities})
        answers = replace(answers, probabilities=posterior["probabilities"])
    return report(answers, corpus, partition, read_card(bundle).doubt)


def compare(
    figures: EmotionReport, correct: np.ndarray, rival: EmotionReport, rival_correct: np.ndarray
) -> dict[str, object]:
    """McNemar's test where both answered the same utterances, else the z-test on accuracies."""
    result: dict[str, object] = {"uar": rival.uar.value, "accuracy": rival.accuracy}
    if len(correct) == len(rival_correct) and figures.left_out == rival.left_out:
        return result | {"test": "McNemar", "p": mcnemar(correct, rival_correct)}
    return result | {
        "test": "z on accuracies",
        "p": proportion_z_test(figures.accuracy, figures.n, rival.accuracy, rival.n),
    }


def describe(figures: EmotionReport, against: object) -> str:
    """The figures as text."""
    uar = figures.uar
    lines = [
        f"{figures.corpus} {figures.partition}: n {figures.n}"
        + (f" ({figures.left_out} of other classes left out)" if figures.left_out else ""),
        f"  UAR {uar.value:.1%} (95 % {uar.low:.1%} … {uar.high:.1%}), chance {1 / len(figures.classes):.1%}",
        f"  accuracy {figures.accuracy:.1%}, macro F1 {figures.macro_f1:.1%}, "
        f"UAR among all classes of the model {figures.open_uar:.1%}",
        f"  expected calibration error {figures.calibration_error:.3f}"
        + "".join(
            f", {name} UAR {value:.1%} by the emotion's place"
            for name, value in (("arousal", figures.arousal_uar), ("valence", figures.valence_uar))
            if value is not None
        ),
    ]
    if figures.plausible_coverage is not None:
        lines.append(
            f"  right label plausible {figures.plausible_coverage:.1%}, plausible labels {figures.plausible_size:.2f} "
            f"on average, one alone {figures.plausible_single:.1%}"
        )
    lines += describe_ratings(figures.ratings)
    width = max(len(name) for name in figures.classes)
    lines += [
        f"  {name:>{width}} " + " ".join(f"{count:5d}" for count in row)
        for name, row in zip(figures.classes, figures.confusion, strict=True)
    ]
    if isinstance(against, dict):
        lines.append("  against: " + ", ".join(f"{key} {value}" for key, value in against.items()))
    return "\n".join(lines)
