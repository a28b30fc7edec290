"""Reads what an ONNX file asks for before any of it is run: operations, other files, and notes on its input.

The file is a protocol buffer. Only its structure is read here, without the packages onnx and protobuf: the numbers of
fields are those of onnx.proto3, which never change. Runtimes can be given libraries of further operations and read
tensors from any path that a file names, so both are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bias_audit.errors import ModelError

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
"""Domains whose operations are those of the ONNX standard."""

DEEPEST = 60
"""Most nested graphs, functions and attributes that are followed."""

_VARINT, _WIDE, _BYTES, _NARROW = 0, 1, 2, 5
"""Wire types of protocol buffers: a number, 8 bytes, a piece with its length, 4 bytes."""

_MODEL = {"graph": 7, "opset": 8, "metadata": 14, "training": 20, "functions": 25}
_FUNCTION = {"name": 1, "nodes": 7, "domain": 10}
_GRAPH = {"nodes": 1, "initializers": 5, "sparse": 15}
_NODE = {"op_type": 4, "attributes": 5, "domain": 7}
_ATTRIBUTE = {"tensor": 5, "graph": 6, "tensors": 10, "graphs": 11, "sparse": 22, "sparses": 23}
_TENSOR = {"external": 13, "location": 14}
_SPARSE = {"values": 1, "indices": 2}
_ENTRY = {"key": 1, "value": 2}
_OPSET = {"domain": 1}


@dataclass(frozen=True)
class Found:
    """What an ONNX file says.

    Attributes:
        metadata: the entries of `metadata_props`, which anybody may write: name -> text.
    """

    metadata: dict[str, str]


def check_onnx(path: Path, content: bytes) -> Found:
    """Refuse an ONNX file with operations from beyond the standard, or with numbers in other files, before it is run.

    A function that the file itself defines may have any domain; the operations in it are looked at like all others.

    Args:
        path: path of the file, for messages.
        content: bytes of the file, as the runtime gets them.

    Raises:
        ModelError: no ONNX model, or one that is refused.
    """
    try:
        return _checked(path, memoryview(content))
    except (ValueError, IndexError, UnicodeError) as error:
        raise ModelError(f"cannot load the segmenter {str(path)!r}: it is cut off or no ONNX model") from error


def _checked(path: Path, content: memoryview) -> Found:
    model = list(_fields(content))
    graphs = [value for number, value in model if number == _MODEL["graph"] and isinstance(value, memoryview)]
    opsets = [_text(value, _OPSET["domain"]) for number, value in model if number == _MODEL["opset"]]
    if len(graphs) != 1 or not {"", "ai.onnx"} & set(opsets) or bytes(content[4:8]) == b"ORTM":
        raise ValueError("it holds no graph")
    functions = [value for number, value in model if number == _MODEL["functions"]]
    own = {(_text(each, _FUNCTION["domain"]), _text(each, _FUNCTION["name"])) for each in functions}
    foreign: set[str] = set()
    elsewhere = any(number == _MODEL["training"] for number, _ in model)
    todo: list[tuple[str, object, int]] = [("graph", graphs[0], 0), *(("function", each, 0) for each in functions)]
    while todo:
        kind, piece, depth = todo.pop()
        if depth > DEEPEST or not isinstance(piece, memoryview):
            raise ValueError("its graph is nested too deeply, or holds a number where a piece belongs")
        fields = list(_fields(piece))
        if kind == "node":
            named = _text(piece, _NODE["domain"]), _text(piece, _NODE["op_type"])
            if named[0] not in DOMAINS and named not in own:
                foreign.add(":".join(named))
        if kind == "tensor":
            located = [value for number, value in fields if number == _TENSOR["location"]]
            elsewhere |= any(located) or any(number == _TENSOR["external"] for number, _ in fields)
            continue
        parts = _PARTS[kind]
        todo += [(parts[number], value, depth + 1) for number, value in fields if number in parts]
    if foreign:
        names = " ".join(", ".join(sorted(foreign)).split())[:200]
        raise ModelError(
            f"cannot load the segmenter {str(path)!r}: it holds operations from beyond the ONNX standard, which only "
            f"a library of its own can run: {names}",
            "Export it with standard operations, or give a function of yours that runs it: module:function.",
        )
    if elsewhere:
        raise ModelError(
            f"cannot load the segmenter {str(path)!r}: it keeps numbers in other files, or a graph for training",
            "Save it as one file for inference (onnx.save_model without external data).",
        )
    entries = [value for number, value in model if number == _MODEL["metadata"]]
    return Found({_text(each, _ENTRY["key"]): _text(each, _ENTRY["value"]) for each in entries})


_PARTS: dict[str, dict[int, str]] = {
    "graph": {_GRAPH["nodes"]: "node", _GRAPH["initializers"]: "tensor", _GRAPH["sparse"]: "sparse"},
    "function": {_FUNCTION["nodes"]: "node", 11: "attribute"},
    "node": {_NODE["attributes"]: "attribute"},
    "attribute": {
        _ATTRIBUTE["tensor"]: "tensor",
        _ATTRIBUTE["tensors"]: "tensor",
        _ATTRIBUTE["graph"]: "graph",
        _ATTRIBUTE["graphs"]: "graph",
        _ATTRIBUTE["sparse"]: "sparse",
        _ATTRIBUTE["sparses"]: "sparse",
    },
    "sparse": {_SPARSE["values"]: "tensor", _SPARSE["indices"]: "tensor"},
}
"""Kind of a piece -> number of a field -> kind of the pieces in it, for all that may lead to an operation or a tensor.

Field 11 of a function holds its attributes with a default.
"""


def _text(piece: object, number: int) -> str:
    """Text of a field of a piece, its last one as protocol buffers want it; "" where it has none."""
    if not isinstance(piece, memoryview):
        raise ValueError("a number where a piece belongs")
    found = [value for each, value in _fields(piece) if each == number]
    if any(not isinstance(value, memoryview) for value in found):
        raise ValueError("a number where a text belongs")
    return bytes(found[-1]).decode() if found and isinstance(found[-1], memoryview) else ""


def _fields(piece: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number of the field, its number or its bytes) of each field of a message.

    Raises:
        ValueError, IndexError: the bytes are no message.
    """
    at, end = 0, len(piece)
    while at < end:
        key, at = _varint(piece, at)
        number, wire = key >> 3, key & 7
        if not number:
            raise ValueError("a field without number")
        if wire == _VARINT:
            value, at = _varint(piece, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(piece, at)
        elif wire in (_WIDE, _NARROW):
            length = 8 if wire == _WIDE else 4
        else:
            raise ValueError("a field of an unknown kind")
        if length > end - at:
            raise ValueError("a field that is cut off")
        yield number, piece[at : at + length]
        at += length


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
