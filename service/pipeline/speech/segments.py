"""Segments of an answer: what the model says of each utterance, made of its answers for the clips of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import FloatArray, Segments
from service.pipeline.speech.model import EmotionModel
from service.pipeline.speech.plausible import plausible_labels
from service.pipeline.speech.utterances import Utterances

UNCERTAIN_ABOVE = 0.25
"""An utterance is uncertain where the detector hears no voice in more than a quarter of its voice."""


@dataclass(frozen=True)
class UtteranceParts:
    """Answers for the clips of utterances.

    Attributes:
        numbers: int64 [clips], number of the utterance that each belongs to.
        answers: by output float32 [clips, …]; empty without any.
    """

    numbers: NDArray[np.int64]
    answers: dict[str, FloatArray]

    def after(self, number: int) -> "UtteranceParts":
        """Answers for the utterances after ``number``."""
        later = self.numbers > number
        return UtteranceParts(self.numbers[later], {name: values[later] for name, values in self.answers.items()})


def join_parts(parts: Sequence[UtteranceParts]) -> UtteranceParts:
    """Join the answers of successive stretches, of which there is at least one."""
    names = dict.fromkeys(name for one in parts for name in one.answers)
    answers = {name: np.concatenate([one.answers[name] for one in parts if name in one.answers]) for name in names}
    return UtteranceParts(np.concatenate([one.numbers for one in parts]), answers)


def segments_of(
    utterances: Utterances, parts: UtteranceParts, model: EmotionModel, offset_s: float, least_share: float
) -> Segments:
    """The segments of a channel.

    Args:
        utterances: in their order.
        parts: the answers for all of their clips; those of other utterances are passed over.
        model: which gave them.
        offset_s: where in the recording the first sample lies.
        least_share: an utterance with a smaller share of voice is not judged.
    """
    rate_hz, labels = model.speech.sample_rate_hz, model.bundle.card.labels
    dismissed = utterances.speech < least_share

    def column(name: str, *shape: int) -> FloatArray:
        means = np.full((len(utterances), *shape), np.nan, np.float32)
        if name in parts.answers:
            for row, number in enumerate(utterances.number.tolist()):
                means[row] = parts.answers[name][parts.numbers == number].mean(axis=0, dtype=np.float64)
            means[dismissed] = np.nan
        return means

    with np.errstate(divide="ignore"):
        level_db = 10 * np.log10(utterances.powers)
    probabilities = column("probabilities", len(labels))
    return Segments(
        start_s=utterances.start_samples / rate_hz + offset_s,
        end_s=utterances.end_samples / rate_hz + offset_s,
        probabilities=probabilities,
        arousal=column("arousal") if "arousal" in model.outputs else None,
        valence=column("valence") if "valence" in model.outputs else None,
        dominance=column("dominance") if "dominance" in model.outputs else None,
        speech=utterances.speech,
        speech_level_db=level_db.astype(np.float32),
        confidence=np.minimum(utterances.voice_s / model.speech.enough_speech_s, 1.0).astype(np.float32),
        plausible=plausible_labels(probabilities, labels, model.doubt),
        uncertain=~dismissed & (utterances.uncertain > UNCERTAIN_ABOVE),
    )
