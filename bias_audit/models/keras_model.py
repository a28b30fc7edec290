"""A Keras model, explained without surgery.

The chosen layer's output is tapped while one `tf.function` is traced, wherever the layer is nested, so neither a
second model nor a graph surgery is needed ("Graph disconnected"). The user's model is left as it was.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import math
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ConfigError, ModelError
from bias_audit.models.base import Activations, Array, Explanation, Predictions, Weigh, joined
from bias_audit.models.framework import keras, tf
from bias_audit.models.tapping import Trace, first_line, tap

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig


class KerasModel:
    """Runs a Keras classifier in fixed batches and taps one or several layers; see `base.Model`.

    Args:
        model: path of a .keras or .h5 file, or a Keras model in memory.
        config: layer, image size, batch size and class map.
        class_names: classes of the data set, in the order of the outputs.
    """

    def __init__(self, model: str | Path | Any, config: AuditConfig, class_names: tuple[str, ...]) -> None:
        self._model = _load(Path(model)) if isinstance(model, str | Path) else model
        self.sha256 = _file_hash(Path(model)) if isinstance(model, str | Path) else _model_hash(self._model)
        self.notes: tuple[str, ...] = ()
        self.differentiable = True
        self.input_size = _input_size(self._model, config.image_size)
        self.batch_size = config.batch_size
        self._spec = tf.TensorSpec((self.batch_size, *self.input_size), tf.float32)
        self._trace = Trace(self._model, self._spec)
        self.layers = self._trace.listed()
        self._has_logits = self._trace.has_logits
        self.head, self.outputs = self._find_head(self._trace)
        self._groups = self._find_groups(self.outputs, config, class_names)
        self._tap_at(config.layer)

    def at_layer(self, path: str) -> KerasModel:
        """The same network, explained at another layer; nothing is loaded or probed anew."""
        other = copy.copy(self)
        other._tap_at(path)
        return other

    def _tap_at(self, path: str) -> None:
        chosen = [self._trace.choose(part.strip()) for part in path.split(",")]
        self._taps = [layer for layer, _, _ in chosen]
        self.layer = ",".join(name for _, name, _ in chosen)
        self.grid = max((grid for _, _, grid in chosen), key=math.prod)
        self._explained: dict[Weigh | None, Any] = {}

    # Concrete functions, traced on first use: calling them cannot trace anew.

    @functools.cached_property
    def _predict(self) -> Any:
        return tf.function(self._traced_predict).get_concrete_function(self._spec)

    @functools.cached_property
    def _input_gradients(self) -> Any:
        targets = tf.TensorSpec((self.batch_size,), tf.int32)
        return tf.function(self._traced_input_gradients).get_concrete_function(self._spec, targets)

    def _explain(self, weigh: Weigh | None) -> Any:
        if weigh not in self._explained:
            targets = tf.TensorSpec((self.batch_size,), tf.int32)
            traced = tf.function(functools.partial(self._traced_explain, weigh=weigh))
            self._explained[weigh] = traced.get_concrete_function(self._spec, targets)
        return self._explained[weigh]

    def predict(self, images: Array) -> Predictions:
        """Forward passes over any number of images (n, H, W, C), in batches."""
        starts = range(0, max(len(images), 1), self.batch_size)
        parts = [images[start : start + self.batch_size] for start in starts]
        return joined([_predictions(self._predict(self._padded(part)), len(part)) for part in parts])

    def explain(self, images: Array, labels: NDArray[np.intp], weigh: Weigh) -> Explanation:
        """Predictions and maps in one traced pass; images are (n, H, W, C), n <= batch_size."""
        n = len(images)
        *outputs, maps, maps_label = self._explain(weigh)(self._padded(images), self._targets(labels))
        return Explanation(_predictions(outputs, n), maps.numpy()[:n], maps_label.numpy()[:n])

    def activations(self, images: Array, labels: NDArray[np.intp]) -> Activations:
        """Forward and head-only backward pass; labels are (n,) indices into the audited classes."""
        n = len(images)
        *outputs, values, gradients, gradients_label = self._explain(None)(self._padded(images), self._targets(labels))
        return Activations(
            _predictions(outputs, n), values.numpy()[:n], gradients.numpy()[:n], gradients_label.numpy()[:n]
        )

    def input_gradients(self, images: Array, targets: NDArray[np.intp]) -> Array:
        """(n, H, W, C): gradient of each image's log-odds of its target class, in batches."""
        parts = []
        for start in range(0, len(images), self.batch_size):
            part, asked = images[start : start + self.batch_size], targets[start : start + self.batch_size]
            parts.append(self._input_gradients(self._padded(part), self._targets(asked)).numpy()[: len(part)])
        return np.concatenate(parts) if parts else np.zeros_like(images)

    @contextlib.contextmanager
    def randomised(self, seed: int) -> Iterator[None]:
        """Every weight tensor is shuffled, and put back even when the block fails."""
        kept = [variable.numpy() for variable in self._model.weights]
        rng = np.random.default_rng(seed)
        try:
            for variable, values in zip(self._model.weights, kept, strict=True):
                variable.assign(rng.permuted(values))  # the scale stays, so nothing overflows
            yield
        finally:
            for variable, values in zip(self._model.weights, kept, strict=True):
                variable.assign(values)

    def _padded(self, images: Array) -> Any:
        """A fixed batch shape, so that nothing is traced twice and a resumed run computes the same numbers."""
        if len(images) < self.batch_size:
            missing = self.batch_size - len(images)
            images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.float32)])
        return tf.convert_to_tensor(images, tf.float32)

    def _targets(self, labels: NDArray[np.intp]) -> Any:
        targets = np.full(self.batch_size, -1, np.int32)  # -1: explain the prediction; padding must not ask for more
        targets[: len(labels)] = labels
        return tf.constant(targets)

    def _traced_predict(self, images: Any) -> Any:
        return self._outputs(self._model(images, training=False))

    def _traced_input_gradients(self, images: Any, targets: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            odds = self._outputs(self._model(images, training=False))[1]
            asked = tf.where(targets < 0, tf.argmax(odds, axis=1, output_type=tf.int32), targets)
            target = tf.reduce_sum(tf.gather(odds, asked, batch_dims=1))
        return tape.gradient(target, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _traced_explain(self, images: Any, labels: Any, weigh: Weigh | None) -> Any:
        tapped: dict[int, Any] = {}

        def watch(place: int) -> Callable[[Any], None]:
            def watched(output: Any) -> None:
                tape.watch(output)
                tapped[place] = output  # a shared layer runs several times; the last one feeds the head

            return watched

        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            with contextlib.ExitStack() as taps:
                for place, layer in enumerate(self._taps):
                    taps.enter_context(tap(layer, watch(place)))
                outputs = self._outputs(self._model(images, training=False))
            odds = outputs[1]
            predicted = tf.argmax(odds, axis=1, output_type=tf.int32)
            asked = tf.where(labels < 0, predicted, labels)
            target = tf.reduce_sum(tf.gather(odds, predicted, batch_dims=1))
            target_label = tf.reduce_sum(tf.gather(odds, asked, batch_dims=1))
        values = [tapped[place] for place in range(len(self._taps))]

        def gradients_of(aim: Any) -> list[Any]:
            found = tape.gradient(aim, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return [tf.cast(gradient, tf.float32) for gradient in found]

        gradients = gradients_of(target)
        gradients_label = tf.cond(
            tf.reduce_any(predicted != asked), lambda: gradients_of(target_label), lambda: gradients
        )
        values = [tf.cast(value, tf.float32) for value in values]
        if weigh is None:
            return (*outputs, values[0], gradients[0], gradients_label[0])
        maps, maps_label = (tf.cast(weigh(values, each, Tensors), tf.float32) for each in (gradients, gradients_label))
        return (*outputs, maps, maps_label)

    def _outputs(self, raw: Any) -> tuple[Any, Any, Any]:
        """Model output -> probabilities (N, K), log-odds (N, K), other (N,)."""
        logits, probabilities = self._logits(raw)
        if self.head == "sigmoid" and raw.shape[-1] > 1:
            return probabilities, logits, tf.zeros_like(probabilities[:, 0])
        if self._groups is None:
            other = tf.zeros_like(probabilities[:, 0])
        else:
            *groups, rest = self._groups
            grouped = [tf.gather(logits, group, axis=1) for group in groups]
            logits_grouped = [tf.reduce_logsumexp(group, axis=1) for group in grouped]
            sums = [tf.reduce_sum(tf.gather(probabilities, group, axis=1), axis=1) for group in groups]
            other = tf.zeros_like(sums[0])
            if rest:
                logits_grouped.append(tf.reduce_logsumexp(tf.gather(logits, rest, axis=1), axis=1))
                other = tf.reduce_sum(tf.gather(probabilities, rest, axis=1), axis=1)
            logits, probabilities = tf.stack(logits_grouped, axis=1), tf.stack(sums, axis=1)
        count = probabilities.shape[1]
        return probabilities, _log_odds(logits)[:, :count], other

    def _logits(self, raw: Any) -> tuple[Any, Any]:
        """Logits and probabilities, both (N, outputs); one sigmoid unit becomes two classes.

        Keras keeps the input of a final softmax or sigmoid on the output tensor. Without it, log p is exact up to a
        constant that the log-odds do not see, until p underflows (SCIENCE A0.3).
        """
        single = raw.shape[-1] == 1
        logits = getattr(raw, "_keras_logits", None) if self._has_logits else None
        raw = tf.cast(raw, tf.float32)
        if logits is not None:
            logits = tf.cast(logits, tf.float32)
        elif self.head == "softmax":
            logits = tf.math.log(tf.maximum(raw, 1e-38))
        elif self.head == "sigmoid":
            p = tf.clip_by_value(raw, 1e-38, 1 - 1e-7)
            logits = tf.math.log(p) - tf.math.log1p(-p)
        else:
            logits = raw
        if single:
            p = tf.sigmoid(raw) if self.head == "logits" else raw
            return tf.concat([tf.zeros_like(logits), logits], axis=1), tf.concat([1 - p, p], axis=1)
        return logits, tf.nn.softmax(logits) if self.head == "logits" else raw

    def _find_head(self, trace: Trace) -> tuple[str, int]:
        """What the outputs mean, decided once on probe inputs and never again per batch."""
        rng = np.random.default_rng(0)
        probes = rng.uniform(0, 1, (self.batch_size, *self.input_size)).astype(np.float32)
        probes[: self.batch_size // 2] *= 255
        outputs = np.asarray(trace.run(tf.convert_to_tensor(probes)), np.float64)
        if not np.isfinite(outputs).all():
            raise ModelError("the model gives NaN or infinite outputs on random input")
        count = outputs.shape[1]
        inside = bool(outputs.min() >= 0 and outputs.max() <= 1)
        sums_to_one = inside and bool(np.allclose(outputs.sum(axis=1), 1, atol=1e-3))
        if count == 1:
            if sums_to_one and np.ptp(outputs) == 0:
                raise ModelError("the model has one output that is always 1: softmax over a single unit")
            return ("sigmoid" if inside and not trace.linear else "logits"), 1
        if sums_to_one:
            return "softmax", count
        return ("sigmoid" if inside and not trace.linear else "logits"), count

    def _find_groups(
        self, units: int, config: AuditConfig, class_names: tuple[str, ...]
    ) -> tuple[tuple[int, ...], ...] | None:
        outputs = 2 if units == 1 else units
        if config.class_map is None:
            if outputs != len(class_names):
                raise ModelError(
                    f"the model has {outputs} outputs, the data have {len(class_names)} classes: "
                    f"{', '.join(class_names[:8])}{', ...' if len(class_names) > 8 else ''}",
                    "Say which outputs count as which class with --class-map FILE (JSON: class -> output indices).",
                )
            return None
        if self.head == "sigmoid" and units > 1:
            raise ModelError("a class map needs a softmax head; this model has several independent sigmoid outputs")
        groups = [indices for _, indices in config.class_map]
        largest = max(max(indices) for indices in groups)
        if largest >= outputs:
            raise ConfigError(f"the class map names output {largest}, the model has outputs 0..{outputs - 1}")
        used = {index for indices in groups for index in indices}
        return (*groups, tuple(index for index in range(outputs) if index not in used))


class Tensors:
    """NumPy's names for what `base.Weigh` may use, on tensors."""

    einsum = staticmethod(tf.einsum)
    sum = staticmethod(tf.reduce_sum)
    mean = staticmethod(tf.reduce_mean)
    max = staticmethod(tf.reduce_max)
    where = staticmethod(tf.where)
    maximum = staticmethod(tf.maximum)
    abs = staticmethod(tf.abs)
    tanh = staticmethod(tf.tanh)


def _log_odds(logits: Any) -> Any:
    """(N, G) -> (N, G): z_c - log sum over the others of exp z_j (SCIENCE A0).

    The largest logit is taken out of its own sum by masking, not by subtraction, so nothing cancels; the others
    subtract themselves from a sum that the largest dominates.
    """
    top = tf.one_hot(tf.argmax(logits, axis=1), logits.shape[1], on_value=True, off_value=False, dtype=tf.bool)
    largest = tf.stop_gradient(tf.reduce_max(logits, axis=1, keepdims=True))
    exponentials = tf.exp(logits - largest)
    rest = tf.where(top, 1.0, tf.reduce_sum(exponentials, axis=1, keepdims=True) - exponentials)
    without_top = tf.reduce_logsumexp(tf.where(top, -np.inf, logits), axis=1, keepdims=True)
    return tf.where(top, logits - without_top, logits - largest - tf.math.log(rest))


def _predictions(outputs: Any, n: int) -> Predictions:
    probabilities, log_odds, other = (np.asarray(output)[:n] for output in outputs)
    return Predictions(probabilities, log_odds, other)


def _load(path: Path) -> Any:
    if path.suffix.lower() == ".keras" and not zipfile.is_zipfile(path):  # Keras would say "File not found"
        raise ModelError(f"cannot load the model {str(path)!r}: the file is cut off or no .keras archive")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        text, hint = first_line(error), ""
        if unknown := re.search(r"(?:Could not locate \w+|Unknown layer:?) '([^']+)'", str(error)):
            text = f"it needs the custom object {unknown[1]!r}, which is not known here"
            hint = "Custom classes: load the model in Python and call bias_audit.audit(model, data)."
        elif "safe_mode" in str(error):
            text = "it holds a Lambda layer, whose code Keras would have to run"
            hint = "Keras safe mode stays on. Load the model in Python yourself and call bias_audit.audit(model, data)."
        raise ModelError(f"cannot load the model {str(path)!r}: {text}", hint) from error


def _input_size(model: Any, asked: tuple[int, int] | None) -> tuple[int, int, int]:
    inputs = getattr(model, "inputs", None)
    if inputs is not None and len(inputs) != 1:
        raise ModelError(f"the model takes {len(inputs)} inputs; one image input is needed")
    shape = tuple(inputs[0].shape) if inputs else (None, None, None, 3)
    if len(shape) != 4:
        raise ModelError(f"the model takes no images: its input has shape {shape}, expected (images, height, width, 3)")
    _, height, width, channels = shape
    if channels not in (1, 3):
        first = " (channels first is not supported: TensorFlow cannot run it on a CPU)" if height in (1, 3) else ""
        raise ModelError(f"the model takes {channels} channels, expected 1 or 3: input shape {shape}{first}")
    if asked is not None:
        if height not in (None, asked[0]) or width not in (None, asked[1]):
            raise ConfigError(f"the model takes {height}x{width} pixels, --image-size asks for {asked[0]}x{asked[1]}")
        height, width = asked
    if height is None or width is None:
        raise ConfigError(
            "the model accepts any image size, so the one it was trained with must be given",
            "For instance --image-size 224x224.",
        )
    return int(height), int(width), int(channels)


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _model_hash(model: Any) -> str:
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(weight.path.encode())
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()
