import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from export.faces.action_unit_graphs import ACTION_UNITS, LABELS, features_graph, head_graph, rule_graph
from export.faces.action_units import ridge, train_action_units
from export.faces.agreement import agreement
from export.faces.constants import BLENDSHAPES
from export.faces.synthetic_faces import SyntheticFacesError, held_out, load_synthetic_faces
from service.card import read_card
from tests.shared_material import ROOT

COMMITTED = ("action-units-478", "action-units-468", "action-units-rule")


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


def test_the_head_is_linear_and_bounded() -> None:
    weights = np.random.default_rng(2).normal(size=(9, 17)) * 3
    bias = np.linspace(-1, 6, 17)
    features = np.random.default_rng(3).normal(size=(4, 9)).astype(np.float32)
    result = run(head_graph(weights, bias), features=features)
    np.testing.assert_allclose(result, np.clip(features @ weights + bias, 0, 5), atol=1e-4)
    assert result.min() == 0
    assert result.max() == 5


def test_features_hold_the_mesh_then_the_logits() -> None:
    generator = np.random.default_rng(4)
    reference = generator.normal(size=(478, 3))
    blendshapes = generator.uniform(0, 1, (2, 52)).astype(np.float32)
    blendshapes[0, 1], blendshapes[0, 2] = 0.0, 1.0
    landmarks = np.stack([reference, reference * 50 + 7]).astype(np.float32)
    features = run(features_graph(reference, True), landmarks=landmarks, blendshapes=blendshapes)
    assert features.shape == (2, 478 * 3 + 51)
    bounded = np.clip(blendshapes[:, 1:], 1e-3, 1 - 1e-3).astype(np.float64)
    np.testing.assert_allclose(features[:, 1434:], np.log(bounded / (1 - bounded)), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(features[0, :1434], features[1, :1434], atol=1e-4)


def test_the_rule_reads_the_named_blendshapes() -> None:
    def scores(**values: float) -> dict[str, float]:
        row = np.zeros((1, 52), np.float32)
        for name, value in values.items():
            row[0, BLENDSHAPES.index(name)] = value
        return dict(zip(LABELS, run(rule_graph(), blendshapes=row)[0].tolist(), strict=True))

    assert all(value == 0 for value in scores().values())
    smile = scores(mouthSmileLeft=0.8, mouthSmileRight=0.6, eyeSquintLeft=0.4, eyeSquintRight=0.4)
    assert smile["AU12"] == pytest.approx(5 * 0.7)
    assert smile["AU06"] == pytest.approx(5 * np.sqrt(0.7 * 0.4))
    assert smile["AU07"] == pytest.approx(5 * 0.4)
    blink = scores(eyeBlinkLeft=1, eyeBlinkRight=1, eyeSquintLeft=0.4, eyeSquintRight=0.4)
    assert blink["AU45"] == pytest.approx(5)
    assert blink["AU07"] == pytest.approx(5 * 0.4 * 0.5)
    jaw = scores(jawOpen=0.6, mouthClose=0.2, browInnerUp=0.3)
    assert jaw["AU25"] == pytest.approx(5 * 0.4)
    assert jaw["AU26"] == pytest.approx(5 * 0.6)
    assert jaw["AU01"] == pytest.approx(5 * 0.3)
    assert scores(mouthClose=0.5)["AU25"] == 0


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
    bundle = ROOT / "models" / name / "1"
    card = read_card(bundle)
    assert (card.name, card.version, card.task) == (name, "1", "action-units")
    assert card.labels == [f"AU{unit:02d}" for unit in ACTION_UNITS]
    assert {path.name for path in bundle.glob("*.onnx")} == set(card.files)
    for file_name, entry in card.files.items():
        data = (bundle / file_name).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (entry.sha256, entry.size_bytes)
    assert any("real faces" in limit for limit in card.known_limits)
    assert len({measurement.metric for measurement in card.measurements}) == len(card.measurements)


@pytest.mark.parametrize(("points", "with_blendshapes"), [(478, True), (468, False)])
def test_a_committed_head_gives_intensities(points: int, with_blendshapes: bool) -> None:
    bundle = ROOT / "models" / f"action-units-{points}" / "1"
    card = read_card(bundle)
    assert card.settings["mesh_points"] == points
    generator = np.random.default_rng(6)
    inputs = {"landmarks": generator.normal(size=(3, points, 3)).astype(np.float32) * 100}
    if with_blendshapes:
        inputs["blendshapes"] = generator.uniform(0, 1, (3, 52)).astype(np.float32)
    features = run(onnx.load(bundle / card.file_with_role("features")), **inputs)
    for role in ("head", "head_absolute"):
        result = run(onnx.load(bundle / card.file_with_role(role)), features=features)
        assert result.shape == (3, 17)
        assert np.isfinite(result).all()
        assert result.min() >= 0
        assert result.max() <= 5


def test_a_neutral_face_has_no_action_units_to_speak_of() -> None:
    bundle = ROOT / "models" / "action-units-478" / "1"
    head = onnx.load(bundle / read_card(bundle).file_with_role("head"))
    still = run(head, features=np.zeros((1, 478 * 3 + 51), np.float32))
    assert still.max() < 1.5
