"""Finds the feature maps of a frozen TensorFlow graph, and makes functions of parts of the graph.

Frozen means that variables became constants and calls were inlined.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from bias_audit.errors import ModelError
from bias_audit.models.arithmetic import SIGNS, arithmetic_in_words
from bias_audit.models.tensorflow.framework import tf

PASSES_ON = ("Identity", "StopGradient", "Cast", "PreventGradient", "EnsureShape")
"""Operations that pass their input on, with at most another data type."""
STOPS = ("StopGradient", "PreventGradient")
"""Operations behind which nothing gets a gradient."""
NO_MAPS = ("BatchMatMul", "BatchMatMulV2", "Einsum", "Reshape", "Softmax", "Transpose", *PASSES_ON)
"""Operations whose 4-D outputs do not count as feature maps: attention between tokens has four dimensions too."""

PREFIX = "model"
"""Name scope of imported operations, so that their names collide with no others."""

RANDOM = (
    "The saved graph draws random numbers while it predicts (at {}), so its predictions are partly chance: "
    "augmentation was exported with it. Export the model without its augmentation layers."
)
"""Note on a graph with random numbers: Keras 3's model.export leaves layers such as RandomFlip in training mode."""

WEIGHTED = ("Conv2D", "Conv3D", "DepthwiseConv2dNative", "Einsum", "MatMul")
"""Operations by which the first layer with weights is recognised."""

LINEAR = ("Add", "AddV2", "BiasAdd", "Conv2D", "MatMul", "Mean", "Mul", "Sub")
"""Operations without an activation; if one of them makes the output, it cannot be a probability."""


class FrozenGraph:
    """A frozen graph of a classifier: its feature maps, and functions of its parts.

    Args:
        graph: a TensorFlow graph without variables and calls, for batches of fixed shape.
        image, output: names of the tensors of images and of outputs.

    Attributes:
        maps: (path, tensor name, (h, w)) of each operation between image and output with a spatial grid, in the order
            in which operations run.
        outputs: name of the output tensor; if a softmax or sigmoid makes it, also the name of its input, the logits.
        notes: sentences that a reader of the result should know about the graph.
        linear: whether a linear operation makes the output, so that it cannot be a probability.

    Raises:
        ModelError: the graph has its channels first.
    """

    def __init__(self, graph: Any, image: str, output: str) -> None:
        self._graph, self.image = graph, image
        self._definition = without_side_effects(graph.as_graph_def())
        self._nodes = {node.name: node for node in self._definition.node}
        operations = _ordered(graph.get_tensor_by_name(output).op, graph.get_tensor_by_name(image).op)
        self._positions = {operation.name: place for place, operation in enumerate(operations)}
        for operation in operations:
            layout = operation.node_def.attr["data_format"].s if "data_format" in operation.node_def.attr else b""
            if layout.startswith(b"NC"):
                raise ModelError(
                    "the graph of the SavedModel has its channels first, and is read with channels last only",
                    "Audit the .keras file of the model instead, or build it with data_format='channels_last', copy "
                    "the weights and save it again.",
                )
        self.maps = tuple(
            (path_of(operation.name), operation.outputs[0].name, grid)
            for operation in operations
            if operation.type not in NO_MAPS and operation.outputs and (grid := _grid(operation.outputs[0]))
        )
        self._live = _not_stopped(graph.get_tensor_by_name(output).op)
        drawn = _random(graph.get_tensor_by_name(output).op)
        self.notes = (RANDOM.format(path_of(drawn[0])),) if drawn else ()
        last = graph.get_tensor_by_name(output).op
        while last.type in PASSES_ON:
            last = last.inputs[0].op
        self.linear = last.type in LINEAR
        self.outputs = (output, last.inputs[0].name) if last.type in ("Softmax", "Sigmoid") else (output,)

    def first_steps(self) -> tuple[str, ...]:
        """Preprocessing inside the graph before the first layer with weights, as "path: what it does".

        Listed are resizing and arithmetic with constants.
        """
        found = []
        for name in self._positions:
            operation = self._graph.get_operation_by_name(name)
            if operation.type in WEIGHTED:
                break
            constants = [value for tensor in operation.inputs if (value := tf.get_static_value(tensor)) is not None]
            kind = operation.type.lower()
            if kind in SIGNS and len(operation.inputs) == 2 and len(constants) == 1 and constants[0].size <= 4:
                found.append(f"{path_of(name)}: {arithmetic_in_words(kind, constants[0])}")
            elif kind.startswith("resize") and (grid := _grid(operation.outputs[0])):
                found.append(f"{path_of(name)}: resized to {grid[0]}x{grid[1]}")
        return tuple(found)

    def channels(self, tensor: str) -> int:
        """Number of channels of a feature map; 0 where it is not fixed."""
        return int(self._graph.get_tensor_by_name(tensor).shape[3] or 0)

    def batch_bytes(self) -> int:
        """Bytes of the outputs of all operations between image and output together, for one batch in float32."""
        outputs = [tensor for name in self._positions for tensor in self._graph.get_operation_by_name(name).outputs]
        return 4 * sum(tensor.shape.num_elements() or 0 for tensor in outputs)

    def largest_bytes(self) -> int:
        """Bytes of the largest output of an operation between image and output, for one batch in float32."""
        tensors = [tensor for name in self._positions for tensor in self._graph.get_operation_by_name(name).outputs]
        return 4 * max((tensor.shape.num_elements() or 0 for tensor in tensors), default=0)

    def position(self, tensor: str) -> int:
        """Place of the operation that makes a tensor, in the order in which operations run."""
        return self._positions[tensor.partition(":")[0]]

    def choose(self, asked: str) -> tuple[str, str, tuple[int, int]]:
        """(path, tensor name, grid) of the operation to explain.

        Args:
            asked: the operation's path, the end of its path or the name of its layer; "auto" = the last feature map
                that is not cut off from the output by an operation of STOPS; the last of all, if all are.

        Raises:
            ModelError: no feature maps, no such operation, or several that fit.
        """
        listed = [f"{path} ({grid[0]}x{grid[1]})" for path, _, grid in self.maps[::-1]]
        usable = f"Usable, last first: {', '.join(listed[:12])}{', ...' if len(listed) > 12 else ''}"
        if not self.maps:
            raise ModelError("no operation of the model keeps a spatial grid (4-D output, h * w > 1)")
        if asked == "auto":
            live = [each for each in self.maps if each[1].partition(":")[0] in self._live]
            return (live or self.maps)[-1]
        name = re.escape(asked)
        for pattern in (name, f".*/{name}", f"(.*/)?{name}/.*", rf"(.*/)?{name}(_\d+)?/.*"):
            # The last pattern allows for the number that Keras 3 adds to names of layers when it exports them.
            if matches := [each for each in self.maps if re.fullmatch(pattern, each[0])]:
                scopes = {re.sub(rf"({name}(_\d+)?)(/.*)?$", r"\1", each[0]) for each in matches}
                if len(scopes) > 1:
                    raise ModelError(
                        f"layer {asked!r} is ambiguous: {', '.join(each[0] for each in matches[:6])}",
                        "Give the whole path.",
                    )
                return matches[-1]
        raise ModelError(f"layer {asked!r} does not exist in the model, or has no spatial grid", usable)

    def tensor(self, name: str) -> Any:
        """The tensor of this name."""
        return self._graph.get_tensor_by_name(name)

    def with_arrays(self, arrays: Mapping[tuple[str, int], NDArray[Any]]) -> FrozenGraph:
        """This graph with arrays in place of some inputs of operations.

        Args:
            arrays: (name of an operation, place among its inputs) -> array of the type and shape that lies there.
        """
        definition = tf.compat.v1.GraphDef()
        definition.CopyFrom(self._definition)
        nodes = {node.name: node for node in definition.node}
        for number, ((name, place), values) in enumerate(arrays.items()):
            value = tf.make_tensor_proto(values)
            made = definition.node.add(name=f"{PREFIX}_changed_{number}", op="Const")
            made.attr["dtype"].type, nodes[name].input[place] = value.dtype, made.name
            made.attr["value"].tensor.CopyFrom(value)
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(definition, name="")
        return FrozenGraph(graph, self.image, self.outputs[0])

    def part(self, given: Sequence[str], wanted: Sequence[str]) -> Any:
        """A TensorFlow function from the tensors `given` to the tensors `wanted`, by name.

        It runs only operations between the two; nothing before the given tensors is computed.
        """
        needed, mapped = self._needed(given, wanted)
        definition = tf.compat.v1.GraphDef(versions=self._definition.versions, library=self._definition.library)
        definition.node.extend(self._nodes[name] for name in needed)
        tensors = [self._graph.get_tensor_by_name(name) for name in given]

        def run(*values: Any) -> Any:
            inputs = {name: value for name, value in zip(given, values, strict=True) if name in mapped}
            rest = [name for name in wanted if name not in given]
            made = dict(
                zip(rest, tf.import_graph_def(definition, inputs, return_elements=rest, name=PREFIX), strict=True)
            )
            made.update(zip(given, values, strict=True))
            return [made[name] for name in wanted]

        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors]
        return tf.function(run, autograph=False).get_concrete_function(*specs)

    def _needed(self, given: Sequence[str], wanted: Sequence[str]) -> tuple[list[str], set[str]]:
        """Names of the nodes between the tensors, in the order of the graph, and of the given tensors that are used."""
        needed: set[str] = set()
        mapped: set[str] = set()
        waiting = [name for name in wanted if name not in given]
        while waiting:
            name = waiting.pop()
            node = name.partition(":")[0]
            if name in given:
                mapped.add(name)
            elif node not in needed:
                needed.add(node)
                waiting.extend(each if ":" in each else f"{each}:0" for each in self._nodes[node].input)
        return [node.name for node in self._definition.node if node.name in needed], mapped


def _not_stopped(output: Any) -> set[str]:
    """Names of the operations from which a way leads to the output on which no operation stops gradients."""
    waiting, seen = [output], {output.name}
    while waiting:
        operation = waiting.pop()
        sources = [] if operation.type in STOPS else [each.op for each in operation.inputs if each.op.name not in seen]
        seen.update(each.name for each in sources)
        waiting.extend(sources)
    return seen


def _random(output: Any) -> list[str]:
    """Names of the operations that draw random numbers on which the output depends."""
    waiting, seen, found = [output], {output.name}, []
    while waiting:
        operation = waiting.pop()
        if operation.type.startswith(("Random", "StatelessRandom", "StatefulUniform", "StatefulStandard")):
            found.append(operation.name)
        sources = [tensor.op for tensor in operation.inputs if tensor.op.name not in seen]
        seen.update(each.name for each in sources)
        waiting.extend(sources)
    return sorted(found)


def without_side_effects(definition: Any) -> Any:
    """Remove assignments, assertions and control dependencies from a graph definition, in place.

    They are side effects: the state of a random generator, which augmentation advances, cannot be frozen.
    """
    for nodes in (definition.node, *(function.node_def for function in definition.library.function)):
        for place in range(len(nodes) - 1, -1, -1):
            node = nodes[place]
            if node.op.startswith("Assign") or node.op == "Assert":
                del nodes[place]
                continue
            flows = [name for name in node.input if not name.startswith("^")]
            del node.input[:]
            node.input.extend(flows)
    for function in definition.library.function:
        function.control_ret.clear()
        del function.signature.control_output[:]
    return definition


def _ordered(output: Any, image: Any) -> list[Any]:
    """Operations between image and output, each after the operations that it depends on."""
    order: list[Any] = []
    between: dict[str, bool] = {image.name: True}
    waiting: list[tuple[Any, bool]] = [(output, False)]
    while waiting:
        operation, done = waiting.pop()
        if done:
            between[operation.name] = any(between.get(tensor.op.name, False) for tensor in operation.inputs)
            if between[operation.name]:
                order.append(operation)
        elif operation.name not in between:
            between[operation.name] = False
            waiting.append((operation, True))
            waiting.extend((tensor.op, False) for tensor in _reversed(operation.inputs))
    return order


def _reversed(inputs: Iterable[Any]) -> list[Any]:
    return list(inputs)[::-1]


def _grid(tensor: Any) -> tuple[int, int] | None:
    shape = tensor.shape
    if shape.rank != 4 or not tensor.dtype.is_floating or None in shape.as_list()[1:3]:
        return None
    height, width = shape.as_list()[1:3]
    return (height, width) if height * width > 1 else None


def path_of(name: str) -> str:
    """The name of an operation without the names of the calls that were inlined around it."""
    return re.sub(rf"^({PREFIX}/)?((Stateful)?PartitionedCall(_\d+)?/)*", "", name)
