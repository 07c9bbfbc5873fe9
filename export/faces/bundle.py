"""Writing the face bundle: the converted graphs and a card that says where they come from and how to use
them.
"""

from pathlib import Path

import onnx

from export.bundle.card import BundleFacts, BundleText, Setting
from export.faces import constants, stages
from export.faces.onnx_graph import write_graphs
from export.faces.sources import BLENDSHAPES, DETECTOR, MESH, FaceNetworks, choose
from service.card import CARD_FILE_NAME, Licence

NAME = "mediapipe-faces"
# The better mesh has the higher version, which is the one that is served.
VERSIONS = {"wheel": "1", "task": "2"}

LICENCE = "Apache-2.0"
ATTRIBUTION = (
    "MediaPipe face detection, face mesh and blendshape networks, copyright The MediaPipe Authors "
    "(Google LLC), Apache License 2.0, https://www.apache.org/licenses/LICENSE-2.0"
)
CHANGES = (
    "Changed from the publisher's files: converted from TFLite to ONNX with float32 weights and a free "
    "batch; PReLU rewritten as x + (1−a)·ReLU(−x); the detector's anchors, the sigmoids and the choice of "
    "points taken into the graphs."
)


def write_face_bundle(out: Path, task: Path | None = None, wheel: Path | None = None) -> Path:
    """Convert the face networks and write them as a bundle below ``out``.

    Args:
        out: folder of bundles, such as ``var/models``.
        task: the publisher's ``face_landmarker.task``.
        wheel: a wheel of ``mediapipe==0.10.21``. Without either, the best source that can be reached is
        taken.

    Returns:
        The bundle's folder, ``out/mediapipe-faces/2`` with 478 points and blendshapes, or ``…/1`` with 468
        points.

    Raises:
        FaceSourceError: no source can be had, or a file is not the published one.
        OSError: ``out`` cannot be written.
    """
    source = choose(task, wheel)
    return write_graphs(out, _convert(source), *_described(source))


def existing_face_bundle(out: Path) -> Path | None:
    """The best face bundle made below ``out`` before, if there is one; its hashes are not checked."""
    for version in sorted(VERSIONS.values(), reverse=True):
        bundle = out / NAME / version
        if (bundle / CARD_FILE_NAME).is_file():
            return bundle
    return None


def _mesh_shape(source: FaceNetworks) -> tuple[int, int]:
    """Edge of the mesh's crop in pixels and number of its points."""
    if source.kind == "task":
        return constants.MESH_478_SIZE_PX, 478
    return constants.MESH_468_SIZE_PX, 468


def _convert(source: FaceNetworks) -> dict[str, onnx.ModelProto]:
    metadata = {"licence": LICENCE, "attribution": ATTRIBUTION, "changes": CHANGES, "source": source.origin}
    size_px, points = _mesh_shape(source)
    graphs = {
        DETECTOR: stages.detector(source.networks[DETECTOR], metadata),
        MESH: stages.mesh(source.networks[MESH], size_px, points, metadata),
    }
    if BLENDSHAPES in source.networks:
        graphs[BLENDSHAPES] = stages.blendshapes(source.networks[BLENDSHAPES], points, metadata)
    return graphs


def _described(source: FaceNetworks) -> tuple[BundleText, BundleFacts]:
    size_px, points = _mesh_shape(source)
    has_blendshapes = BLENDSHAPES in source.networks
    settings: dict[str, Setting] = {
        **constants.PIPELINE_SETTINGS,
        "mesh_size_px": size_px,
        "mesh_points": points,
    }
    if has_blendshapes:
        settings["blendshape_names"] = list(constants.BLENDSHAPES)
    parts = f"face detector, {points}-point mesh" + (" and 52 blendshapes" if has_blendshapes else "")
    text = BundleText(
        name=NAME,
        version=VERSIONS[source.kind],
        title=f"MediaPipe {parts}",
        description=(
            f"The publisher's {parts}, converted from {source.origin}. {CHANGES} "
            "Graphs take RGB images in 0…1; the detector's anchors are applied inside its graph."
        ),
        licence=Licence(spdx=LICENCE, commercial_use=True, attribution=f"{ATTRIBUTION}. {CHANGES}"),
        known_limits=tuple(_known_limits(has_blendshapes)),
    )
    facts = BundleFacts(
        task="face",
        intended_use="Finding a face in a video and following its shape, for the action-unit stage.",
        settings=settings,
        made_with=("onnx", "numpy"),
        source=source.origin,
    )
    return text, facts


def _known_limits(has_blendshapes: bool) -> list[str]:
    limits = [
        "Faces within about two metres of the camera; small, covered or strongly turned faces are missed or "
        "followed badly.",
        "A landmark method: muscle activity that moves no landmark (wrinkles, bulges) is out of its reach.",
        "The publisher smooths landmarks of a video; the service does not, since a filter that stills them comes late.",
        "Not a biometric identification model.",
    ]
    if has_blendshapes:
        return [
            *limits,
            "Blendshapes that hardly ever leave zero (measured on synthetic faces; known to the publisher): "
            "cheekPuff, cheekSquint, jawForward, jawLeft, jawRight, mouthClose, noseSneer.",
        ]
    return [*limits, "No blendshapes: the mesh of the wheel is the publisher's older one."]
