"""Sources of the face networks: the publisher's bundle file, or the last Python wheel that still holds
them.

The ``.task`` file has the 478-point mesh and the blendshape network. The wheel has the same detector and the
older 468-point mesh, without blendshapes. Damaged copies of both are about, so every network is checked
against its sha256.
"""

import hashlib
import io
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from export.faces.wheel_download import download_wheel
from export.failures import UserError

TASK_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)
TASK_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
TASK_MAX_BYTES = 16 * 1024 * 1024  # the file has 3.76 MB
NETWORK_MAX_BYTES = 16 * 1024 * 1024
DOWNLOAD_TIMEOUT_S = 15.0
WHEEL_REQUIREMENT = "mediapipe==0.10.21"  # later wheels hold no model files (measured)

DETECTOR, MESH, BLENDSHAPES = "detector", "mesh", "blendshapes"


class FaceSourceError(UserError):
    """The networks cannot be had from a source, or are not the ones that were expected."""


@dataclass(frozen=True)
class _Member:
    """One network inside an archive."""

    name: str
    sha256: str


# Measured on the publisher's files.
TASK_MEMBERS = {
    DETECTOR: _Member("face_detector.tflite", "b4578f35940bf5a1a655214a1cce5cab13eba73c1297cd78e1a04c2380b0152f"),
    MESH: _Member("face_landmarks_detector.tflite", "c7d54204ce0448474c7f3fa9af494787c0965cbdd6f20fc72867e43046bd43d5"),
    BLENDSHAPES: _Member("face_blendshapes.tflite", "4f36dded049db18d76048567439b2a7f58f1daabc00d78bfe8f3ad396a2d2082"),
}
WHEEL_MEMBERS = {
    DETECTOR: _Member(
        "mediapipe/modules/face_detection/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    MESH: _Member(
        "mediapipe/modules/face_landmark/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    ),
}


@dataclass(frozen=True)
class FaceNetworks:
    """TFLite files by role, and where they were found.

    Attributes:
        kind: 'task' (478 points, blendshapes) or 'wheel' (468 points).
        origin: the publication, in words for the card; never a path of this machine.
        networks: role → TFLite file.
    """

    kind: str
    origin: str
    networks: Mapping[str, bytes]


def from_task(data: bytes) -> FaceNetworks:
    """Networks of the publisher's ``face_landmarker.task``.

    Raises:
        FaceSourceError: ``data`` is not that file, bit for bit.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != TASK_SHA256:
        raise FaceSourceError(
            f"this is not the published face_landmarker.task (sha256 {found}, expected {TASK_SHA256}); "
            "download it again"
        )
    networks = _read_members(data, TASK_MEMBERS)
    return FaceNetworks("task", f"face_landmarker.task (float16, 1), {TASK_URL}, sha256 {TASK_SHA256}", networks)


def from_wheel(data: bytes) -> FaceNetworks:
    """Networks of the wheel ``mediapipe==0.10.21``, for whichever platform it was built.

    Raises:
        FaceSourceError: the archive lacks them or holds others.
    """
    return FaceNetworks("wheel", f"Python wheel {WHEEL_REQUIREMENT}", _read_members(data, WHEEL_MEMBERS))


def _read_members(archive: bytes, members: Mapping[str, _Member]) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return {role: _read_member(opened, member) for role, member in members.items()}
    except (zipfile.BadZipFile, zlib.error) as error:
        raise FaceSourceError(f"not a readable archive: {error}") from error


def _read_member(archive: zipfile.ZipFile, member: _Member) -> bytes:
    try:
        if archive.getinfo(member.name).file_size > NETWORK_MAX_BYTES:
            raise FaceSourceError(f"{member.name} in the archive is larger than any face network")
        data = archive.read(member.name)
    except KeyError:
        raise FaceSourceError(f"the archive holds no {member.name}") from None
    found = hashlib.sha256(data).hexdigest()
    if found != member.sha256:
        raise FaceSourceError(f"{member.name} has sha256 {found}, expected {member.sha256}")
    return data


def download_task() -> bytes:
    """The publisher's file over HTTPS.

    Raises:
        FaceSourceError: there is no network, or the publisher does not answer.
    """
    try:
        with urllib.request.urlopen(TASK_URL, timeout=DOWNLOAD_TIMEOUT_S) as answer:
            data: bytes = answer.read(TASK_MAX_BYTES + 1)
    except OSError as error:
        raise FaceSourceError(f"the publisher's file cannot be downloaded: {error}") from error
    return data


def best_reachable() -> FaceNetworks:
    """Networks from the publisher's file where it can be downloaded, else from the wheel of the package
    index.

    Raises:
        FaceSourceError: neither can be had; the text names both reasons and what to do.
    """
    attempts: tuple[Callable[[], FaceNetworks], ...] = (
        lambda: from_task(download_task()),
        lambda: from_wheel(_fetch_wheel()),
    )
    reasons = []
    for attempt in attempts:
        try:
            return attempt()
        except FaceSourceError as error:
            reasons.append(str(error))
    raise FaceSourceError(
        f"no source of the face networks can be reached ({'; '.join(reasons)}). Download {TASK_URL} "
        f"elsewhere and pass it with --task, or a wheel of {WHEEL_REQUIREMENT} with --wheel."
    )


def _fetch_wheel() -> bytes:
    try:
        return download_wheel(WHEEL_REQUIREMENT)
    except OSError as error:
        raise FaceSourceError(f"the wheel {WHEEL_REQUIREMENT} cannot be fetched: {error}") from error


def choose(task: Path | None = None, wheel: Path | None = None) -> FaceNetworks:
    """Networks of the file that was named, else of the best source that can be reached.

    Raises:
        FaceSourceError: the file cannot be read or is not the published one, or nothing can be reached.
        ValueError: both files were named.
    """
    if task is not None and wheel is not None:
        raise ValueError("name a task file or a wheel, not both")
    if task is not None:
        return from_task(_read(task))
    if wheel is not None:
        return from_wheel(_read(wheel))
    return best_reachable()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FaceSourceError(f"{path} cannot be read: {error.strerror or error}") from error
