"""The voice activity bundle, made from the graph inside the installed ``silero-vad`` package.

Only the file is taken. Importing the package would import torch, which is not needed here.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from functools import partial
from pathlib import Path

from export.bundle.card import BundleFacts, BundleText, Setting, build_card
from export.bundle.write import Content, write_bundle
from service.card import Licence

PACKAGE = "silero-vad"
GRAPH = Path("data", "silero_vad_16k_sequence.onnx")
GRAPH_SHA256 = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"
"""Hash of the graph of silero-vad 6.2.3. Another release is another model: check its tensors, then pin it here."""

SETTINGS: dict[str, Setting] = {
    "sample_rate_hz": 16000,
    "step_samples": 512,  # 32 ms
    "context_samples": 64,  # of the step before, put ahead of each step
    "state_size": 128,
    "threshold": 0.5,  # the publisher's
}


class SourceError(RuntimeError):
    """The publisher's file is missing or is not the one that was checked; the message is one line."""


def write_voice_activity_bundle(out: Path) -> Path:
    """Write ``<out>/voice-activity/<silero-vad version>/``.

    Returns:
        The bundle's folder.

    Raises:
        SourceError: the package is not installed, or its graph has another hash.
    """
    graph = _graph()
    digest = hashlib.sha256(graph.read_bytes()).hexdigest()
    if digest != GRAPH_SHA256:
        raise SourceError(f"the sha256 of {graph.name} in {PACKAGE} is {digest[:12]}…, not {GRAPH_SHA256[:12]}…")
    version = importlib.metadata.version(PACKAGE)
    facts = BundleFacts(
        task="voice-activity",
        intended_use="Finding where in a recording somebody speaks, so that only this is judged.",
        settings=SETTINGS,
        source=f"{PACKAGE} {version}, {GRAPH.name}",
    )
    return write_bundle(out, {"model.onnx": Content(graph)}, partial(build_card, _text(version), facts))


def _graph() -> Path:
    spec = importlib.util.find_spec("silero_vad")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        if (Path(folder) / GRAPH).is_file():
            return Path(folder) / GRAPH
    raise SourceError(f"the package {PACKAGE} is not installed, or lacks {GRAPH}")


def _text(version: str) -> BundleText:
    return BundleText(
        name="voice-activity",
        version=version,
        title="Silero VAD, 16 kHz",
        description="Probability of speech for each 32 ms of sound, from a recurrent network.",
        licence=Licence(spdx="MIT", commercial_use=True, attribution="Silero Team"),
        known_limits=(
            "It does not tell who speaks.",
            "Laughter, crying and screams without words may not count as speech.",
            "Speech close to the noise floor is missed.",
        ),
    )
