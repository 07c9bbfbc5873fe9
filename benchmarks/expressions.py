"""Orders of affect over expressions of emotions (EMFACS): rendered faces that no training saw, through units and prior;
and the shares of faces at rest, and of smiles, that would raise the flag 'neutral_smiles'.

Needs ``face_synth`` in the folder of ``EMOSERVE_SHARED``; says so and measures nothing where it is missing. Every frame
of one expression is compared with every frame of another, and with the face at rest.
"""

import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import emit
from export.faces.action_units import FILES
from export.faces.synthetic_faces import SyntheticFaces, held_out, load_synthetic_faces, neutral_by_identity
from service.card import read_card
from service.pipeline.affect.attribution import AffectFilter, read_affect_filter
from service.pipeline.affect.columns import COLUMNS
from service.pipeline.face.action_units import SMILE, SMILE_AT_REST, ActionUnitModel
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.registry import Bundle

STRONG, WEAK = 1.25, 1.0
EXPRESSIONS = {
    "happiness": (("AU06", "AU12"), ("AU04", "AU09", "AU15", "AU20")),
    "surprise": (("AU01", "AU02", "AU05"), ("AU04", "AU09", "AU12")),
    "anger": (("AU04", "AU07", "AU23"), ("AU01", "AU09", "AU12")),
    "fear": (("AU01", "AU04", "AU20", "AU25"), ("AU12", "AU15")),
    "disgust": (("AU09",), ("AU12",)),
    "sadness": (("AU01", "AU04", "AU15"), ("AU02", "AU12")),
}
"""Units above ``STRONG`` and units below ``WEAK`` of each expression, as far as the rendered set mixes them."""
ORDERS = {
    "valence": [("happiness", other) for other in ("rest", "sadness", "anger", "fear", "disgust")]
    + [("rest", other) for other in ("sadness", "anger", "fear", "disgust")],
    "arousal": [(one, other) for one in ("surprise", "anger", "fear", "happiness") for other in ("rest", "sadness")],
}
"""Pairs of expressions: the one with more of the target, then the one with less."""


def run() -> None:
    """Measure and print."""
    data = Path(os.environ.get("EMOSERVE_SHARED", "../shared")) / "face_synth"
    if not data.is_dir():
        sys.stderr.write(f"expressions: not measured; needs {data}\n")
        return
    prior = Path("models/affect-prior/3")
    for points, name in FILES.items():
        faces = load_synthetic_faces(data / name)
        judged = held_out(faces, seed=0) & ~faces.is_neutral
        units = _units(faces, Path(f"models/action-units-{points}/2"))[judged]
        for kind, share in _taken_for_smiles(faces, Path(f"models/action-units-{points}/2")).items():
            emit(f"neutral_smiles_{kind}", share, "share of frames", benchmark="expressions", points=points)
        frames = {expression: _frames(faces.action_units[judged], expression) for expression in EXPRESSIONS}
        for target, orders in ORDERS.items():
            model = read_affect_filter((prior / f"{target}.onnx").read_bytes())
            assert model is not None
            answers = _answers(units, model)
            held = {expression: answers[rows] for expression, rows in frames.items()}
            held["rest"] = _answers(np.zeros((1, len(ACTION_UNITS)), np.float32), model)
            for more, less in orders:
                share = float(np.mean(held[more][:, None] > held[less]))
                emit(f"{target}_{more}_above_{less}", share, "share of pairs", benchmark="expressions", points=points)


def _taken_for_smiles(faces: SyntheticFaces, bundle: Path) -> dict[str, float]:
    """Share of held-out frames at rest, and with AU12 of 1, 2 and 3 and more, that a rest would be flagged for."""
    model = ActionUnitModel(Bundle(read_card(bundle), bundle))
    values = model.values(faces.landmarks.astype(np.float64), faces.blendshapes)
    flagged = values[:, len(ACTION_UNITS) + SMILE] >= SMILE_AT_REST
    judged, smile = held_out(faces, seed=0), faces.action_units[:, SMILE]
    kinds = {f"at_{least}": ~faces.is_neutral & (smile >= least) for least in (1, 2, 3)}
    return {
        kind: float(flagged[judged & rows].mean()) for kind, rows in ({"at_rest": faces.is_neutral} | kinds).items()
    }


def _units(faces: SyntheticFaces, bundle: Path) -> NDArray[np.float32]:
    """Units of every frame relative to the person's neutral frame, float32 [frames, 17]."""
    model = ActionUnitModel(Bundle(read_card(bundle), bundle))
    values = model.values(faces.landmarks.astype(np.float64), faces.blendshapes)
    resting = neutral_by_identity(values, faces, faces.is_neutral)[:, : len(ACTION_UNITS)]
    return model.limited(values, resting)


def _frames(labels: NDArray[np.float32], expression: str) -> NDArray[np.bool_]:
    strong, weak = ([ACTION_UNITS.index(unit) for unit in units] for units in EXPRESSIONS[expression])
    return np.asarray((labels[:, strong] >= STRONG).all(axis=1) & (labels[:, weak] < WEAK).all(axis=1))


def _answers(units: NDArray[np.float32], model: AffectFilter) -> NDArray[np.float64]:
    """Answers to held expressions, float64 [frames]."""
    means = [COLUMNS.index(f"{unit}_mean") for unit in ACTION_UNITS]
    return np.asarray(units @ model.weights.sum(axis=1)[means] + model.bias)
