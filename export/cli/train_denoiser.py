"""``emoserve-export train denoiser``: the LSTM denoiser on speech with synthetic noises and rooms."""

import argparse
from pathlib import Path

import torch

from export.cli.common import (
    ExpectedFailure,
    add_corpus_argument,
    add_device_argument,
    available_threads,
    progress_bar,
    report_to,
    say,
    training_device,
)
from export.corpora.tables import read_corpora
from export.denoiser.recipe import DenoiserRecipe, train_denoiser
from export.training.checkpoint import CHECKPOINT_FILE_NAME, LOG_FILE_NAME
from export.training.curves import draw_curves

STEPS = 3300


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_corpus_argument(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint, log and curve")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"batches (default {STEPS})")
    parser.add_argument("--partitions", nargs="+", default=["train"], choices=["train", "devel", "test"])
    parser.add_argument("--threads", type=int, default=available_threads(), help="threads of PyTorch")
    parser.add_argument("--seed", type=int, default=0)
    add_device_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, or go on training."""
    torch.set_num_threads(arguments.threads)
    device = training_device(arguments.device)
    corpora = read_corpora(arguments.corpus)
    for corpus in corpora:
        if not corpus.has_audio:
            raise ExpectedFailure(f"{corpus.name} has no audio, which the denoiser is trained on")
        if not corpus.partition(*arguments.partitions).utterances:
            names = "' or '".join(arguments.partitions)
            raise ExpectedFailure(f"{corpus.name} has no partition '{names}'")
    recipe = DenoiserRecipe(arguments.steps, arguments.seed, tuple(arguments.partitions), device=device)
    with progress_bar("training", arguments.steps) as bar:
        train_denoiser(corpora, recipe, arguments.out, report_to(bar))
    draw_curves(arguments.out / LOG_FILE_NAME, arguments.out / "curve.png")
    say(f"trained: {arguments.out / CHECKPOINT_FILE_NAME}")
    return 0
