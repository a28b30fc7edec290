"""Finds the last linear layer of an ONNX graph, and writes the file with other weights in its initialisers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.models.base import Array, Linear
from bias_audit.models.last_layer import in_batches, no_layer
from bias_audit.models.onnx.ending import linear_ending
from bias_audit.models.onnx.proto import with_outputs
from bias_audit.models.onnx.session import Session
from bias_audit.models.onnx.weights import with_numbers

if TYPE_CHECKING:
    from bias_audit.models.onnx.model import OnnxModel


class OnnxLastLayer:
    """The last linear layer of an ONNX file; see `base.LastLayer`.

    Args:
        model: the loaded model.
        content: bytes of the file, with all numbers in it.

    Raises:
        ModelError: the graph does not end in a linear layer whose weights are initialisers of their own.
    """

    endings: tuple[str, ...] = (".onnx",)

    def __init__(self, model: OnnxModel, content: bytes) -> None:
        self._model, self._content = model, content
        self.head = model._head
        found = linear_ending(model._graph, model._ending.logits)
        if isinstance(found, str):
            raise no_layer(found)
        self._found = found
        self.path = found.path
        weights = model._graph.constants([found.weights])[0].astype(np.float64)
        self._shape = weights.shape
        self._factors = found.scale, found.bias_scale
        weights = (weights if found.rows else weights.reshape(len(weights), -1).T) * found.scale
        bias = None
        if found.bias:
            bias = model._graph.constants([found.bias])[0].astype(np.float64)
            self._bias_shape = bias.shape
            bias = np.broadcast_to(bias.ravel() * found.bias_scale, (weights.shape[1],)).copy()
            if np.prod(self._bias_shape) != weights.shape[1]:
                raise no_layer(f"the bias of {self.path} is one number for all outputs")
        if weights.shape[1] != model.outputs:
            raise no_layer(f"{self.path} gives {weights.shape[1]} numbers, and the model has {model.outputs} outputs")
        self.linear = Linear(weights, bias)
        self._session = Session(model._path, with_outputs(content, [found.given]), "model", model._opset, gpu=True)

    def features(self, images: Array) -> Array:
        """(n, D) what the layer gets for images (n, H, W, C), in full batches."""
        return in_batches(self._of_batch, images, self._model.batch_size, len(self.linear.weights))

    def _of_batch(self, part: Array) -> Array:
        made = self._session.run([self._found.given], {self._model._image: self._model._given(part)})[0]
        return np.asarray(made, np.float32).reshape(self._model.batch_size, -1)

    def write(self, linear: Linear, file: Path) -> None:
        """Write the file with other weights in this layer; see `LastLayer`."""
        scale, bias_scale = self._factors
        own = linear.weights / scale
        numbers: dict[str, NDArray[Any]] = {
            self._found.weights: (own if self._found.rows else own.T).reshape(self._shape)
        }
        if linear.bias is not None:
            numbers[self._found.bias] = (linear.bias / bias_scale).reshape(self._bias_shape)
        with file.open("xb") as opened:
            opened.write(with_numbers(memoryview(self._content), numbers))

    def changed(self, linear: Linear) -> None:
        """Nothing: the file that `write` makes can be opened; see `LastLayer`."""
