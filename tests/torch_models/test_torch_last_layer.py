"""The last linear layer of PyTorch models: what it gets, its weights, and files with other weights in it."""

from __future__ import annotations

import sys
from pathlib import Path

import libraries
import numpy as np
import pytest
import torch
from test_torch_model import opened, photos
from torch import nn
from torch_networks import Transformer, convolutions

from bias_audit.errors import ModelError, PackageError
from bias_audit.limits.bounds import DEFAULTS
from bias_audit.models.base import Linear
from bias_audit.models.last_layer import last_layer, read_logits
from bias_audit.models.pytorch.weights import read_weights
from bias_audit.repair.writing import check_target


@pytest.mark.parametrize("make", [convolutions, lambda: nn.Sequential(*convolutions(), nn.Softmax(1)), Transformer])
def test_features_and_weights_are_those_of_the_network(make):
    net, images = make().eval(), photos()
    model = opened(net)
    found = last_layer(model)
    layer = net.get_submodule(found.path)
    assert np.allclose(found.linear.weights, layer.weight.detach().numpy().T)
    said = read_logits(found.head, found.linear.logits(found.features(images)))
    assert np.allclose(said.log_odds, model.predict(images).log_odds, atol=1e-3)


@pytest.fixture
def _libraries():
    with libraries.on_the_path():
        yield


@pytest.mark.usefixtures("_libraries")
@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_a_written_state_dict_differs_in_the_layer_alone_and_predicts_with_it(ending, tmp_path):
    net, rng, images = convolutions(), np.random.default_rng(1), photos()
    found = last_layer(opened(net))
    new = Linear(rng.normal(size=(8, 3)), rng.normal(size=3))
    file = tmp_path / f"new{ending}"
    found.write(new, file)
    state, _ = read_weights(file, DEFAULTS)
    before = net.state_dict()
    assert set(state) == set(before)
    changed = {name for name, each in state.items() if not torch.equal(each, before[name])}
    assert changed == {"8.weight", "8.bias"}
    assert np.allclose(state["8.weight"].numpy().T, new.weights, atol=1e-6)
    again = convolutions(seed=1)
    again.load_state_dict(state)
    said = read_logits(found.head, new.logits(found.features(images)))
    assert np.allclose(opened(again).predict(images).log_odds, said.log_odds, atol=1e-3)


def test_without_safetensors_a_pt_file_is_written_unless_asked_else(monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    found = last_layer(opened(convolutions()))
    assert found.endings[0] == ".pt"
    check_target(Path("new.pt"), None, found)
    with pytest.raises(PackageError, match=r"safetensors is not installed, and 'new.safetensors' needs it"):
        check_target(Path("new.safetensors"), None, found)


def test_a_copy_in_memory_predicts_with_the_new_weights_and_the_model_stays():
    net, images, rng = convolutions(), photos(), np.random.default_rng(1)
    model = opened(net)
    found, before = last_layer(model), model.predict(images).log_odds
    new = Linear(rng.normal(size=(8, 3)), rng.normal(size=3))
    other = opened(found.changed(new))
    said = read_logits(found.head, new.logits(found.features(images)))
    assert np.allclose(other.predict(images).log_odds, said.log_odds, atol=1e-3)
    assert np.array_equal(model.predict(images).log_odds, before)


def test_what_follows_the_layer_is_told():
    class Doubled(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = convolutions()

        def forward(self, images):
            return 3 * self.net(images) - 1

    with pytest.raises(ModelError, match="does more"):
        last_layer(opened(Doubled()))


def test_a_network_that_ends_in_a_convolution_is_told():
    net = nn.Sequential(nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ModelError, match="no last linear layer"):
        last_layer(opened(net))
