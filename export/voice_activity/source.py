"""The publisher's voice activity graph: from the installed ``silero-vad`` package, else from its wheel.

Only files are taken. Importing the package would import torch, which is not needed here.
"""

import hashlib
import importlib.metadata
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from export.faces.wheel_download import download_wheel

PACKAGE = "silero-vad"
VERSION = "6.2.3"
GRAPH = "silero_vad/data/silero_vad_16k_sequence.onnx"
GRAPH_SHA256 = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"
"""Hash of the graph of that version. Another release is another model: check its tensors, then pin it here."""

_LICENCE = "licenses/LICENSE"


class SourceError(RuntimeError):
    """The publisher's file cannot be had or is not the one that was checked; the message is one line."""


@dataclass(frozen=True)
class PublishedGraph:
    """The graph, and the text of its licence."""

    graph: bytes
    licence: bytes


def published_graph() -> PublishedGraph:
    """The graph of the installed package, or of the wheel that the package index has.

    Raises:
        SourceError: there is neither, or the graph has another hash.
    """
    found = _installed() or _downloaded()
    digest = hashlib.sha256(found.graph).hexdigest()
    if digest != GRAPH_SHA256:
        name = Path(GRAPH).name
        raise SourceError(f"the sha256 of {name} in {PACKAGE} is {digest[:12]}…, not {GRAPH_SHA256[:12]}…")
    return found


def _installed() -> PublishedGraph | None:
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = {str(file): Path(str(file.locate())) for file in files}
    graph = paths.get(GRAPH)
    licence = next((path for name, path in paths.items() if name.endswith(_LICENCE)), None)
    if graph is None or licence is None or not (graph.is_file() and licence.is_file()):
        return None
    return PublishedGraph(graph.read_bytes(), licence.read_bytes())


def _downloaded() -> PublishedGraph:
    try:
        wheel = zipfile.ZipFile(io.BytesIO(download_wheel(f"{PACKAGE}=={VERSION}")))
        licence = next((name for name in wheel.namelist() if name.endswith(_LICENCE)), _LICENCE)
        return PublishedGraph(wheel.read(GRAPH), wheel.read(licence))
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise SourceError(f"{PACKAGE} {VERSION} is neither installed nor to be fetched: {error}") from error
