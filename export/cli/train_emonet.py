"""``emoserve-export train emonet``: recipe 'open' or the paper's."""

import argparse
from pathlib import Path

import torch

from export.cli.common import (
    ExpectedFailure,
    add_cache_argument,
    add_corpus_argument,
    add_device_argument,
    available_threads,
    note,
    progress_bar,
    report_to,
    say,
    training_device,
)
from export.corpora.requirements import require_mapped, require_trainable
from export.corpora.tables import CorpusError, read_corpora
from export.emonet.aggregated import TARGETS
from export.emonet.open_recipe import OpenRecipe, train_open
from export.emonet.paper_recipe import PATIENCE_EPOCHS, STAGE_STEPS, PaperRecipe, train_paper
from export.emonet.transfer import MODES
from export.emonet.vgg16 import CONVOLUTIONS
from export.evaluation.calibration import KINDS
from export.evaluation.calibration_fit import CalibrationError
from export.training.checkpoint import CHECKPOINT_FILE_NAME, LOG_FILE_NAME
from export.training.curves import draw_curves
from export.training.trainer import load_calibration


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_corpus_argument(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint, log and curves")
    parser.add_argument("--recipe", choices=["open", "paper"], default="open")
    parser.add_argument(
        "--steps",
        type=int,
        help="steps in all (open; default 5000) or of a stage (paper; default 2500 for several corpora; a single one "
        f"ends a stage after {PATIENCE_EPOCHS} epochs without a gain on devel)",
    )
    parser.add_argument("--batch-size", type=int, default=32, help="clips of a step (open)")
    parser.add_argument(
        "--calibration",
        choices=KINDS,
        default="temperature",
        help="fitted on devel in the end, and by 'export emonet' (open): a temperature, which changes no answer, "
        "or also a bias for each class, under which a class is as likely as on devel",
    )
    parser.add_argument("--partitions", nargs="+", default=["train"], choices=["train", "devel", "test"])
    parser.add_argument("--preset", choices=["paper", "code"], default="paper", help="front end of recipe 'paper'")
    parser.add_argument("--mode", choices=MODES, default="scratch", help="transfer mode of recipe 'paper' (C22)")
    parser.add_argument("--start", type=Path, metavar="FILE", help="checkpoint to transfer from")
    parser.add_argument(
        "--start-domain",
        metavar="NAME",
        help="domain of --start whose adapters and normalisation a corpus begins with; default: its own, or the only",
    )
    parser.add_argument(
        "--target",
        choices=list(TARGETS),
        default="emotion",
        help="recipe 'paper': a domain a corpus, or levels of the corpora put together, to transfer from (C24)",
    )
    parser.add_argument("--no-adapters", action="store_true", help="recipe 'paper': the baseline from scratch (C5)")
    parser.add_argument(
        "--vgg16",
        metavar="WEIGHTS",
        help="recipe 'paper': a VGG16 behind learned colours in place of the residual network (C6); its weights as "
        "for 'export vgg16': publisher, a file, or random:SEED",
    )
    parser.add_argument(
        "--frozen-layers", type=int, default=CONVOLUTIONS, metavar="N", help="first convolutions of it that stay"
    )
    parser.add_argument(
        "--sharpness", type=float, default=0.3, metavar="X", help="recipe 'paper': λ of the attention; 0 is the mean"
    )
    parser.add_argument("--seed", type=int, default=0)
    add_device_argument(parser)
    add_cache_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, or go on training."""
    torch.set_num_threads(available_threads())
    device = training_device(arguments.device)
    corpora = read_corpora(arguments.corpus)
    require_trainable(corpora, arguments.partitions)
    require_mapped(corpora)
    if arguments.recipe == "open":
        steps = arguments.steps or 5000
        recipe = OpenRecipe(
            steps,
            arguments.seed,
            tuple(arguments.partitions),
            batch_size=arguments.batch_size,
            start=arguments.start,
            calibration=arguments.calibration,
            device=device,
        )
        try:
            with progress_bar("training", steps) as bar:
                train_open(corpora, recipe, arguments.out, report_to(bar), arguments.cache)
        except CalibrationError as error:
            raise ExpectedFailure(str(error)) from error
        if calibration := load_calibration(arguments.out / CHECKPOINT_FILE_NAME):
            note(f"calibration on devel: {calibration.describe()}")
    else:
        silent = [corpus.name for corpus in corpora if not corpus.has_audio]
        if silent:
            raise CorpusError(f"recipe 'paper' has a front end of its own and needs audio; {silent[0]} has none")
        domains = len(TARGETS[arguments.target]) or len(corpora)
        paper = PaperRecipe(
            preset=arguments.preset,
            mode=arguments.mode,
            stage_steps=arguments.steps or (STAGE_STEPS if domains > 1 else None),
            seed=arguments.seed,
            start=arguments.start,
            partitions=tuple(arguments.partitions),
            target=arguments.target,
            adapters=not arguments.no_adapters,
            start_domain=arguments.start_domain,
            vgg16=arguments.vgg16,
            frozen_layers=arguments.frozen_layers,
            sharpness=arguments.sharpness,
            device=device,
        )
        total = paper.stage_steps and paper.stage_steps * len(paper.rates)
        with progress_bar("training", total) as bar:
            train_paper(corpora, paper, arguments.out, report_to(bar))
    draw_curves(arguments.out / LOG_FILE_NAME, arguments.out / "curves.png")
    say(f"trained: {arguments.out / CHECKPOINT_FILE_NAME}")
    return 0
