"""A model that only predicts: what any object with a few attributes, or a plain function, needs to be audited.

It is audited without heatmaps; those that only change the picture (occlusion, RISE) can be asked for.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ModelError
from bias_audit.limits.bounds import DEFAULTS
from bias_audit.limits.watchdog import watched
from bias_audit.models.base import Activations, Array, Explanation, Predictions, Predictor, Weigh, joined
from bias_audit.models.head import ROUNDING
from bias_audit.users_code import running


class PredictOnly:
    """A model without layers to look into, see `base.Model`.

    A subclass sets the attributes of `base.Predictor` and implements `_batch`.
    """

    input_size: tuple[int, int, int]
    batch_size: int
    head: str
    outputs: int
    sha256: str
    notes: tuple[str, ...]
    inside: tuple[str, ...] = ()
    layer = ""
    grid = (1, 1)
    layers: tuple[tuple[str, tuple[int, int]], ...] = ()
    differentiable = False

    def predict(self, images: Array) -> Predictions:
        """Predictions for any number of images (n, H, W, C), `batch_size` at once.

        Raises:
            ModelError: outputs that are no predictions, or others than before.
            ConfigError: code of the user failed.
        """
        starts = range(0, max(len(images), 1), self.batch_size)
        return joined([self._batch(images[start : start + self.batch_size]) for start in starts])

    def _batch(self, images: Array) -> Predictions:
        """Predictions for at most `batch_size` images."""
        raise NotImplementedError

    def explain(self, images: Array, labels: NDArray[np.intp], weigh: Weigh) -> Explanation:
        return cannot("shows no activations with a gradient")

    def activations(self, images: Array, labels: NDArray[np.intp]) -> Activations:
        return cannot("shows no activations with a gradient")

    def input_gradients(self, images: Array, targets: NDArray[np.intp]) -> Array:
        return cannot("gives no gradients")

    def at_layer(self, path: str) -> PredictOnly:
        return cannot(f"shows no layers, and {path!r} was asked for")

    def randomised(self, seed: int) -> AbstractContextManager[None]:
        return cannot("shows no weights")


class Wrapped(PredictOnly):
    """An object of a user that predicts, and no more.

    Args:
        model: satisfies `base.Predictor`.
        class_count: number of audited classes; None = any.

    Raises:
        ModelError: an attribute that is missing or of a wrong kind.
    """

    def __init__(self, model: Predictor, class_count: int | None, seconds_per_call: float = DEFAULTS.seconds_per_call):
        self._model, self._seconds = model, seconds_per_call
        with running("the model in memory lacks what an audit needs"):
            height, width, channels = (int(each) for each in model.input_size)
            self.input_size, self.batch_size = (height, width, channels), int(model.batch_size)
            self.head, self.outputs, self.sha256 = str(model.head), int(model.outputs), str(model.sha256)
            self.notes = tuple(map(str, model.notes))
            self.inside = tuple(map(str, model.inside))
        if channels not in (1, 3) or min(height, width, self.batch_size) < 1:
            raise ModelError(
                f"the model in memory takes {height}x{width} pixels of {channels} channels, {self.batch_size} at once",
                "input_size is (height, width, 1 or 3), and batch_size 1 or more.",
            )
        self._classes = class_count

    def _batch(self, images: Array) -> Predictions:
        with (
            watched(f"the prediction of {len(images)} images by the model", self._seconds, len(images)),
            running("the model in memory failed to predict"),
        ):
            return checked(self._model.predict(images.copy()), len(images), self._classes)


def checked(made: Any, count: int, classes: int | None) -> Predictions:
    """The predictions that a user's model made, as arrays of the kinds that an audit reads.

    Args:
        made: has the attributes of `base.Predictions`.
        count: number of images that were given.
        classes: number of audited classes; None = any.

    Raises:
        ModelError: a wrong shape, or a probability outside of [0, 1]; NaN is no prediction, which is counted and shown.
        Exception: what is no numbers.
    """
    numbers = [np.asarray(each, np.float32) for each in (made.probabilities, made.log_odds, made.other)]
    outdone = None if made.outdone is None else np.asarray(made.outdone, np.bool_)
    shapes = [each.shape for each in numbers]
    columns = classes if classes is not None else shapes[0][-1] if shapes[0] else 0
    expected: list[Any] = [(count, columns), (count, columns), (count,)]
    if shapes != expected or (outdone is not None and outdone.shape != (count,)):
        told = "" if outdone is None else f", and outdone of {outdone.shape}"
        raise ModelError(
            f"the model in memory predicts probabilities, log_odds and other of the shapes {shapes}{told} for "
            f"{count} images, expected {expected}",
            "See bias_audit.models.base.Predictions.",
        )
    for values in (numbers[0], numbers[2]):
        wrong = np.isfinite(values) & ((values < -ROUNDING) | (values > 1 + ROUNDING))
        if wrong.any():
            raise ModelError(f"the model in memory gives {values[wrong][0]:z.4g} as a probability")
    return Predictions(numbers[0], numbers[1], numbers[2], outdone)


def cannot(what: str) -> NoReturn:
    """Raise ModelError: what a model does not do that only predicts."""
    raise ModelError(f"the model only predicts: it {what}", "Take --method occlusion or rise for heatmaps.")
