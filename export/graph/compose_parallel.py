"""Putting graphs side by side on the same inputs; what they have in common is computed once.

Branches that begin with the same front end hold the same nodes with the same constants. Every node gets a digest of
its operator, its attributes and the digests of what it takes; a node whose digest was there before is not added
again. So nothing need be known of where a front end ends.
"""

import hashlib
from collections.abc import Sequence

import onnx
from onnx import AttributeProto, helper

from export.graph.builder import IR_VERSION

RANDOM_OPERATORS = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli"})
"""Operators that are never merged: two of them differ even with equal inputs."""

LARGEST_BYTES = 2**31 - 1
"""A protobuf message, so a graph in one file, holds less than 2 GiB."""


def parallel(branches: Sequence[onnx.ModelProto], output: str, given: Sequence[str]) -> onnx.ModelProto:
    """Run several graphs on the same inputs.

    Args:
        branches: graphs with the same inputs, each with the output ``output``.
        output: the output to keep of each.
        given: its name in the whole, a branch each.

    Returns:
        One graph with those inputs; nodes and constants that branches share are in it once.

    Raises:
        ValueError: branches differ in their inputs or versions, hold control flow or functions, lack ``output``, or
            are too large for one file.
    """
    merger = _Merger(branches[0])
    for branch, name in zip(branches, given, strict=True):
        merger.add(branch, output, name)
    return merger.model()


class _Merger:
    """Nodes and constants by digest."""

    def __init__(self, first: onnx.ModelProto) -> None:
        self._first = first
        self._digest_of: dict[str, str] = {value.name: f"input {value.name}" for value in first.graph.input}
        self._name_of: dict[str, str] = {digest: name for name, digest in self._digest_of.items()}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._domains: dict[str, int] = {}

    def add(self, branch: onnx.ModelProto, output: str, given: str) -> None:
        """Add what is new of ``branch``."""
        self._check(branch)
        own = {value.name: value.name for value in branch.graph.input}  # the branch's names to the whole's
        for tensor in branch.graph.initializer:
            own[tensor.name] = self._constant(tensor)
        for node in branch.graph.node:
            self._node(node, own)
        found = [value for value in branch.graph.output if value.name == output]
        if not found:
            raise ValueError(f"'{branch.graph.name}' has no output '{output}'")
        declared = onnx.ValueInfoProto()
        declared.CopyFrom(found[0])
        declared.name = given
        self._outputs.append(declared)
        self._nodes.append(helper.make_node("Identity", [own[output]], [given]))

    def model(self) -> onnx.ModelProto:
        """The whole, checked."""
        graph = helper.make_graph(
            self._nodes, "parallel", list(self._first.graph.input), self._outputs, self._constants
        )
        imports = [helper.make_opsetid(domain, version) for domain, version in self._domains.items()]
        model = helper.make_model(graph, opset_imports=imports, producer_name=self._first.producer_name)
        model.ir_version = IR_VERSION
        if model.ByteSize() > LARGEST_BYTES:
            raise ValueError(f"together the graphs hold {model.ByteSize()} bytes, one file at most {LARGEST_BYTES}")
        onnx.checker.check_model(model)
        return model

    def _check(self, branch: onnx.ModelProto) -> None:
        inputs = [_signature(value) for value in branch.graph.input]
        expected = [_signature(value) for value in self._first.graph.input]
        if inputs != expected:
            raise ValueError(f"the inputs of '{branch.graph.name}' are {inputs}, not {expected}")
        if branch.functions or branch.graph.sparse_initializer:
            raise ValueError(f"'{branch.graph.name}' holds functions or sparse constants")
        for entry in branch.opset_import:
            if self._domains.setdefault(entry.domain, entry.version) != entry.version:
                raise ValueError(f"'{branch.graph.name}' uses another version of the operators '{entry.domain}'")

    def _constant(self, tensor: onnx.TensorProto) -> str:
        bare = onnx.TensorProto()
        bare.CopyFrom(tensor)
        bare.name = ""
        digest = "constant " + hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()
        if digest not in self._name_of:
            bare.name = f"constant{len(self._constants)}"
            self._constants.append(bare)
            self._remember(bare.name, digest)
        return self._name_of[digest]

    def _node(self, node: onnx.NodeProto, own: dict[str, str]) -> None:
        kinds = {attribute.type for attribute in node.attribute}
        if kinds & {AttributeProto.GRAPH, AttributeProto.GRAPHS}:
            raise ValueError(f"'{node.op_type}' holds a graph of its own; such graphs cannot be put together")
        taken = [own[name] if name else "" for name in node.input]
        digest = self._digest(node, taken)
        outputs = [f"{digest} output {place}" if name else "" for place, name in enumerate(node.output)]
        if any(key and key not in self._name_of for key in outputs):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = ""
            copy.input[:] = taken
            names = [f"value{len(self._nodes)}_{place}" if key else "" for place, key in enumerate(outputs)]
            copy.output[:] = names
            self._nodes.append(copy)
            for key, name in zip(outputs, names, strict=True):
                if key:
                    self._remember(name, key)
        for key, name in zip(outputs, node.output, strict=True):
            if key:
                own[name] = self._name_of[key]

    def _digest(self, node: onnx.NodeProto, taken: Sequence[str]) -> str:
        bare = onnx.NodeProto()
        bare.CopyFrom(node)
        bare.name = bare.doc_string = ""
        bare.input[:] = [self._digest_of.get(name, name) for name in taken]
        bare.output[:] = ["kept" if name else "" for name in node.output]
        attributes = sorted(bare.attribute, key=lambda attribute: attribute.name)
        del bare.attribute[:]
        bare.attribute.extend(attributes)
        if node.op_type in RANDOM_OPERATORS:
            bare.name = f"{len(self._nodes)}"
        return "node " + hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()

    def _remember(self, name: str, digest: str) -> None:
        self._digest_of[name] = digest
        self._name_of[digest] = name


def _signature(value: onnx.ValueInfoProto) -> tuple[str, int, int]:
    kind = value.type.tensor_type
    return value.name, kind.elem_type, len(kind.shape.dim)
