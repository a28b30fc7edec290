"""Reads SavedModels in the form of TensorFlow 1: a graph with signatures, whose weights lie in a checkpoint beside it.

TensorFlow would run what such a file says before anything is asked of it: its initialisers, and its own operations for
reading the checkpoint. So TensorFlow does not load it. The operations between image and outputs are taken out of the
graph, the checkpoint is read as numbers, and these become constants: nothing else of the file is ever run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ModelError, first_line
from bias_audit.limits.bounds import Limits
from bias_audit.models.tensorflow.framework import tf
from bias_audit.models.tensorflow.frozen_graph import without_side_effects
from bias_audit.models.tensorflow.saved_model_safety import chosen_signature, functions_called, reaching_out, too_large

SERVE = "serve"
"""Tag of the graph that predicts; others are for training and evaluation."""

HANDLE = "VarHandleOp"
VARIABLES = ("Variable", "VariableV2", HANDLE)
ASSIGNMENTS = ("Assign", "AssignVariableOp")
PASSES_ON = ("Identity", "Enter")


def serving_of(folder: Path, content: Any, limits: Limits) -> Any:
    """The serving signature of a SavedModel of TensorFlow 1, as a TensorFlow function with constant weights.

    Args:
        folder: folder of the SavedModel.
        content: the protocol buffer of its saved_model.pb.
        limits: what its weights may take.

    Returns:
        (concrete function of the images with a dictionary of outputs, number of weights).

    Raises:
        ModelError: no signature for images, operations that touch files, network or Python, weights that the checkpoint
            lacks, or a graph that this TensorFlow does not run.
    """
    graph = _serving_graph(folder, content)
    named = {name: each for name, each in graph.signature_def.items() if not name.startswith("__saved_model")}
    signature = chosen_signature(named, folder)
    image, outputs = _image_of(signature), {name: each.name for name, each in signature.outputs.items()}
    nodes = {node.name: node for node in graph.graph_def.node}
    variables = [name for name in _needed(nodes, outputs.values(), image.name) if nodes[name].op in VARIABLES]
    weights = _weights(folder, nodes, graph.saver_def, variables, limits) if variables else {}
    try:
        nodes.update(list(_constants(nodes, weights)))
    except ValueError as error:
        raise ModelError(f"cannot load the model {str(folder)!r}: a graph holds 2 GB of weights at most") from error
    wanted = [nodes[name] for name in _needed(nodes, outputs.values(), image.name)]
    _check(folder, wanted, graph.graph_def.library)
    try:
        definition = tf.compat.v1.GraphDef(versions=graph.graph_def.versions, library=graph.graph_def.library)
        definition.node.extend(wanted)
        for node in definition.node:
            node.device = ""  # of the machine that trained it
            for placed in ("_class", "_output_shapes"):
                node.attr.pop(placed, None)
        without_side_effects(definition)

        def run(images: Any) -> dict[str, Any]:
            names = list(outputs.values())
            made = tf.import_graph_def(definition, {image.name: images}, return_elements=names, name="")
            return dict(zip(outputs, made, strict=True))

        spec = tf.TensorSpec(_shape(image.tensor_shape), tf.dtypes.as_dtype(image.dtype), name="image")
        concrete = tf.function(run, autograph=False).get_concrete_function(spec)
    except Exception as error:  # whatever a damaged graph, or one for another TensorFlow, makes TensorFlow raise
        raise ModelError(f"cannot load the model {str(folder)!r}: {first_line(error)}") from error
    return concrete, sum(values.size for values in weights.values())


def _check(folder: Path, wanted: list[Any], library: Any) -> None:
    """Refuse nodes that reach beyond the model, or need more than images and weights."""
    if refusal := reaching_out(folder, [*(node.op for node in wanted), *functions_called(library, wanted)]):
        raise refusal
    for node in wanted:
        if node.op == "Placeholder":
            raise ModelError(
                f"the SavedModel {str(folder)!r} needs more than images: its graph asks for {node.name[:80]!r}",
                "Export it with that input fixed, for instance dropout switched off.",
            )
        if node.op in VARIABLES:
            raise ModelError(
                f"the SavedModel {str(folder)!r} does more with its weights {node.name[:80]!r} than to read them",
                "Export it again with TensorFlow 2: tf.saved_model.save.",
            )


def _serving_graph(folder: Path, content: Any) -> Any:
    """The only graph, or the one that is tagged for serving."""
    graphs = list(content.meta_graphs)
    tagged = [each for each in graphs if list(each.meta_info_def.tags) == [SERVE]]
    if len(graphs) > 1 and len(tagged) != 1:
        tags = "; ".join(",".join(each.meta_info_def.tags)[:80] for each in graphs[:8])
        raise ModelError(f"the SavedModel {str(folder)!r} has {len(graphs)} graphs, not one for serving: {tags}")
    return (tagged or graphs)[0]


def _image_of(signature: Any) -> Any:
    """The description of the only input, with the name of its tensor; ModelError for anything but numbers."""
    inputs = signature.inputs
    if len(inputs) != 1:
        names = ", ".join(sorted(inputs))
        raise ModelError(f"the model takes {len(inputs)} inputs ({names}); one image input is needed")
    (image,) = inputs.values()
    dtype = tf.dtypes.as_dtype(image.dtype)
    if not (dtype.is_floating or dtype.is_integer) or not image.name:
        raise ModelError(f"the model takes no images: its input is of type {dtype.name}")
    return image


def _shape(shape: Any) -> list[int | None] | None:
    """Sides of a tensor as TensorFlow's functions take them; None = any number of them, or any size."""
    return None if shape.unknown_rank else [None if side.size < 0 else int(side.size) for side in shape.dim]


def _node(tensor: str) -> str:
    """Name of the node that makes a tensor, as an input of another node names it."""
    return tensor.removeprefix("^").partition(":")[0]


def _needed(nodes: dict[str, Any], outputs: Iterable[str], image: str) -> list[str]:
    """Names of the nodes that the outputs depend on, in the order of the graph, without that of the image.

    Dependencies for control alone do not count: they are side effects, and dropped.
    """
    waiting, needed, image = [_node(name) for name in outputs], set(), _node(image)
    while waiting:
        name = waiting.pop()
        if name in needed or name == image:
            continue
        if name not in nodes:
            raise ModelError(f"the graph of the SavedModel is damaged: it lacks the node {name[:80]!r}")
        needed.add(name)
        waiting.extend(_node(each) for each in nodes[name].input if not each.startswith("^"))
    return [name for name in nodes if name in needed]


def _weights(
    folder: Path, nodes: dict[str, Any], saver: Any, variables: list[str], limits: Limits
) -> dict[str, NDArray[Any]]:
    """Name of a variable's node -> its values in the checkpoint.

    Under which key a variable was saved, the graph's own operations for reading the checkpoint say. They are read here,
    and not run.
    """
    keys = dict(_keys(nodes, saver.restore_op_name))
    wanted = {name: keys.get(name, name) for name in variables}
    try:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        size = sum(math.prod(shapes[key]) * types[key].size for key in wanted.values() if key in shapes)
    except Exception as error:  # a missing or damaged checkpoint
        raise ModelError(f"cannot load the model {str(folder)!r}: {first_line(error)}") from error
    if size > limits.weights_bytes:
        raise too_large(folder, "variables", "weights_bytes", size, limits)
    for name, key in wanted.items():
        declared = _shape(nodes[name].attr["shape"].shape)
        if key not in shapes or (declared and None not in declared and declared != list(shapes[key])):
            how = "in another shape" if key in shapes else "not at all"
            said = f"its checkpoint has the weights {name[:80]!r} {how}"
            raise ModelError(f"cannot load the model {str(folder)!r}: {said}")
    try:
        return {name: np.asarray(reader.get_tensor(key)) for name, key in wanted.items()}
    except Exception as error:
        raise ModelError(f"cannot load the model {str(folder)!r}: {first_line(error)}") from error


def _keys(nodes: dict[str, Any], restore: str) -> Iterator[tuple[str, str]]:
    """(node of a variable, its key in the checkpoint), from the assignments below the operation that restores all."""
    waiting, seen = [_node(restore)], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        node = nodes[name]
        waiting.extend(_node(each) for each in node.input)
        if node.op not in ASSIGNMENTS or len(node.input) < 2:
            continue
        place = node.input[1]
        while (maker := nodes.get(_node(place))) is not None and maker.op in PASSES_ON:
            place = maker.input[0]
        if maker is not None and maker.op == "RestoreV2" and len(maker.input) == 3:
            names = nodes.get(_node(maker.input[1]))
            number = int(place.partition(":")[2] or 0)
            if names is not None and names.op == "Const":
                values = tf.make_ndarray(names.attr["value"].tensor).ravel()
                if number < len(values):
                    yield _node(node.input[0]), values[number].decode()


def _constants(nodes: dict[str, Any], weights: dict[str, NDArray[Any]]) -> Iterator[tuple[str, Any]]:
    """(name, constant in the place of the node): of variables of the old kind, and of what reads those of the new."""
    for name, node in nodes.items():
        variable = name if node.op in VARIABLES and node.op != HANDLE else ""
        if node.op == "ReadVariableOp" and node.input:
            variable = _node(node.input[0])
            while variable in nodes and nodes[variable].op in PASSES_ON:
                variable = _node(nodes[variable].input[0])
        if variable in weights:
            constant = tf.compat.v1.NodeDef(name=name, op="Const")
            constant.attr["dtype"].type = tf.dtypes.as_dtype(weights[variable].dtype).as_datatype_enum
            constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(weights[variable]))
            yield name, constant
