"""Training of the action-unit heads: ridge regression on synthetic faces, evaluated through the exported
graphs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from export.faces.action_unit_cards import describe_heads, describe_rule
from export.faces.action_unit_graphs import features_graph, head_graph, rule_graph
from export.faces.agreement import Evaluation, agreement
from export.faces.alignment import reference_face
from export.faces.onnx_graph import write_graphs
from export.faces.synthetic_faces import (
    SyntheticFaces,
    held_out,
    load_synthetic_faces,
    neutral_by_identity,
    training_size,
)

FILES = {478: "synth478.npz", 468: "synth468.npz"}
RIDGE_PENALTY = 300.0  # on standardised features; picked once by hand, not tuned
EVALUATION_BATCH = 512


def train_action_units(data: Path, out: Path, seed: int) -> list[Path]:
    """Train the heads for both meshes and write them and the rule as bundles below ``out``.

    Args:
        data: folder with ``synth478.npz`` and ``synth468.npz``.
        out: folder of bundles, such as ``models``.
        seed: draws the held-out identities and the bootstrap; the same seed gives the same files.

    Returns:
        The bundles' folders.

    Raises:
        OSError: a file of ``data`` is missing, or ``out`` cannot be written.
        SyntheticFacesError: a file of ``data`` is not what it should be.
    """
    rule = rule_graph()
    rule_evaluation = _evaluate_rule(rule, load_synthetic_faces(data / FILES[478]), seed)
    bundles = [_write_heads(data, out, points, rule_evaluation, seed) for points in FILES]
    rule_bundle = write_graphs(out, {"model": rule}, *describe_rule(rule_evaluation))
    return [*bundles, rule_bundle]


def _write_heads(data: Path, out: Path, points: int, rule: Evaluation, seed: int) -> Path:
    faces = load_synthetic_faces(data / FILES[points])
    graphs, evaluations = train_heads(faces, seed)
    size = training_size(faces, held_out(faces, seed))
    return write_graphs(out, graphs, *describe_heads(points, size, evaluations, rule))


def train_heads(faces: SyntheticFaces, seed: int) -> tuple[dict[str, onnx.ModelProto], list[Evaluation]]:
    """Train on all identities but the held-out ones.

    Returns:
        The graphs by role ('features', 'head' for features minus neutral, 'head_absolute' for features as
        they are), and their evaluations, the one with median neutral first.
    """
    test = held_out(faces, seed)
    reference = reference_face(faces.landmarks[~test])
    features_model = features_graph(reference, faces.blendshapes is not None)
    features = _run(features_model, _inputs(faces), "features")
    by_median = features - neutral_by_identity(features, faces, ~faces.is_neutral)
    relative = head_graph(*ridge(by_median[~test], faces.action_units[~test], RIDGE_PENALTY))
    absolute = head_graph(*ridge(features[~test], faces.action_units[~test], RIDGE_PENALTY))

    judged = test & ~faces.is_neutral
    by_given = features - neutral_by_identity(features, faces, faces.is_neutral)
    evaluations = [
        _evaluate("median", relative, by_median[judged], faces, judged, seed),
        _evaluate("given", relative, by_given[judged], faces, judged, seed),
        _evaluate("none", absolute, features[judged], faces, judged, seed),
    ]
    return {"features": features_model, "head": relative, "head_absolute": absolute}, evaluations


def ridge(
    features: NDArray[np.floating], targets: NDArray[np.floating], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ridge regression on standardised features, folded back onto the features as they are.

    Args:
        features: [frames, dim]; a column that does not vary gets no weight.
        targets: [frames, outputs].
        penalty: on the squared weights of the standardised features.

    Returns:
        Weights float64 [dim, outputs] and bias float64 [outputs].
    """
    x, y = features.astype(np.float64), targets.astype(np.float64)
    mean, spread = x.mean(0), x.std(0)
    spread = np.where(spread > 1e-9, spread, np.inf)
    z = (x - mean) / spread
    standardised = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ (y - y.mean(0)))
    weights = standardised / spread[:, None]
    return weights, y.mean(0) - mean @ weights


def _inputs(faces: SyntheticFaces) -> dict[str, NDArray[np.float32]]:
    inputs = {"landmarks": faces.landmarks}
    if faces.blendshapes is not None:
        inputs["blendshapes"] = faces.blendshapes
    return inputs


def _run(model: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]], output: str) -> NDArray[np.float32]:
    """Output ``output`` of ``model`` for all rows of ``inputs``, by the ONNX reference implementation."""
    evaluator = ReferenceEvaluator(model)
    rows = len(next(iter(inputs.values())))
    parts: list[NDArray[np.float32]] = []
    for begin in range(0, rows, EVALUATION_BATCH):
        batch = {name: values[begin : begin + EVALUATION_BATCH] for name, values in inputs.items()}
        parts.append(np.asarray(next(iter(evaluator.run([output], batch)))))
    return np.concatenate(parts)


def _evaluate(
    neutral: str,
    head: onnx.ModelProto,
    features: NDArray[np.float32],
    faces: SyntheticFaces,
    judged: NDArray[np.bool_],
    seed: int,
) -> Evaluation:
    estimate = _run(head, {"features": features}, "action_units")
    return _judge(neutral, estimate, faces, judged, seed)


def _evaluate_rule(rule: onnx.ModelProto, faces: SyntheticFaces, seed: int) -> Evaluation:
    judged = held_out(faces, seed) & ~faces.is_neutral
    if faces.blendshapes is None:
        raise ValueError("the rule needs blendshapes")
    estimate = _run(rule, {"blendshapes": faces.blendshapes[judged]}, "action_units")
    return _judge("none", estimate, faces, judged, seed)


def _judge(
    neutral: str,
    estimate: NDArray[np.float32],
    faces: SyntheticFaces,
    judged: NDArray[np.bool_],
    seed: int,
) -> Evaluation:
    truth, identity = faces.action_units[judged], faces.identity[judged]
    correlation, concordance = agreement(estimate, truth, identity, seed)
    return Evaluation(neutral, correlation, concordance, int(judged.sum()))
