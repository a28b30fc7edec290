"""The same network in Keras, in PyTorch and as an ONNX file is repaired in the same way; files that are written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_world import SIDE, weights

import bias_audit
from bias_audit.cli import main
from bias_audit.config import AuditConfig
from bias_audit.models.base import Linear
from bias_audit.models.doors import load_model
from bias_audit.models.last_layer import last_layer, read_logits
from bias_audit.repair.result import Repair

sys.path.append(str(Path(__file__).parents[1] / "torch_models"))
import libraries

pytestmark = pytest.mark.heavy


def keras_network() -> Any:
    import keras

    layers = keras.layers
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(3, 1, use_bias=False, activation="relu")(inputs)
    net = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    net.set_weights([np.eye(3)[None, None], *weights()])
    return net


def keras_file(folder: Path) -> Path:
    keras_network().save(folder / "net.keras")
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
        donors=1, config=config,
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


def test_safetensors_of_a_network_by_name_predict_as_the_audited_repair(world: Path, tmp_path: Path) -> None:
    """Nothing is proven against these random weights, so the repair is forced; what it is worth does not matter."""
    with libraries.on_the_path():
        import torch
        from safetensors.torch import save_file
        from torchvision.models import Small

        torch.manual_seed(0)
        save_file(Small(2).state_dict(), tmp_path / "w.safetensors")
        address = f"torchvision:small18@{tmp_path / 'w.safetensors'}"
        run = bias_audit.audit(
            address, world / "test", masks=world / "test masks", out=tmp_path / "run", discovery=0, probes=0, leakage=0,
            interventions=0, batch_size=16,
        )  # fmt: skip
        made = run.repair(
            address, world / "train", world / "train masks", export=tmp_path / "layer.npz",
            out=tmp_path / "new.safetensors", force=True,
        )  # fmt: skip
        assert made.model == tmp_path / "new.safetensors"
        config, layer = AuditConfig(batch_size=16), np.load(tmp_path / "layer.npz")
        old, new = (
            load_model(f"torchvision:small18@{tmp_path / name}", config, ("ant", "bee"))
            for name in ("w.safetensors", "new.safetensors")
        )
        images = np.random.default_rng(0).normal(size=(6, SIDE, SIDE, 3)).astype(np.float32)
        before = last_layer(old)
        refitted = Linear(layer["weights"].astype(float), layer["bias"].astype(float))
        expected = read_logits(before.head, refitted.logits(before.features(images)))
        assert np.allclose(new.predict(images).log_odds, expected.log_odds, atol=1e-4)
        assert not np.allclose(old.predict(images).log_odds, expected.log_odds, atol=1e-2)
        assert new.sha256 == made.run.info.model_sha256


def test_of_a_saved_model_the_layer_is_exported_and_the_model_in_memory_proven(
    world: Path, made: Repair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = AuditConfig(image_size=(SIDE, SIDE), batch_size=16)
    keras_network().export(tmp_path / "saved", verbose=False)
    bias_audit.audit(
        tmp_path / "saved", world / "test", masks=world / "test masks", out=tmp_path / "run", discovery=0, probes=0,
        leakage=0, donors=1, config=config,
    )  # fmt: skip
    command = [
        "repair", str(tmp_path / "run"), "--model", str(tmp_path / "saved"), "--train", str(world / "train"),
        "--train-masks", str(world / "train masks"),
    ]  # fmt: skip
    for more in ([], ["--out", str(tmp_path / "new.keras")]):
        assert main([*command, *more]) == 2
        said = capsys.readouterr().err
        assert "a file of this model cannot be written" in said
        assert "Take --export FILE.npz" in said
    before = {each.name for each in tmp_path.iterdir()}
    assert main([*command, "--export", str(tmp_path / "layer.npz")]) == 0
    assert f"Layer    {tmp_path / 'layer.npz'}" in capsys.readouterr().out
    assert {each.name for each in tmp_path.iterdir()} - before == {"layer.npz", "run-repaired"}
    assert not [each for each in (tmp_path / "run-repaired").iterdir() if each.suffix == ".keras"]
    told = json.loads((tmp_path / "run-repaired" / "repair.json").read_text())
    assert told["verdict"] == made.verdict
    assert told["made"]["model"] is None
    expected, layer = (
        last_layer(load_model(world / "repaired.onnx", config, None)).linear,
        np.load(tmp_path / "layer.npz"),
    )
    assert np.allclose(layer["weights"], expected.weights, atol=1e-4)
    assert np.allclose(layer["bias"], expected.bias, atol=1e-4)
