"""`--torch`: another layout and another precision change predictions and maps by rounding alone, and the model not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_networks import SIZE, Transformer, convolutions

from bias_audit.config import AuditConfig
from bias_audit.errors import ConfigError
from bias_audit.heatmaps.methods import METHODS
from bias_audit.models.doors import load_model

NAMES = ("a", "b", "c")
LABELS = np.array([0, 1, 2, -1])


def photos() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, (4, *SIZE, 3)).astype(np.float32)


def opened(net, asked):
    return load_model(net, AuditConfig(image_size=SIZE, batch_size=4, torch=asked), NAMES)


def weigh(values, gradients, xp):
    return METHODS["hires_cam"].function(values[0], gradients[0], xp)


@pytest.mark.parametrize("make", [convolutions, Transformer])
@pytest.mark.parametrize(
    ("asked", "near"), [("channels_last", 1e-5), ("bfloat16", 0.05), ("channels_last, bfloat16", 0.05)]
)
def test_predictions_and_maps_are_those_of_the_plain_pass(make, asked, near):
    torch.manual_seed(0)
    net = make()
    before = {name: (each.dtype, each.stride(), each.clone()) for name, each in net.state_dict().items()}
    plain = opened(net, None).explain(photos(), LABELS, weigh)
    inputs, between = [], []
    handles = [
        net.register_forward_pre_hook(lambda _, given: inputs.append(given[0])),
        next(each for each in net.modules() if isinstance(each, torch.nn.Conv2d)).register_forward_hook(
            lambda *given: between.append(given[2].dtype)
        ),
    ]
    model = opened(net, asked)
    made = model.explain(photos(), LABELS, weigh)
    for handle in handles:
        handle.remove()
    assert inputs[-1].is_contiguous(memory_format=torch.channels_last) is ("channels_last" in asked)
    assert between[-1] is (torch.bfloat16 if "bfloat16" in asked else torch.float32)
    np.testing.assert_allclose(made.predictions.probabilities, plain.predictions.probabilities, atol=near)
    for one, other in ((made.maps, plain.maps), (made.maps_label, plain.maps_label)):
        assert one.dtype == np.float32
        scale = np.abs(other).max(axis=(1, 2), keepdims=True)
        np.testing.assert_allclose(one / scale, other / scale, atol=near)
    for name, each in net.state_dict().items():
        dtype, stride, values = before[name]
        assert (each.dtype, each.stride()) == (dtype, stride)
        assert torch.equal(each, values)


def test_a_compiled_network_has_the_maps_of_the_plain_one():
    plain = opened(convolutions(), None)
    compiled = opened(torch.compile(convolutions(), backend="eager"), None)
    assert compiled.layer.removeprefix("_orig_mod.") == plain.layer
    expected = plain.explain(photos(), LABELS, weigh)
    for _ in range(2):  # the second call runs what the first has compiled
        made = compiled.explain(photos(), LABELS, weigh)
        np.testing.assert_allclose(made.maps_label, expected.maps_label, rtol=1e-5, atol=1e-7)


def test_what_is_no_network_of_pytorch_or_no_way_to_run_it_is_refused():
    def predict(images):
        return np.full((len(images), 3), 1 / 3, np.float32)

    with pytest.raises(ConfigError, match="--torch bfloat16 is for networks of PyTorch"):
        opened(predict, "bfloat16")
    with pytest.raises(ConfigError, match="torch must be one of channels_last, bfloat16"):
        AuditConfig(torch="channels_last,half")
