"""Scoring affect bundles on folders of features and labels: CCC as the AVEC challenges compute it (E18, E21).

The exported graph itself answers every step, those without a face included, as in the challenge: what it says of a
row of zeros counts. Answers are shifted back by the delay that the bundle was trained with, zeros in front (E9).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.affect.label_layouts import rated_in
from export.affect.sequence_folders import read_labelled
from export.affect.sequences import TARGETS, AffectSequence, delay_steps, shift_to_back
from export.evaluation.concordance import Concordance, ConcordanceDifference, concordance, concordance_difference
from service.card import Card, read_card
from service.pipeline.device.session import Session

FEATURE_FOLDERS = ("features", "visual_features_functionals", "visual_features")
TURN_FOLDER = "turns"


@dataclass(frozen=True)
class TargetAnswers:
    """Names of the sequences, truths and answers of one target, float64 [steps] each, and seconds of delay."""

    names: tuple[str, ...]
    gold: list[NDArray[np.float64]]
    predicted: list[NDArray[np.float64]]
    delay_s: float

    def scores(self, seed: int) -> Concordance:
        """CCC of each sequence and of all joined; ``seed`` is the bootstrap's."""
        return concordance(self.gold, self.predicted, seed=seed)

    def difference_to(self, rival: "TargetAnswers", seed: int) -> ConcordanceDifference:
        """CCC of the rival minus this one's, on the same sequences."""
        return concordance_difference(self.gold, self.predicted, rival.predicted, seed=seed)


def answer_folder(
    bundle: Path,
    corpus: Path,
    partition: str,
    *,
    fps: float | None = None,
    delay_s: float | None = None,
    progress: Callable[[], None] | None = None,
) -> dict[str, TargetAnswers]:
    """Run a bundle over a folder.

    Args:
        bundle: folder of an affect bundle.
        corpus: folder with ``features`` (or AVEC's ``visual_features`` or ``visual_features_functionals``), ratings in
            a layout of :mod:`export.affect.label_layouts`, and perhaps ``turns``: files of one name are one recording.
        partition: 'train', 'devel' or 'test', as the corpus or the beginning of the files' names says, or 'all'.
        fps: replaces the time stamps of all tables of units.
        delay_s: annotators' delay; None takes the delay of the training.
        progress: called after each sequence.

    Returns:
        Answers of each target that the bundle has and some recording is labelled with.

    Raises:
        ValueError: a folder or file that cannot be used, or nothing to compare.
    """
    card = read_card(bundle)
    sessions = _sessions(bundle, card)
    hop_s = setting(card, "hop_s")
    sequences = read_labelled(
        _features(corpus),
        rated_in(corpus),
        partition,
        turns=corpus / TURN_FOLDER if (corpus / TURN_FOLDER).is_dir() else None,
        fps=fps,
        window_s=setting(card, "window_s"),
        hop_s=hop_s,
    )
    delays_s = {target: _delay_s(card, target) if delay_s is None else delay_s for target in sessions}
    found: dict[str, list[tuple[AffectSequence, NDArray[np.float64]]]] = {}
    for sequence in sequences:
        for target in sessions.keys() & sequence.labels.keys():
            raw = sessions[target].run({"features": sequence.features[None]}, ("affect",))["affect"][0]
            shifted = shift_to_back(raw.astype(np.float64), delay_steps(delays_s[target], hop_s))
            found.setdefault(target, []).append((sequence, shifted))
        if progress is not None:
            progress()
    if not found:
        raise ValueError(f"{corpus} has no labels of {' or '.join(sessions)}, which is what {card.name} answers")
    return {
        target: TargetAnswers(
            names=tuple(sequence.name for sequence, _ in found[target]),
            gold=[
                sequence.labels[target][_rated(sequence, target)].astype(np.float64) for sequence, _ in found[target]
            ],
            predicted=[series[_rated(sequence, target)] for sequence, series in found[target]],
            delay_s=delays_s[target],
        )
        for target in TARGETS
        if target in found
    }


def _rated(sequence: AffectSequence, target: str) -> NDArray[np.bool_]:
    """The steps that somebody rated, bool [steps]."""
    return np.isfinite(sequence.labels[target])


def setting(card: Card, name: str) -> float:
    """A number of the card's settings. Raises ValueError if it has none of that name."""
    value = card.settings.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"the card of {card.name} has no number '{name}'")
    return float(value)


def _sessions(bundle: Path, card: Card) -> dict[str, Session]:
    roles = {entry.role: name for name, entry in card.files.items()}
    sessions = {target: Session(bundle / roles[target], device="cpu") for target in TARGETS if target in roles}
    if not sessions:
        raise ValueError(f"{bundle} has neither an arousal nor a valence graph")
    return sessions


def _delay_s(card: Card, target: str) -> float:
    targets, delays_s = card.settings.get("targets"), card.settings.get("delay_s")
    if not isinstance(targets, list) or not isinstance(delays_s, list) or target not in targets:
        raise ValueError(f"the card of {card.name} states no delay of {target}: give --delay-s")
    return float(delays_s[list(map(str, targets)).index(target)])


def _features(corpus: Path) -> Path:
    folder = next((corpus / name for name in FEATURE_FOLDERS if (corpus / name).is_dir()), None)
    if folder is None:
        raise ValueError(f"{corpus} needs a folder of tables of its recordings, one of: {', '.join(FEATURE_FOLDERS)}")
    return folder
