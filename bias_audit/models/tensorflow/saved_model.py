"""Runs and explains a SavedModel: its serving function is frozen into one graph, cut at the explained operation.

Frozen means that variables became constants and calls were inlined, so every operation can be seen. The parts before
and after the cut become functions of their own; gradients are taken with respect to the tensor between them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bias_audit.errors import ConfigError, ModelError, first_line
from bias_audit.models.head import find_head, probes
from bias_audit.models.memory import PER_PASS, Cost, check_batch, fitting_batch
from bias_audit.models.outputs import chosen_output
from bias_audit.models.tensorflow.framework import freeze, gpu_memory, tf
from bias_audit.models.tensorflow.frozen_graph import PREFIX, FrozenGraph, without_side_effects
from bias_audit.models.tensorflow.keras_model import input_size
from bias_audit.models.tensorflow.loading import file_hash
from bias_audit.models.tensorflow.saved_model_safety import check_saved_model, chosen_signature
from bias_audit.models.tensorflow.saved_model_v1 import serving_of
from bias_audit.models.tensorflow.traced import NO_GRADIENT, TracedModel, Watch

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig
    from bias_audit.models.base import LastLayer


class SavedModel(TracedModel):
    """A classifier in a SavedModel folder; see `base.Model`.

    Args:
        folder: the folder that holds saved_model.pb and the folder variables.
        config: layer, image size, batch size and class map.
        class_names: classes of the data set, in the order of the outputs; None = without a data set.

    Attributes:
        channels: path of a layer that could be explained -> number of its channels; 0 where it is not fixed.
        parameters: number of weights.
        name: of its folder, as a run names a model in memory.

    Raises:
        ModelError, ConfigError: see `base.load_model`.
    """

    def __init__(self, folder: Path, config: AuditConfig, class_names: tuple[str, ...] | None) -> None:
        self.seconds_per_call, self._output = config.limits.seconds_per_call, config.output
        old = check_saved_model(folder, config.limits)
        self.sha256, self.name = file_hash(folder), folder.name
        if old is None:
            serving = self._served(folder)
            self.parameters = sum(int(variable.shape.num_elements()) for variable in serving.graph.variables)
            image = _only_input(serving)
        else:
            serving, self.parameters = serving_of(folder, old, config.limits)
            (image,) = serving.inputs
        shape = (None, None, None, 3) if image.shape.rank is None else tuple(image.shape.as_list())
        self.input_size = input_size(shape, config.image_size)
        self.batch_size = config.batch_size or shape[0] or PER_PASS
        if shape[0] not in (None, self.batch_size):
            raise ConfigError(f"the model takes batches of exactly {shape[0]} images", f"Give --batch-size {shape[0]}.")
        self._graph = FrozenGraph(*self._frozen(serving, image))
        size = self.batch_size
        cost = Cost(self.input_size, self._graph.batch_bytes() // size, self._graph.largest_bytes() // size)
        check_batch(cost, config, fixed=shape[0])
        if config.batch_size is None and shape[0] is None:
            fitting = fitting_batch(cost, config.limits, gpu_memory())
            if fitting != self.batch_size:
                self.batch_size = fitting
                self._graph = FrozenGraph(*self._frozen(serving, image))
        self.inside = self._graph.first_steps()
        self.layers = tuple((path, grid) for path, _, grid in self._graph.maps)
        self.channels = {path: self._graph.channels(name) for path, name, _ in self._graph.maps}
        self._whole = self._graph.part((self._graph.image,), self._graph.outputs)
        outputs = self._run(self._whole, probes(self.batch_size, self.input_size))
        if outputs.ndim != 2:
            raise ModelError(
                f"the model is no classifier: its output has shape {outputs.shape}, expected (images, classes)"
            )
        self._head = find_head(outputs, self._graph.linear, config, class_names)
        self._tap_at(config.layer)

    def _served(self, folder: Path) -> Any:
        """The serving signature of what TensorFlow loads, as a concrete function."""
        try:
            self._loaded = tf.saved_model.load(str(folder))  # kept: its variables live as long as it does
        except Exception as error:
            raise ModelError(f"cannot load the model {str(folder)!r}: {first_line(error)}") from error
        return chosen_signature(dict(getattr(self._loaded, "signatures", {}) or {}), folder)

    @staticmethod
    def _run(part: Any, images: Any) -> Any:
        try:
            return np.asarray(part(tf.constant(images))[0], np.float64)
        except Exception as error:
            raise ModelError(
                f"the model does not accept a batch of shape {images.shape}: {first_line(error)}"
            ) from error

    def _frozen(self, serving: Any, image: Any) -> tuple[Any, str, str]:
        """Freeze the serving function for batches of fixed shape: (graph, name of the image tensor, of the output)."""
        definition = without_side_effects(serving.graph.as_graph_def())
        # TensorFlow has the outputs of a signature in the order of their names.
        outputs = dict(zip(sorted(serving.structured_outputs), serving.outputs, strict=True))
        output = chosen_output(outputs, self._output)
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
        self.notes = (*self._graph.notes, *self._head.notes)
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
            self.notes += (NO_GRADIENT.format(self.layer),)

    def _has_gradient(self) -> bool:
        """Whether the part after the cut can be differentiated; found out by tracing its gradient."""
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
        return bool(found)  # one is enough: earlier cuts may feed the rest through the last one alone

    def _forward(self, images: Any) -> tuple[Any, Any | None]:
        return _raw_and_logits(self._whole(images))

    def _observed(self, images: Any, watch: Watch) -> tuple[Any, Any | None]:
        given = [images]
        for place, part in self._parts:
            given.append(part(*given)[0])
            watch(place, given[-1])
        return _raw_and_logits(self._rest(*given))

    def last_layer(self) -> LastLayer:
        """Its last linear layer; see `base.LastLayer`."""
        from bias_audit.models.tensorflow.saved_last_layer import SavedLastLayer

        return SavedLastLayer(self, self._graph)

    def with_graph(self, graph: FrozenGraph, sha256: str) -> SavedModel:
        """This model with another graph of the same layers, and the hash that it is known by; the model stays."""
        other = copy.copy(self)
        for name in ("_predict", "_input_gradients", "_explained"):  # traced from the graph
            other.__dict__.pop(name, None)
        other._graph, other.sha256 = graph, sha256
        other._whole = graph.part((graph.image,), graph.outputs)
        other._tap_at(self.layer or "auto")
        return other

    def randomised(self, seed: int) -> AbstractContextManager[None]:
        """Raise ModelError, for frozen weights cannot be shuffled."""
        raise ModelError("the weights of this format are frozen", "Audit the .keras file of the model instead.")


def _only_input(serving: Any) -> Any:
    """The input tensor of the images; ModelError if there are several inputs, or it takes no numbers."""
    names = list(serving.structured_input_signature[1])
    inputs = [tensor for tensor in serving.inputs if tensor.dtype != tf.resource][: len(names)]
    if len(names) != 1:
        raise ModelError(f"the model takes {len(names)} inputs ({', '.join(names)}); one image input is needed")
    if not (inputs[0].dtype.is_floating or inputs[0].dtype.is_integer):
        raise ModelError(f"the model takes no images: its input is of type {inputs[0].dtype.name}")
    return inputs[0]


def _raw_and_logits(outputs: Sequence[Any]) -> tuple[Any, Any | None]:
    return outputs[0], outputs[1] if len(outputs) > 1 else None
