"""``emoserve-export train recogniser``: characters from recordings with transcripts (B1–B5)."""

import argparse
from pathlib import Path

import torch

from export.cli.common import (
    ExpectedFailure,
    add_cache_argument,
    add_device_argument,
    advance_by,
    available_threads,
    progress_bar,
    report_to,
    say,
    training_device,
)
from export.speech_representations.recogniser.deepspeech import CheckpointError, read_weights
from export.speech_representations.recogniser.network import PRESETS, Recogniser, preset
from export.speech_representations.recogniser.text import alphabet_of, commonest_character_rate
from export.speech_representations.recogniser.training import Readings, RecogniserTrainer, error_rate
from export.speech_representations.recogniser.transcripts import magnitudes_of, read_transcripts
from export.training.checkpoint import CHECKPOINT_FILE_NAME, LOG_FILE_NAME
from export.training.curves import draw_curves
from export.training.trainer import LoopConfig


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--corpus",
        nargs="+",
        type=Path,
        required=True,
        metavar="DIR",
        help="folders whose utterances.csv has file, speaker, partition, duration_s and transcript",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint, log and curves")
    parser.add_argument("--preset", choices=list(PRESETS), default="small", help="width; 'paper' is 1024 units (F10)")
    parser.add_argument("--scaling", choices=["clip", "bins"], default="clip", help="of the spectrogram (F11)")
    parser.add_argument("--start", type=Path, metavar="DIR", help="weights to begin with: a training or checkpoint")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--peak-rate", type=float, default=1.5e-3, help="highest learning rate of the cycle")
    parser.add_argument("--without-augmentation", action="store_true", help="neither tempo nor gain change (B10)")
    parser.add_argument(
        "--beams", type=int, default=1, metavar="N", help="tell the error rate of a beam search of N prefixes as well"
    )
    parser.add_argument("--threads", type=int, help="processors to use; all by default")
    parser.add_argument("--seed", type=int, default=0)
    add_device_argument(parser)
    add_cache_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, or go on training, and tell the error rate on speakers of the partition test."""
    torch.set_num_threads(arguments.threads or available_threads())
    device = training_device(arguments.device)
    if arguments.beams < 1:
        raise ExpectedFailure("--beams is 1 at least")
    spoken = [row for folder in arguments.corpus for row in read_transcripts(folder)]
    train, test = ([row for row in spoken if row.partition == name] for name in ("train", "test"))
    if not train or not test:
        raise ExpectedFailure("recordings with transcripts are needed in the partitions train and test")
    torch.manual_seed(arguments.seed)
    network = Recogniser(preset(arguments.preset, alphabet_of([row.text for row in spoken]), arguments.scaling))
    if arguments.start:
        try:
            started = read_weights(arguments.start)
        except CheckpointError as error:
            raise ExpectedFailure(str(error)) from error
        if started.config != network.config:
            raise ExpectedFailure(f"{arguments.start}: of another shape or alphabet: {started.config.to_text()}")
        network.load_state_dict(started.state_dict())
    with progress_bar("listening", len(spoken)) as bar:
        readings = Readings(spoken, magnitudes_of(spoken, arguments.cache, advance_by(bar)))
    epoch_steps = -(-len(train) // arguments.batch_size)
    loop = LoopConfig(
        arguments.epochs * epoch_steps,
        arguments.batch_size,
        arguments.peak_rate,
        weight_decay=0.01,
        average_decay=0.99,
        report_steps=epoch_steps,
        device=device,
    )
    trainer = RecogniserTrainer(
        network, readings.where("train"), loop, arguments.out, arguments.seed, not arguments.without_augmentation
    )
    trainer.resume()
    devel = readings.where("devel")

    def evaluate(averaged: Recogniser) -> dict[str, float]:
        return {"devel_error_rate": error_rate(averaged, devel)} if devel.spoken else {}

    with progress_bar("training", loop.steps) as bar:
        trainer.run(evaluate, report_to(bar))
    draw_curves(arguments.out / LOG_FILE_NAME, arguments.out / "curves.png")
    heard = readings.where("test")
    rates = {beams: error_rate(trainer.averaged_network(), heard, beams) for beams in sorted({1, arguments.beams})}
    guess = commonest_character_rate([row.text for row in heard.spoken])
    speakers = len({row.speaker for row in heard.spoken})
    for beams, rate in rates.items():
        how = f" (beam search of {beams} prefixes)" * (beams > 1)
        say(f"character error rate on {len(heard.spoken)} recordings of {speakers} speakers not heard: {rate:.3f}{how}")
    say(f"the most frequent character alone: {guess:.3f}")
    say(f"trained: {arguments.out / CHECKPOINT_FILE_NAME}")
    return 0
