"""``emoserve-export profiles``: accuracy of a bundle beside profiles, and how well two profiles tell speakers apart."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

from export.cli.common import (
    ExpectedFailure,
    add_cache_argument,
    add_corpus_argument,
    advance,
    available_threads,
    note,
    progress_bar,
    say,
)
from export.corpora.tables import read_corpora
from export.speech_representations.bundle import load_network
from export.speech_representations.embedded import embed
from export.speech_representations.profile_study import CLIPS, DRAWS, MIXES, equal_error_rate, study

EQUAL_ERROR_CLIPS = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", type=Path, help="folder of a bundle that takes profiles, such as models/ge2e-open/3")
    add_corpus_argument(parser)
    parser.add_argument("--partitions", nargs="+", default=["test"], choices=["train", "devel", "test"])
    parser.add_argument("--json", action="store_true", help="one JSON line a row instead of a table")
    add_cache_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Draw profiles, score and print."""
    torch.set_num_threads(available_threads())
    try:
        network = load_network(arguments.model)
    except ValueError as error:
        raise ExpectedFailure(str(error)) from None
    for corpus in read_corpora(arguments.corpus):
        heard = embed(network.encoder, corpus.partition(*arguments.partitions), 1, arguments.cache)
        rows = []
        kinds = (3 if len(set(heard.speakers)) > 2 else 1) * len(CLIPS) * len(MIXES)
        with progress_bar(corpus.name, kinds + 1) as bar:
            for row in study(network, heard):
                rows.append(row)
                advance(bar)
        if arguments.json:
            for row in rows:
                say(json.dumps({"corpus": corpus.name, "n": len(heard.speakers), **asdict(row)}))
            continue
        say(f"{corpus.name}: {len(heard.speakers)} recordings, {len(set(heard.speakers))} speakers")
        say(f"UAR %, mean of {DRAWS} draws; without a profile {100 * rows[0].recall:.1f}")
        say(f"| whose | clips | {' | '.join(MIXES)} |")
        say("|---|---|" + "---|" * len(MIXES))
        for start in range(1, len(rows), len(MIXES)):
            group = rows[start : start + len(MIXES)]
            figures = " | ".join(f"{100 * row.recall:.1f}" for row in group)
            say(f"| {group[0].whose} | {group[0].clips} | {figures} |")
        try:
            rate = equal_error_rate(heard, EQUAL_ERROR_CLIPS)
            say(f"equal error rate of two profiles of {EQUAL_ERROR_CLIPS} clips: {100 * rate:.1f} %")
        except ValueError as error:
            note(f"no equal error rate: {error}")
    return 0
