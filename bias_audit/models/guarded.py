"""A whole model of a user, see `base.Model`: what its code raises is one sentence, and no call of it waits for ever."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ModelError
from bias_audit.limits.watchdog import watched
from bias_audit.models.base import Activations, Array, Explanation, Model, Weigh
from bias_audit.models.predict_only import Wrapped, checked
from bias_audit.users_code import running


class Guarded(Wrapped):
    """A user's object that shows more than predictions.

    Args:
        model: satisfies `base.Model`.
        class_count: number of audited classes; None = any.
        seconds_per_call: longest time that a call may take.

    Raises:
        ModelError: an attribute that is missing or of a wrong kind.
    """

    def __init__(self, model: Model, class_count: int | None, seconds_per_call: float) -> None:
        super().__init__(model, class_count, seconds_per_call)
        self._whole = model
        with running("the model in memory lacks what an audit needs"):
            self.layer, self.differentiable = str(model.layer), bool(model.differentiable)
            self.grid = _grid(model.grid)
            self.layers = tuple((str(path), _grid(grid)) for path, grid in model.layers)

    def explain(self, images: Array, labels: NDArray[np.intp], weigh: Weigh) -> Explanation:
        with self._call("explain", len(images)):
            made = self._whole.explain(images.copy(), labels, weigh)
            predictions = checked(made.predictions, len(images), self._classes)
            maps, labelled = _same("heatmaps", len(images), 3, made.maps, made.maps_label)
        return Explanation(predictions, maps, labelled)

    def activations(self, images: Array, labels: NDArray[np.intp]) -> Activations:
        with self._call("activations", len(images)):
            made = self._whole.activations(images.copy(), labels)
            predictions = checked(made.predictions, len(images), self._classes)
            arrays = _same("activations", len(images), 4, made.values, made.gradients, made.gradients_label)
        return Activations(predictions, *arrays)

    def input_gradients(self, images: Array, targets: NDArray[np.intp]) -> Array:
        with self._call("input_gradients", len(images)):
            _, made = _same("gradients", len(images), 4, images, self._whole.input_gradients(images.copy(), targets))
        return made

    def at_layer(self, path: str) -> Guarded:
        with self._call("at_layer"):
            return Guarded(self._whole.at_layer(path), self._classes, self._seconds)

    @contextlib.contextmanager
    def randomised(self, seed: int) -> Iterator[None]:
        with self._call("randomised"):
            shuffled = self._whole.randomised(seed)
            shuffled.__enter__()
        try:
            yield
        finally:
            with self._call("randomised"):
                shuffled.__exit__(None, None, None)

    @contextlib.contextmanager
    def _call(self, method: str, pictures: int = 0) -> Iterator[None]:
        said = f"{method} of the model in memory"
        with watched(said, self._seconds, pictures), running(f"{said} failed"):
            yield


def _same(what: str, count: int, axes: int, *given: Any) -> list[Array]:
    """Arrays of one shape, with `axes` axes and `count` images.

    Raises:
        ModelError: any other shape.
        Exception: what is no numbers.
    """
    arrays = [np.asarray(each, np.float32) for each in given]
    shapes = {each.shape for each in arrays}
    if len(shapes) > 1 or arrays[0].ndim != axes or len(arrays[0]) != count:
        raise ModelError(
            f"the model in memory gives {what} of the shapes {[each.shape for each in arrays]} for {count} images",
            "See bias_audit.models.base.Model.",
        )
    return arrays


def _grid(grid: Any) -> tuple[int, int]:
    height, width = (int(each) for each in grid)
    if min(height, width) < 1:
        raise ModelError(f"the model in memory has a grid of {height}x{width}, expected (height, width)")
    return height, width
