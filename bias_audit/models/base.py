"""What the audit asks of a model, whatever framework runs it. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ModelError

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig

Array = NDArray[np.float32]


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


class Model(Protocol):
    """A classifier that can be explained. Images are (n, H, W, C) float32, already preprocessed; n <= batch size."""

    input_size: tuple[int, int, int]
    layer: str
    grid: tuple[int, int]
    head: str
    sha256: str
    notes: tuple[str, ...]

    def predict(self, images: Array) -> Predictions:
        """One forward pass."""
        ...

    def activations(self, images: Array, labels: NDArray[np.intp]) -> Activations:
        """One forward pass, and a backward pass from the log-odds to the explained layer only."""
        ...


def load_model(model: str | Path | Any, config: AuditConfig, class_names: tuple[str, ...]) -> Model:
    """Load a model, find the layer to explain and check that its outputs fit the classes.

    Args:
        model: path of a .keras or .h5 file, or a Keras model in memory.
        config: layer, image size, batch size and class map.
        class_names: classes of the data set, in the order of the outputs.

    Raises:
        ModelError: missing or unreadable file, no classifier, outputs that do not fit the classes, no usable layer.
    """
    if isinstance(model, str | Path):
        check_model_path(Path(model))
    from bias_audit.models.keras_model import KerasModel

    return KerasModel(model, config, class_names)


def check_model_path(path: Path) -> None:
    """Refuse what cannot be a model before seconds are spent on importing TensorFlow.

    Raises:
        ModelError: nothing there, a folder, or another kind of file.
    """
    if not path.exists():
        raise ModelError(f"no model at {str(path)!r}")
    if path.is_dir():
        raise ModelError(
            f"{str(path)!r} is a folder; read are .keras and .h5 files",
            "Load a SavedModel in Python and save it again with model.save('model.keras').",
        )
    if path.suffix.lower() not in (".keras", ".h5", ".hdf5"):
        raise ModelError(f"{str(path)!r} is no Keras model: expected .keras or .h5, got {path.suffix!r}")
