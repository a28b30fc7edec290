"""Mixed precision, of Keras 3 and Keras 2: pixels of 0..255 may overflow 16 bits, and say nothing about the head."""

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
from bias_audit.models.head import OVERFLOWS

tf_keras = pytest.importorskip("tf_keras", reason="needs Keras 2: pip install 'bias-audit[keras2]'")


def _mixed(kerases: ModuleType, policy: str, gain: float) -> Any:
    """Six convolutions that each multiply what they get, and a softmax in 32 bits."""
    kerases.utils.set_random_seed(8)
    layers, precision = kerases.layers, kerases.mixed_precision
    set_policy = precision.set_global_policy if kerases is tf_keras else precision.set_dtype_policy
    set_policy(policy)
    try:
        inputs = x = kerases.Input(SIZE)
        for number in range(6):
            start = kerases.initializers.VarianceScaling(2 * gain**2, "fan_in", seed=number)
            x = layers.Conv2D(16, 3, padding="same", activation="relu", kernel_initializer=start)(x)
        x = layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x))
        return kerases.Model(inputs, layers.Activation("softmax", dtype="float32")(x))
    finally:
        set_policy("float32")


@pytest.mark.parametrize(("kerases", "gain"), [(keras, 3.0), (tf_keras, 2.2)], ids=["Keras 3", "Keras 2"])
@pytest.mark.parametrize("from_file", [False, True])
def test_pixels_that_overflow_say_nothing(kerases: ModuleType, gain: float, from_file: bool, tmp_path: Path) -> None:
    network = _mixed(kerases, "mixed_float16", gain)
    images = make_images()
    said = network.predict(images, verbose=0).astype(np.float64)
    assert np.isfinite(said).all()
    assert not np.isfinite(network.predict((images + 1) * 127, verbose=0)).any()  # or this shows nothing
    if from_file:
        network.save(tmp_path / "m.keras")
        model = load_model(tmp_path / "m.keras", AuditConfig(batch_size=BATCH), class_names(3))
    else:
        model = make_model(network, 3)
    assert (model.head, model.differentiable) == ("softmax", True)
    assert model.notes == (OVERFLOWS,)
    predictions = model.predict(images)
    assert predictions.valid.all()
    np.testing.assert_allclose(predictions.probabilities, said, atol=0.02)
    assert not model.predict((images + 1) * 127).valid.any()
    active = model.activations(images, np.zeros(BATCH, int))
    assert np.isfinite(active.gradients).all()
    assert np.abs(active.gradients).max() > 0


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_without_an_overflow_nothing_is_said(policy: str) -> None:
    assert make_model(_mixed(tf_keras, policy, 1.0), 3).notes == ()


def test_no_finite_output_at_all_is_refused() -> None:
    network = _mixed(tf_keras, "mixed_float16", 1.0)
    network.get_layer("head").set_weights([np.full((16, 3), np.nan), np.zeros(3)])
    with pytest.raises(ModelError, match="gives NaN or infinite outputs on random input"):
        make_model(network, 3)
