"""The last linear layer of ONNX files: what it gets, its weights, and the file with other weights in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_networks import EPSILON, Network
from test_onnx_model import close, opened, photos

from bias_audit.config import AuditConfig
from bias_audit.errors import ModelError
from bias_audit.models.base import Linear
from bias_audit.models.doors import load_model
from bias_audit.models.last_layer import last_layer, read_logits

FORMS = [
    Network(linear="Gemm", final="Softmax"),
    Network(linear="Gemm rows"),
    Network(linear="MatMul", final="Softmax"),
    Network(linear="Conv", final="Sigmoid"),
    Network(linear="Gemm", pool="max", hidden=True, final="Softmax"),
    Network(linear="MatMul", norm="layer"),
]


def means(network: Network, images: np.ndarray) -> np.ndarray:
    """(N, 8) what the last layer of a network gets, by hand."""
    maps = network.features(images)
    made = maps.max(axis=(1, 2)) if network.pool == "max" else maps.mean(axis=(1, 2))
    if network.norm:
        centred = made - made.mean(axis=1, keepdims=True)
        made = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + EPSILON)
        made = made * network.weights["gains"] + network.weights["shift"]
    return np.maximum(made @ network.weights["h"], 0) if network.hidden else made


@pytest.mark.parametrize("network", FORMS, ids=str)
def test_features_and_weights_are_those_of_the_network(network: Network, tmp_path: Path) -> None:
    model, images = opened(network, tmp_path), photos()
    found = last_layer(model)
    assert close(found.features(images), means(network, images), 1e-4)
    assert close(found.linear.weights, network.weights["w"])
    assert found.linear.bias is not None
    assert close(found.linear.bias, network.weights["b"])
    said = read_logits(found.head, found.linear.logits(found.features(images)))
    assert close(said.log_odds, model.predict(images).log_odds, 1e-3)


@pytest.mark.parametrize("network", FORMS, ids=str)
def test_the_written_file_has_the_new_weights_and_is_otherwise_the_same(network: Network, tmp_path: Path) -> None:
    model, images = opened(network, tmp_path), photos()
    found, rng = last_layer(model), np.random.default_rng(2)
    new = Linear(rng.normal(size=found.linear.weights.shape), rng.normal(size=3))
    found.write(new, tmp_path / "new.onnx")
    again = load_model(tmp_path / "new.onnx", AuditConfig(batch_size=model.batch_size), None)
    after = last_layer(again)
    assert close(after.linear.weights, new.weights)
    assert close(after.features(images), found.features(images), 1e-6)
    said = read_logits(found.head, new.logits(found.features(images)))
    assert close(again.predict(images).log_odds, said.log_odds, 1e-3)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Network(linear=""), "no last linear layer"),
        (Network(linear="Gemm", quantised=True, final="Softmax"), "no last linear layer"),
    ],
    ids=["none", "quantised"],
)
def test_a_file_without_one_is_told(network: Network, said: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=said) as refused:
        last_layer(opened(network, tmp_path))
    assert "review" in refused.value.hint


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    found = last_layer(opened(Network(), tmp_path))
    (tmp_path / "there.onnx").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        found.write(found.linear, tmp_path / "there.onnx")
    assert (tmp_path / "there.onnx").read_bytes() == b"mine"


def test_a_model_that_only_predicts_is_told() -> None:
    def predicts(images: np.ndarray) -> np.ndarray:
        return np.tile([0.4, 0.6], (len(images), 1))

    model = load_model(predicts, AuditConfig(image_size=(8, 8)), ("a", "b"))
    with pytest.raises(ModelError, match="of a model of this kind is not known"):
        last_layer(model)
