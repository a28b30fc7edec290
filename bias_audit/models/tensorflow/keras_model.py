"""Runs and explains a Keras model without changing it.

The output of the explained layer is observed while one `tf.function` is traced, wherever the layer is nested. So no
second model is built, which fails for nested layers ("Graph disconnected").
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bias_audit.errors import ConfigError, ModelError, first_line
from bias_audit.models.base import LastLayer
from bias_audit.models.choosing import candidates, choose, listed
from bias_audit.models.grids import Spatial
from bias_audit.models.head import find_head, probes
from bias_audit.models.memory import PER_PASS, Cost, check_batch, fitting_batch
from bias_audit.models.tensorflow.framework import gpu_memory, tf
from bias_audit.models.tensorflow.loading import file_hash, load_keras, model_hash
from bias_audit.models.tensorflow.preprocessing_inside import preprocessing_inside
from bias_audit.models.tensorflow.tapping import Trace, called, hidden_inside, takes_first, tap
from bias_audit.models.tensorflow.traced import NO_GRADIENT, Tensors, TracedModel, Watch
from bias_audit.models.trained_with import of_keras_hub

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig


PROBED = 2
"""Random images on which it is found out which layers get a gradient."""

NO_LAYER = (
    "No layer of the model keeps a spatial grid and gets a gradient of the outputs (none does before stop_gradient), "
    "so there is no layer to explain: only methods that perturb the image run."
)


CHANNELS_FIRST = "With channels first, build it with data_format='channels_last', copy the weights and save it again."


class KerasModel(TracedModel):
    """A Keras classifier, of Keras 3 or Keras 2; see `base.Model`.

    Args:
        model: path of a .keras or .h5 file, or a Keras model in memory.
        config: layer, image size, batch size and class map.
        class_names: classes of the data set, in the order of the outputs; None = without a data set.

    Attributes:
        channels: path of a layer that could be explained -> number of its channels.
        parameters: number of weights.
        trained_with: what a preprocessor of KerasHub says of its pictures; None = it has none.

    Raises:
        ModelError, ConfigError: see `base.load_model`.
    """

    def __init__(self, model: str | Path | Any, config: AuditConfig, class_names: tuple[str, ...] | None) -> None:
        self.seconds_per_call, self._output = config.limits.seconds_per_call, config.output
        self._model: Any = model
        self._file = Path(model) if isinstance(model, str | Path) else None
        if isinstance(model, str | Path):
            self._model = load_keras(Path(model), config.custom_objects, config.limits)
        self.sha256 = file_hash(Path(model)) if isinstance(model, str | Path) else model_hash(self._model)
        self.inside = preprocessing_inside(self._model)
        self.trained_with = of_keras_hub(self._model)
        inputs = getattr(self._model, "inputs", None)
        if inputs is not None and len(inputs) != 1:
            raise ModelError(f"the model takes {len(inputs)} inputs; one image input is needed")
        shape, size = tuple(inputs[0].shape) if inputs else (None, None, None, 3), config.image_size
        if takes_first(self._model):
            shape = (shape[0], *shape[2:], shape[1])
        if size is None and self.trained_with is not None and None in shape[1:3]:
            size = self.trained_with.image_size
        self.input_size = input_size(shape, size)
        self.batch_size = config.batch_size or PER_PASS
        self._trace = Trace(self._model, self._spec, self._output)
        cost = Cost(self.input_size, self._trace.image_bytes(), self._trace.largest_bytes())
        check_batch(cost, config)
        if config.batch_size is None and (fitting := fitting_batch(cost, config.limits, gpu_memory())) != PER_PASS:
            self.batch_size = fitting
            self._trace = Trace(self._model, self._spec, self._output)
        self.layers = listed(self._trace.places)
        self.channels = self._trace.channels()
        self.parameters = int(self._model.count_params())
        images = tf.convert_to_tensor(probes(self.batch_size, self.input_size))
        outputs = np.asarray(self._first_outputs(images), np.float64)
        self._head = find_head(outputs, self._trace.linear, config, class_names)
        self._tap_at(config.layer)

    def _first_outputs(self, images: Any) -> Any:
        try:
            return self._trace.run(images)
        except Exception as error:  # what can be traced need not run on this machine: channels first in Keras 2
            said = f"the model cannot be run on a batch of shape {tuple(images.shape)}: {first_line(error)}"
            hint = CHANNELS_FIRST if self._trace.first else ""
            raise ModelError(said, hint) from error

    def _tap_at(self, path: str) -> None:
        self.notes = self._head.notes
        if path == "auto":
            live = self._live_place()
            chosen = [] if live is None else [live]
            self.differentiable = live is not None
        else:
            ran = [step[0] for step in self._trace.steps]
            chosen = [choose(self._trace.places, ran, part.strip()) for part in path.split(",")]
            self.differentiable = any(each is not None for each in self._gradients_at(chosen))
        self._taps = chosen
        self.layer = ",".join(place.path for place in chosen)
        self.grid = max((place.grid for place in chosen), key=math.prod, default=(1, 1))
        if not chosen:
            self.notes += (NO_LAYER, *hidden_inside(self._trace.steps))
        elif not self.differentiable:
            self.notes += (NO_GRADIENT.format(self.layer),)

    def _live_place(self) -> Spatial | None:
        """The layer that "auto" explains: the best one that gets a gradient from the head; None = there is none.

        A class token leaves the image's tokens of the last block without one, and so does `stop_gradient` whatever is
        before it. If the gradients that arrive are all zero on random images, the best layer that they reach.
        """
        best = candidates(self._trace.places)
        if best and best[0].prefix is None and self._gradients_at(best[:1])[0] is not None:
            return best[0]
        places = list(dict.fromkeys((*best, *self._trace.places[::-1])))
        sizes = self._gradients_at(places, run=True)
        live = [place for place, size in zip(places, sizes, strict=True) if size is not None and size > 0]
        reached = [place for place, size in zip(places, sizes, strict=True) if size is not None]
        return next(iter((*live, *reached)), None)

    def _gradients_at(self, places: Sequence[Spatial], *, run: bool = False) -> list[Any]:
        """Of each layer, whether a gradient of the outputs reaches it: None where none does, or none is defined.

        Args:
            places: the layers.
            run: compute it on a few random images: the largest gradient of the image's tokens or cells, for each layer.
        """
        reached: list[int] = []

        def largest(images: Any) -> Any:
            seen: dict[int, Any] = {}
            with tf.GradientTape(watch_accessed_variables=False) as tape:

                def watch(place: int, output: Any) -> None:
                    tape.watch(output)
                    seen[place] = output

                with contextlib.ExitStack() as taps:
                    for place, candidate in enumerate(places):
                        taps.enter_context(tap(candidate.layer, functools.partial(watch, place)))
                    odds = self._head.read(*self._forward(images), Tensors)[1]
                target = tf.reduce_sum(tf.reduce_max(odds, axis=1))
            order = sorted(seen)
            found = dict(zip(order, tape.gradient(target, [seen[place] for place in order]), strict=True))
            reached.extend(place for place in order if found[place] is not None)
            grids = [self._trace.as_grid(places[place], found[place]) for place in reached]
            return [tf.cast(tf.reduce_max(tf.abs(grid)), tf.float32) for grid in grids]

        fixed = getattr(self._model, "inputs", None) and self._model.inputs[0].shape[0]
        images = probes(self.batch_size if fixed else min(PROBED, self.batch_size), self.input_size)
        spec = tf.TensorSpec(images.shape, tf.float32)
        try:
            traced = tf.function(largest, autograph=False).get_concrete_function(spec)
        except LookupError:  # an operation behind the layer has no gradient
            return [None] * len(places)
        sizes: list[Any] = [None] * len(places)
        found = traced(tf.convert_to_tensor(images)) if run and reached else [True] * len(reached)
        for place, size in zip(reached, found, strict=True):
            sizes[place] = float(size)
        return sizes

    def _as_grid(self, place: int, output: Any) -> Any:
        return self._trace.as_grid(self._taps[place], output)

    def _forward(self, images: Any) -> tuple[Any, Any | None]:
        raw = called(self._model, images, self._output)
        # Keras keeps the input of a final softmax or sigmoid on the output tensor.
        return raw, getattr(raw, "_keras_logits", None) if self._trace.has_logits else None

    def _observed(self, images: Any, watch: Watch) -> tuple[Any, Any | None]:
        with contextlib.ExitStack() as taps:
            for place, chosen in enumerate(self._taps):
                taps.enter_context(tap(chosen.layer, functools.partial(watch, place)))
            return self._forward(images)

    def last_layer(self) -> LastLayer:
        """Its last linear layer; see `base.LastLayer`."""
        from bias_audit.models.tensorflow.last_layer import KerasLastLayer

        return KerasLastLayer(self, self._model, self._file)

    @contextlib.contextmanager
    def randomised(self, seed: int) -> Iterator[None]:
        """Context in which every weight tensor is shuffled; at its end, also after an error, weights are restored."""
        kept = [variable.numpy() for variable in self._model.weights]
        rng = np.random.default_rng(seed)
        self._live = True
        try:
            for variable, values in zip(self._model.weights, kept, strict=True):
                variable.assign(rng.permuted(values))  # the scale stays, so nothing overflows
            yield
        finally:
            self._live = False
            for variable, values in zip(self._model.weights, kept, strict=True):
                variable.assign(values)


def input_size(shape: tuple[int | None, ...], asked: tuple[int, int] | None) -> tuple[int, int, int]:
    """(height, width, channels) of the images that a model gets.

    Args:
        shape: (N, H, W, C) of the model's input; None = the model takes any size.
        asked: (height, width) that the user gave; None = none was given.

    Raises:
        ModelError: the model takes no images of 1 or 3 channels.
        ConfigError: a size that the model does not take, or no size where one is needed.
    """
    if len(shape) != 4:
        raise ModelError(f"the model takes no images: its input has shape {shape}, expected (images, height, width, 3)")
    _, height, width, channels = shape
    if channels not in (1, 3):
        hint = CHANNELS_FIRST if height in (1, 3) else ""
        raise ModelError(f"the model takes {channels} channels, expected 1 or 3: input shape {shape}", hint)
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
