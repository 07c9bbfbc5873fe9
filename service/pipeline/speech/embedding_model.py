"""Graphs that give an embedding of a window, and which of them answers a request.

A bundle of the task 'speech-embedding' is made for it (Deep Spectrum features, seed_systems A.2, C4
and D.1: the activations of an image CNN on a plot of the spectrogram); a speech emotion graph may give one beside its
probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from service.pipeline.device.session import Session
from service.pipeline.speech.model import SpeechModel
from service.problems import ModelNotFound
from service.registry import SPEECH_EMBEDDING, Bundle

EMBEDDING = "embedding"


class EmbeddingModel(SpeechModel):
    """A bundle whose graph has the output 'embedding' float32 [batch, dimensions].

    Attributes:
        dimensions: length of an embedding.

    Raises:
        BundleError: as of :class:`SpeechModel`; also where the graph leaves the length of an embedding open.
    """

    REQUIRED = (EMBEDDING,)

    def __init__(
        self,
        bundle: Bundle,
        session: Session,
        max_batch: int,
        on_padding: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(bundle, session, max_batch, on_padding)
        shape = next(tensor.shape for tensor in session.signature.outputs if tensor.name == EMBEDDING)
        if len(shape) != 2 or shape[1] < 1:
            raise self.error("its output 'embedding' is not of the shape [batch, a fixed number]")
        self.dimensions = shape[1]


def choose_embedding(
    models: Mapping[tuple[str, str], EmbeddingModel],
    default_emotion: Bundle | None,
    name: str | None,
    version: str | None,
    withheld: str | None = None,
) -> EmbeddingModel:
    """The model for a request.

    Args:
        models: by name and version, the highest version of a name last.
        default_emotion: what judges emotion where a request names no model, or None.
        name: None takes the bundle of the task 'speech-embedding' with the highest priority; without any, the
            default emotion model if it gives an embedding, else the one of the highest priority that does.
        version: None takes the highest.
        withheld: what the licence policy has to say on a model of that name, for the error.

    Raises:
        ModelNotFound: there is none, or it gives no embedding.
    """

    def rank(model: EmbeddingModel) -> tuple[bool, bool, int]:
        card = model.bundle.card
        is_default = default_emotion is not None and default_emotion.card.name == card.name
        return card.task == SPEECH_EMBEDDING, is_default, card.priority

    if name is None and models:
        name = max(models.values(), key=rank).bundle.card.name
    matches = [model for (own, number), model in models.items() if own == name and version in (None, number)]
    if not matches:
        raise ModelNotFound(withheld or "There is no such model or version, or it gives no embedding.")
    return matches[-1]
