"""Finds the last linear layer of a SavedModel in its frozen graph, and makes a model in memory with other weights.

No file is written: what a SavedModel holds beside this graph (its variables, other signatures) would not fit it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ModelError
from bias_audit.models.base import Array, Linear
from bias_audit.models.last_layer import in_batches, no_layer
from bias_audit.models.tensorflow.framework import tf
from bias_audit.models.tensorflow.frozen_graph import PASSES_ON, FrozenGraph, path_of

if TYPE_CHECKING:
    from bias_audit.models.tensorflow.saved_model import SavedModel

ADDS = ("Add", "AddV2", "BiasAdd")


class SavedLastLayer:
    """The last linear layer of a SavedModel; see `base.LastLayer`.

    Args:
        model: the loaded model.
        graph: its frozen graph.

    Raises:
        ModelError: no product with fixed weights makes its outputs.
    """

    endings: tuple[str, ...] = ()

    def __init__(self, model: SavedModel, graph: FrozenGraph) -> None:
        self._model, self._graph = model, graph
        self.head = model._head
        last, bias = _source(graph.tensor(graph.outputs[-1])), None
        self._bias: tuple[str, int] | None = None
        if last.type in ADDS:
            place = next((each for each in (1, 0) if _constant(last.inputs[each]) is not None), None)
            if place is None:
                raise no_layer(f"{path_of(last.name)} adds two numbers that depend on the picture")
            self._bias, self._bias_type = (last.name, place), last.inputs[place]
            bias, last = _constant(last.inputs[place]), _source(last.inputs[1 - place])
        self.path = path_of(last.name)
        weights = _constant(last.inputs[1]) if last.type == "MatMul" and not last.get_attr("transpose_a") else None
        if weights is None or last.inputs[0].shape.rank != 2:
            raise no_layer(f"{self.path} makes its outputs, and is no product with fixed weights")
        self._weights, self._weights_type = (last.name, 1), last.inputs[1]
        self._turned = bool(last.get_attr("transpose_b"))
        weights = weights.T if self._turned else weights
        if bias is not None and bias.size != weights.shape[1]:
            raise no_layer(f"the bias of {self.path} is one number for all outputs")
        self.linear = Linear(weights, None if bias is None else bias.ravel())
        self._features = graph.part((graph.image,), (last.inputs[0].name,))

    def features(self, images: Array) -> Array:
        """(n, D) what the layer gets for images (n, H, W, C), in full batches."""
        return in_batches(self._of_batch, images, self._model.batch_size, len(self.linear.weights))

    def _of_batch(self, part: Array) -> Array:
        with self._model._called("the features", len(part)):
            return np.asarray(self._features(self._model._padded(part))[0], np.float32)

    def write(self, linear: Linear, file: Path) -> NoReturn:
        """Raise ModelError, for no file is written; see `LastLayer`."""
        raise ModelError("a file of this model cannot be written", "Take --export FILE.npz.")

    def changed(self, linear: Linear) -> SavedModel:
        """The model with other weights in this layer; see `LastLayer`."""
        arrays = {self._weights: _typed(linear.weights.T if self._turned else linear.weights, self._weights_type)}
        if self._bias is not None and linear.bias is not None:
            arrays[self._bias] = _typed(linear.bias, self._bias_type)
        made = hashlib.sha256(self._model.sha256.encode())
        for values in arrays.values():
            made.update(values.tobytes())
        return self._model.with_graph(self._graph.with_arrays(arrays), made.hexdigest())


def _source(tensor: Any) -> Any:
    """The operation that makes a tensor, behind those that pass it on."""
    while tensor.op.type in PASSES_ON:
        tensor = tensor.op.inputs[0]
    return tensor.op


def _constant(tensor: Any) -> NDArray[np.float64] | None:
    """The numbers of a tensor that is the same for all pictures; None = it is not."""
    source = _source(tensor)
    return np.asarray(tf.make_ndarray(source.get_attr("value")), np.float64) if source.type == "Const" else None


def _typed(values: NDArray[Any], tensor: Any) -> NDArray[Any]:
    """Values in the type of a tensor and in its shape."""
    return np.ascontiguousarray(values.reshape(tensor.shape.as_list()), tensor.dtype.as_numpy_dtype)
