"""The voice activity bundle: the publisher's network in a faster graph, with the notice of its licence beside it."""

from functools import partial
from pathlib import Path

from export.bundle.card import BundleFacts, BundleText, Setting, build_card
from export.bundle.write import Content, write_bundle
from export.voice_activity.graph import CONTEXT_SAMPLES, STATE_SIZE, STEP_SAMPLES, matrix_graph
from export.voice_activity.source import GRAPH, PACKAGE, VERSION, published_graph
from service.card import Licence

LICENCE_FILE_NAME = "LICENSE"

ATTRIBUTION = "Silero Team"
CHANGES = "Convolutions are matrix products; the weights are the publisher's."

SETTINGS: dict[str, Setting] = {
    "sample_rate_hz": 16000,
    "step_samples": STEP_SAMPLES,  # 32 ms
    "context_samples": CONTEXT_SAMPLES,  # of the step before, put ahead of each step
    "state_size": STATE_SIZE,
    "threshold": 0.5,  # the publisher's
}


def write_voice_activity_bundle(out: Path) -> Path:
    """Write ``<out>/voice-activity/<silero-vad version>/``, the publisher's licence beside the graph.

    Returns:
        The bundle's folder.

    Raises:
        SourceError: the graph cannot be had, has another hash, or is of another network.
    """
    published = published_graph()
    facts = BundleFacts(
        task="voice-activity",
        intended_use="Finding where in a recording somebody speaks, so that only this is judged.",
        settings=SETTINGS,
        source=f"{PACKAGE} {VERSION}, {Path(GRAPH).name}",
    )
    changes = {"licence": "MIT", "attribution": ATTRIBUTION, "changes": CHANGES}
    graph = matrix_graph(published.graph, changes).SerializeToString()
    bundle = write_bundle(out, {"model.onnx": Content(graph)}, partial(build_card, _text(), facts))
    (bundle / LICENCE_FILE_NAME).write_bytes(published.licence)
    return bundle


def _text() -> BundleText:
    return BundleText(
        name="voice-activity",
        version=VERSION,
        title="Silero VAD, 16 kHz",
        description=f"Probability of speech for each 32 ms of sound, from a recurrent network. {CHANGES}",
        licence=Licence(spdx="MIT", commercial_use=True, attribution=ATTRIBUTION),
        known_limits=(
            "It does not tell who speaks.",
            "Laughter, crying and screams without words may not count as speech.",
            "Speech close to the noise floor is missed.",
        ),
    )
