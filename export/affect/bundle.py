"""Write an affect bundle: one graph a target, and the card.

One bundle holds both targets, as files with the roles 'arousal' and 'valence', because they share their
input, their settings and their licence, and a request always wants both.
"""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from service.card import Card, FileEntry, Licence, Measurement, Parity, TrainingData, write_card
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
    kernel: int, targets: list[str], delay_s: list[float], trained: str, look_ahead_s: float | None = None
) -> dict[str, float | int | str | bool | list[float] | list[int] | list[str]]:
    """Settings of an affect card.

    ``look_ahead_s`` is by how much an answer waits for the future: half the kernel, 5.0 s for 100 (F18),
    unless the filter ends sooner; half of ``window_s`` comes on top. ``delay_s`` is the annotators' delay
    of each target that was compensated in training (E8); answers are not shifted by it (E9).
    """
    return {
        "columns": "confidence and 17 action units: 18 means, 18 deviations, turn",
        "kernel": kernel,
        "hop_s": HOP_S,
        "window_s": WINDOW_S,
        "look_ahead_s": round(steps_after(kernel) * HOP_S, 6) if look_ahead_s is None else look_ahead_s,
        "targets": targets,
        "delay_s": delay_s,
        "trained": trained,
    }


def write_affect_bundle(
    folder: Path,
    graphs: dict[str, onnx.ModelProto],
    *,
    name: str,
    version: str,
    title: str,
    description: str,
    settings: dict[str, float | int | str | bool | list[float] | list[int] | list[str]],
    licence: Licence,
    training_data: list[TrainingData],
    measurements: list[Measurement],
    known_limits: list[str],
    parity: Parity,
    priority: int = 0,
) -> Card:
    """Write ``<target>.onnx`` for each graph and ``card.json`` into ``folder``.

    Args:
        folder: the bundle's folder, made if need be.
        graphs: of each target its graph.
        name: of the bundle.
        version: of the bundle.
        title: one line for people.
        description: what it is and how it was made.
        settings: from ``affect_settings``.
        licence: of the weights.
        training_data: what the weights saw.
        measurements: what was measured.
        known_limits: in plain words.
        parity: from ``graph_parity``.
        priority: the highest is the default.

    Returns:
        The card as written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, FileEntry] = {}
    for target, graph in graphs.items():
        content = graph.SerializeToString(deterministic=True)
        (folder / f"{target}.onnx").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        files[f"{target}.onnx"] = FileEntry(role=target, sha256=digest, size_bytes=len(content))
    card = Card(
        name=name,
        version=version,
        task="affect",
        title=title,
        description=description,
        settings=settings,
        licence=licence,
        training_data=training_data,
        measurements=measurements,
        intended_use=INTENDED_USE,
        known_limits=known_limits,
        exporter={
            "program": "emoserve-export",
            "onnx": onnx.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        parity=parity,
        priority=priority,
        files=files,
    )
    write_card(card, folder)
    return card


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
        ValueError: the difference is above the tolerance.
    """
    largest = max(
        float(np.abs(run_graph(graph, features) - np.clip(reference, -1.0, 1.0)).max())
        for graph, features, reference in cases
    )
    if not largest <= PARITY_TOLERANCE:
        raise ValueError(f"the exported graph differs from its network by {largest:.3g}")
    return Parity(tolerance=PARITY_TOLERANCE, largest_difference=float(f"{largest:.3g}"), against=against)
