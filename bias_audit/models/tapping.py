"""See what a layer puts out, wherever it is nested, without changing the model or building another one."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

from bias_audit.errors import ModelError
from bias_audit.models.framework import tf
from bias_audit.models.grids import Spatial, spatial


class Trace:
    """One symbolic pass that notes which layers run, in order, and what they put out."""

    def __init__(self, model: Any, spec: Any) -> None:
        self.steps: list[tuple[str, Any, tuple[int | None, ...]]] = []
        self.has_logits = False
        self.linear = False
        paths = dict(_paths(model, ""))
        outputs: list[Any] = []
        made: list[tuple[Any, Any]] = []

        def note(path: str, layer: Any) -> Callable[[Any], None]:
            def noted(output: Any) -> None:
                self.steps.append((path, layer, tuple(getattr(output, "shape", None) or ())))
                made.append((layer, output))

            return noted

        def run(images: Any) -> Any:
            with contextlib.ExitStack() as taps:
                for layer, path in paths.items():
                    taps.enter_context(tap(layer, note(path, layer)))
                outputs.append(model(images, training=False))
                return outputs[-1]

        try:
            self.run = tf.function(run).get_concrete_function(spec)  # kept: the head is probed with it
        except Exception as error:
            raise ModelError(
                f"the model does not accept a batch of shape {tuple(spec.shape)}: {first_line(error)}"
            ) from error
        output = outputs[0]
        if isinstance(output, dict | list | tuple):
            raise ModelError(f"the model has {len(output)} outputs (heads); one classification head is needed")
        if len(output.shape) != 2 or output.shape[1] is None:
            raise ModelError(
                f"the model is no classifier: its output has shape {tuple(output.shape)}, expected (images, classes)"
            )
        self.places = spatial(self.steps, (int(spec.shape[1]), int(spec.shape[2])))
        self.has_logits = getattr(output, "_keras_logits", None) is not None
        self.linear = _ends_linear(made, output)

    def image_bytes(self) -> int:
        """What all layers put out for one image together, in float32."""
        return 4 * sum(math.prod(size or 1 for size in shape[1:]) for _, _, shape in self.steps)

    def listed(self) -> tuple[tuple[str, tuple[int, int]], ...]:
        """Layers that could be explained as (path, grid), in the order in which they last run."""
        return tuple(dict.fromkeys((place.path, place.grid) for place in self.places))

    def channels(self) -> dict[str, int]:
        """Path of a layer that could be explained -> its channels, where they are known."""
        usable = {place.path for place in self.places}
        return {path: int(shape[-1]) for path, _, shape in self.steps if path in usable and shape[-1]}

    def candidates(self) -> list[Spatial]:
        """What "auto" may choose, best first: the last map, and where maps are tokens every earlier one too.

        A head that reads the class token leaves the image's tokens of the last block without a gradient.
        """
        last = self.places[-1:]
        if not last or last[0].prefix is not None:
            return self.places[::-1]
        # A nested model ends with its last layer's tensor: name the layer inside, which says more.
        inside = [
            place
            for place in self.places[:-1]
            if place.path.startswith(last[0].path + "/") and place.grid == last[0].grid and place.prefix is None
        ]
        return inside[-1:] or last

    def choose(self, asked: str) -> Spatial:
        """The layer to explain: by path or by its last part; "auto" is the first of `candidates`."""
        usable = self.places
        listed = list(dict.fromkeys(f"{place.path} ({place.grid[0]}x{place.grid[1]})" for place in usable))
        layers = f"Usable layers, last first: {', '.join(listed[::-1][:12])}{', ...' if len(listed) > 12 else ''}"
        if not usable:
            raise ModelError(
                "no layer of the model keeps a spatial grid (4-D output, h * w > 1), so there is no heatmap"
            )
        if asked == "auto":
            return self.candidates()[0]
        matches = [place for place in usable if place.path == asked] or [
            place for place in usable if place.path.rpartition("/")[2] == asked
        ]
        if not matches:
            known = any(asked in (path, path.rpartition("/")[2]) for path, _, _ in self.steps)
            what = "has no spatial grid (4-D output, h * w > 1)" if known else "does not exist in the model"
            raise ModelError(f"layer {asked!r} {what}", layers)
        if len({place.path for place in matches}) > 1:
            raise ModelError(
                f"layer {asked!r} is ambiguous: {', '.join(sorted({place.path for place in matches}))}",
                "Give the whole path.",
            )
        return matches[-1]


@contextlib.contextmanager
def tap(layer: Any, on_output: Callable[[Any], None]) -> Iterator[None]:
    """See a layer's output as it passes, while a function is traced; undone even when the call fails."""
    call = layer.call

    def tapped(*arguments: Any, **keywords: Any) -> Any:
        output = call(*arguments, **keywords)
        on_output(output)
        return output

    had = layer.__dict__.get("call")
    layer.__dict__["call"] = tapped
    try:
        yield
    finally:
        if had is None:
            del layer.__dict__["call"]
        else:
            layer.__dict__["call"] = had


def first_line(error: Exception) -> str:
    """The first line of an exception that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


def _ends_linear(made: list[tuple[Any, Any]], output: Any) -> bool:
    """Whether the output comes straight from a layer without activation, so that it cannot be a probability.

    Args:
        made: layers in the order in which they ran, each with its output.
        output: of the model. No layer made it if an operation such as tf.sigmoid did.
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
