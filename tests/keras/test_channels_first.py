"""Keras models with their channels first are explained as their twins of the same weights with channels last."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
from networks import BATCH, SIZE, class_names, make_images, make_model

from bias_audit.config import AuditConfig
from bias_audit.errors import ModelError
from bias_audit.models.doors import load_model

tf_keras = pytest.importorskip("tf_keras", reason="needs Keras 2: pip install 'bias-audit[keras2]'")
LABELS = np.arange(BATCH) % 3


def _network(kerases: ModuleType, order: str, outside: str = "") -> Any:
    """Convolutions, batch normalisation, pooling, softmax; `outside` is the order of the input, as inside if empty."""
    kerases.utils.set_random_seed(3)
    layers, axis = kerases.layers, 1 if order == "channels_first" else -1
    sides = (SIZE[2], *SIZE[:2]) if (outside or order) == "channels_first" else SIZE
    inputs = x = kerases.Input(sides)
    if outside and outside != order:
        x = layers.Permute((3, 1, 2), name="turned")(x)
    for number, width in enumerate((5, 6)):
        x = layers.Conv2D(width, 3, padding="same", data_format=order, name=f"convolution_{number}")(x)
        x = layers.ReLU(name=f"rectified_{number}")(layers.BatchNormalization(axis=axis)(x))
        x = layers.MaxPooling2D(2, data_format=order)(x) if number == 0 else x
    x = layers.GlobalAveragePooling2D(data_format=order)(x)
    wide = kerases.initializers.RandomNormal(stddev=5)
    return kerases.Model(inputs, layers.Dense(3, activation="softmax", kernel_initializer=wide)(x))


def _same(ours: Any, theirs: Any) -> None:
    """Predictions, values and gradients of two models at the layer "rectified_1"."""
    assert (ours.layer, ours.grid, ours.input_size) == ("rectified_1", (6, 8), SIZE)
    assert ours.channels["rectified_1"] == 6
    mine, other = (each.activations(make_images(), LABELS) for each in (ours, theirs))
    assert np.ptp(other.predictions.probabilities, axis=0).max() > 0.05  # exchanged images would be noticed
    np.testing.assert_allclose(mine.predictions.log_odds, other.predictions.log_odds, rtol=1e-4, atol=1e-4)
    for name in ("values", "gradients_label"):
        expected = getattr(other, name)
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(getattr(mine, name), expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
    pixels = [each.input_gradients(make_images(), LABELS) for each in (ours, theirs)]
    np.testing.assert_allclose(*pixels, rtol=1e-3, atol=1e-5 * np.abs(pixels[1]).max())


@pytest.mark.parametrize("kerases", [keras, tf_keras], ids=["Keras 3", "Keras 2"])
@pytest.mark.parametrize("outside", ["", "channels_last"], ids=["throughout", "inside alone"])
def test_as_the_twin_with_channels_last(kerases: ModuleType, outside: str, tmp_path: Path) -> None:
    """Read as (height, width, channels), an output with channels first would give a map of channels by rows."""
    last, first = _network(kerases, "channels_last"), _network(kerases, "channels_first", outside)
    first.set_weights(last.get_weights())
    expected = make_model(last, 3)
    _same(make_model(first, 3), expected)
    first.save(tmp_path / "m.keras")
    _same(load_model(tmp_path / "m.keras", AuditConfig(batch_size=BATCH), class_names(3)), expected)


def test_an_exported_one_says_what_to_do(tmp_path: Path) -> None:
    """Keras 2 exports the operations as they are; Keras 3 turns what a CPU may not run."""
    _network(tf_keras, "channels_first", "channels_last").save(tmp_path / "saved", save_format="tf")
    with pytest.raises(ModelError, match="the graph of the SavedModel has its channels first") as caught:
        load_model(tmp_path / "saved", AuditConfig(batch_size=BATCH), class_names(3))
    assert caught.value.hint.startswith("Audit the .keras file of the model instead")
