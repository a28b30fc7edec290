"""Reads and writes protocol buffers as ONNX files are made of, without the packages onnx and protobuf.

Only what the doors need: fields of a message, and the structure that they say. The numbers of fields are those of
onnx.proto3, which never change.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

_VARINT, _WIDE, _BYTES, _NARROW = 0, 1, 2, 5
"""Wire types of protocol buffers: a number, 8 bytes, a piece with its length, 4 bytes."""

MODEL = {"ir_version": 1, "producer": 2, "graph": 7, "opset": 8, "metadata": 14, "training": 20, "functions": 25}
FUNCTION = {"name": 1, "nodes": 7, "domain": 10, "attributes": 11}
GRAPH = {"nodes": 1, "initializers": 5, "inputs": 11, "outputs": 12, "sparse": 15}
NODE = {"inputs": 1, "outputs": 2, "name": 3, "op_type": 4, "attributes": 5, "domain": 7}
ATTRIBUTE = {
    "name": 1, "float": 2, "int": 3, "tensor": 5, "graph": 6, "floats": 7, "ints": 8, "tensors": 10, "graphs": 11,
    "sparse": 22, "sparses": 23,
}  # fmt: skip
TENSOR = {
    "dims": 1, "type": 2, "floats": 4, "narrow": 5, "name": 8, "raw": 9, "doubles": 10, "external": 13, "location": 14,
}  # fmt: skip
SPARSE = {"values": 1, "indices": 2}
ENTRY = {"key": 1, "value": 2}
OPSET = {"domain": 1, "version": 2}
VALUE = {"name": 1, "type": 2}
"""Names of fields -> their numbers, for each kind of message."""


class Field(NamedTuple):
    """A field of a message.

    Attributes:
        number: its number.
        value: its number or its bytes.
        raw: all of its bytes, as they stand in the message.
    """

    number: int
    value: int | memoryview
    raw: memoryview


def fields(piece: object) -> Iterator[Field]:
    """The fields of a message, in their order.

    Raises:
        ValueError, IndexError: the bytes are no message.
    """
    if not isinstance(piece, memoryview):
        raise ValueError("a number where a piece belongs")
    at, end = 0, len(piece)
    while at < end:
        start = at
        key, at = _varint(piece, at)
        number, wire = key >> 3, key & 7
        if not number:
            raise ValueError("a field without number")
        if wire == _VARINT:
            value, at = _varint(piece, at)
            yield Field(number, value, piece[start:at])
            continue
        if wire == _BYTES:
            length, at = _varint(piece, at)
        elif wire in (_WIDE, _NARROW):
            length = 8 if wire == _WIDE else 4
        else:
            raise ValueError("a field of an unknown kind")
        if length > end - at:
            raise ValueError("a field that is cut off")
        yield Field(number, piece[at : at + length], piece[start : at + length])
        at += length


def text(piece: object, number: int) -> str:
    """Text of a field of a piece, its last one as protocol buffers want it; "" where it has none.

    Raises:
        ValueError, IndexError: the bytes are no message, or the field is no text.
    """
    found = texts(piece, number)
    return found[-1] if found else ""


def texts(piece: object, number: int) -> list[str]:
    """Texts of a field that may stand several times; errors as in `text`."""
    found = [each.value for each in fields(piece) if each.number == number]
    if any(not isinstance(value, memoryview) for value in found):
        raise ValueError("a number where a text belongs")
    return [bytes(value).decode() for value in found if isinstance(value, memoryview)]


def pieces(piece: object, number: int) -> list[memoryview]:
    """Messages of a field that may stand several times.

    Raises:
        ValueError, IndexError: the bytes are no message, or the field is none.
    """
    found = [each.value for each in fields(piece) if each.number == number]
    if any(not isinstance(value, memoryview) for value in found):
        raise ValueError("a number where a piece belongs")
    return [value for value in found if isinstance(value, memoryview)]


def integer(piece: object, number: int, default: int = 0) -> int:
    """A whole number of a field, its last one; errors as in `text`."""
    found = integers(piece, number)
    return found[-1] if found else default


def integers(piece: object, number: int) -> list[int]:
    """Whole numbers of a field that may stand several times, one by one or packed; errors as in `text`."""
    found: list[int] = []
    for each in fields(piece):
        if each.number == number and isinstance(each.value, int):
            found.append(_signed(each.value))
        elif each.number == number and isinstance(each.value, memoryview):
            at = 0
            while at < len(each.value):
                value, at = _varint(each.value, at)
                found.append(_signed(value))
    return found


def real(piece: object, number: int, default: float) -> float:
    """A number of 32 bits with a fraction, the last of a field; errors as in `text`."""
    found = [each.value for each in fields(piece) if each.number == number]
    if not found:
        return default
    last = found[-1]
    if not isinstance(last, memoryview) or len(last) != 4:
        raise ValueError("no number of 32 bits")
    return float(struct.unpack("<f", last)[0])


def written(number: int, value: int | str | bytes) -> bytes:
    """A field of a message: a number, a text or a piece."""
    if isinstance(value, int):
        return _varint_bytes(number << 3) + _varint_bytes(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint_bytes(number << 3 | _BYTES) + _varint_bytes(len(data)) + data


def replaced(piece: object, number: int, change: Callable[[memoryview], bytes | None]) -> bytes:
    """A message whose pieces of one field are what `change` makes of them; None leaves one as it is.

    Errors as in `pieces`.
    """
    made: list[bytes | memoryview] = []
    for each in fields(piece):
        new = change(each.value) if each.number == number and isinstance(each.value, memoryview) else None
        made.append(each.raw if new is None else written(number, new))
    return b"".join(made)


def with_outputs(model: bytes, names: list[str]) -> bytes:
    """A model whose graph has further outputs, tensors within it; ONNX Runtime finds out their types and shapes.

    Protocol buffers merge a message that stands twice, so what is added stands behind the file as it was.
    """
    further = b"".join(written(GRAPH["outputs"], written(VALUE["name"], name)) for name in names)
    return model + written(MODEL["graph"], further) if names else model


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(piece: memoryview, at: int) -> tuple[int, int]:
    """(number, place behind it) of a number in groups of 7 bits, of ten bytes at most."""
    value = 0
    for shift in range(0, 70, 7):
        byte = piece[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
    raise ValueError("a number that is too long")


def _varint_bytes(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
