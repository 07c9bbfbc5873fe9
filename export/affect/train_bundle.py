"""Training of affect bundles: folders of features and labels in; both targets, a report and curves out."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from export.affect.bundle import affect_settings, graph_parity, write_affect_bundle
from export.affect.graph import affect_graph
from export.affect.sequence_folders import read_sequences
from export.affect.sequences import TARGETS, AffectSequence
from export.affect.shallow_cnn import ConvolutionStack
from export.affect.train import TrainedAffect, TrainingPlan, predict, train_affect
from export.bundle.card import BundleText
from service.card import NAME, Card, Licence, Measurement, TrainingData

ITEMS = {"A": "E11", "B": "E12, E14", "C": "E13", "D": "E14", "E": "E15", "lstm": "E20"}
LONGEST_WINDOW_S = 60.0
COMMAND = "emoserve-export train shallow-fau --features DIR --labels DIR --out DIR"

#: Told of each epoch: target, epoch, epochs, loss, development CCC.
TargetProgress = Callable[[str, int, int, float, float], None]


def train_shallow_fau(
    features: Path,
    labels: Path,
    out: Path,
    plan: TrainingPlan,
    *,
    name: str = "affect-cnn",
    version: str = "1",
    corpus: str = "own recordings",
    turns: Path | None = None,
    fps: float | None = None,
    device: str = "cpu",
    on_epoch: TargetProgress | None = None,
) -> Card:
    """Train on every target that the labels have, and write what the service loads.

    Args:
        features: folder of OpenFace or AVEC tables, or of functionals.
        labels: folder of label tables of the same names.
        out: gets ``checkpoint-<target>.pt`` (resumed from), ``report.json``, ``curves.png`` and
            ``bundle/<name>/<version>/``.
        plan: network and settings; its target is replaced by each in turn.
        name, version: name and version of the bundle.
        corpus: name of the data, for the card.
        turns: folder of stretches of speech, or None.
        fps: replaces the time stamps of all tables of units.
        device: PyTorch's device.
        on_epoch: called after each epoch.

    Raises:
        ValueError: unusable folders, a checkpoint of another plan, or a name that no bundle can have.
    """
    if not re.fullmatch(NAME, name):
        raise ValueError(f"'{name}' is no name of a bundle: small letters, digits, '.', '_' and '-', at most 64")
    if plan.kernel < 1 or not plan.hop_s <= plan.window_s <= LONGEST_WINDOW_S:
        raise ValueError(f"kernels have 1 step or more, windows {plan.hop_s:g} to {LONGEST_WINDOW_S:g} s")
    sequences = read_sequences(
        features, labels, turns=turns, fps=fps, window_s=plan.window_s, hop_s=plan.hop_s, seed=plan.seed
    )
    targets = [target for target in TARGETS if any(target in sequence.labels for sequence in sequences)]
    trained: dict[str, TrainedAffect] = {}
    for target in targets:
        listener = None if on_epoch is None else _bound(on_epoch, target)
        trained[target] = train_affect(
            replace(plan, target=target),
            sequences,
            checkpoint=out / f"checkpoint-{target}.pt",
            device=device,
            on_epoch=listener,
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(report(trained, sequences), indent=1) + "\n", encoding="utf-8")
    plot_curves(trained, out / "curves.png")
    return _write(out / "bundle" / name / version, trained, sequences, plan, name, version, corpus)


def report(trained: dict[str, TrainedAffect], sequences: list[AffectSequence]) -> dict[str, object]:
    """Figures of a training as plain data; undefined ones (a constant series) are null."""

    def plain(value: float) -> float | None:
        return round(value, 6) if np.isfinite(value) else None

    return {
        target: {
            "best_epoch": outcome.best_epoch,
            "epochs": len(outcome.loss),
            "loss": [plain(value) for value in outcome.loss],
            "devel_ccc": [plain(value) for value in outcome.devel],
            "scores": {
                partition: {
                    "ccc": plain(scores.concatenated),
                    "interval_95": scores.interval_95 and [plain(value) for value in scores.interval_95],
                    "per_sequence": dict(
                        zip(
                            [one.name for one in sequences if one.partition == partition and target in one.labels],
                            [plain(value) for value in scores.per_sequence],
                            strict=True,
                        )
                    ),
                }
                for partition, scores in outcome.scores.items()
            },
        }
        for target, outcome in trained.items()
    }


def plot_curves(trained: dict[str, TrainedAffect], path: Path) -> None:
    """Loss and development CCC over the epochs, one panel a target."""
    from matplotlib.figure import Figure  # heavy, and only this function needs it

    figure = Figure(figsize=(5 * len(trained), 3.2), layout="constrained")
    for axes, (target, outcome) in zip(
        figure.subplots(1, len(trained), squeeze=False)[0], trained.items(), strict=True
    ):
        epochs = np.arange(1, len(outcome.loss) + 1)
        axes.plot(epochs, 1 - np.array(outcome.loss), label="training, 1 − loss")
        axes.plot(epochs, outcome.devel, label="development")
        axes.axvline(outcome.best_epoch, color="0.6", linewidth=0.8)
        axes.set(title=target, xlabel="epoch", ylabel="CCC")
        axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def _bound(on_epoch: TargetProgress, target: str) -> Callable[[int, int, float, float], None]:
    return lambda *figures: on_epoch(target, *figures)


def _write(
    folder: Path,
    trained: dict[str, TrainedAffect],
    sequences: list[AffectSequence],
    plan: TrainingPlan,
    name: str,
    version: str,
    corpus: str,
) -> Card:
    graphs = {target: affect_graph(outcome.network) for target, outcome in trained.items()}
    probe = sequences[0]
    cases = [
        (graphs[target], probe.features[None], predict(outcome.network, probe)[None])
        for target, outcome in trained.items()
    ]
    plans = [replace(plan, target=target) for target in trained]
    kernel, look_ahead_s = plan.kernel, None
    if plan.network == "A":
        layers = next(iter(trained.values())).network
        assert isinstance(layers, ConvolutionStack)
        kernel = layers.receptive_field
        look_ahead_s = sum(layer.kernel_size[0] // 2 for layer in layers.convolutions) * plan.hop_s
    elif plan.network == "lstm":
        kernel, look_ahead_s = 1, 0.0
    text = BundleText(
        name=name,
        version=version,
        title=f"Network {plan.network} on {corpus}",
        description=(
            f"Affect network {plan.network} ({ITEMS[plan.network]}), trained with 1 − CCC, full batch, "
            f"RMSprop {plan.learning_rate:g}, {plan.total_epochs} epochs, seed {plan.seed}, L1 {plan.l1:g}, "
            f"kernel {kernel}, {plan.activation} activation, windows of {plan.window_s:g} s."
        ),
        licence=Licence(spdx="LicenseRef-training-data", commercial_use=False, attribution=corpus),
        training_data=(
            TrainingData(
                name=corpus,
                licence="as agreed with its publisher",
                utterances=sum(sequence.partition == "train" for sequence in sequences),
            ),
        ),
        known_limits=(
            "Trained on one tool's action units: another tool's scale, zeros and confidence differ.",
            "Columns are not scaled, as in the seed paper; units of another corpus may lie elsewhere.",
        ),
    )
    delays_s = [one.compensated_s for one in plans]
    settings = affect_settings(
        kernel, list(graphs), delays_s, f"{plan.network} on {corpus}", look_ahead_s, plan.window_s
    )
    return write_affect_bundle(
        folder, graphs, text, settings, graph_parity(cases, "torch"), _measurements(trained, corpus)
    )


def _measurements(trained: dict[str, TrainedAffect], corpus: str) -> list[Measurement]:
    return [
        Measurement(
            metric="concordance_correlation",
            value=round(scores.concatenated, 4),
            interval_95=scores.interval_95,
            data=corpus,
            split=partition,
            n=len(scores.per_sequence),
            protocol=(
                f"Of {target}, sequences joined, answers shifted by the compensated delay; interval: "
                "sequences drawn with replacement."
                + (" The epoch was chosen on these recordings." if partition == "devel" else "")
            ),
            command=COMMAND,
        )
        for target, outcome in trained.items()
        for partition, scores in outcome.scores.items()
        if partition != "train" and np.isfinite(scores.concatenated)
    ]
