"""``emoserve-export train fusion``: several networks, fused early (A22) or late (A23)."""

import argparse

from export.classifiers.combinations import COMBINATIONS, choose
from export.classifiers.fusion import FUSION_FILE_NAME, Fusion, FusionCard, train_fusion, write_fusion
from export.classifiers.report import describe_choice, measurements_of, write_report
from export.cli.classifier_options import (
    add_training_arguments,
    compared,
    corpus_names,
    load_tables,
    recipe_of,
    without_remarks,
)
from export.cli.common import advance_by, available_threads, note, progress_bar, say

NAMED_AT_MOST = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--kind", choices=["early", "late"], required=True)
    parser.add_argument("--combination", choices=sorted(COMBINATIONS), help="take these of the tables; else all")
    add_training_arguments(parser, calibration="none")  # A23 averages what scikit-learn gives
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, report and write."""
    recipe = recipe_of(arguments)
    with without_remarks():
        tables = load_tables(arguments)
        if arguments.combination:
            tables = choose(arguments.combination, tables)
        searches = len(tables) if arguments.kind == "late" else 1
        with progress_bar("search", len(recipe.grid) * searches) as bar:
            trained = train_fusion(
                arguments.kind, [table for _, table in tables], recipe, available_threads(), advance_by(bar)
            )
    lost = _lost(trained.dropped)
    for line in lost:
        note(line)
    rivals, lines = compared(trained.answers, arguments.against)
    cards = [member.head.card for member in trained.members]
    about = {
        "fusion": arguments.kind,
        "combination": arguments.combination or "",
        "classifiers": [card.model_dump(mode="json") for card in cards],
        "left_out": list(trained.dropped),
        "against": rivals,
    }
    choices = [line for card in cards for line in describe_choice(card)]
    corpus = corpus_names(tables[0][1])
    figures, text = write_report(arguments.out, trained.answers, corpus, about, [*choices, *lost, *lines])
    command = f"emoserve-export train fusion --kind {arguments.kind} --features FILE… --recipe {recipe.name} --out DIR"
    card = FusionCard(
        kind=arguments.kind,
        combination=arguments.combination or "",
        heads=[f"member-{place}" for place in range(len(cards))],
        measurements=measurements_of(figures, f"fused {arguments.kind}, on precomputed features", command),
        notes=lost,
    )
    heads = tuple(member.head for member in trained.members)
    folder = write_fusion(Fusion(card, heads), arguments.out)
    say(text)
    say(f"trained: {folder / FUSION_FILE_NAME}")
    return 0


def _lost(dropped: tuple[str, ...]) -> list[str]:
    if not dropped:
        return []
    names = ", ".join(dropped[:NAMED_AT_MOST]) + (", …" if len(dropped) > NAMED_AT_MOST else "")
    return [f"{len(dropped)} recordings have rows that not every table holds and were left out: {names}"]
