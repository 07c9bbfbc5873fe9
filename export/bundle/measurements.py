"""Figures of an evaluation as entries of a model card."""

from pathlib import Path

from export.evaluation.report import EmotionReport
from service.card import Measurement

UAR = "unweighted_average_recall"
"""The metric whose entries name rivals."""


def corpus_measurements(
    figures: EmotionReport, seen: bool, rivals: dict[str, float], folder: Path
) -> list[Measurement]:
    """UAR among the shared classes with its interval and among all, calibration, arousal and valence by both truths."""
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
            protocol=protocol + left_out,
            seen_corpus=seen,
            command=command,
            **({"n": figures.n} | more),
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
        ("arousal", figures.arousal_uar, "2 levels by the emotion's place, cut at 0"),
        ("valence", figures.valence_uar, "3 levels by the emotion's place, cut at ±1/3"),
    ):
        if value is not None:
            entries.append(entry(f"{name}_unweighted_average_recall", value, f"{origin}, {levels}"))
    for name, rated in figures.ratings.items():
        protocol = f"{origin}, ratings by listeners in −1 … 1 of {rated.n} utterances, {rated.speakers} speakers drawn"
        for measure, figure in (("concordance", rated.concordance), ("pearson", rated.pearson), ("rmse", rated.rmse)):
            if figure.value is None:
                continue
            interval = None if figure.interval_95 is None else tuple(round(end, 4) for end in figure.interval_95)
            entries.append(entry(f"{name}_{measure}", figure.value, protocol, n=rated.n, interval_95=interval))
    for metric, share in (
        ("plausible_coverage", figures.plausible_coverage),
        ("plausible_size", figures.plausible_size),
        ("plausible_single", figures.plausible_single),
    ):
        if share is not None:
            entries.append(entry(metric, share, f"{origin}, plausible labels among all classes of the model"))
    return entries
