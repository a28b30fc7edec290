"""What the audit asks of a model, whatever framework runs it. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ModelError

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig

Array = NDArray[np.float32]

Weigh = Callable[[Sequence[Any], Sequence[Any], Any], Any]
"""(values, gradients, xp) -> maps (N, h, w): lists of (N, h, w, C), one per explained layer; xp has NumPy's names
(einsum, sum, mean, max, where, maximum, abs, tanh), so the same function runs on NumPy and inside the traced pass."""


@dataclass(frozen=True)
class Predictions:
    """What a model says about N images, in the K audited classes.

    Attributes:
        probabilities: (N, K) in [0, 1], as the model outputs them; grouped outputs summed.
        log_odds: (N, K), log p - log(1 - p) computed from logits, so finite where p rounds to 1.
        other: (N,) probability of all outputs outside the class map; zeros without a class map.
    """

    probabilities: Array
    log_odds: Array
    other: Array

    @property
    def predicted(self) -> NDArray[np.intp]:
        """(N,) index of the most probable audited class."""
        return np.asarray(np.argmax(self.log_odds, axis=1), np.intp)


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of consecutive batches as one."""
    if len(parts) == 1:
        return parts[0]
    return Predictions(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.log_odds for part in parts]),
        np.concatenate([part.other for part in parts]),
    )


@dataclass(frozen=True)
class Activations:
    """Output of the explained layer and the gradient of the log-odds with respect to it.

    Attributes:
        predictions: of the same pass.
        values: (N, h, w, C) float32.
        gradients: (N, h, w, C), of the predicted class's log-odds.
        gradients_label: (N, h, w, C), of the labelled class's log-odds; equal to `gradients` where both agree.
    """

    predictions: Predictions
    values: Array
    gradients: Array
    gradients_label: Array


@dataclass(frozen=True)
class Explanation:
    """Predictions and heatmaps of N images.

    Attributes:
        predictions: of the same pass.
        maps: (N, h, w) float32, signed and unscaled, of the predicted class.
        maps_label: (N, h, w), of the labelled class; equal to `maps` where both agree.
    """

    predictions: Predictions
    maps: Array
    maps_label: Array


class Model(Protocol):
    """A classifier that can be explained. Images are (n, H, W, C) float32, already preprocessed.

    Attributes:
        input_size: (height, width, channels) of the input.
        batch_size: images per pass; fewer are padded, so nothing is traced twice.
        layer: path of the explained layer, `backbone/name`; several joined by commas.
        grid: (h, w) of its output, the finest of several.
        layers: all layers that could be explained as (path, grid), in the order in which they run.
        head: "softmax", "sigmoid" (one unit: two classes; several: independent labels) or "logits".
        outputs: number of outputs.
        differentiable: whether gradients are to be had; if not, only methods that perturb the image explain it.
        sha256: of the file, or of configuration and weights.
        notes: what a reader of the result should know.
        inside: what the model itself does to images first, "path: what it does", such as "rescaling: x / 127.5 - 1".
    """

    input_size: tuple[int, int, int]
    batch_size: int
    layer: str
    grid: tuple[int, int]
    layers: tuple[tuple[str, tuple[int, int]], ...]
    differentiable: bool
    sha256: str
    notes: tuple[str, ...]
    inside: tuple[str, ...]

    @property
    def head(self) -> str: ...

    @property
    def outputs(self) -> int: ...

    def predict(self, images: Array) -> Predictions:
        """Forward passes over any number of images, in batches."""
        ...

    def explain(self, images: Array, labels: NDArray[np.intp], weigh: Weigh) -> Explanation:
        """One forward pass of at most batch_size images, a backward pass through the head, and the maps, all traced.

        Args:
            images: (n, H, W, C).
            labels: (n,) indices into the audited classes; -1 where there is none: the predicted class once more.
            weigh: see Weigh; one function object is traced once.
        """
        ...

    def activations(self, images: Array, labels: NDArray[np.intp]) -> Activations:
        """The same pass, with activations and gradients of the (first) explained layer as NumPy arrays."""
        ...

    def input_gradients(self, images: Array, targets: NDArray[np.intp]) -> Array:
        """(n, H, W, C): gradient of each image's log-odds of its target class with respect to its pixels."""
        ...

    def at_layer(self, path: str) -> Model:
        """The same network, explained at another layer (a path of `layers`, or several joined by commas)."""
        ...

    def randomised(self, seed: int) -> AbstractContextManager[None]:
        """While it lasts, every weight tensor is shuffled; afterwards the weights are what they were.

        Raises:
            ModelError: the weights of this format cannot be changed.
        """
        ...


def load_model(model: str | Path | Any, config: AuditConfig, class_names: tuple[str, ...] | None) -> Model:
    """Load a model, find the layer to explain and check that its outputs fit the classes.

    Args:
        model: path of a .keras or .h5 file or of a SavedModel folder, or a Keras model in memory.
        config: layer, image size, batch size and class map.
        class_names: classes of the data set, in the order of the outputs; None = without a data set, any number.

    Raises:
        ModelError: missing or unreadable file, no classifier, outputs that do not fit the classes, no usable layer.
    """
    if isinstance(model, str | Path):
        check_model_path(Path(model))
    if isinstance(model, str | Path) and Path(model).is_dir():
        from bias_audit.models.saved_model import SavedModel

        return SavedModel(Path(model), config, class_names)
    from bias_audit.models.keras_model import KerasModel

    return KerasModel(model, config, class_names)


def check_model_path(path: Path) -> None:
    """Refuse what cannot be a model before seconds are spent on importing TensorFlow.

    Raises:
        ModelError: nothing there, a folder that is no SavedModel, or another kind of file.
    """
    if not path.exists():
        raise ModelError(f"no model at {str(path)!r}")
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return
        inside = sorted(
            each.relative_to(path).as_posix()
            for pattern in ("*.keras", "*.h5", "*.hdf5", "*/saved_model.pb")
            for each in path.glob(pattern)
        )
        raise ModelError(
            f"{str(path)!r} is a folder without saved_model.pb, so it is no SavedModel",
            f"Did you mean {str(path / inside[0].removesuffix('/saved_model.pb'))!r}?" if inside else "",
        )
    if path.suffix.lower() not in (".keras", ".h5", ".hdf5"):
        raise ModelError(
            f"{str(path)!r} is no Keras model: expected .keras, .h5 or a SavedModel folder, got {path.suffix!r}",
            "Give the folder that holds saved_model.pb." if path.name == "saved_model.pb" else "",
        )
