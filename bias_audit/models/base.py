"""The interface of a model as the audit uses it, whatever its framework or the format of its file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bias_audit.models.head import Head

Array = NDArray[np.float32]

Weigh = Callable[[Sequence[Any], Sequence[Any], Any], Any]
"""(values, gradients, xp) -> maps (N, h, w): turns activations and gradients into heatmaps.

`values` and `gradients` are lists of (N, h, w, C), one per explained layer. `xp` has functions under NumPy's names
(einsum, sum, mean, max, where, maximum, abs, tanh), so the same function runs on NumPy and inside the traced pass.
"""


NO_CLASS = -1
"""Index of the predicted class where there is none; equal to no label, so that it never counts as right."""


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model for N images, in the K audited classes.

    Attributes:
        probabilities: (N, K) in [0, 1]; with a class map the sum over the outputs of a class.
        log_odds: (N, K), log p - log(1 - p), computed from logits and so finite where p rounds to 1.
        other: (N,) probability of all outputs outside the class map; zeros without a class map.
        outdone: (N,) whether a single output outside the class map is at least as probable as the most probable class,
            so that none of the classes is predicted; None = there is no such output.
    """

    probabilities: Array
    log_odds: Array
    other: Array
    outdone: NDArray[np.bool_] | None = None

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(N,) whether all outputs for an image are finite; NaN or infinity among them is no prediction."""
        finite = np.isfinite(self.probabilities).all(axis=1) & np.isfinite(self.log_odds).all(axis=1)
        return np.asarray(finite & np.isfinite(self.other), np.bool_)

    @property
    def best(self) -> NDArray[np.intp]:
        """(N,) index of the most probable audited class, which heatmaps explain; NO_CLASS where not `valid`."""
        return np.where(self.valid, np.argmax(self.log_odds, axis=1), NO_CLASS).astype(np.intp)

    @property
    def predicted(self) -> NDArray[np.intp]:
        """(N,) index of the predicted class: `best`, or K for none of these, where it is outdone; NO_CLASS as there."""
        if self.outdone is None:
            return self.best
        classes = self.probabilities.shape[1]
        return np.where(self.valid & self.outdone, classes, self.best).astype(np.intp)

    @property
    def probability(self) -> Array:
        """(N,) probability of what is predicted: of the class, or of all outputs outside the class map; NaN if none."""
        every = np.concatenate([self.probabilities, self.other[:, None]], axis=1)
        return np.where(self.valid, every[np.arange(len(every)), self.predicted], np.nan)


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Concatenate the predictions of consecutive batches; `parts` must not be empty."""
    if len(parts) == 1:
        return parts[0]
    outdone = [part.outdone for part in parts if part.outdone is not None]  # of one model: all or none
    return Predictions(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.log_odds for part in parts]),
        np.concatenate([part.other for part in parts]),
        np.concatenate(outdone) if outdone else None,
    )


def part_of(predictions: Predictions, places: NDArray[np.intp]) -> Predictions:
    """The predictions of some of the images."""
    return Predictions(
        predictions.probabilities[places],
        predictions.log_odds[places],
        predictions.other[places],
        None if predictions.outdone is None else predictions.outdone[places],
    )


@dataclass(frozen=True)
class Activations:
    """Output of the explained layer and the gradient of the log-odds with respect to it.

    Attributes:
        predictions: predictions of the same pass.
        values: (N, h, w, C) float32, output of the layer.
        gradients: (N, h, w, C) gradient of the log-odds of the predicted class; where none of the classes is
            predicted, of the most probable one (`Predictions.best`).
        gradients_label: (N, h, w, C) gradient of the labelled class's log-odds; equal to `gradients` where both are of
            one class.
    """

    predictions: Predictions
    values: Array
    gradients: Array
    gradients_label: Array


@dataclass(frozen=True)
class Explanation:
    """Predictions and heatmaps of N images.

    Attributes:
        predictions: predictions of the same pass.
        maps: (N, h, w) float32 heatmaps of the predicted class, signed and unscaled; where none of the classes is
            predicted, of the most probable one (`Predictions.best`).
        maps_label: (N, h, w) heatmaps of the labelled class; equal to `maps` where both are of one class.
    """

    predictions: Predictions
    maps: Array
    maps_label: Array


def chosen(explanation: Explanation, places: NDArray[np.intp]) -> Explanation:
    """Predictions and heatmaps of some of the images."""
    predictions = part_of(explanation.predictions, places)
    return Explanation(predictions, explanation.maps[places], explanation.maps_label[places])


@runtime_checkable
class Predictor(Protocol):
    """The part of a model that every audit needs: it predicts. Images are (n, H, W, C) float32, already preprocessed.

    Attributes:
        input_size: (height, width, channels) of the input.
        batch_size: images per pass; a smaller batch is padded, so nothing is traced twice.
        sha256: SHA-256 of the file or folder, or of what makes a model in memory; a resumed run must find the same.
        notes: sentences that a reader of the result should know.
        inside: preprocessing steps inside the model, "path: what it does", such as "rescaling: x / 127.5 - 1".
        head: "softmax", "sigmoid" (one unit: two classes; several: independent labels) or "logits".
        outputs: number of outputs.
    """

    input_size: tuple[int, int, int]
    batch_size: int
    sha256: str
    notes: tuple[str, ...]
    inside: tuple[str, ...]

    @property
    def head(self) -> str: ...

    @property
    def outputs(self) -> int: ...

    def predict(self, images: Array) -> Predictions:
        """Predictions for any number of images, computed in batches."""
        ...


@runtime_checkable
class Model(Predictor, Protocol):
    """A classifier that can be explained, if it is `differentiable`; one that only predicts is `predict_only.Wrapped`.

    Attributes:
        layer: path of the explained layer, `backbone/name`; several are joined by commas.
        grid: (h, w) of the layer's output; of several layers the finest grid.
        layers: all layers that could be explained as (path, grid), in the order in which they run.
        differentiable: whether the model gives gradients; if not, only methods that perturb the image can explain it.
    """

    layer: str
    grid: tuple[int, int]
    layers: tuple[tuple[str, tuple[int, int]], ...]
    differentiable: bool

    def explain(self, images: Array, labels: NDArray[np.intp], weigh: Weigh) -> Explanation:
        """Predictions and heatmaps of at most batch_size images.

        One forward pass, a backward pass through the head and the maps are traced as one function.

        Args:
            images: (n, H, W, C).
            labels: (n,) indices into the audited classes; -1 for an image without a label, whose most probable class
                is explained instead.
            weigh: see Weigh; each function object is traced once.
        """
        ...

    def activations(self, images: Array, labels: NDArray[np.intp]) -> Activations:
        """Activations and gradients of the explained layer, the first of several; arguments as `explain`."""
        ...

    def input_gradients(self, images: Array, targets: NDArray[np.intp]) -> Array:
        """(n, H, W, C) gradient of the log-odds of each image's target class with respect to the image.

        Args:
            images: (n, H, W, C), any n.
            targets: (n,) indices into the audited classes; -1 = the most probable class.
        """
        ...

    def at_layer(self, path: str) -> Model:
        """This network, explained at another layer.

        Args:
            path: a path of `layers`, or several joined by commas.

        Raises:
            ModelError: no such layer, or one that cannot be explained.
        """
        ...

    def randomised(self, seed: int) -> AbstractContextManager[None]:
        """Context in which every weight tensor is shuffled; at its end the weights are restored.

        Args:
            seed: seed of the shuffling.

        Raises:
            ModelError: the weights of this format cannot be changed.
        """
        ...


@dataclass(frozen=True)
class Linear:
    """A linear layer, whose outputs are the logits of a classifier.

    Attributes:
        weights: (D, outputs).
        bias: (outputs,); None = the layer has none.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64] | None

    def logits(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """(N, outputs) of features (N, D)."""
        made = np.asarray(features, np.float64) @ self.weights
        return made if self.bias is None else made + self.bias


class LastLayer(Protocol):
    """The last linear layer of a loaded model.

    Attributes:
        path: what the layer is called.
        linear: its weights as they are.
        head: how logits become probabilities.
        endings: endings of the files that `write` makes, the first where nobody names one; () = none can be written.
    """

    path: str
    linear: Linear
    head: Head
    endings: tuple[str, ...]

    def features(self, images: Array) -> Array:
        """(n, D) float32, what the layer gets for images (n, H, W, C) after preprocessing, any n."""
        ...

    def write(self, linear: Linear, file: Path) -> None:
        """Write the model with other weights in this layer, and nothing else changed.

        Args:
            linear: of the same shape; with a bias where the layer has one.
            file: a path with one of `endings`, at which nothing lies.

        Raises:
            ModelError: the file of the model holds the layer in a way that cannot be changed.
            OSError: the file cannot be written.
        """
        ...

    def changed(self, linear: Linear) -> Any:
        """A model in memory with other weights in this layer, for where no file of it can be opened; None = a file can.

        Args:
            linear: as of `write`.
        """
        ...
