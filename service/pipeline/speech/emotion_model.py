"""A speech emotion graph on its device."""

from __future__ import annotations

from service.pipeline.speech.model import SpeechModel, WindowAnswer


class EmotionModel(SpeechModel):
    """A bundle of the task 'speech-emotion': 'probabilities' [classes]; 'arousal', 'valence' [] where there are."""

    REQUIRED = ("probabilities",)
    OPTIONAL = ("arousal", "valence")

    def check(self, answer: WindowAnswer) -> None:
        """See :meth:`SpeechModel.check`: as many classes as labels."""
        classes, labels = answer["probabilities"].size, len(self.bundle.card.labels)
        if classes != labels:
            raise self.error(f"{classes} classes, but {labels} labels")
