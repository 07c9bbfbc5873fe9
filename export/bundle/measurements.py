"""Figures of an evaluation as entries of a model card."""

from pathlib import Path

from export.evaluation.report import EmotionReport
from service.card import Measurement

UAR = "unweighted_average_recall"
"""The metric whose entries name rivals."""


def corpus_measurements(
    figures: EmotionReport, seen: bool, rivals: dict[str, float], folder: Path
) -> list[Measurement]:
    """UAR among the shared classes with its interval, UAR among all classes, calibration, arousal and valence."""
    left_out = f"; {figures.left_out} utterances of classes that the model lacks left out" if figures.left_out else ""
    origin = "speakers held out" if seen else "corpus never trained on"
    shared = f"{origin}, choice among {len(figures.classes)} classes of corpus and model ({', '.join(figures.classes)})"
    command = f"emoserve-export evaluate {'/'.join(folder.parts[-3:])} --corpus DIR/{figures.corpus} --partition test"

    def entry(metric: str, value: float, protocol: str, **more: object) -> Measurement:
        return Measurement(
            metric=metric,
            value=round(value, 4),
            data=figures.corpus,
            split=figures.partition,
            n=figures.n,
            protocol=protocol + left_out,
            seen_corpus=seen,
            command=command,
            **more,
        )

    entries = [
        entry(
            UAR,
            figures.uar.value,
            shared,
            interval_95=(round(figures.uar.low, 4), round(figures.uar.high, 4)),
            rivals=rivals,
        ),
        entry("unweighted_average_recall_open", figures.open_uar, f"{origin}, choice among all classes of the model"),
        entry("expected_calibration_error", figures.calibration_error, f"{shared}, 15 bins"),
    ]
    for name, value, levels in (
        ("arousal", figures.arousal_uar, "2 levels, cut at 0"),
        ("valence", figures.valence_uar, "3 levels, cut at ±1/3"),
    ):
        if value is not None:
            entries.append(entry(f"{name}_unweighted_average_recall", value, f"{origin}, {levels}"))
    for metric, share in (
        ("plausible_coverage", figures.plausible_coverage),
        ("plausible_size", figures.plausible_size),
        ("plausible_single", figures.plausible_single),
    ):
        if share is not None:
            entries.append(entry(metric, share, f"{origin}, plausible labels among all classes of the model"))
    return entries
