"""Reads what an ONNX file asks for before any of it is run: operations, other files, and notes on its input.

Runtimes can be given libraries of further operations and read tensors from any path that a file names. Operations from
beyond the standard are refused, and so are numbers in other files, or they are left to `external`, which alone
reads them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bias_audit.errors import ModelError
from bias_audit.models.onnx.proto import (
    ATTRIBUTE,
    ENTRY,
    FUNCTION,
    GRAPH,
    MODEL,
    NODE,
    OPSET,
    SPARSE,
    TENSOR,
    fields,
    integer,
    pieces,
    text,
)

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
"""Domains whose operations are those of the ONNX standard."""

QUANTISED = {
    "DequantizeLinear", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QGemm", "QLinearAdd", "QLinearAveragePool",
    "QLinearConcat", "QLinearConv", "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearMul", "QLinearReduceMean",
    "QLinearSigmoid", "QLinearSoftmax", "QLinearWhere", "QuantizeLinear",
}  # fmt: skip
"""Operations of the domain com.microsoft that are allowed: those by which onnxruntime.quantization writes a network.

ONNX Runtime brings them itself, and they compute with numbers and do nothing else. Others of this domain are refused:
some read files or run code (EPContext, PythonOp).
"""

ALLOWED = {("com.microsoft", each) for each in QUANTISED}
"""(domain, operation) of those."""

DEEPEST = 60
"""Most nested graphs, functions and attributes that are followed."""


@dataclass(frozen=True)
class Found:
    """What an ONNX file says.

    Attributes:
        metadata: the entries of `metadata_props`, which anybody may write: name -> text.
        opset: the version of the standard's operations that it is written in.
        external: whether numbers of the graph's own tensors lie in other files.
    """

    metadata: dict[str, str]
    opset: int
    external: bool


Refused = Callable[[str, str], ModelError]
"""(what is wrong, what to do) -> the error."""


def refusal(what: str, path: Path) -> Refused:
    """Makes errors for a file that cannot be loaded; `what` it is to be, "model" or "segmenter"."""
    return lambda reason, hint: ModelError(f"cannot load the {what} {str(path)!r}: {reason}", hint)


@contextlib.contextmanager
def sound(refused: Refused, what: str) -> Iterator[None]:
    """Context in which a file that cannot be read as it should be is an error of one sentence.

    Args:
        refused: makes the error.
        what: the sentence, where bytes are damaged.
    """
    try:
        yield
    except (ValueError, IndexError, UnicodeError) as error:
        raise refused(what, "") from error


def check_onnx(path: Path, content: bytes, what: str = "segmenter", *, external: bool = False) -> Found:
    """Refuse an ONNX file with operations from beyond the standard, or with numbers in other files, before it is run.

    A function that the file itself defines may have any domain; the operations in it are looked at like all others.

    Args:
        path: path of the file, for messages.
        content: bytes of the file, as the runtime gets them.
        what: what the file is to be, for messages.
        external: whether the initializers of the graph may lie in other files; other tensors may not.

    Raises:
        ModelError: no ONNX model, or one that is refused.
    """
    refused = refusal(what, path)
    with sound(refused, "it is cut off or no ONNX model"):
        return _checked(memoryview(content), refused, external)


def _checked(content: memoryview, refused: Refused, external: bool) -> Found:
    graphs = pieces(content, MODEL["graph"])
    opsets = {text(each, OPSET["domain"]): integer(each, OPSET["version"]) for each in pieces(content, MODEL["opset"])}
    if len(graphs) != 1 or not {"", "ai.onnx"} & set(opsets) or bytes(content[4:8]) == b"ORTM":
        raise ValueError("it holds no graph")
    functions = pieces(content, MODEL["functions"])
    own = {(text(each, FUNCTION["domain"]), text(each, FUNCTION["name"])) for each in functions}
    foreign: set[str] = set()
    elsewhere = any(each.number == MODEL["training"] for each in fields(content))
    beside = False
    todo: list[tuple[str, object, int]] = [("graph", graphs[0], 0), *(("function", each, 0) for each in functions)]
    while todo:
        kind, piece, depth = todo.pop()
        if depth > DEEPEST:
            raise ValueError("its graph is nested too deeply")
        if kind == "tensor":
            if is_external(piece):
                beside, elsewhere = beside or depth == 1, elsewhere or depth != 1 or not external
            continue
        if kind == "node":
            named = text(piece, NODE["domain"]), text(piece, NODE["op_type"])
            if named[0] not in DOMAINS and named not in own and named not in ALLOWED:
                foreign.add(":".join(named))
        parts = _PARTS[kind]
        todo += [(parts[each.number], each.value, depth + 1) for each in fields(piece) if each.number in parts]
    if foreign:
        names = " ".join(", ".join(sorted(foreign)).split())[:200]
        raise refused(
            "it holds operations from beyond the ONNX standard, which only a library of its own can run: " + names,
            "Export it with standard operations, or give a function of yours that runs it: module:function.",
        )
    if elsewhere:
        raise refused(
            "it keeps numbers in other files, or a graph for training",
            "Save it as one file for inference (onnx.save_model without external data).",
        )
    entries = pieces(content, MODEL["metadata"])
    notes = {text(each, ENTRY["key"]): text(each, ENTRY["value"]) for each in entries}
    return Found(notes, max(opsets.get("", 0), opsets.get("ai.onnx", 0)), beside)


def is_external(tensor: object) -> bool:
    """Whether the numbers of a tensor lie in another file, or where the tensor does not say."""
    return any(
        each.number == TENSOR["external"] or (each.number == TENSOR["location"] and each.value != 0)
        for each in fields(tensor)
    )


_PARTS: dict[str, dict[int, str]] = {
    "graph": {GRAPH["nodes"]: "node", GRAPH["initializers"]: "tensor", GRAPH["sparse"]: "sparse"},
    "function": {FUNCTION["nodes"]: "node", FUNCTION["attributes"]: "attribute"},
    "node": {NODE["attributes"]: "attribute"},
    "attribute": {
        ATTRIBUTE["tensor"]: "tensor",
        ATTRIBUTE["tensors"]: "tensor",
        ATTRIBUTE["graph"]: "graph",
        ATTRIBUTE["graphs"]: "graph",
        ATTRIBUTE["sparse"]: "sparse",
        ATTRIBUTE["sparses"]: "sparse",
    },
    "sparse": {SPARSE["values"]: "tensor", SPARSE["indices"]: "tensor"},
}
"""Kind of a piece -> number of a field -> kind of the pieces in it, if these may lead to an operation or a tensor."""
