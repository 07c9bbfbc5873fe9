import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from export.faces.action_unit_graphs import ACTION_UNITS, LABELS, SHAPES, Linear, features_graph, units_graph
from export.faces.action_units import ridge, train_action_units
from export.faces.agreement import agreement
from export.faces.measures import LOWER_LIDS, MEASURES, UPPER_LIDS
from export.faces.synthetic_faces import SyntheticFacesError, held_out, load_synthetic_faces
from export.faces.unit_recipes import RECIPES
from service.card import read_card
from tests.shared_material import ROOT

COMMITTED = ("action-units-478", "action-units-468")


def run(model: onnx.ModelProto, **inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def write_synthetic(folder: Path, identities: int = 84, frames: int = 3) -> None:
    generator = np.random.default_rng(0)
    rows = identities * frames
    shape = generator.normal(size=(478, 3)) * [1, 1.2, 0.4]
    landmarks = (shape + generator.normal(size=(rows, 478, 3)) * 0.05) * 80 + 160
    common = {
        "pid": np.repeat(np.arange(identities), frames),
        "k": np.tile(np.arange(frames), identities),
        "Y": generator.uniform(0, 5, (rows, 17)).astype(np.float32),
    }
    blendshapes = generator.uniform(0, 1, (rows, 52)).astype(np.float32)
    np.savez(folder / "synth478.npz", L=landmarks.astype(np.float32), B=blendshapes, **common)
    np.savez(folder / "synth468.npz", L=landmarks[:, :468].astype(np.float32), **common)


def test_ridge_recovers_a_linear_map_and_ignores_constants() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 6)) * [1, 10, 0.1, 1, 1, 0] + [0, 5, 0, 1, 0, 3]
    true = generator.normal(size=(6, 2))
    weights, bias = ridge(x, x @ true + [1, -1], penalty=1e-6)
    np.testing.assert_allclose(x @ weights + bias, x @ true + [1, -1], atol=1e-4)
    assert (weights[5] == 0).all()


def test_ridge_shrinks_with_its_penalty() -> None:
    x = np.random.default_rng(1).normal(size=(100, 3))
    y = x[:, :1]
    sizes = [float(np.abs(ridge(x, y, penalty)[0]).sum()) for penalty in (0.1, 100.0, 1e4)]
    assert sizes == sorted(sizes, reverse=True)


def test_features_hold_mesh_measures_shapes_and_logits() -> None:
    generator = np.random.default_rng(4)
    reference = generator.normal(size=(478, 3))
    blendshapes = generator.uniform(0, 1, (2, 52)).astype(np.float32)
    blendshapes[0, 1], blendshapes[0, 2] = 0.0, 1.0
    landmarks = np.stack([reference, reference * 50 + 7]).astype(np.float32)
    features = run(features_graph(reference, True), landmarks=landmarks, blendshapes=blendshapes)
    first = 478 * 3 + len(MEASURES)
    assert features.shape == (2, first + 2 * 51)
    np.testing.assert_allclose(features[:, first : first + 51], blendshapes[:, 1:])
    bounded = np.clip(blendshapes[:, 1:], 1e-3, 1 - 1e-3).astype(np.float64)
    np.testing.assert_allclose(features[:, first + 51 :], np.log(bounded / (1 - bounded)), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(features[0, :first], features[1, :first], atol=1e-3)


def test_measures_are_what_their_names_say() -> None:
    """Against NumPy on a mesh that is its own reference, and so stays as it is up to a shift."""
    mesh = np.random.default_rng(5).normal(size=(468, 3))
    features = run(features_graph(mesh, False), landmarks=mesh[None].astype(np.float32))[0]
    found = dict(zip(MEASURES, features[3 * 468 :].astype(np.float64), strict=True))
    eyes = mesh[[33, 133, 362, 263], 1].mean()
    opening = np.mean(
        [np.linalg.norm(mesh[upper] - mesh[lower]) for upper, lower in zip(UPPER_LIDS, LOWER_LIDS, strict=True)]
    )
    width = np.linalg.norm(mesh[61] - mesh[291])
    eye_widths = np.linalg.norm(mesh[33] - mesh[133]) + np.linalg.norm(mesh[263] - mesh[362])
    expected = {
        "brow_middle": eyes - mesh[[105, 52, 334, 282], 1].mean(),
        "corners_back": mesh[[61, 291], 2].mean() - mesh[[0, 17], 2].mean(),
        "mouth_width": width,
        "lid_ratio": np.log(2 * opening / eye_widths),
        "lower_lip_ratio": (mesh[[17, 84, 314], 1].mean() - mesh[2, 1]) / width,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-3)


def test_recipes_name_what_there_is() -> None:
    assert tuple(RECIPES) == LABELS
    for recipe in RECIPES.values():
        assert all(measure[0] in "+-" and measure[1:] in MEASURES for measure in recipe.measures)
        assert all({shape, f"{shape}Left"} & set(SHAPES) for shape in recipe.shapes)
        assert recipe.measures or recipe.mesh_share


def test_both_outputs_are_linear_in_the_features() -> None:
    generator = np.random.default_rng(2)
    reference = generator.normal(size=(468, 3))
    width = 468 * 3 + len(MEASURES)
    maps = [Linear(generator.normal(size=(width, 17)) / 30, np.linspace(-1, 6, 17)) for _ in range(2)]
    landmarks = (reference + generator.normal(size=(4, 468, 3)) * 0.1).astype(np.float32)
    features = run(features_graph(reference, False), landmarks=landmarks)
    session = onnxruntime.InferenceSession(units_graph(reference, False, *maps).SerializeToString())
    for linear, found in zip(maps, session.run(["relative", "absolute"], {"landmarks": landmarks}), strict=True):
        np.testing.assert_allclose(found, features @ linear.weights + linear.bias, atol=1e-3)


def test_agreement_is_pearson_and_concordance() -> None:
    generator = np.random.default_rng(5)
    truth = generator.normal(size=(200, 3))
    estimate = truth * [1, 0.5, 0] + generator.normal(size=truth.shape) * [0.1, 0.3, 0] + [0, 1, 2]
    identity = np.repeat(np.arange(20), 10)
    correlation, concordance = agreement(estimate, truth, identity, seed=0)
    for column in range(2):
        a, b = estimate[:, column], truth[:, column]
        covariance = ((a - a.mean()) * (b - b.mean())).mean()
        assert correlation.by_column[column] == pytest.approx(np.corrcoef(a, b)[0, 1])
        expected = 2 * covariance / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)
        assert concordance.by_column[column] == pytest.approx(expected)
    assert correlation.by_column[2] == concordance.by_column[2] == 0
    low, high = correlation.interval_95
    assert low < correlation.mean < high


def test_training_is_deterministic_and_splits_by_identity(tmp_path: Path) -> None:
    write_synthetic(tmp_path)
    faces = load_synthetic_faces(tmp_path / "synth478.npz")
    test = held_out(faces, seed=0)
    assert len(np.unique(faces.identity[test])) == 80
    assert not set(faces.identity[test]) & set(faces.identity[~test])
    assert (held_out(faces, seed=1) != test).any()

    first = train_action_units(tmp_path, tmp_path / "a", seed=0)
    second = train_action_units(tmp_path, tmp_path / "b", seed=0)
    assert [bundle.parent.name for bundle in first] == list(COMMITTED)
    for one, other in zip(first, second, strict=True):
        names = sorted(path.name for path in one.iterdir())
        assert names == sorted(path.name for path in other.iterdir())
        for name in names:
            assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_set_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    write_synthetic(tmp_path)
    (tmp_path / "text.npz").write_text("not an archive")
    np.savez(tmp_path / "partial.npz", pid=np.arange(3))
    np.savez(
        tmp_path / "uneven.npz",
        pid=np.arange(3), k=np.arange(3), Y=np.zeros((2, 17)), L=np.zeros((3, 468, 3)),
    )  # fmt: skip
    for name in ("text.npz", "partial.npz", "uneven.npz"):
        with pytest.raises(SyntheticFacesError, match=name):
            load_synthetic_faces(tmp_path / name)


@pytest.mark.parametrize("name", COMMITTED)
def test_a_committed_bundle_is_whole_and_says_what_it_cannot(name: str) -> None:
    bundle = ROOT / "models" / name / "2"
    card = read_card(bundle)
    assert (card.name, card.version, card.task) == (name, "2", "action-units")
    assert card.labels == [f"AU{unit:02d}" for unit in ACTION_UNITS]
    assert {path.name for path in bundle.glob("*.onnx")} == set(card.files)
    for file_name, entry in card.files.items():
        data = (bundle / file_name).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (entry.sha256, entry.size_bytes)
    assert any("real video" in limit for limit in card.known_limits)
    assert len({measurement.metric for measurement in card.measurements}) == len(card.measurements)
