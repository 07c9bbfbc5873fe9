"""Writing a bundle's folder so that it is there whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx

import service
from export.faces.onnx_graph import model_bytes
from service.card import Card, FileEntry, write_card


def write_bundle(
    out: Path, graphs: Mapping[str, onnx.ModelProto], card: Callable[[dict[str, FileEntry]], Card]
) -> Path:
    """Write ``graphs`` and their card as ``out/<name>/<version>/``, replacing what was there.

    Everything is written beside it into a hidden folder, which the service passes over, and renamed at the
    end.

    Args:
        out: folder of bundles.
        graphs: role → model; each becomes ``<role>.onnx``.
        card: makes the card from the entries of its files.

    Returns:
        The bundle's folder.

    Raises:
        OSError: ``out`` cannot be written.
    """
    contents = {role: model_bytes(model) for role, model in graphs.items()}
    written = card(
        {
            f"{role}.onnx": FileEntry(role=role, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
            for role, data in contents.items()
        }
    )
    bundle = out / written.name / written.version
    partial = bundle.with_name(f".{bundle.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for role, data in contents.items():
        (partial / f"{role}.onnx").write_bytes(data)
    write_card(written, partial)
    if bundle.exists():
        shutil.rmtree(bundle)
    partial.rename(bundle)
    return bundle


def exporter(program: str) -> dict[str, str]:
    """The card's note of what made the files."""
    return {
        "program": program,
        "emoserve": service.__version__,
        "onnx": onnx.__version__,
        "numpy": np.__version__,
    }
