"""The last linear layer of a classifier: what it gets, its weights, and a copy of the model's file with others.

Each framework has a file `last_layer` in its room that finds the layer; here stands what all of them promise, and the
check that the promise holds: what the layer gets, times its weights, are the logits of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ModelError
from bias_audit.models.base import Array, Predictions
from bias_audit.models.batched import predictions_of
from bias_audit.models.head import Arrays, Head, probes

PROBED = 8
"""Random images on which weights and inputs of the layer are held against the predictions of the model."""

MOST_OFF = 0.02
"""Most that a probability may differ: half precision rounds what the layer gets."""

HINT = "`bias-audit review RUN --next DIR` makes training images instead, with which any model can be trained on."


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
        endings: endings of the files that `write` makes; () = none can be written.
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


def last_layer(model: Any) -> LastLayer:
    """The last linear layer of a loaded model.

    Args:
        model: what `doors.load_model` returns.

    Raises:
        ModelError: it has none, or what lies behind the layer is more than a softmax or sigmoid.
    """
    find = getattr(model, "last_layer", None)
    if find is None:
        raise ModelError("the last layer of a model of this kind is not known, so there is nothing to refit", HINT)
    found: LastLayer = find()
    images = probes(PROBED, model.input_size)
    if not agree(read_logits(found.head, found.linear.logits(found.features(images))), model.predict(images)):
        raise ModelError(
            f"the model does more with the outputs of its last linear layer, {found.path}, than a softmax or sigmoid",
            HINT,
        )
    return found


def no_layer(what: str) -> ModelError:
    """The error of a model without such a layer; `what` completes "the model has no last linear layer: "."""
    return ModelError(f"the model has no last linear layer: {what}", HINT)


def read_logits(head: Head, logits: NDArray[Any]) -> Predictions:
    """Predictions in the audited classes, of logits (N, outputs)."""
    given = np.asarray(logits, np.float32)
    if head.kind == "logits":
        return predictions_of(head.read(given, None, Arrays), len(given))
    raw = Arrays.softmax(given) if head.kind == "softmax" else Arrays.sigmoid(given)
    return predictions_of(head.read(raw, given, Arrays), len(given))


def agree(ours: Predictions, theirs: Predictions) -> bool:
    """Whether two sets of predictions for the same images are the same but for rounding."""
    valid = ours.valid & theirs.valid
    if not valid.any():
        return False
    one, two = ours.probabilities[valid], theirs.probabilities[valid]
    return bool(np.abs(one - two).max() <= MOST_OFF)
