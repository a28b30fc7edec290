"""Runs and explains a classifier in TensorFlow, in fixed batches and by traced passes, whatever its file's format."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bias_audit.limits.watchdog import watched
from bias_audit.models.base import Activations, Array, Explanation, Predictions, Weigh, joined
from bias_audit.models.batched import Batched, predictions_of
from bias_audit.models.tensorflow.framework import freeze, tf

MOST_CONSTANT = 1_000_000_000
"""Most bytes of weights that are made constants: they are then held twice, and a graph must stay below 2 GB."""

NO_GRADIENT = "The model gives no gradient at {}: only methods that perturb the image can explain it."
"""Note on a layer that was asked for and gets none."""

Watch = Callable[[int, Any], None]
"""(place, tensor): called with the output of the explained layer that has this place in the list of layers."""


class TracedModel(Batched):
    """Runs a classifier in fixed batches and explains one or several of its layers; see `base.Model`.

    A subclass for a format of files sets the attributes of `base.Model` and `_head`. It implements the forward pass
    (`_forward`), a forward pass in which the explained layers are observed (`_observed`), and the choice of these
    layers (`_tap_at`).
    """

    layer: str
    grid: tuple[int, int]
    layers: tuple[tuple[str, tuple[int, int]], ...]
    differentiable: bool
    sha256: str
    notes: tuple[str, ...]
    inside: tuple[str, ...]
    seconds_per_call: float
    _tapped = 0
    """Number of explained layers that the traced pass met."""
    _live = False
    """Whether weights are changed for the moment, so that passes use the variables, not constants (`Compiled`)."""

    def _forward(self, images: Any) -> tuple[Any, Any | None]:
        """Forward pass of images (N, H, W, C): outputs (N, outputs), and logits (N, outputs) or None."""
        raise NotImplementedError

    def _observed(self, images: Any, watch: Watch) -> tuple[Any, Any | None]:
        """Forward pass as `_forward` that calls `watch` with the output of each explained layer.

        All that runs after the layer must depend on the very tensor that was watched, or gradients would be lost.
        """
        raise NotImplementedError

    def _as_grid(self, place: int, output: Any) -> Any:
        """Bring the output, or its gradient, of the explained layer at `place` in the list to (N, h, w, C)."""
        return output

    def _tap_at(self, path: str) -> None:
        """Choose the explained layer or layers: set `layer` and `grid`, and what `_observed` needs."""
        raise NotImplementedError

    def randomised(self, seed: int) -> AbstractContextManager[None]:
        """Context in which every weight tensor is shuffled; see `base.Model`."""
        raise NotImplementedError

    def at_layer(self, path: str) -> Self:
        """This network, explained at another layer, without loading it again; see `base.Model`."""
        other = copy.copy(self)
        other.__dict__.pop("_explained", None)
        other._tap_at(path)
        return other

    # Concrete functions, traced on first use: calling them cannot trace again.

    @property
    def _spec(self) -> Any:
        return tf.TensorSpec((self.batch_size, *self.input_size), tf.float32)

    @functools.cached_property
    def _predict(self) -> Any:
        return Compiled(tf.function(self._traced_predict, autograph=False).get_concrete_function(self._spec))

    @functools.cached_property
    def _input_gradients(self) -> Any:
        targets = tf.TensorSpec((self.batch_size,), tf.int32)
        return tf.function(self._traced_input_gradients, autograph=False).get_concrete_function(self._spec, targets)

    @functools.cached_property
    def _explained(self) -> Any:
        targets = tf.TensorSpec((self.batch_size,), tf.int32)
        traced = tf.function(self._traced_gradients, autograph=False)
        return Compiled(traced.get_concrete_function(self._spec, targets))

    @functools.cached_property
    def _weighings(self) -> dict[Weigh, Any]:
        return {}

    def _weighed(self, weigh: Weigh) -> Any:
        """The function that weighs activations by gradients, traced: it holds no weights, so it is ready in no time."""
        if weigh not in self._weighings:
            self._weighings[weigh] = tf.function(
                lambda values, gradients: tf.cast(weigh(values, gradients, Tensors), tf.float32), autograph=False
            )
        return self._weighings[weigh]

    def _called(self, what: str, pictures: int) -> watched:
        """Context of one call, with its tracing where it is the first; see `limits.watchdog`."""
        return watched(f"{what} of {self.batch_size} images by the model", self.seconds_per_call, pictures)

    def _explain(self, images: Array, labels: NDArray[np.intp]) -> tuple[list[Any], list[list[Any]]]:
        """What `Head.read` gives for a full batch; activations, gradients and gradients of the labels by layer."""
        flat = list(self._explained(self._padded(images), self._targets(labels), live=self._live))
        first = len(flat) - 3 * self._tapped
        return flat[:first], [flat[start : start + self._tapped] for start in range(first, len(flat), self._tapped)]

    def predict(self, images: Array) -> Predictions:
        """Predictions for any number of images (n, H, W, C), computed in batches."""
        starts = range(0, max(len(images), 1), self.batch_size)
        made = []
        for part in (images[start : start + self.batch_size] for start in starts):
            with self._called("the prediction", len(part)):
                made.append(predictions_of(self._predict(self._padded(part), live=self._live), len(part)))
        return joined(made)

    def explain(self, images: Array, labels: NDArray[np.intp], weigh: Weigh) -> Explanation:
        """Predictions and heatmaps of images (n, H, W, C), n <= batch_size, in one traced pass; see `base.Model`."""
        n = len(images)
        with self._called("the explanation", n):
            outputs, (values, gradients, gradients_label) = self._explain(images, labels)
            maps, maps_label = (self._weighed(weigh)(values, each).numpy()[:n] for each in (gradients, gradients_label))
        return Explanation(predictions_of(outputs, n), maps, maps_label)

    def activations(self, images: Array, labels: NDArray[np.intp]) -> Activations:
        """Activations and gradients of the first explained layer for n <= batch_size images; see `base.Model`."""
        n = len(images)
        with self._called("the explanation", n):
            outputs, (values, *gradients) = self._explain(images, labels)
        return Activations(predictions_of(outputs, n), *(each[0].numpy()[:n] for each in (values, *gradients)))

    def input_gradients(self, images: Array, targets: NDArray[np.intp]) -> Array:
        """(n, H, W, C) gradient of the log-odds of each image's target class, in batches; see `base.Model`."""
        parts = []
        for start in range(0, len(images), self.batch_size):
            part, asked = images[start : start + self.batch_size], targets[start : start + self.batch_size]
            with self._called("the gradient", len(part)):
                parts.append(self._input_gradients(self._padded(part), self._targets(asked)).numpy()[: len(part)])
        return np.concatenate(parts) if parts else np.zeros_like(images)

    def _padded(self, images: Array) -> Any:
        return tf.convert_to_tensor(self._full_batch(images), tf.float32)

    def _targets(self, labels: NDArray[np.intp]) -> Any:
        return tf.constant(self._full_targets(labels))

    def _traced_predict(self, images: Any) -> Any:
        return self._head.read(*self._forward(images), Tensors)

    def _traced_input_gradients(self, images: Any, targets: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            odds = self._head.read(*self._forward(images), Tensors)[1]
            asked = tf.where(targets < 0, tf.argmax(odds, axis=1, output_type=tf.int32), targets)
            target = tf.reduce_sum(tf.gather(odds, asked, batch_dims=1))
        return tape.gradient(target, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _traced_gradients(self, images: Any, labels: Any) -> Any:
        tapped: dict[int, Any] = {}

        def watch(place: int, output: Any) -> None:
            tape.watch(output)
            tapped[place] = output  # a shared layer runs several times; the last one feeds the head

        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            outputs = self._head.read(*self._observed(images, watch), Tensors)
            odds = outputs[1]
            best = tf.argmax(odds, axis=1, output_type=tf.int32)
            asked = tf.where(labels < 0, best, labels)
            target = tf.reduce_sum(tf.gather(odds, best, batch_dims=1))
            target_label = tf.reduce_sum(tf.gather(odds, asked, batch_dims=1))
        values = [tapped[place] for place in sorted(tapped)]
        self._tapped = len(values)

        def gradients_of(aim: Any) -> list[Any]:
            found = tape.gradient(aim, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return [self._as_grid(place, tf.cast(gradient, tf.float32)) for place, gradient in enumerate(found)]

        gradients = gradients_of(target)
        gradients_label = tf.cond(tf.reduce_any(best != asked), lambda: gradients_of(target_label), lambda: gradients)
        values = [self._as_grid(place, tf.cast(value, tf.float32)) for place, value in enumerate(values)]
        return (*outputs, *values, *gradients, *gradients_label)


class Compiled:
    """A concrete function that runs with its weights as constants, unless they take more than MOST_CONSTANT bytes.

    Constant weights let TensorFlow fold batch normalisation and activations into the convolutions before them:
    .69 of the CPU time on MobileNetV2, .87 on ResNet50 (`tests/measurements/audit_pass.py`), outputs equal to rounding.
    """

    def __init__(self, concrete: Any) -> None:
        self._concrete = concrete

    def __call__(self, *arguments: Any, live: bool) -> Any:
        """Run the function with the constant weights, or, if `live`, with the current weights of the model."""
        return (self._concrete if live else self._constant)(*arguments)

    @functools.cached_property
    def _constant(self) -> Any:
        size = sum(variable.shape.num_elements() * variable.dtype.size for variable in self._concrete.variables)
        if size > MOST_CONSTANT:
            return self._concrete
        try:
            frozen = freeze(self._concrete)
            # A frozen function has lost its signature. TensorFlow looks for one in every call, in vain and for longer
            # than a small network takes; here it does so once, while this function is traced.
            inputs = [tf.TensorSpec(each.shape, each.dtype) for each in frozen.inputs]
            return tf.function(lambda *tensors: frozen(*tensors), autograph=False).get_concrete_function(*inputs)
        except Exception:  # only an optimisation: a graph that cannot be frozen runs as it is
            return self._concrete


class Tensors:
    """Functions on tensors: the `xp` of `base.Weigh` and of `Head.read` inside a traced pass."""

    einsum = staticmethod(tf.einsum)
    sum = staticmethod(tf.reduce_sum)
    mean = staticmethod(tf.reduce_mean)
    max = staticmethod(tf.reduce_max)
    where = staticmethod(tf.where)
    maximum = staticmethod(tf.maximum)
    abs = staticmethod(tf.abs)
    tanh = staticmethod(tf.tanh)
    zeros_like, log, log1p, exp = (staticmethod(each) for each in (tf.zeros_like, tf.math.log, tf.math.log1p, tf.exp))
    clip, sigmoid, softmax = staticmethod(tf.clip_by_value), staticmethod(tf.sigmoid), staticmethod(tf.nn.softmax)
    constant = staticmethod(tf.stop_gradient)

    @staticmethod
    def float32(values: Any) -> Any:
        return tf.cast(values, tf.float32)

    @staticmethod
    def take(values: Any, columns: tuple[int, ...]) -> Any:
        return tf.gather(values, columns, axis=1)

    @staticmethod
    def stack(columns: list[Any]) -> Any:
        return tf.stack(columns, axis=1)

    @staticmethod
    def concatenate(parts: list[Any]) -> Any:
        return tf.concat(parts, axis=1)

    @staticmethod
    def logsumexp(values: Any, axis: int, *, keepdims: bool = False) -> Any:
        return tf.reduce_logsumexp(values, axis=axis, keepdims=keepdims)

    @staticmethod
    def is_largest(values: Any) -> Any:
        columns = values.shape[1]
        return tf.one_hot(tf.argmax(values, axis=1), columns, on_value=True, off_value=False, dtype=tf.bool)
