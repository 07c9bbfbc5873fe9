"""Answers of a bundle's graphs about the check clip, for its card."""

from pathlib import Path

from service.card import Card, CheckClip
from service.pipeline.device.session import Session
from service.pipeline.speech.check_clip import TOLERANCE
from service.pipeline.speech.model import SpeechModel
from service.registry import Bundle


def with_check_clip(card: Card, folder: Path) -> Card:
    """The card with what its graphs in ``folder`` answer on the CPU; as it is where they take no sound.

    Raises:
        GraphError, BundleError: a graph cannot be used.
        FloatingPointError: it gives a number that is not finite.
    """
    if card.speech is None:
        return card
    bundle = Bundle(card, folder)
    outputs = {}
    for role in map(card.graph_role, card.domains or [None]):
        session = Session(bundle.path(role), device="cpu")
        outputs[role] = SpeechModel(bundle, session, 1).answers_about_clip()
    return card.model_copy(update={"check_clip": CheckClip(outputs=outputs, tolerance=TOLERANCE)})
