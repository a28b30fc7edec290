"""Finds the last linear layer of a Keras model, and writes the model's file with other weights in it.

A file is changed in place, in a copy: two arrays in its HDF5 part, and not a byte of the rest.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ModelError
from bias_audit.models.base import Array, Linear
from bias_audit.models.last_layer import in_batches, no_layer
from bias_audit.models.tensorflow.framework import tf
from bias_audit.models.tensorflow.keras_file import WEIGHTS
from bias_audit.models.tensorflow.tapping import tap_input
from bias_audit.models.tensorflow.traced import Compiled

if TYPE_CHECKING:
    from bias_audit.models.tensorflow.keras_model import KerasModel

AGAIN = "Save the model again with model.save('m.keras'), or take --export FILE.npz."


class KerasLastLayer:
    """The last linear layer of a Keras model; see `base.LastLayer`.

    Args:
        model: the loaded model.
        network: its Keras model.
        file: the file that it was read from; None = it was given in memory.

    Raises:
        ModelError: no Dense layer makes its outputs.
    """

    def __init__(self, model: KerasModel, network: Any, file: Path | None) -> None:
        self._model, self._network, self._file = model, network, file
        self.head = model._head
        self.path, self._layer = _last_dense(model)
        kernel = np.asarray(self._layer.kernel.numpy(), np.float64)
        bias = np.asarray(self._layer.bias.numpy(), np.float64) if getattr(self._layer, "use_bias", False) else None
        self.linear = Linear(kernel, bias)
        self.endings: tuple[str, ...] = (".keras",) if file is None else (file.suffix.lower(),)
        self._traced: Any = None

    def features(self, images: Array) -> Array:
        """(n, D) what the layer gets for images (n, H, W, C), in full batches."""
        if self._traced is None:
            traced = tf.function(self._inputs, autograph=False)
            self._traced = Compiled(traced.get_concrete_function(self._model._spec))
        return in_batches(self._of_batch, images, self._model.batch_size, len(self.linear.weights))

    def _of_batch(self, part: Array) -> Array:
        with self._model._called("the features", len(part)):
            made = self._traced(self._model._padded(part), live=False)
        return np.asarray(made[0] if isinstance(made, list | tuple) else made)

    def _inputs(self, images: Any) -> Any:
        seen: list[Any] = []
        with tap_input(self._layer, seen.append):
            self._model._forward(images)
        return tf.cast(seen[-1], tf.float32)

    def write(self, linear: Linear, file: Path) -> None:
        """Write the model with other weights in this layer; see `LastLayer`."""
        if self._file is None:
            with self._holding(linear):
                self._network.save(file)
        elif file.suffix.lower() == ".keras":
            self._archive(linear, file)
        else:
            shutil.copyfile(self._file, file)
            self._put(linear, file)

    def changed(self, linear: Linear) -> None:
        """Nothing: the file that `write` makes can be opened; see `LastLayer`."""

    @contextlib.contextmanager
    def _holding(self, linear: Linear) -> Iterator[None]:
        """Context in which the network in memory has these weights."""
        variables = [self._layer.kernel, *([] if linear.bias is None else [self._layer.bias])]
        kept = [each.numpy() for each in variables]
        try:
            for variable, values in zip(variables, (linear.weights, linear.bias), strict=False):
                variable.assign(values)
            yield
        finally:
            for variable, values in zip(variables, kept, strict=True):
                variable.assign(values)

    def _archive(self, linear: Linear, file: Path) -> None:
        assert self._file is not None
        with tempfile.TemporaryDirectory(dir=file.parent) as folder, zipfile.ZipFile(self._file) as source:
            weights = Path(folder) / WEIGHTS
            with source.open(WEIGHTS) as member, weights.open("wb") as copy:
                shutil.copyfileobj(member, copy)
            self._put(linear, weights)
            with zipfile.ZipFile(file, "x", allowZip64=True) as target:
                for info in source.infolist():
                    part = weights.open("rb") if info.filename == WEIGHTS else source.open(info)
                    with part, target.open(info, "w", force_zip64=True) as out:
                        shutil.copyfileobj(part, out)

    def _put(self, linear: Linear, file: Path) -> None:
        """Change the arrays of the layer in an HDF5 file; they are found by what they hold.

        Raises:
            ModelError: they are not there, or not in one place only.
        """
        kernel = self._layer.kernel.numpy()
        bias = None if self.linear.bias is None else self._layer.bias.numpy()
        with h5py.File(file, "r+") as opened:
            found = _holding_same(opened, kernel)
            if len(found) != 1:
                raise ModelError(
                    f"the weights of its last layer, {self.path}, are in {len(found)} places of the model's file", AGAIN
                )
            others = [] if bias is None else _holding_same(found[0].parent, bias)
            if bias is not None and len(others) != 1:
                raise ModelError(
                    f"the bias of its last layer, {self.path}, is not beside its weights in the file", AGAIN
                )
            found[0][...] = linear.weights.astype(found[0].dtype)
            if others and linear.bias is not None:
                others[0][...] = linear.bias.astype(others[0].dtype)
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _last_dense(model: KerasModel) -> tuple[str, Any]:
    """(path, layer) of the Dense layer that ran last, if it gives as many numbers as the model has outputs."""
    for path, layer, shape in reversed(model._trace.steps):
        if type(layer).__name__ != "Dense":
            continue
        kernel = getattr(layer, "kernel", None)
        sides = tuple(getattr(kernel, "shape", ()))
        if len(shape) != 2 or len(sides) != 2 or int(sides[1]) != model.outputs:
            raise no_layer(f"{path} gives {shape[-1]} numbers, and the model has {model.outputs} outputs")
        if np.asarray(layer.kernel.numpy()).dtype.kind != "f":
            raise no_layer(f"{path} holds its weights as whole numbers")
        return path, layer
    raise no_layer("no layer of the kind Dense runs")


def _holding_same(group: Any, values: NDArray[Any]) -> list[Any]:
    """Arrays below a group of an HDF5 file that hold these numbers; one that several names lead to counts once."""
    found: dict[int, Any] = {}

    def look(_: str, part: Any) -> None:
        if isinstance(part, h5py.Dataset) and part.shape == values.shape and np.array_equal(part[()], values):
            found[h5py.h5o.get_info(part.id).addr] = part

    group.visititems(look)
    return list(found.values())
