"""Shuffles or exchanges the weights of an ONNX model in a copy of its bytes: the runtime changes none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.models.onnx.proto import (
    ATTRIBUTE,
    GRAPH,
    MODEL,
    NODE,
    TENSOR,
    fields,
    integer,
    integers,
    pieces,
    replaced,
    text,
    texts,
    written,
)

SIZES = {1: 4, 10: 2, 11: 8, 16: 2}
"""Type of floating-point numbers (TensorProto.DataType) -> bytes of each: float, float16, double, bfloat16."""

NUMBERS = {1: "<f4", 10: "<f2", 11: "<f8"}
"""Type of floating-point numbers that can be exchanged -> their type in NumPy."""

SCALED = ("Resize", "Upsample")
"""Operations that take numbers of floating point which say how large something becomes, and are no weights."""


def shuffled(model: memoryview, seed: int) -> bytes | None:
    """A model whose weights are shuffled: every tensor of floating point, within itself, so that its scale stays.

    Args:
        model: its bytes, with all numbers in them.
        seed: seed of the shuffling.

    Returns:
        The bytes of the model; None where it has no tensor to shuffle.

    Raises:
        ValueError, IndexError: the bytes are no model.
    """
    rng = np.random.default_rng(seed)
    (graph,) = pieces(model, MODEL["graph"])
    scales = {
        name
        for node in pieces(graph, GRAPH["nodes"])
        if text(node, NODE["op_type"]) in SCALED
        for name in texts(node, NODE["inputs"])[1:]
    }
    done = 0

    def of_tensor(tensor: memoryview) -> bytes | None:
        nonlocal done
        count, size = math.prod(integers(tensor, TENSOR["dims"])), SIZES.get(integer(tensor, TENSOR["type"]), 0)
        if count < 2 or not size or text(tensor, TENSOR["name"]) in scales:
            return None
        numbers = np.frombuffer(_numbers(tensor, size), f"<u{size}")
        if len(numbers) != count:
            raise ValueError("a tensor of another length than its shape has")
        done += 1
        return _with_raw(tensor, numbers[rng.permutation(count)].tobytes())

    def of_node(node: memoryview) -> bytes | None:
        """Some exporters keep weights in operations that make constants."""
        if text(node, NODE["op_type"]) != "Constant" or scales & set(texts(node, NODE["outputs"])):
            return None
        return replaced(node, NODE["attributes"], lambda each: replaced(each, ATTRIBUTE["tensor"], of_tensor))

    def of_graph(whole: memoryview) -> bytes:
        made = replaced(whole, GRAPH["initializers"], of_tensor)
        return replaced(memoryview(made), GRAPH["nodes"], of_node)

    made = replaced(model, MODEL["graph"], of_graph)
    return made if done else None


def with_numbers(model: memoryview, numbers: Mapping[str, NDArray[Any]]) -> bytes:
    """A model with other numbers in some of its initialisers.

    Args:
        model: its bytes, with all numbers in them.
        numbers: name of an initialiser of floating point -> its numbers, in its shape.

    Raises:
        ValueError, IndexError: the bytes are no model, or a shape is another one.
    """

    def of_tensor(tensor: memoryview) -> bytes | None:
        values = numbers.get(text(tensor, TENSOR["name"]))
        if values is None:
            return None
        if tuple(integers(tensor, TENSOR["dims"])) != values.shape:
            raise ValueError("a tensor of another shape")
        return _with_raw(tensor, values.astype(NUMBERS[integer(tensor, TENSOR["type"])]).tobytes())

    return replaced(model, MODEL["graph"], lambda whole: replaced(whole, GRAPH["initializers"], of_tensor))


def _with_raw(tensor: memoryview, raw: bytes) -> bytes:
    """A tensor with these bytes for its numbers."""
    dropped = (TENSOR["raw"], TENSOR["floats"], TENSOR["narrow"], TENSOR["doubles"])
    return b"".join(each.raw for each in fields(tensor) if each.number not in dropped) + written(TENSOR["raw"], raw)


def _numbers(tensor: memoryview, size: int) -> bytes:
    """The numbers of a tensor in their order, of `size` bytes each, wherever they stand in it."""
    if narrow := integers(tensor, TENSOR["narrow"]):  # of two bytes, as whole numbers
        return np.array(narrow, np.int64).astype(f"<u{size}").tobytes()
    found = (TENSOR["raw"], TENSOR["floats"], TENSOR["doubles"])
    return b"".join(
        each.value for each in fields(tensor) if each.number in found and isinstance(each.value, memoryview)
    )
