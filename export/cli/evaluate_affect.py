"""``emoserve-export evaluate`` for affect bundles: CCC on folders of features and labels."""

import argparse
import json
from pathlib import Path

import numpy as np

from export.affect.evaluate import TargetAnswers, answer_folder, setting
from export.cli.common import ExpectedFailure, advance_by, progress_bar, say
from service.card import read_card

Figures = dict[str, object]


def run(arguments: argparse.Namespace) -> int:
    """Evaluate and print; 0."""
    if arguments.plot:
        raise ExpectedFailure("--plot draws confusion matrices, which affect bundles have not")
    try:
        for corpus in arguments.corpus:
            line = evaluate(arguments, corpus)
            say(json.dumps(line) if arguments.json else describe(line))
    except ValueError as error:
        raise ExpectedFailure(str(error)) from error
    return 0


def evaluate(arguments: argparse.Namespace, corpus: Path) -> Figures:
    """Figures on one folder as plain data.

    Raises:
        ValueError: a folder, file or bundle that cannot be used.
    """
    answers = _answers(arguments, arguments.model, corpus)
    line: Figures = {
        "model": read_card(arguments.model).name,
        "corpus": corpus.name,
        "partition": arguments.partition,
        "targets": {target: _figures(found, arguments.seed) for target, found in answers.items()},
    }
    if arguments.against:
        line["against"] = _comparison(arguments, corpus, answers)
    return line


def _answers(arguments: argparse.Namespace, bundle: Path, corpus: Path) -> dict[str, TargetAnswers]:
    labels = corpus / "labels"
    with progress_bar(f"{read_card(bundle).name} on {corpus.name}", len(list(labels.glob("*.csv")))) as bar:
        return answer_folder(
            bundle, corpus, arguments.partition, fps=arguments.fps, delay_s=arguments.delay_s, progress=advance_by(bar)
        )


def _figures(found: TargetAnswers, seed: int) -> Figures:
    scores = found.scores(seed)
    return {
        "ccc": _plain(scores.concatenated),
        "interval_95": None if scores.interval_95 is None else [_plain(edge) for edge in scores.interval_95],
        "per_sequence": dict(zip(found.names, map(_plain, scores.per_sequence), strict=True)),
        "n_sequences": len(found.names),
        "n_steps": sum(len(series) for series in found.gold),
        "delay_s": found.delay_s,
    }


def _comparison(arguments: argparse.Namespace, corpus: Path, answers: dict[str, TargetAnswers]) -> Figures:
    """The rival's figures, and how it differs where both answer."""
    rival_card = read_card(arguments.against)
    if setting(rival_card, "hop_s") != setting(read_card(arguments.model), "hop_s"):
        raise ValueError("the two bundles answer at different rates")
    rivals = _answers(arguments, arguments.against, corpus)
    targets: Figures = {}
    for target in [name for name in answers if name in rivals]:
        difference = answers[target].difference_to(rivals[target], arguments.seed)
        targets[target] = {
            "ccc": _plain(rivals[target].scores(arguments.seed).concatenated),
            "difference": _plain(difference.value),
            "difference_interval_95": difference.interval_95 and [_plain(edge) for edge in difference.interval_95],
            "p": None if difference.p is None else round(difference.p, 4),
        }
    if not targets:
        raise ValueError("the two bundles share no target")
    return {"model": rival_card.name, "test": "paired bootstrap over sequences", "targets": targets}


def describe(line: Figures) -> str:
    """The figures as text."""
    targets, against = line["targets"], line.get("against")
    assert isinstance(targets, dict)
    lines = [f"{line['corpus']} {line['partition']}, {line['model']}"]
    for target, figures in targets.items():
        lines.append(
            f"  {target}: CCC {_shown(figures['ccc'])} (95 % {_span(figures['interval_95'])}), "
            f"{figures['n_sequences']} sequences, {figures['n_steps']} steps, delay {figures['delay_s']:g} s"
        )
        lines += [f"    {name}: {_shown(value)}" for name, value in figures["per_sequence"].items()]
    if isinstance(against, dict):
        for target, figures in against["targets"].items():
            lines.append(
                f"  {target}, against {against['model']}: CCC {_shown(figures['ccc'])}, difference "
                f"{_shown(figures['difference'])} (95 % {_span(figures['difference_interval_95'])}), "
                f"p {_shown(figures['p'])}, {against['test']}"
            )
    return "\n".join(lines)


def _plain(value: float) -> float | None:
    """Six decimals; None where it is undefined."""
    return round(value, 6) if np.isfinite(value) else None


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _span(edges: list[float | None] | None) -> str:
    return "of one sequence: none" if edges is None else f"{_shown(edges[0])} … {_shown(edges[1])}"
