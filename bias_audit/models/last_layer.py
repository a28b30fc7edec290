"""The last linear layer of a classifier: what it gets, its weights, and a copy of the model's file with others.

Each framework has a file `last_layer` in its room that finds the layer (`base.LastLayer`). Here stands the check that
it is the last one: what it gets, times its weights, are the logits of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ModelError
from bias_audit.models.base import Array, LastLayer, Predictions
from bias_audit.models.batched import predictions_of
from bias_audit.models.head import Arrays, Head, probes

PROBED = 8
"""Random images on which weights and inputs of the layer are held against the predictions of the model."""

MOST_OFF = 0.02
"""Most that a probability may differ: half precision rounds what the layer gets."""

HINT = "`bias-audit review RUN --next DIR` makes training images instead, with which any model can be trained on."


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


def in_batches(of_batch: Callable[[Array], Array], images: Array, size: int, width: int) -> Array:
    """(n, width) features of images, batch by batch.

    Args:
        of_batch: at most `size` images -> their features, with rows for what fills up the batch behind them.
        images: (n, H, W, C), any n.
        size: images of a batch.
        width: features of an image.
    """
    parts = [np.zeros((0, width), np.float32)]
    for start in range(0, len(images), size):
        part = images[start : start + size]
        parts.append(of_batch(part)[: len(part)])
    return np.concatenate(parts)


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
