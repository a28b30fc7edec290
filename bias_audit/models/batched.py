"""What every model that runs in fixed batches shares, whatever its framework: its head, full batches, predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.models.base import Array, Predictions
from bias_audit.models.head import Head


class Batched:
    """A model with a head that takes `batch_size` images at once; a base of those that can be explained."""

    input_size: tuple[int, int, int]
    batch_size: int
    _head: Head

    @property
    def head(self) -> str:
        """Kind of the head: "softmax", "sigmoid" or "logits"; see `base.Model`."""
        return self._head.kind

    @property
    def outputs(self) -> int:
        """Number of outputs; see `base.Model`."""
        return self._head.outputs

    def _full_batch(self, images: Array) -> Array:
        """Pad images with zeros to a full batch: nothing is traced twice, and a resumed run gets the same numbers."""
        missing = self.batch_size - len(images)
        if missing <= 0:
            return images
        return np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.float32)])

    def _full_targets(self, labels: NDArray[np.intp]) -> NDArray[np.int32]:
        """Pad labels to a full batch with -1, the prediction, whose gradient costs nothing more."""
        targets = np.full(self.batch_size, -1, np.int32)
        targets[: len(labels)] = labels
        return targets


def channels_first(images: Array) -> Array:
    """(n, C, H, W) copy of float32 images (n, H, W, C): OpenCV does it in a quarter of NumPy's time."""
    n, height, width, channels = images.shape
    images = np.ascontiguousarray(images, np.float32)
    made = np.empty((n, channels, height, width), np.float32)
    for image, into in zip(images, made, strict=True):
        cv2.transpose(image.reshape(-1, channels), dst=into.reshape(channels, -1))
    return made


def predictions_of(outputs: Sequence[Any], n: int) -> Predictions:
    """Predictions of the first `n` images of a batch, from what `Head.read` gives, as arrays or tensors on a CPU."""
    probabilities, log_odds, other, *outdone = (np.asarray(output)[:n] for output in outputs)
    return Predictions(probabilities, log_odds, other, *outdone)
