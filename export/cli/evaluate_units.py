"""``emoserve-export evaluate`` for action units: videos beside tables of OpenFace or of human coders."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from export.cli.common import ExpectedFailure, advance_by, progress_bar, say
from export.faces.evaluate import Recording, UnitScore, coded_in, score, side_by_side, unit_reader
from service.card import read_card


def run(arguments: argparse.Namespace) -> int:
    """Evaluate and print; 0."""
    if arguments.plot or arguments.against or arguments.delay_s is not None:
        raise ExpectedFailure("--plot, --against and --delay-s are not for action units")
    name = read_card(arguments.model).name
    try:
        for corpus in arguments.corpus:
            recordings = _recordings(arguments, corpus)
            scores = score(recordings)
            line = {"model": name, "corpus": corpus.name, "recordings": len(recordings)}
            units = {unit: asdict(found) for unit, found in scores.items()}
            say(json.dumps(line | {"units": units}) if arguments.json else describe(name, corpus, recordings, scores))
    except ValueError as error:
        raise ExpectedFailure(str(error)) from error
    return 0


def _recordings(arguments: argparse.Namespace, corpus: Path) -> list[Recording]:
    coded = coded_in(corpus)
    with progress_bar(f"{corpus.name}", len(coded)) as bar, unit_reader(arguments.model, arguments.faces) as read:
        advance, found = advance_by(bar), []
        for one in coded:
            found.append(side_by_side(read, one, arguments.fps))
            advance()
    return found


def describe(name: str, corpus: Path, recordings: list[Recording], scores: dict[str, UnitScore]) -> str:
    """The figures as a table in Markdown, and their mean over the units that move."""
    frames = sum(len(recording.time_s) for recording in recordings)
    lines = [
        f"{name} on {corpus.name}: {len(recordings)} recordings, {frames} frames",
        "| unit | r | Spearman | ICC | deviation of the reference | level | level of the reference | F1 at 1 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for unit, found in scores.items():
        cells = (
            found.correlation,
            found.rank_correlation,
            found.intraclass,
            found.deviation,
            found.level,
            found.reference_level,
            found.f1,
        )
        lines.append(f"| {unit} | " + " | ".join("–" if cell is None else f"{cell:.2f}" for cell in cells) + " |")
    known = [found.correlation for found in scores.values() if found.correlation is not None]
    if known:
        lines.append(f"mean r {sum(known) / len(known):.2f} over {len(known)} units that move")
    return "\n".join(lines)
