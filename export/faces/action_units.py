"""Training of the action units: recipes of measures and a regression over the mesh, set to scale on synthetic faces
and evaluated through the exported graphs.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from export.faces.action_unit_cards import describe_units
from export.faces.action_unit_graphs import LABELS, SHAPES, Linear, features_graph, units_graph
from export.faces.agreement import Evaluation, agreement
from export.faces.alignment import reference_face
from export.faces.measures import MEASURES
from export.faces.onnx_graph import write_graphs
from export.faces.synthetic_faces import (
    SyntheticFaces,
    held_out,
    load_synthetic_faces,
    neutral_by_identity,
    resting_by_identity,
    training_size,
)
from export.faces.unit_recipes import RECIPES

FILES = {478: "synth478.npz", 468: "synth468.npz"}
RELATIVE_PENALTY = 1000.0  # of the regression over half of the mesh; 300 and 3000 agree within 0.02 on average
ABSOLUTE_PENALTY = 300.0  # on standardised features; picked once by hand, not tuned
LEAST_RELIABILITY = 0.5
"""Least factor on a unit's spread: a unit speaks as loud as its correlation with the truth, but not below a half."""
QUIET_SHARE = 50.0
"""Percentile of the values that other units' movements give a unit that is 0; they are taken off as its dead zone."""
LEAST_SPREAD = 0.002
"""Least deviation of a measure or blendshape: those that hardly ever leave 0 would speak by their noise alone."""
QUIET = 0.5
"""Intensity up to which a label counts as 0 for the dead zone."""
EVALUATION_BATCH = 512
UPPER_UNITS = ("AU01", "AU02", "AU04", "AU05", "AU07", "AU45")
CHEEKS, BRIDGE = (50, 280), 197
"""Points between the halves of the face: the upper one lies above the cheeks, the lower one below the bridge."""


@dataclass(frozen=True)
class TrainedUnits:
    """Result of the training.

    Attributes:
        graph: from points to relative and absolute units.
        dead_zone: float64 [17], what is taken off values after the resting level.
        evaluations: on held-out identities, the one with a known neutral first.
    """

    graph: onnx.ModelProto
    dead_zone: NDArray[np.float64]
    evaluations: list[Evaluation]


def train_action_units(data: Path, out: Path, seed: int) -> list[Path]:
    """Train for both meshes and write a bundle of each below ``out``.

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
    bundles = []
    for points, name in FILES.items():
        faces = load_synthetic_faces(data / name)
        trained = train_units(faces, seed)
        size = training_size(faces, held_out(faces, seed))
        text, facts = describe_units(points, size, trained.evaluations, trained.dead_zone)
        bundles.append(write_graphs(out, {"model": trained.graph}, text, facts))
    return bundles


def train_units(faces: SyntheticFaces, seed: int) -> TrainedUnits:
    """Train on all identities but the held-out ones."""
    test = held_out(faces, seed)
    with_blendshapes = faces.blendshapes is not None
    reference = reference_face(faces.landmarks[~test])
    features = _run(features_graph(reference, with_blendshapes), _inputs(faces), ("features",))["features"]
    moved = features - neutral_by_identity(features, faces, faces.is_neutral)
    learn = ~test & ~faces.is_neutral
    relative = _relative(moved[learn], faces.action_units[learn], reference, with_blendshapes)
    resting = features[~test & faces.is_neutral].astype(np.float64)
    relative = Linear(relative.weights, -resting.mean(axis=0) @ relative.weights)
    dead_zone = _dead_zone(moved[learn] @ relative.weights, faces.action_units[learn])
    weights, bias = ridge(features[~test], faces.action_units[~test], ABSOLUTE_PENALTY)
    at_rest = np.percentile(resting @ weights + bias, QUIET_SHARE, axis=0)
    graph = units_graph(reference, with_blendshapes, relative, Linear(weights, bias - at_rest))
    return TrainedUnits(graph, dead_zone, _evaluate(graph, dead_zone, faces, test, seed))


def _dead_zone(values: NDArray[np.float64], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """Value that movements of other units give each unit where it is 0, float64 [17], at least 0."""
    quiet = [values[truth[:, unit] <= QUIET, unit] for unit in range(len(LABELS))]
    return np.array([max(float(np.percentile(rows, QUIET_SHARE)), 0.0) if len(rows) else 0.0 for rows in quiet])


def _relative(
    moved: NDArray[np.float32], truth: NDArray[np.float32], reference: NDArray[np.float64], with_blendshapes: bool
) -> Linear:
    """The map from features minus those of the person's neutral."""
    points = len(reference)
    height = reference[:, 1]
    halves = (height < height[list(CHEEKS)].mean(), height > height[BRIDGE])
    meshes = [np.flatnonzero(np.repeat(half, 3)) for half in halves]
    weights = np.zeros((moved.shape[1], len(LABELS)))
    x, y = moved.astype(np.float64), truth.astype(np.float64)
    for unit, label in enumerate(LABELS):
        recipe = RECIPES[label]
        columns, signs = _recipe_columns(label, points, with_blendshapes)
        rule = np.zeros(moved.shape[1])
        rule[columns] = np.array(signs) / np.maximum(x[:, columns].std(axis=0), LEAST_SPREAD)
        if columns:
            weights[:, unit] = rule * (1 - recipe.mesh_share) / (x @ rule).std()
        if recipe.mesh_share:
            half = meshes[0 if label in UPPER_UNITS else 1]
            over_mesh, _ = ridge(x[:, half], y[:, [unit]], RELATIVE_PENALTY)
            weights[half, unit] += recipe.mesh_share * over_mesh[:, 0] / (x[:, half] @ over_mesh[:, 0]).std()
        estimate = x @ weights[:, unit]
        reliability = max(float(np.corrcoef(estimate, y[:, unit])[0, 1]), LEAST_RELIABILITY)
        weights[:, unit] *= reliability * y[:, unit].std() / estimate.std()
    return Linear(weights, np.zeros(len(LABELS)))


def _recipe_columns(label: str, points: int, with_blendshapes: bool) -> tuple[list[int], list[int]]:
    """Columns of the features that a unit's recipe names, and their signs."""
    recipe = RECIPES[label]
    columns = [3 * points + MEASURES.index(measure[1:]) for measure in recipe.measures]
    signs = [1 if measure[0] == "+" else -1 for measure in recipe.measures]
    if with_blendshapes:
        first = 3 * points + len(MEASURES)
        sides = [SHAPES.index(name) for shape in recipe.shapes for name in SHAPES if name in _sides(shape)]
        columns += [first + side for side in sides]
        signs += [1] * len(sides)
    return columns, signs


def _sides(shape: str) -> tuple[str, ...]:
    return (shape, f"{shape}Left", f"{shape}Right")


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


def _run(
    model: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]], outputs: tuple[str, ...]
) -> dict[str, NDArray[np.float32]]:
    """Outputs of ``model`` for all rows of ``inputs``, by the ONNX reference implementation."""
    evaluator = ReferenceEvaluator(model)
    rows = len(next(iter(inputs.values())))
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in outputs}
    for begin in range(0, rows, EVALUATION_BATCH):
        batch = {name: values[begin : begin + EVALUATION_BATCH] for name, values in inputs.items()}
        for name, column in zip(outputs, evaluator.run(list(outputs), batch), strict=True):
            parts[name].append(np.asarray(column))
    return {name: np.concatenate(column) for name, column in parts.items()}


def _evaluate(
    graph: onnx.ModelProto, dead_zone: NDArray[np.float64], faces: SyntheticFaces, test: NDArray[np.bool_], seed: int
) -> list[Evaluation]:
    """Agreement on the expressive frames of held-out identities."""
    found = _run(graph, _inputs(faces), ("relative", "absolute"))
    relative, judged = found["relative"], test & ~faces.is_neutral
    percentiles = np.array([RECIPES[label].resting_percentile for label in LABELS])
    estimates: dict[str, NDArray[np.floating]] = {
        "given": relative - neutral_by_identity(relative, faces, faces.is_neutral) - dead_zone,
        "resting": relative - resting_by_identity(relative, faces, percentiles) - dead_zone,
        "none": found["absolute"],
    }
    return [
        Evaluation(
            neutral,
            *agreement(np.clip(values[judged], 0.0, 5.0), faces.action_units[judged], faces.identity[judged], seed),
            int(judged.sum()),
        )
        for neutral, values in estimates.items()
    ]
