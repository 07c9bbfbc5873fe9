"""The words around the pictures of a face: length, means, and how to read them."""

from __future__ import annotations

import numpy as np

from service.pipeline.video.video_results import VideoAffect
from service.render.plot_page import in_words
from service.render.plot_style import clock, signed

PRIOR_NOTE = "Documented prior, not trained on continuous ratings; read changes within a recording; not a diagnosis."
TRAINED_NOTE = "Statistical estimates from the movement of the face; read changes within a recording; not a diagnosis."


def reading_note(result: VideoAffect) -> str:
    """How the values must be read."""
    return PRIOR_NOTE if result.trained == "prior" else TRAINED_NOTE


def footnotes(result: VideoAffect) -> tuple[str, str]:
    """The last two lines of a picture: how to read it, and which model it is from."""
    model = result.models.get("affect")
    return reading_note(result), "" if model is None else f"Model {in_words(model)}"


def facts_of(result: VideoAffect) -> list[str]:
    """Length, means, and share of the time in which a face was seen."""
    duration_s = result.media.duration_s
    facts = [clock(duration_s, 1 if duration_s < 60 else 0)]
    if not result.summary:
        return [*facts, "no face found"]
    facts += [f"mean {name} {signed(statistics.mean)}" for name, statistics in result.summary.items()]
    facts.append(f"face known in {100 * float(np.isfinite(result.arousal).mean()):.0f} % of the time")
    return facts
