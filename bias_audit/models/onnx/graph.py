"""Reads the structure of an ONNX graph: how its images lie, what is done to them first, and what is constant in it.

How it ends, which heatmaps depend on, finds `ending`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bias_audit.models.arithmetic import SIGNS, arithmetic_in_words
from bias_audit.models.onnx.proto import (
    ATTRIBUTE,
    GRAPH,
    MODEL,
    NODE,
    TENSOR,
    VALUE,
    fields,
    integer,
    integers,
    pieces,
    real,
    text,
    texts,
    with_outputs,
    written,
)
from bias_audit.models.onnx.safety import ALLOWED, QUANTISED
from bias_audit.models.onnx.session import Session
from bias_audit.models.onnx.weights import NUMBERS, shuffled
from bias_audit.run.printable import printable

STANDARD = ("", "ai.onnx")

PASSES_ON = (
    "Cast", "DequantizeLinear", "Dropout", "Flatten", "Identity", "QuantizeLinear", "Reshape", "Squeeze", "Unsqueeze",
)  # fmt: skip
"""Operations that pass their first input on: the same numbers, rounded at most, in another shape."""

CELLWISE = (*PASSES_ON, "Add", "Clip", "Div", "Mul", "Pad", "Resize", "Sub")
"""Operations before the first layer with weights that leave the axes of images in their order."""

RANDOM = (
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
)  # fmt: skip

WHOLE = ("ConvInteger", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul")
"""Operations of quantised networks, beside those of `safety.QUANTISED`."""

DRAWS = (
    "The graph draws random numbers while it predicts (at {}), so its predictions are partly chance: augmentation was "
    "exported with it. Export the model for inference."
)

WEIGHTS = (1, 2, 3, 10, 11, 16)
"""Types of tensors (TensorProto.DataType) that are counted as weights: floating point, and whole numbers of 8 bits."""

IR_VERSION = 8
"""Version of the file format of the small models that are made here."""


@dataclass(frozen=True)
class Node:
    """An operation of a graph; names of tensors that are left out are "".

    Attributes:
        op, name: what it is and what it is called.
        inputs, outputs: names of tensors.
        own: whether it is one of a domain beyond the standard, or may be.
        piece: its bytes.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    own: bool
    piece: memoryview

    @property
    def given(self) -> str:
        """Its first input."""
        return self.inputs[0] if self.inputs else ""

    @property
    def path(self) -> str:
        """What it is called in sentences: one line, without the comma that stands between layers."""
        return shown(self.name or self.op)

    def attribute(self, name: str) -> memoryview | None:
        """An attribute of this name."""
        found = (each for each in pieces(self.piece, NODE["attributes"]) if text(each, ATTRIBUTE["name"]) == name)
        return next(found, None)

    def integers(self, name: str) -> list[int]:
        """Whole numbers of an attribute; [] where it has none."""
        found = self.attribute(name)
        return [] if found is None else integers(found, ATTRIBUTE["ints"])

    def integer(self, name: str, default: int) -> int:
        found = self.attribute(name)
        return default if found is None else integer(found, ATTRIBUTE["int"], default)

    def real(self, name: str, default: float) -> float:
        found = self.attribute(name)
        return default if found is None else real(found, ATTRIBUTE["float"], default)


class OnnxGraph:
    """The graph of a model.

    Args:
        path: path of the file, for messages.
        content: bytes of the model, after `safety.check_onnx`, with all numbers in it.

    Attributes:
        made_by: name of a tensor -> operation that makes it.
        outputs: (name, number of axes or None) of each declared output.
        parameters: number of weights.
        rounds: whether numbers in between are rounded to 8 or 16 bits.
        quantised: whether numbers in between or weights are of a few bits.
        notes: sentences that a reader of the result should know about the graph.

    Raises:
        ValueError, IndexError: the bytes are no model.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self._path, self._model = path, memoryview(content)
        (graph,) = pieces(self._model, MODEL["graph"])
        self._nodes = [_node(each) for each in pieces(graph, GRAPH["nodes"])]
        self.made_by = {name: node for node in self._nodes for name in node.outputs if name}
        self._tensors = {text(each, TENSOR["name"]): each for each in pieces(graph, GRAPH["initializers"])}
        self.outputs = [(text(each, VALUE["name"]), _axes(each)) for each in pieces(graph, GRAPH["outputs"])]
        self.parameters = sum(
            math.prod(integers(each, TENSOR["dims"]))
            for each in self._tensors.values()
            if integer(each, TENSOR["type"]) in WEIGHTS
        )
        drawn = [node.path for node in self._nodes if node.op in RANDOM and not node.own]
        self.rounds = any(node.op in ("DynamicQuantizeLinear", "QuantizeLinear") for node in self._nodes)
        self.quantised = any(node.op in (*QUANTISED, *WHOLE) for node in self._nodes)
        self.notes = (DRAWS.format(drawn[0]),) if drawn else ()

    @property
    def content(self) -> bytes:
        """The model, with all numbers in it."""
        return bytes(self._model)

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is the same for all images."""
        return self._cone([name]) is not None

    def constants(self, names: Sequence[str]) -> list[NDArray[Any]]:
        """The values of tensors that are the same for all images, as the runtime computes them."""
        nodes, tensors = self._cone(names) or ([], [])
        made = [f"constant {number}" for number in range(len(names))]
        copies = [
            b"".join(
                (written(NODE["inputs"], name), written(NODE["outputs"], new), written(NODE["op_type"], "Identity"))
            )
            for name, new in zip(names, made, strict=True)
        ]
        graph = b"".join(
            (
                written(2, "constants"),
                *(written(GRAPH["nodes"], bytes(node.piece)) for node in nodes),
                *(written(GRAPH["nodes"], each) for each in copies),
                *(written(GRAPH["initializers"], bytes(each)) for each in tensors),
            )
        )
        kept = (MODEL["opset"], MODEL["functions"])
        rest = b"".join(each.raw for each in fields(self._model) if each.number in kept)
        model = written(MODEL["ir_version"], IR_VERSION) + written(MODEL["graph"], graph) + rest
        return Session(self._path, with_outputs(model, made), "model").run(made, {})

    def _cone(self, names: Sequence[str]) -> tuple[list[Node], list[memoryview]] | None:
        """Operations and tensors of which constants are made; None where one of them depends on an input or chance."""
        nodes: dict[int, Node] = {}
        tensors: dict[str, memoryview] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            node = self.made_by.get(name)
            if name in self._tensors:
                tensors[name] = self._tensors[name]
            elif node is None or node.op in RANDOM or node.attribute("body") or node.op == "If":
                return None
            elif id(node) not in nodes:
                nodes[id(node)] = node
                waiting += [each for each in node.inputs if each]
        return [node for node in self._nodes if id(node) in nodes], list(tensors.values())

    def why_not_changed(self, name: str) -> str:
        """Why the numbers of a tensor cannot be exchanged for others, as the end of a sentence; "" where they can.

        They can where the file holds them as floating point, for one operation alone.
        """
        tensor = self._tensors.get(name)
        if tensor is None:
            return "are computed from others"
        if integer(tensor, TENSOR["type"]) not in NUMBERS:
            return "are of a type that is not written here"
        if sum(node.inputs.count(name) for node in self._nodes) != 1 or name in dict(self.outputs):
            return "are used in several places of the graph"
        return ""

    def shuffled(self, seed: int) -> bytes | None:
        """The model with shuffled weights; None where it has none. See `weights.shuffled`."""
        return shuffled(self._model, seed)

    def layout(self, image: str) -> tuple[bool | None, int | None]:
        """(whether the channels of the images come first, their number), by the first operation that tells.

        None stands for what none tells.
        """
        name, node = self._forward(image, CELLWISE)
        if node is None or node.own or node.given != name:
            return None, None
        if node.op == "Transpose":
            order = node.integers("perm")
            orders: dict[tuple[int, ...], bool] = {(0, 3, 1, 2): False, (0, 2, 3, 1): True}
            first = orders.get(tuple(order))
            inner = self._forward(node.outputs[0], CELLWISE)[1] if first is False else None
            return first, self._channels(inner)
        return (True, self._channels(node)) if node.op == "Conv" else (None, None)

    def _channels(self, node: Node | None) -> int | None:
        """Number of channels that a convolution takes."""
        if node is None or node.op != "Conv" or len(node.inputs) < 2 or not self.is_constant(node.inputs[1]):
            return None
        return int(self.constants([node.inputs[1]])[0].shape[1] * node.integer("group", 1))

    def first_steps(self, image: str) -> tuple[str, ...]:
        """Preprocessing inside the graph before the first layer with weights, as "path: what it does".

        Listed are resizing, and arithmetic of images with constants of one number, or one per channel.
        """
        return tuple(
            f"{node.path}: {said}" for name, node in self._chain(image) if (said := self._said(name, node)) is not None
        )

    def _said(self, name: str, node: Node) -> str | None:
        kind = node.op.lower()
        if kind == "resize":
            return "resized"
        if kind not in SIGNS or len(node.inputs) != 2 or node.own:
            return None
        other = node.inputs[1] if node.inputs[0] == name else node.inputs[0]
        if not self.is_constant(other) or (node.inputs[0] != name and kind in ("sub", "div")):
            return None
        value = self.constants([other])[0]
        return arithmetic_in_words(kind, value) if value.size <= 4 else None

    def _chain(self, name: str) -> Iterator[tuple[str, Node]]:
        """(tensor, operation) from an input on, for as long as one operation alone takes what the one before made."""
        for _ in range(len(self._nodes)):
            takers = [node for node in self._nodes if name in node.inputs]
            if len(takers) != 1 or not takers[0].outputs or takers[0].op not in (*CELLWISE, "Transpose"):
                return
            yield name, takers[0]
            name = takers[0].outputs[0]

    def _forward(self, name: str, through: Sequence[str]) -> tuple[str, Node | None]:
        """(tensor, operation) behind operations of `through`; None where several take it."""
        for _ in range(len(self._nodes) + 1):
            takers = [node for node in self._nodes if name in node.inputs]
            if len(takers) != 1:
                return name, None
            if takers[0].op not in through or not takers[0].outputs:
                return name, takers[0]
            name = takers[0].outputs[0]
        return name, None


def shown(name: str) -> str:
    """A name out of a file, fit for one line, as the path of a layer: commas stand between paths."""
    return printable(" ".join(name.replace(",", "_").split()))[:200]


def _node(piece: memoryview) -> Node:
    domain, op = text(piece, NODE["domain"]), text(piece, NODE["op_type"])
    return Node(
        op,
        text(piece, NODE["name"]),
        tuple(texts(piece, NODE["inputs"])),
        tuple(texts(piece, NODE["outputs"])),
        domain not in STANDARD and (domain, op) not in ALLOWED,
        piece,
    )


def _axes(value: memoryview) -> int | None:
    """Number of axes of a declared tensor; None where it is not declared."""
    for kind in pieces(value, VALUE["type"]):
        for tensor in pieces(kind, 1):  # TypeProto.tensor_type
            for shape in pieces(tensor, 2):  # Tensor.shape
                return len(pieces(shape, 1))
    return None
