"""Small ONNX files, written field by field: a 1x1 convolution over the three colours, and what may be wrong with it.

`onnx_networks` writes classifiers with these.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import numpy as np


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, value: int | str | bytes) -> bytes:
    """A field of a protocol buffer: a number, a text or a piece."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, shape: Sequence[int], values: Iterable[float], *, elsewhere: str = "") -> bytes:
    """A float tensor; with `elsewhere` its numbers are in that file."""
    head = b"".join(field(1, side) for side in shape) + field(2, 1) + field(8, name)
    if elsewhere:
        return head + field(13, field(1, "location") + field(2, elsewhere)) + field(14, 1)
    return head + field(9, b"".join(struct.pack("<f", value) for value in values))


KINDS = {"float32": 1, "uint8": 2, "int8": 3, "int64": 7, "float16": 10, "float64": 11}
"""Name of a NumPy type -> number of the same in ONNX."""


def array(name: str, values: np.ndarray, **elsewhere: object) -> bytes:
    """A tensor with the values of an array; `elsewhere`: location, offset and length of its numbers in a file."""
    head = b"".join(field(1, side) for side in values.shape) + field(2, KINDS[values.dtype.name]) + field(8, name)
    if elsewhere:
        entries = (field(1, key) + field(2, str(text)) for key, text in elsewhere.items())
        return head + b"".join(field(13, each) for each in entries) + field(14, 1)
    return head + field(9, np.ascontiguousarray(values).tobytes())


def attribute(name: str, given: int | float | Sequence[int]) -> bytes:
    """An attribute of a node: a whole number, a number with a fraction, or whole numbers."""
    if isinstance(given, float):
        return field(5, field(1, name) + varint(2 << 3 | 5) + struct.pack("<f", given) + field(20, 1))
    if isinstance(given, int):
        return field(5, field(1, name) + field(3, given) + field(20, 2))
    return field(5, field(1, name) + b"".join(field(8, each % 2**64) for each in given) + field(20, 7))


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], *, domain: str = "", attributes: bytes = b"") -> bytes:
    named = b"".join(field(1, each) for each in inputs) + b"".join(field(2, each) for each in outputs)
    return named + field(4, op) + attributes + (field(7, domain) if domain else b"")


def value(name: str, shape: Sequence[int | str], kind: int = 1) -> bytes:
    """Declaration of an input or output; a text as a side leaves it open. `kind`: 1 float, 2 uint8."""
    sides = b"".join(field(1, field(1, side) if isinstance(side, int) else field(2, side)) for side in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, sides)))


def graph(*nodes: bytes, given: bytes = b"", made: bytes = b"", tensors: Iterable[bytes] = ()) -> bytes:
    parts = b"".join(field(1, each) for each in nodes) + field(2, "g")
    parts += b"".join(field(5, each) for each in tensors)
    return parts + (field(11, given) if given else b"") + (field(12, made) if made else b"")


def model(
    body: bytes,
    *,
    functions: Iterable[bytes] = (),
    notes: dict[str, str] | None = None,
    opset: int = 13,
    ir_version: int = 8,
    domains: Iterable[str] = (),
) -> bytes:
    opsets = field(8, field(1, "") + field(2, opset)) + b"".join(
        field(8, field(1, each) + field(2, 1)) for each in domains
    )
    further = b"".join(field(25, each) for each in functions)
    further += b"".join(field(14, field(1, name) + field(2, text)) for name, text in (notes or {}).items())
    return field(1, ir_version) + field(7, body) + opsets + further


def colours(
    weights: Sequence[float] = (9, -9, 0),
    *,
    sides: Sequence[int | str] = (32, 32),
    sigmoid: bool = True,
    notes: dict[str, str] | None = None,
    elsewhere: str = "",
) -> bytes:
    """A network (1, 3, h, w) -> (1, 1, h, w): a weighted sum of the three colours, under a sigmoid or not."""
    shape = (1, 3, *sides)
    kernel = tensor("w", (1, 3, 1, 1), weights, elsewhere=elsewhere)
    nodes = [node("Conv", ("x", "w"), ("sum",)), node("Sigmoid" if sigmoid else "Identity", ("sum",), ("y",))]
    return model(graph(*nodes, given=value("x", shape), made=value("y", (1, 1, *sides)), tensors=[kernel]), notes=notes)
