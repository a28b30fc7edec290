"""Observes the outputs of layers, wherever they are nested, without changing the model or building another one."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bias_audit.errors import BiasAuditError, ModelError, first_line
from bias_audit.models.grids import Spatial, Step, looks_first, spatial
from bias_audit.models.outputs import chosen_output
from bias_audit.models.tensorflow.framework import tf

FIRST = "channels_first"


class Trace:
    """A symbolic pass through a Keras model, which records the layers that run and their outputs.

    Args:
        model: the Keras model.
        spec: shape (N, H, W, C) and type of a batch.
        asked: which of several outputs is audited (`AuditConfig.output`); None = there is one.

    Attributes:
        steps: (path, layer, shape of the output) of each layer that ran, in order.
        places: layers whose output is a map over the image.
        first: paths of the layers whose output has the channels first; `steps` has them last.
        run: the traced function, images -> the outputs (N, classes).
        has_logits: whether Keras keeps the input of a final softmax or sigmoid.
        linear: whether a layer without activation makes the output, so that it cannot be a probability.

    Raises:
        ModelError: the model does not accept such a batch, is no classifier, or has several outputs of which none was
            asked for.
        ConfigError: there is no such output.
    """

    def __init__(self, model: Any, spec: Any, asked: str | None = None) -> None:
        self.steps: list[tuple[str, Any, tuple[int | None, ...]]] = []
        self.has_logits = False
        self.linear = False
        paths = dict(_paths(model, ""))
        image = (int(spec.shape[1]), int(spec.shape[2]))
        anywhere = any(_data_format(layer) == FIRST for layer in paths)
        first: dict[str, bool] = {}
        layout: dict[tuple[int, ...], bool] = {}  # shape -> whether the last output of it had its channels first
        outputs: list[Any] = []
        made: list[tuple[Any, Any]] = []

        def note(path: str, layer: Any) -> Callable[[Any], None]:
            def noted(output: Any) -> None:
                shape = tuple(getattr(output, "shape", None) or ())
                if anywhere and len(shape) == 4 and None not in shape:
                    said = _data_format(layer)
                    before = layout.get(shape)
                    found = said == FIRST if said else looks_first(shape, image) if before is None else before
                    first[path] = layout[shape] = found
                    shape = (shape[0], *shape[2:], shape[1]) if found else shape
                self.steps.append((path, layer, shape))
                made.append((layer, output))

            return noted

        def run(images: Any) -> Any:
            with contextlib.ExitStack() as taps:
                for layer, path in paths.items():
                    taps.enter_context(tap(layer, note(path, layer)))
                outputs.append(called(model, images, asked))
                return outputs[-1]

        try:
            self.run = tf.function(run, autograph=False).get_concrete_function(spec)  # kept: the head is probed with it
        except BiasAuditError:
            raise
        except Exception as error:
            raise ModelError(
                f"the model does not accept a batch of shape {tuple(spec.shape)}: {first_line(error)}"
            ) from error
        output = outputs[0]
        shape = tuple(getattr(output, "shape", None) or ())
        if len(shape) != 2 or shape[1] is None:
            raise ModelError(f"the model is no classifier: its output has shape {shape}, expected (images, classes)")
        self.places = spatial(self.steps, image, tokens=_normalises(self.steps))
        self.first = frozenset(path for path, is_first in first.items() if is_first)
        self.has_logits = getattr(output, "_keras_logits", None) is not None
        self.linear = _ends_linear(made, output)

    def image_bytes(self) -> int:
        """Bytes of the outputs of all layers together, for one image in float32."""
        return 4 * sum(math.prod(size or 1 for size in shape[1:]) for _, _, shape in self.steps)

    def largest_bytes(self) -> int:
        """Bytes of the largest output of a layer, for one image in float32."""
        return 4 * max((math.prod(size or 1 for size in shape[1:]) for _, _, shape in self.steps), default=0)

    def as_grid(self, place: Spatial, output: Any) -> Any:
        """Bring an output of a layer, or its gradient, to (N, h, w, C)."""
        if place.path in self.first:
            return tf.transpose(output, (0, 2, 3, 1))
        return place.as_grid(output, tf.reshape)

    def channels(self) -> dict[str, int]:
        """Path of a layer that could be explained -> number of its channels, where it is known."""
        usable = {place.path for place in self.places}
        return {path: int(shape[-1]) for path, _, shape in self.steps if path in usable and shape[-1]}


def takes_first(model: Any) -> bool:
    """Whether the input of a Keras model is (N, C, H, W)."""
    inputs = getattr(model, "inputs", None)
    shape = tuple(inputs[0].shape) if inputs else ()
    return len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3)


def called(model: Any, images: Any, asked: str | None) -> Any:
    """The audited output of a Keras model for images (N, H, W, C); see `outputs.chosen_output`."""
    if takes_first(model):
        images = tf.transpose(images, (0, 3, 1, 2))
    return chosen_output(model(images, training=False), asked, getattr(model, "output_names", None) or ())


@contextlib.contextmanager
def tap(layer: Any, on_output: Callable[[Any], None]) -> Iterator[None]:
    """Context in which `on_output` is called with each output of a layer; undone at its end, also after an error."""
    call = layer.call

    def tapped(*arguments: Any, **keywords: Any) -> Any:
        output = call(*arguments, **keywords)
        on_output(output)
        return output

    with _called_as(layer, tapped):
        yield


@contextlib.contextmanager
def tap_input(layer: Any, on_input: Callable[[Any], None]) -> Iterator[None]:
    """Context in which `on_input` is called with each input of a layer; as `tap`."""
    call = layer.call

    def tapped(inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        on_input(inputs)
        return call(inputs, *arguments, **keywords)

    with _called_as(layer, tapped):
        yield


@contextlib.contextmanager
def _called_as(layer: Any, call: Callable[..., Any]) -> Iterator[None]:
    """Context in which a layer runs `call`."""
    had = layer.__dict__.get("call")
    layer.__dict__["call"] = call
    try:
        yield
    finally:
        if had is None:
            del layer.__dict__["call"]
        else:
            layer.__dict__["call"] = had


def _data_format(layer: Any) -> str:
    """Where a layer says that the channels of its output are, "channels_first" or "channels_last"; "" = it does not."""
    return str(getattr(layer, "data_format", None) or "")


def hidden_inside(steps: Sequence[Step]) -> tuple[str, ...]:
    """A sentence on the first layer that runs a SavedModel, whose own layers Keras does not see; none without one."""
    names = [path for path, layer, _ in steps if type(layer).__name__ == "TFSMLayer"]
    if not names:
        return ()
    return (
        f"The layer {names[0]} runs a SavedModel (TFSMLayer), whose layers Keras does not show: audit that folder "
        "itself for heatmaps.",
    )


def _normalises(steps: Sequence[Step]) -> bool:
    """Whether a layer normalises the vectors of a sequence, which then are tokens: transformers and mixers do."""
    names = ("LayerNormalization", "RMSNormalization")
    return any(type(layer).__name__ in names and len(shape) == 3 for _, layer, shape in steps)


def _ends_linear(made: list[tuple[Any, Any]], output: Any) -> bool:
    """Whether a layer without activation makes the model's output, so that it cannot be a probability.

    Args:
        made: (layer, output) of the layers, in the order in which they ran.
        output: output of the model; no layer made it if an operation such as tf.sigmoid did.
    """
    at = next((i for i, (_, tensor) in enumerate(made) if tensor is output), -1)
    # Activation("linear", dtype="float32") at the end of a mixed precision model only casts what came before.
    while at > 0 and type(made[at][0]).__name__ == "Activation" and _is_linear(made[at][0]):
        at -= 1
    return at >= 0 and _is_linear(made[at][0])


def _is_linear(layer: Any) -> bool:
    return getattr(getattr(layer, "activation", None), "__name__", None) == "linear"  # of Keras 3 or Keras 2


def _paths(layer: Any, prefix: str) -> Iterator[tuple[Any, str]]:
    for child in layer._flatten_layers(include_self=False, recursive=False):
        path = f"{prefix}{child.name}"
        yield child, path
        yield from _paths(child, f"{path}/")
