"""The training set of the action-unit heads: renders of ICT-FaceKit seen through the face networks.

320 random identities of 13 frames each; frame 0 of an identity is its neutral face. Labels are five times the
blend weight of the shapes that were mixed (AU25: from the gap between the lips). Landmarks and blendshapes
are what the face networks made of the renders, so a head learns to undo their faults as well.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.faces.action_unit_graphs import ACTION_UNITS
from export.faces.constants import BLENDSHAPES
from export.failures import UserError

HELD_OUT_IDENTITIES = 80


class SyntheticFacesError(UserError):
    """The file is not a set of synthetic faces."""


@dataclass(frozen=True)
class SyntheticFaces:
    """Frames of rendered faces.

    Attributes:
        identity: int64 [frames].
        is_neutral: bool [frames].
        action_units: float32 [frames, 17], 0…5.
        landmarks: float32 [frames, points, 3], pixels.
        blendshapes: float32 [frames, 52], or None for the 468-point mesh.
    """

    identity: NDArray[np.int64]
    is_neutral: NDArray[np.bool_]
    action_units: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    blendshapes: NDArray[np.float32] | None


@dataclass(frozen=True)
class TrainingSize:
    """How much a head was trained on."""

    frames: int
    identities: int


def training_size(faces: SyntheticFaces, test: NDArray[np.bool_]) -> TrainingSize:
    """Frames and identities that are not in the mask ``test`` [frames]."""
    return TrainingSize(int((~test).sum()), len(np.unique(faces.identity[~test])))


def load_synthetic_faces(path: Path) -> SyntheticFaces:
    """Read a set from ``path`` (.npz with arrays ``pid``, ``k``, ``Y``, ``L`` and, where there are, ``B``).

    Raises:
        SyntheticFacesError: the arrays are missing or do not fit together.
        OSError: there is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in ("pid", "k", "Y", "L", "B") if name in archive.files}
        faces = SyntheticFaces(
            identity=arrays["pid"],
            is_neutral=arrays["k"] == 0,
            action_units=arrays["Y"].astype(np.float32),
            landmarks=arrays["L"].astype(np.float32),
            blendshapes=arrays["B"].astype(np.float32) if "B" in arrays else None,
        )
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise SyntheticFacesError(f"{path.name} is not a set of synthetic faces: {error}") from error
    frames = len(faces.identity)
    if faces.action_units.shape != (frames, len(ACTION_UNITS)) or faces.landmarks.shape[::2] != (frames, 3):
        raise SyntheticFacesError(f"the arrays of {path.name} do not fit together")
    if faces.blendshapes is not None and faces.blendshapes.shape != (frames, len(BLENDSHAPES)):
        raise SyntheticFacesError(f"the blendshapes of {path.name} do not fit its frames")
    return faces


def held_out(faces: SyntheticFaces, seed: int) -> NDArray[np.bool_]:
    """Mask [frames] of the frames of 80 identities, drawn by ``seed``, that no training sees."""
    drawn = np.random.default_rng(seed).permutation(np.unique(faces.identity))[:HELD_OUT_IDENTITIES]
    return np.isin(faces.identity, drawn)


def neutral_by_identity(
    values: NDArray[np.float32], faces: SyntheticFaces, use: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Median over each identity's frames in ``use``, repeated for all its frames; shape of ``values``."""
    neutral = np.zeros_like(values)
    for identity in np.unique(faces.identity):
        own = faces.identity == identity
        neutral[own] = np.median(values[own & use], axis=0)
    return neutral


def resting_by_identity(
    values: NDArray[np.float32], faces: SyntheticFaces, percentiles: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Percentile of each unit over an identity's expressive frames, repeated for all its frames; shape of ``values``.

    Args:
        values: float32 [frames, 17].
        faces: the set.
        percentiles: float64 [17].
    """
    resting = np.zeros_like(values)
    for identity in np.unique(faces.identity):
        own = faces.identity == identity
        rows = values[own & ~faces.is_neutral]
        resting[own] = [np.percentile(rows[:, unit], share) for unit, share in enumerate(percentiles)]
    return resting
