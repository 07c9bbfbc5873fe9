"""``emoserve-export resynthesise``: a corpus of log-mel features made audible."""

import argparse
from pathlib import Path

import torch

from export.cli.common import advance_by, available_threads, progress_bar, say
from export.corpora.resynthesis import resynthesise
from export.corpora.tables import read_corpus


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("corpus", type=Path, metavar="DIR", help="corpus of log-mel features, as CREMA-D comes")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="corpus with audio; keep its last name")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Resynthesise, or go on with it."""
    torch.set_num_threads(available_threads())
    corpus = read_corpus(arguments.corpus)
    with progress_bar("resynthesising", len(corpus.utterances)) as bar:
        say(f"corpus with audio: {resynthesise(corpus, arguments.out, advance_by(bar))}")
    return 0
