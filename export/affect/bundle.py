"""Write an affect bundle: one graph a target, and the card.

One bundle holds both targets, as files with the roles 'arousal' and 'valence', because they share their
input, their settings and their licence, and a request always wants both.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from export.bundle.card import BundleFacts, BundleText, Setting, build_card
from export.bundle.write import Content, write_folder
from export.evaluation.verification import refuse_difference
from service.card import Card, Measurement, Parity
from service.pipeline.affect.attribution import steps_after
from service.pipeline.affect.functionals import HOP_S, WINDOW_S
from service.pipeline.device.session import Session

INTENDED_USE = (
    "Watching how expression changes within one recording, in research and in telehealth under a "
    "clinician's eye. Not a diagnosis, not a lie detector, not for decisions about people. Emotion "
    "recognition at work and in education is prohibited in the EU except for medical or safety reasons "
    "(AI Act, article 5)."
)
PARITY_TOLERANCE = 1e-4


def affect_settings(
    kernel: int,
    targets: list[str],
    delay_s: list[float],
    trained: str,
    look_ahead_s: float | None = None,
    window_s: float = WINDOW_S,
) -> dict[str, Setting]:
    """Settings of an affect card.

    ``look_ahead_s`` is the future that an answer waits for: half the kernel, 5.0 s for 100 (F18), unless the filter
    ends sooner; half of ``window_s``, that of the functionals, comes on top. Training compensated the annotators' delay
    ``delay_s`` of each target (E8); answers are not shifted by it (E9).
    """
    return {
        "columns": "confidence and 17 action units: 18 means, 18 deviations, turn",
        "kernel": kernel,
        "hop_s": HOP_S,
        "window_s": window_s,
        "look_ahead_s": round(steps_after(kernel) * HOP_S, 6) if look_ahead_s is None else look_ahead_s,
        "targets": targets,
        "delay_s": delay_s,
        "trained": trained,
    }


def write_affect_bundle(
    folder: Path,
    graphs: Mapping[str, onnx.ModelProto],
    text: BundleText,
    settings: Mapping[str, Setting],
    parity: Parity,
    measurements: Sequence[Measurement] = (),
) -> Card:
    """Write ``<target>.onnx`` for each graph and ``card.json`` into ``folder``; returns the card.

    ``settings`` come from :func:`affect_settings`, ``parity`` from :func:`graph_parity`.
    """
    contents = {
        f"{target}.onnx": Content(graph.SerializeToString(deterministic=True), target)
        for target, graph in graphs.items()
    }
    facts = BundleFacts(
        task="affect",
        intended_use=INTENDED_USE,
        settings=settings,
        measurements=measurements,
        parity=parity,
        made_with=("onnx", "numpy"),
    )
    return write_folder(folder, contents, partial(build_card, text, facts))


def run_graph(graph: onnx.ModelProto, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Answer of a graph on the CPU, float32 [batch, steps]."""
    session = Session(graph.SerializeToString(), device="cpu")
    return session.run({"features": features}, ("affect",))["affect"]


def graph_parity(cases: list[tuple[onnx.ModelProto, NDArray[np.float32], NDArray[np.float64]]], against: str) -> Parity:
    """Largest difference between graphs and their references.

    Args:
        cases: graph, features float32 [batch, steps, 37], and the reference's answer [batch, steps] before
            clipping.
        against: what the reference is, in words.

    Raises:
        ParityError: the difference is above the tolerance.
    """
    differences = [
        np.abs(run_graph(graph, features) - np.clip(reference, -1.0, 1.0)).max() for graph, features, reference in cases
    ]
    largest = float(np.max(differences))  # NaN if any is
    refuse_difference("affect", largest, PARITY_TOLERANCE, against)
    return Parity(tolerance=PARITY_TOLERANCE, largest_difference=float(f"{largest:.3g}"), against=against)
