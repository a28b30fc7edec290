"""A SavedModel folder, explained: its serving function is frozen into one graph, and cut at the explained operation.

Frozen means that variables became constants and calls were inlined, so every operation can be seen. The part before
the cut and the part behind it are functions of their own; between them passes the tensor whose gradient is taken.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bias_audit.errors import ConfigError, ModelError
from bias_audit.models.framework import freeze, tf
from bias_audit.models.head import find_head, probes
from bias_audit.models.keras_model import input_size
from bias_audit.models.loading import file_hash
from bias_audit.models.preprocessing_inside import SIGNS, arithmetic_in_words
from bias_audit.models.saved_model_safety import check_saved_model
from bias_audit.models.tapping import first_line
from bias_audit.models.traced import TracedModel, Watch

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig

PASSES_ON = ("Identity", "StopGradient", "Cast", "PreventGradient", "EnsureShape")
NO_MAPS = ("BatchMatMul", "BatchMatMulV2", "Einsum", "Reshape", "Softmax", "Transpose", *PASSES_ON)
"""Operations whose 4-D outputs are no feature maps of their own: attention between tokens has four dimensions too."""

PREFIX = "model"
"""Scope of imported operations, so that no name meets one of ours."""

RANDOM = (
    "The saved graph draws random numbers while it predicts (at {}), so its predictions are partly chance: "
    "augmentation was exported with it. Export the model without its augmentation layers."
)
"""Keras 3's model.export keeps layers such as RandomFlip in training mode: their default is training=True."""

WEIGHTED = ("Conv2D", "Conv3D", "DepthwiseConv2dNative", "Einsum", "MatMul")
LINEAR = ("Add", "AddV2", "BiasAdd", "Conv2D", "MatMul", "Mean", "Mul", "Sub")


class SavedModel(TracedModel):
    """A classifier in a SavedModel folder; see `base.Model`.

    Args:
        folder: with saved_model.pb and the folder variables.
        config: layer, image size, batch size and class map.
        class_names: classes of the data set, in the order of the outputs; None = without a data set.

    Attributes:
        channels: path of a layer that could be explained -> its channels.
        parameters: number of weights.
    """

    def __init__(self, folder: Path, config: AuditConfig, class_names: tuple[str, ...] | None) -> None:
        check_saved_model(folder)
        self.sha256 = file_hash(folder)
        self.batch_size = config.batch_size
        try:
            self._loaded = tf.saved_model.load(str(folder))  # kept: its variables live as long as it does
        except Exception as error:
            raise ModelError(f"cannot load the model {str(folder)!r}: {first_line(error)}") from error
        serving = _serving(self._loaded, folder)
        image = _only_input(serving)
        shape = (None, None, None, 3) if image.shape.rank is None else tuple(image.shape.as_list())
        self.input_size = input_size(shape, config.image_size)
        if shape[0] not in (None, self.batch_size):
            raise ConfigError(f"the model takes batches of exactly {shape[0]} images", f"Give --batch-size {shape[0]}.")
        graph, image_name, output_name = self._frozen(serving, image)
        self._graph = Graph(graph, image_name, output_name)
        self.inside = self._graph.first_steps()
        self.layers = tuple((path, grid) for path, _, grid in self._graph.maps)
        self.channels = {path: int(graph.get_tensor_by_name(name).shape[3] or 0) for path, name, _ in self._graph.maps}
        self.parameters = sum(int(variable.shape.num_elements()) for variable in serving.graph.variables)
        self._whole = self._graph.part((image_name,), self._graph.outputs)
        outputs = self._run(self._whole, probes(self.batch_size, self.input_size))
        if outputs.ndim != 2:
            raise ModelError(
                f"the model is no classifier: its output has shape {outputs.shape}, expected (images, classes)"
            )
        self._head = find_head(outputs, self._graph.linear, config, class_names)
        self._tap_at(config.layer)

    @staticmethod
    def _run(part: Any, images: Any) -> Any:
        try:
            return np.asarray(part(tf.constant(images))[0], np.float64)
        except Exception as error:
            raise ModelError(
                f"the model does not accept a batch of shape {images.shape}: {first_line(error)}"
            ) from error

    def _frozen(self, serving: Any, image: Any) -> tuple[Any, str, str]:
        """The graph of the serving function as constants and operations, for batches of fixed shape."""
        definition = _without_side_effects(serving.graph.as_graph_def())
        output = _only_output(serving)
        place = next(i for i, tensor in enumerate(serving.inputs) if tensor is image)
        captured = {
            inner.name: outer for inner, outer in zip(serving.inputs[place + 1 :], serving.captured_inputs, strict=True)
        }

        def run(images: Any) -> Any:
            for variable in serving.graph.variables:
                variable.read_value()  # freezing knows the variables that the function itself has read
            cast = tf.cast(tf.round(images) if image.dtype.is_integer else images, image.dtype)
            graph = tf.compat.v1.get_default_graph()
            inputs = {image.name: cast, **{name: graph.capture(outer) for name, outer in captured.items()}}
            return tf.import_graph_def(definition, inputs, return_elements=[output.name], name=PREFIX)[0]

        try:
            frozen = freeze(
                tf.function(run, autograph=False).get_concrete_function(self._spec), lower_control_flow=False
            )
        except Exception as error:
            raise ModelError(
                f"the SavedModel cannot be frozen into one graph: {first_line(error)}",
                "Export it again with model.export(folder), or save it as .keras.",
            ) from error
        return frozen.graph, frozen.inputs[0].name, frozen.outputs[0].name

    def _tap_at(self, path: str) -> None:
        self._parts: list[tuple[int, Any]] = []
        self.differentiable = False
        self.notes = self._graph.notes
        if path == "auto" and not self._graph.maps:
            self.layer, self.grid = "", (1, 1)
            self.notes += ("No operation of the model keeps a spatial grid: only methods that perturb the image run.",)
            self._rest = self._whole
            return
        chosen = [self._graph.choose(part.strip()) for part in path.split(",")]
        self.layer = ",".join(name for name, _, _ in chosen)
        self.grid = max((grid for _, _, grid in chosen), key=math.prod)
        given: tuple[str, ...] = (self._graph.image,)
        order = sorted(range(len(chosen)), key=lambda place: self._graph.position(chosen[place][1]))
        for place in order:
            tensor = chosen[place][1]
            self._parts.append((place, self._graph.part(given, (tensor,))))
            given = (*given, tensor)
        self._rest = self._graph.part(given, self._graph.outputs)
        self.differentiable = self._has_gradient()
        if not self.differentiable:
            self.notes += (
                f"The model gives no gradient at {self.layer}: only methods that perturb the image can explain it.",
            )

    def _has_gradient(self) -> bool:
        """Whether the part behind the cut can be differentiated, found out by tracing its gradient."""
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in self._rest.inputs]

        def gradient(*given: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(given[1:])
                target = tf.reduce_sum(tf.cast(self._rest(*given)[-1], tf.float32))
            return [each for each in tape.gradient(target, given[1:]) if each is not None]

        try:
            found = tf.function(gradient).get_concrete_function(*specs).structured_outputs
        except Exception:  # no gradient is defined for one of the operations, or not in this form
            return False
        return bool(found)  # of several cuts the last one feeds the part behind, the others feed the last

    def _forward(self, images: Any) -> tuple[Any, Any | None]:
        return _raw_and_logits(self._whole(images))

    def _observed(self, images: Any, watch: Watch) -> tuple[Any, Any | None]:
        given = [images]
        for place, part in self._parts:
            given.append(part(*given)[0])
            watch(place, given[-1])
        return _raw_and_logits(self._rest(*given))

    def randomised(self, seed: int) -> AbstractContextManager[None]:
        """Frozen weights cannot be shuffled."""
        raise ModelError("the weights of this format are frozen", "Audit the .keras file of the model instead.")


class Graph:
    """A frozen graph: which of its operations make feature maps, and functions for parts of it.

    Args:
        graph: without variables and calls; batches of fixed shape.
        image, output: names of the tensors of images and of outputs.

    Attributes:
        maps: (path, tensor name, (h, w)) of operations with a spatial grid on which the output depends, in order.
        outputs: name of the output and, where a softmax or sigmoid makes it, of what goes into that.
        notes: what a reader of the result should know about the graph.
        linear: the output comes straight from a linear operation, so that it cannot be a probability.
    """

    def __init__(self, graph: Any, image: str, output: str) -> None:
        self._graph, self.image = graph, image
        self._definition = _without_side_effects(graph.as_graph_def())
        self._nodes = {node.name: node for node in self._definition.node}
        operations = _ordered(graph.get_tensor_by_name(output).op, graph.get_tensor_by_name(image).op)
        self._positions = {operation.name: place for place, operation in enumerate(operations)}
        for operation in operations:
            layout = operation.node_def.attr["data_format"].s if "data_format" in operation.node_def.attr else b""
            if layout.startswith(b"NC"):
                raise ModelError(
                    "the model has its channels first, which TensorFlow cannot run on a CPU",
                    "Build it with data_format='channels_last', copy the weights and save it again.",
                )
        self.maps = tuple(
            (_path(operation.name), operation.outputs[0].name, grid)
            for operation in operations
            if operation.type not in NO_MAPS and operation.outputs and (grid := _grid(operation.outputs[0]))
        )
        drawn = _random(graph.get_tensor_by_name(output).op)
        self.notes = (RANDOM.format(_path(drawn[0])),) if drawn else ()
        last = graph.get_tensor_by_name(output).op
        while last.type in PASSES_ON:
            last = last.inputs[0].op
        self.linear = last.type in LINEAR
        self.outputs = (output, last.inputs[0].name) if last.type in ("Softmax", "Sigmoid") else (output,)

    def first_steps(self) -> tuple[str, ...]:
        """Arithmetic with constants and resizing before the first layer with weights, as "path: what it does"."""
        found = []
        for name in self._positions:
            operation = self._graph.get_operation_by_name(name)
            if operation.type in WEIGHTED:
                break
            constants = [value for tensor in operation.inputs if (value := tf.get_static_value(tensor)) is not None]
            kind = operation.type.lower()
            if kind in SIGNS and len(operation.inputs) == 2 and len(constants) == 1 and constants[0].size <= 4:
                found.append(f"{_path(name)}: {arithmetic_in_words(kind, constants[0])}")
            elif kind.startswith("resize") and (grid := _grid(operation.outputs[0])):
                found.append(f"{_path(name)}: resized to {grid[0]}x{grid[1]}")
        return tuple(found)

    def position(self, tensor: str) -> int:
        """Where the tensor is made, in the order of operations."""
        return self._positions[tensor.partition(":")[0]]

    def choose(self, asked: str) -> tuple[str, str, tuple[int, int]]:
        """(path, tensor name, grid) of the operation that a user names by its path, by its end, or by its layer."""
        listed = [f"{path} ({grid[0]}x{grid[1]})" for path, _, grid in self.maps[::-1]]
        usable = f"Usable, last first: {', '.join(listed[:12])}{', ...' if len(listed) > 12 else ''}"
        if not self.maps:
            raise ModelError("no operation of the model keeps a spatial grid (4-D output, h * w > 1)")
        if asked == "auto":
            return self.maps[-1]
        name = re.escape(asked)
        for pattern in (name, f".*/{name}", f"(.*/)?{name}/.*", rf"(.*/)?{name}(_\d+)?/.*"):
            # Last a number that Keras 3 adds to its layers' names when it exports them.
            if matches := [each for each in self.maps if re.fullmatch(pattern, each[0])]:
                scopes = {re.sub(rf"({name}(_\d+)?)(/.*)?$", r"\1", each[0]) for each in matches}
                if len(scopes) > 1:
                    raise ModelError(
                        f"layer {asked!r} is ambiguous: {', '.join(each[0] for each in matches[:6])}",
                        "Give the whole path.",
                    )
                return matches[-1]
        raise ModelError(f"layer {asked!r} does not exist in the model, or has no spatial grid", usable)

    def part(self, given: Sequence[str], wanted: Sequence[str]) -> Any:
        """The function from the tensors `given` to the tensors `wanted`; nothing before the given ones is run."""
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
        """Nodes between, in the order of the graph, and those of the given tensors that are used."""
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


def _serving(loaded: Any, folder: Path) -> Any:
    signatures = dict(getattr(loaded, "signatures", {}) or {})
    if "serving_default" in signatures:
        return signatures["serving_default"]
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    what = f"signatures {', '.join(sorted(signatures))} and no serving_default" if signatures else "no signature"
    raise ModelError(
        f"the SavedModel {str(folder)!r} has {what}, so it does not say how to run it",
        "Save it with model.export(folder), or tf.saved_model.save(module, folder, signatures=function).",
    )


def _only_input(serving: Any) -> Any:
    """The placeholder of the images."""
    names = list(serving.structured_input_signature[1])
    inputs = [tensor for tensor in serving.inputs if tensor.dtype != tf.resource][: len(names)]
    if len(names) != 1:
        raise ModelError(f"the model takes {len(names)} inputs ({', '.join(names)}); one image input is needed")
    if not (inputs[0].dtype.is_floating or inputs[0].dtype.is_integer):
        raise ModelError(f"the model takes no images: its input is of type {inputs[0].dtype.name}")
    return inputs[0]


def _only_output(serving: Any) -> Any:
    count = len(serving.structured_outputs)
    if count != 1:
        raise ModelError(f"the model has {count} outputs (heads); one classification head is needed")
    return serving.outputs[0]


def _without_side_effects(definition: Any) -> Any:
    """The graph without what it does beside computing: random seeds advanced by augmentation cannot be frozen."""
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
    """Operations that lie between images and output, each after those that it depends on."""
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


def _path(name: str) -> str:
    """The name of an operation without the calls that were inlined around it."""
    return re.sub(rf"^({PREFIX}/)?((Stateful)?PartitionedCall(_\d+)?/)+", "", name)


def _raw_and_logits(outputs: Sequence[Any]) -> tuple[Any, Any | None]:
    return outputs[0], outputs[1] if len(outputs) > 1 else None
