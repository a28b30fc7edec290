"""Images per pass follow the network and the memory; a given number is taken as it is."""

from __future__ import annotations

import keras
import networks
import numpy as np
import pytest

from bias_audit.config import AuditConfig
from bias_audit.limits import memory as limits_memory
from bias_audit.limits.bounds import Limits
from bias_audit.models import memory
from bias_audit.models.doors import load_model
from bias_audit.models.tensorflow.keras_model import KerasModel

GIB = 2**30


@pytest.mark.parametrize(
    ("image_bytes", "main", "gpu", "expected"),
    [
        (100 << 20, 24 * GIB, None, 32),  # 3.1 of 6 GiB
        (100 << 20, 8 * GIB, None, 16),  # 32 would take 3.1 of 2 GiB, 16 take 1.6
        (100 << 20, 8 * GIB, 80 * GIB, 128),  # the GPU's memory counts, where there is one
        (100 << 20, 8 * GIB, 16 * GIB, 32),
        (1 << 20, 999 * GIB, None, 32),
        (100 * GIB, GIB, None, 1),
        (100 << 20, None, None, 32),  # unknown memory
    ],
)
def test_halved_until_a_quarter_of_the_memory_is_enough(monkeypatch, image_bytes, main, gpu, expected):
    monkeypatch.setattr(memory, "main_memory", lambda: main)
    cost = memory.Cost((8, 8, 3), image_bytes, image_bytes // 100)
    assert memory.fitting_batch(cost, Limits(batch_bytes=10**15), gpu) == expected


def test_a_container_has_the_memory_of_its_limit(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(limits_memory, "_LIMITS", (str(tmp_path / "missing"), str(limit)))
    limit.write_text("max\n")
    machine = limits_memory.main_memory()
    assert machine > GIB
    limit.write_text("1073741824\n")
    assert limits_memory.main_memory() == GIB
    limit.write_text(str(machine * 8))
    assert limits_memory.main_memory() == machine


@pytest.mark.parametrize("saved_model", [False, True])
def test_a_model_takes_what_fits_and_predicts_the_same(monkeypatch, tmp_path, saved_model):
    model = networks.sequential()
    source = model
    if saved_model:
        model.export(source := tmp_path / "saved", verbose=False)
    config = AuditConfig(image_size=networks.SIZE[:2])
    roomy = load_model(source, config, networks.class_names(3))
    assert roomy.batch_size == 32
    monkeypatch.setattr(memory, "main_memory", lambda: 100_000)
    tight = load_model(source, config, networks.class_names(3))
    assert 1 <= tight.batch_size < 32
    images = networks.make_images(7)
    np.testing.assert_allclose(
        tight.predict(images).probabilities, roomy.predict(images).probabilities, rtol=1e-5, atol=1e-7
    )
    assert load_model(source, AuditConfig(batch_size=3), networks.class_names(3)).batch_size == 3


def test_what_layers_put_out_is_summed():
    inputs = keras.Input((4, 6, 3))
    x = keras.layers.Conv2D(5, 3, padding="same")(inputs)  # 4 * 6 * 5
    x = keras.layers.GlobalAveragePooling2D()(x)  # 5
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))  # 2
    loaded = KerasModel(model, AuditConfig(batch_size=2), networks.class_names(2))
    assert loaded._trace.image_bytes() == 4 * (4 * 6 * 5 + 5 + 2)
