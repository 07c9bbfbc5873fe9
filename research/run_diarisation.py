"""``python -m research diarisation``: DER of the served answers on conversations made of a corpus's recordings."""

import argparse
import itertools
import random
from collections.abc import Iterator, Sequence

from emoserve import Analyzer
from export.cli.common import ExpectedFailure, advance, note, progress_bar
from export.corpora.tables import Corpus, read_corpus
from research.conversations import Conversation, Errors, Turn, conversation, diarisation_errors
from research.preparation import finish
from research.tables import Cell

CONDITIONS: tuple[tuple[str, float, float | None], ...] = (
    ("one after the other", 0.0, None),
    ("a fifth interrupt", 0.2, None),
    ("noise, 20 dB", 0.0, 20.0),
    ("noise, 10 dB", 0.0, 10.0),
    ("a fifth interrupt, noise, 10 dB", 0.2, 10.0),
)
"""Name, share of turns that interrupt, and distance of pink noise."""


def run(arguments: argparse.Namespace) -> int:
    """Diarise the conversations of every corpus; the table is written after each."""
    rows: list[dict[str, Cell]] = []
    with Analyzer(model_dirs=arguments.models) as analyzer:
        for folder in arguments.corpus:
            corpus = read_corpus(folder, with_emotions=False).partition(*arguments.partition)
            people = sorted({utterance.speaker for utterance in corpus.utterances})
            counts = [count for count in arguments.speakers if count <= len(people)]
            if len(counts) < len(arguments.speakers):
                note(f"skipped: {corpus.name} has {len(people)} speakers in {', '.join(arguments.partition)}")
            kinds = list(itertools.product(counts, CONDITIONS))
            with progress_bar(f"listening to {corpus.name}", len(kinds) * arguments.conversations) as bar:
                for count, (condition, interrupted, snr_db) in kinds:
                    made = _conversations(corpus, people, count, interrupted, snr_db, arguments)
                    found = []
                    for one in made:
                        found.append(_compared(analyzer, one, count))
                        advance(bar)
                    rows.append(
                        {"corpus": corpus.name, "speakers": count, "condition": condition, **_row(found, count)}
                    )
            if rows:
                rows.sort(key=lambda row: -float(row["DER auto %"] or 0))
                finish(rows, arguments.out / "diarisation", "Diarisation error rate, the worst first")
    if not rows:
        raise ExpectedFailure("no corpus has so many speakers")
    return 0


def _conversations(
    corpus: Corpus,
    people: list[str],
    count: int,
    interrupted: float,
    snr_db: float | None,
    arguments: argparse.Namespace,
) -> Iterator[Conversation]:
    """Those of one kind: the same people and turns in every condition."""
    for number in range(arguments.conversations):
        seed = arguments.seed * 1000 + number
        chosen = random.Random(seed).sample(people, count)
        yield conversation(corpus, chosen, arguments.length_s, interrupted, snr_db, seed)


def _compared(analyzer: Analyzer, one: Conversation, count: int) -> tuple[Errors, Errors, Errors, int]:
    """Errors with 'auto', without its collar, and with the number given; and how many speakers 'auto' told."""
    told = [_told(analyzer, one, asked) for asked in ("auto", count)]
    free, given = (diarisation_errors(one.turns, turns) for turns in told)
    return free, diarisation_errors(one.turns, told[0], collar_s=0.0), given, len({name for _, _, name in told[0]})


def _told(analyzer: Analyzer, one: Conversation, asked: str | int) -> list[Turn]:
    turns = analyzer.audio(one.samples, rate_hz=16_000, speakers=asked).turns
    assert turns is not None
    return list(zip(turns.start_s, turns.end_s, turns.speaker, strict=True))


def _row(found: Sequence[tuple[Errors, Errors, Errors, int]], count: int) -> dict[str, Cell]:
    free, exact, given = (sum(errors[1:], errors[0]) for errors in zip(*(one[:3] for one in found), strict=True))
    told = [one[3] for one in found]
    return {
        "DER auto %": round(100 * free.rate, 1),
        "missed %": round(100 * free.missed_s / free.speech_s, 1),
        "false alarm %": round(100 * free.false_alarm_s / free.speech_s, 1),
        "confused %": round(100 * free.confused_s / free.speech_s, 1),
        "DER auto, no collar %": round(100 * exact.rate, 1),
        "DER number given %": round(100 * given.rate, 1),
        "right number": f"{told.count(count)}/{len(told)}",
        "told on average": round(sum(told) / len(told), 1),
    }
