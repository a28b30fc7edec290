"""Checks the operations of a SavedModel before TensorFlow loads it, since a graph is a program."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bias_audit.errors import ModelError
from bias_audit.limits.bounds import DEFAULTS, Limits, beyond
from bias_audit.models.tensorflow.framework import op_def_registry, saved_model_pb2

HARMLESS_STATE = (
    "Assert", "AssignAddVariableOp", "AssignSubVariableOp", "AssignVariableOp", "Case", "DestroyResourceOp", "If",
    "InitializeTableV2", "HashTableV2", "LookupTableFindV2", "LookupTableImportV2", "LookupTableSizeV2", "Multinomial",
    "MutableHashTableV2", "NonDeterministicInts", "RandomShuffle", "RandomStandardNormal", "RandomUniform",
    "RandomUniformInt", "ReadVariableOp", "ResourceGather", "RngReadAndSkip", "RngSkip", "StatefulPartitionedCall",
    "StatefulRandomBinomial", "StatefulStandardNormalV2", "StatefulTruncatedNormal", "StatefulUniform",
    "StatefulUniformInt", "TruncatedNormal", "VarHandleOp", "VarIsInitializedOp", "While", "XlaCallModule",
)  # fmt: skip
"""Stateful operations that are allowed, since the state is the model's own: variables, tables, random numbers, calls.

TensorFlow marks nearly all operations as stateful that touch files, the network, Python or other devices. Every
stateful operation that is not listed here is refused, so an operation that is added to TensorFlow tomorrow is refused
too.
"""

HARMFUL_ANYWAY = (
    "Abort", "Copy", "CopyHost", "DecodeProtoV2", "EncodeProto", "GenerateVocabRemapping", "ImmutableConst",
    "InitializeTableFromTextFile", "MatchingFiles", "MlirPassthroughOp", "PyFuncStateless", "ReadFile",
    "XlaCustomCall", "XlaCustomCallV2",
)  # fmt: skip
"""Operations that reach beyond the model although they are not marked as stateful; data sets are further ones.

They read files (ImmutableConst, MatchingFiles, ReadFile; vocabularies: GenerateVocabRemapping and
InitializeTableFromTextFile; descriptions of messages: DecodeProtoV2 and EncodeProto), stop the process (Abort), call
Python (PyFuncStateless) or compiled code by its name (XlaCustomCall), run a program kept as text (MlirPassthroughOp),
or carry the addresses of a debugger (Copy).
"""


def check_saved_model(folder: Path, limits: Limits = DEFAULTS) -> Any:
    """Refuse a SavedModel whose graph can reach beyond the model, before TensorFlow loads it.

    Checked is all that loading makes callable: signatures, functions, gradients, initialisers, and what these call. The
    functions that save and restore weights are not among them. One in the form of TensorFlow 1 is not for TensorFlow to
    load: `saved_model_v1` checks what it takes of it.

    Args:
        folder: folder of the SavedModel.
        limits: what its graph and its weights may take.

    Returns:
        None; of one in the form of TensorFlow 1 the protocol buffer of its saved_model.pb.

    Raises:
        ModelError: a SavedModel that is unreadable, larger than the limits, or holds operations that touch files,
            network or Python.
    """
    content = saved_model_pb2.SavedModel()
    _refuse_large_files(folder, limits)
    try:
        content.ParseFromString((folder / "saved_model.pb").read_bytes())
    except Exception as error:  # DecodeError or OSError
        raise ModelError(
            f"cannot load the model {str(folder)!r}: saved_model.pb is cut off or no SavedModel"
        ) from error
    if not content.meta_graphs:
        raise ModelError(f"cannot load the model {str(folder)!r}: saved_model.pb is cut off or no SavedModel")
    for graph in content.meta_graphs:
        _refuse_large_constants(folder, graph, limits)
    # What TensorFlow loads by its new way; by its old one it would run initialisers that no check here has seen.
    if len(content.meta_graphs) > 1 or not content.meta_graphs[0].object_graph_def.nodes:
        return content
    if refusal := reaching_out(folder, _operations(content.meta_graphs[0])):
        raise refusal
    return None


def reaching_out(folder: Path, operations: Iterable[str]) -> ModelError | None:
    """The error for a SavedModel with these operations; None where none of them reaches beyond the model."""
    found = {operation for operation in operations if reaches_out(operation)}
    if not found:
        return None
    return ModelError(
        f"cannot load the model {str(folder)!r}: its graph can reach beyond the model, with {', '.join(sorted(found))}",
        "Files, network, Python and printing are not allowed. Save the model without them.",
    )


def _refuse_large_files(folder: Path, limits: Limits) -> None:
    graph = folder / "saved_model.pb"
    weights = sum(file.stat().st_size for file in (folder / "variables").rglob("*") if file.is_file())
    size = graph.stat().st_size if graph.is_file() else 0
    for part, name, found in ((graph.name, "archive_bytes", size), ("variables", "weights_bytes", weights)):
        if found > getattr(limits, name):
            raise too_large(folder, part, name, found, limits)


def _refuse_large_constants(folder: Path, graph: Any, limits: Limits) -> None:
    """Refuse constants that take a few bytes in the file and any number in memory: one value, repeated over a shape."""
    functions = (function.node_def for function in graph.graph_def.library.function)
    total = 0
    for nodes in (graph.graph_def.node, *functions):
        for node in nodes:
            value = node.attr["value"].tensor if node.op == "Const" else None
            if value is not None:
                total += 4 * math.prod(max(0, side.size) for side in value.tensor_shape.dim)
    if total > limits.weights_bytes:
        raise too_large(folder, "constants", "weights_bytes", total, limits)


def too_large(folder: Path, part: str, name: str, found: int, limits: Limits) -> ModelError:
    """The error for a part of a SavedModel that would take more than the limit of this name."""
    said = beyond(name, found, getattr(limits, name))
    return ModelError(f"cannot load the model {str(folder)!r}: its {part!r} would take {said}")


def reaches_out(operation: str) -> bool:
    """Whether an operation may touch anything but the model; False if TensorFlow does not know it and cannot run it."""
    definition = op_def_registry.get(operation)
    if definition is None:
        return False
    if operation in HARMFUL_ANYWAY or "Dataset" in operation or operation.startswith("Debug"):
        return True
    return bool(definition.is_stateful) and operation not in HARMLESS_STATE


def _operations(graph: Any) -> Iterator[str]:
    return functions_called(graph.graph_def.library, (), list(graph.object_graph_def.concrete_functions))


def functions_called(library: Any, nodes: Iterable[Any], names: Sequence[str] = ()) -> Iterator[str]:
    """The operations of functions of a graph: of those that nodes call, of named ones, and of all that these call."""
    functions = {function.signature.name: function for function in library.function}
    waiting = [*names, *(name for node in nodes for name in _functions_of(node))]
    # Gradients that the model defines: no operation calls them, but they run whenever gradients are computed.
    waiting.extend(each.gradient_func for each in (*library.gradient, *library.registered_gradients))
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for node in functions[name].node_def:
            yield node.op
            waiting.extend(_functions_of(node))


def _functions_of(node: Any) -> Iterator[str]:
    """Names of the functions that a node calls."""
    for value in node.attr.values():
        yield from (each.name for each in (value.func, *value.list.func) if each.name)


def chosen_signature(signatures: Mapping[str, Any], folder: Path) -> Any:
    """The signature to run, of all by their names: serving_default, or the only one; ModelError if neither is there."""
    if "serving_default" in signatures:
        return signatures["serving_default"]
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    what = f"signatures {', '.join(sorted(signatures))} and no serving_default" if signatures else "no signature"
    raise ModelError(
        f"the SavedModel {str(folder)!r} has {what}, so it does not say how to run it",
        "Save it with model.export(folder), or tf.saved_model.save(module, folder, signatures=function).",
    )
