"""The same network in Keras, in PyTorch and as an ONNX file is repaired in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_world import SIDE, weights

import bias_audit
from bias_audit.config import AuditConfig
from bias_audit.models.doors import load_model
from bias_audit.models.last_layer import last_layer
from bias_audit.repair.result import Repair

pytestmark = pytest.mark.heavy


def keras_file(folder: Path) -> Path:
    import keras

    layers = keras.layers
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(3, 1, use_bias=False, activation="relu")(inputs)
    net = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    net.set_weights([np.eye(3)[None, None], *weights()])
    net.save(folder / "net.keras")
    return folder / "net.keras"


def module(folder: Path) -> Any:
    import torch
    from torch import nn

    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU(), pool, nn.Linear(3, 2), nn.Softmax(1))
    kernel, bias = weights()
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(3)[:, :, None, None])
        net[3].weight.copy_(torch.from_numpy(kernel.T))
        net[3].bias.copy_(torch.from_numpy(bias))
    return net.eval()


@pytest.mark.parametrize(("make", "ending"), [(keras_file, ".keras"), (module, ".pt")])
def test_verdict_and_weights_are_those_of_the_onnx_file(
    make: Any, ending: str, world: Path, made: Repair, tmp_path: Path
) -> None:
    model, config = make(tmp_path), AuditConfig(image_size=(SIDE, SIDE), batch_size=16)
    run = bias_audit.audit(
        model, world / "test", masks=world / "test masks", out=tmp_path / "run", discovery=0, probes=0, leakage=0,
        config=config,
    )  # fmt: skip
    ours = run.repair(model, world / "train", world / "train masks", out=tmp_path / f"new{ending}")
    assert ours.verdict == made.verdict
    if ending == ".pt":
        import torch

        state = torch.load(tmp_path / "new.pt", weights_only=True)
        found = state["3.weight"].numpy().T, state["3.bias"].numpy()
    else:
        linear = last_layer(load_model(tmp_path / "new.keras", config, None)).linear
        found = linear.weights, linear.bias
    expected = last_layer(load_model(world / "repaired.onnx", config, None)).linear
    assert np.allclose(found[0], expected.weights, atol=1e-4)
    assert np.allclose(found[1], expected.bias, atol=1e-4)
