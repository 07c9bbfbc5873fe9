"""``emoserve-export train shallow-fau``: one-filter CNNs and the AVEC LSTM on action units."""

import argparse
import sys
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from export.cli.common import add_device_argument, print_measurements, training_device

AVEC_NOTE = (
    "For comparison, on AVEC 2019's development recordings alone: CCC 0.531 of arousal and 0.565 of valence, "
    "by the challenge's LSTM on the same columns without turn, windows of 4 s (E19)."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--features", type=Path, required=True, help="folder of OpenFace or AVEC tables")
    parser.add_argument("--labels", type=Path, required=True, help="folder of labels of the same names")
    parser.add_argument("--turns", type=Path, help="folder of stretches of speech: start and end in seconds")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints, report and bundle")
    parser.add_argument("--network", choices=["A", "B", "C", "D", "E", "lstm"], default="D")
    parser.add_argument("--name", default="affect-cnn", help="of the bundle")
    parser.add_argument("--corpus-name", default="own recordings", help="of the data, for the card")
    parser.add_argument("--epochs", type=int, default=0, help="0: the paper's number")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--delay-s", type=float, help="of the annotators; default 4.0 arousal, 2.8 valence")
    parser.add_argument("--l1", type=float, default=0.0, help="penalty that makes the filter sparse")
    parser.add_argument(
        "--window-s", type=float, default=1.0, help="of the functionals; the service then takes the same"
    )
    parser.add_argument("--kernel", type=int, default=100, help="steps of the filter of networks B to E")
    parser.add_argument("--activation", choices=["linear", "relu", "tanh"], default="linear", help="of network B")
    parser.add_argument("--columns", nargs="+", help="of network E")
    parser.add_argument("--scope", choices=["sequence", "concatenated"], default="sequence", help="of the loss")
    parser.add_argument("--fps", type=float, help="replaces the time stamps of the tables")
    add_device_argument(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train with a progress bar for each target; 0."""
    from export.affect.train import RELEVANT_COLUMNS, TrainingPlan
    from export.affect.train_bundle import train_shallow_fau

    plan = TrainingPlan(
        network=arguments.network,
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        delay_s=arguments.delay_s,
        l1=arguments.l1,
        columns=tuple(arguments.columns or RELEVANT_COLUMNS),
        scope=arguments.scope,
        kernel=arguments.kernel,
        activation=arguments.activation,
        window_s=arguments.window_s,
        seed=arguments.seed,
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        tasks: dict[str, TaskID] = {}

        def show(target: str, epoch: int, epochs: int, loss: float, devel: float) -> None:
            if target not in tasks:
                tasks[target] = progress.add_task(target, total=epochs, figures="")
            progress.update(tasks[target], completed=epoch, figures=f"loss {loss:.3f}, devel CCC {devel:.3f}")

        card = train_shallow_fau(
            arguments.features,
            arguments.labels,
            arguments.out,
            plan,
            name=arguments.name,
            corpus=arguments.corpus_name,
            turns=arguments.turns,
            fps=arguments.fps,
            device=training_device(arguments.device),
            on_epoch=show,
        )
    print_measurements(card, arguments.out)
    sys.stdout.write(AVEC_NOTE + "\n")
    return 0
