"""``emoserve-export leave-out``: accuracy of networks on the GE2E encoder where they never heard the corpus."""

import argparse

import torch

from export.cli.common import (
    ExpectedFailure,
    add_cache_argument,
    add_corpus_argument,
    advance,
    available_threads,
    progress_bar,
    say,
)
from export.cli.train_ge2e import add_listening_arguments
from export.corpora.tables import read_corpora
from export.speech_representations.embedded import embed, joined
from export.speech_representations.leave_out import VISITS, leave_out
from export.speech_representations.recipe import VoiceRecipe, frozen_encoder


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_corpus_argument(parser)
    add_listening_arguments(parser)
    parser.add_argument(
        "--left", choices=["corpus", "speakers"], default="corpus", help="what each training leaves out"
    )
    parser.add_argument("--judge", nargs="+", metavar="NAME", help="corpora that are left out in turn; all by default")
    parser.add_argument("--partitions", nargs="+", default=["train", "devel"], choices=["train", "devel", "test"])
    add_cache_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, score and print."""
    torch.set_num_threads(arguments.threads or available_threads())
    encoder = frozen_encoder(arguments.encoder, arguments.equalisation)
    corpora, heard = read_corpora(arguments.corpus), []
    with progress_bar("listening", len(corpora) * len(arguments.partitions)) as bar:
        for corpus in corpora:
            parts = []
            for name in arguments.partitions:
                versions = arguments.versions if name == "train" else 1
                parts.append(embed(encoder, corpus.partition(name), versions, arguments.cache))
                advance(bar)
            heard.append(joined(parts))
    names = arguments.judge or [part.corpus.name for part in heard]
    if unknown := set(names) - {part.corpus.name for part in heard}:
        raise ExpectedFailure(f"--judge: {', '.join(sorted(unknown))} is not among the corpora")
    chosen = [part for part in heard if part.corpus.name in names]
    profiles = [f"{clips} clips, {mix}" for clips, mix in VISITS]
    say(f"UAR %, {arguments.left} left out, partitions {', '.join(arguments.partitions)}; profiles of the speaker")
    say(f"| corpus | n | classes | no profile | {' | '.join(profiles)} |")
    say("|---|---|---|---|" + "---|" * len(profiles))
    recipe = VoiceRecipe(arguments.steps, arguments.seed)
    for row in leave_out(encoder, heard, chosen, arguments.left, recipe):
        alone, low, high = (100 * value for value in (row.alone.value, row.alone.low, row.alone.high))
        visits = " | ".join(f"{100 * value:.1f}" for value in row.visits)
        say(f"| {row.corpus} | {row.recordings} | {len(row.labels)} | {alone:.1f} ({low:.1f}–{high:.1f}) | {visits} |")
    return 0
