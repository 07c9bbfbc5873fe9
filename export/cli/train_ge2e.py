"""``emoserve-export train ge2e``: emotions on the layers of the GE2E speaker encoder."""

import argparse
from pathlib import Path

import torch

from export.cli.common import (
    add_cache_argument,
    add_corpus_argument,
    add_device_argument,
    advance,
    available_threads,
    note,
    progress_bar,
    report_to,
    say,
    training_device,
)
from export.corpora.requirements import require_audio, require_mapped, require_trainable
from export.corpora.tables import Corpus, CorpusError, read_corpora
from export.speech_representations.embedded import Embedded, embed, spectra_of_windows
from export.speech_representations.recipe import (
    Material,
    VoiceRecipe,
    frozen_encoder,
    require_heard_by_others,
    train_voice,
    tune,
)
from export.training.checkpoint import CHECKPOINT_FILE_NAME, LOG_FILE_NAME
from export.training.curves import draw_curves
from export.training.trainer import load_calibration, load_doubt

HEAD = "head"
"""Folder below ``--out`` for the run before all layers learn along."""


def add_listening_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how corpora are heard and how long a training is."""
    parser.add_argument("--encoder", type=Path, required=True, metavar="FILE", help="the wheel of resemblyzer 0.1.4")
    parser.add_argument("--versions", type=int, default=4, help="versions of a recording, all but one distorted")
    parser.add_argument("--equalisation", type=float, default=0.75, help="0 for none, 1 for a flat mean spectrum")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--threads", type=int, help="processors to use; all by default")
    parser.add_argument("--seed", type=int, default=0)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_corpus_argument(parser)
    add_listening_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint, log and curves")
    parser.add_argument(
        "--left-out", nargs="*", type=Path, default=[], metavar="DIR", help="corpora that are watched, not trained on"
    )
    parser.add_argument("--batch-size", type=int, default=256, help="windows of a step")
    parser.add_argument("--tuning-steps", type=int, default=100, help="last steps, in which all layers learn along")
    parser.add_argument("--partitions", nargs="+", default=["train"], choices=["train", "devel", "test"])
    parser.add_argument("--report-steps", type=int, default=250, help="steps between evaluations and checkpoints")
    parser.add_argument(
        "--unheard",
        action="store_true",
        help="fit temperature and plausible labels on what networks trained without a corpus say of it",
    )
    add_device_argument(parser)
    add_cache_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, or go on training."""
    torch.set_num_threads(arguments.threads or available_threads())
    recipe = VoiceRecipe(
        arguments.steps,
        arguments.seed,
        tuple(arguments.partitions),
        batch_size=arguments.batch_size,
        report_steps=arguments.report_steps,
        unheard=arguments.unheard,
        tuning_steps=arguments.tuning_steps,
        device=training_device(arguments.device),
    )
    corpora, left_out = _corpora(arguments, recipe)
    encoder = frozen_encoder(arguments.encoder, arguments.equalisation).to(recipe.device)
    with progress_bar("listening", 2 * len(corpora) + len(left_out)) as bar:

        def heard(corpus: Corpus, versions: int, *partitions: str) -> Embedded:
            found = embed(encoder, corpus.partition(*partitions), versions, arguments.cache)
            advance(bar)
            return found

        material = Material(
            [heard(corpus, arguments.versions, *recipe.partitions) for corpus in corpora],
            [heard(corpus, 1, "devel") for corpus in corpora],
            [heard(corpus, 1, "train", "devel") for corpus in left_out],
        )
    head = arguments.out / HEAD if recipe.tuning_steps else arguments.out
    with progress_bar("training", recipe.steps) as bar:
        network = train_voice(encoder, material, recipe, head, report_to(bar))
    if recipe.tuning_steps:
        spectra = [
            [value for value, _, _ in spectra_of_windows(part.corpus, arguments.versions, arguments.cache)]
            for part in material.training
        ]
        with progress_bar("all layers", recipe.tuning_steps) as bar:
            trainer = tune(network, material.training, spectra, recipe, arguments.out, report_to(bar))
        calibration = load_calibration(head / CHECKPOINT_FILE_NAME)
        assert calibration is not None
        trainer.keep(calibration, load_doubt(head / CHECKPOINT_FILE_NAME))
    if calibration := load_calibration(arguments.out / CHECKPOINT_FILE_NAME):
        note(f"calibration on devel: {calibration.describe()}")
    draw_curves(arguments.out / LOG_FILE_NAME, arguments.out / "curves.png")
    say(f"trained: {arguments.out / CHECKPOINT_FILE_NAME}")
    return 0


def _corpora(arguments: argparse.Namespace, recipe: VoiceRecipe) -> tuple[list[Corpus], list[Corpus]]:
    """The corpora to train on and those to watch, checked before any is heard.

    Raises:
        CorpusError: one of them cannot be learnt from, or cannot be judged.
    """
    corpora, left_out = read_corpora(arguments.corpus), read_corpora(arguments.left_out)
    require_audio([*corpora, *left_out])
    require_trainable(corpora, recipe.partitions)
    require_mapped(corpora)
    require_heard_by_others(corpora, recipe)
    for corpus in left_out:
        if not corpus.partition("train", "devel").utterances:
            raise CorpusError(f"{corpus.folder}: no recordings of the partition train or devel to be judged")
    return corpora, left_out
