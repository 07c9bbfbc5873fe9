"""Graphs of faces: opset, batch and files that they have in common; the same network gives the same bytes."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import onnx

from export.bundle.card import BundleFacts, BundleText, build_card
from export.bundle.write import Content, write_bundle
from export.graph.builder import GraphBuilder

OPSET = 17
IR_VERSION = 8  # the first that knows opset 17; older runtimes read it too
BATCH = "batch"
PRODUCER = "emoserve-export"


def face_graph(name: str) -> GraphBuilder:
    """A graph of float32 values."""
    return GraphBuilder(name, OPSET, IR_VERSION)


def write_graphs(out: Path, graphs: Mapping[str, onnx.ModelProto], text: BundleText, facts: BundleFacts) -> Path:
    """Write a bundle whose files are ``<role>.onnx``; returns its folder below ``out``."""
    contents = {
        f"{role}.onnx": Content(model.SerializeToString(deterministic=True), role) for role, model in graphs.items()
    }
    return write_bundle(out, contents, partial(build_card, text, facts))
