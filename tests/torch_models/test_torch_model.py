"""A PyTorch model as a model: predictions, layers, heatmaps and gradients against PyTorch's own; nothing is changed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch_networks import CLASSES, SIZE, Transformer, convolutions

from bias_audit.config import AuditConfig
from bias_audit.errors import ConfigError, ModelError
from bias_audit.heatmaps.methods import METHODS, Explainer
from bias_audit.models.base import Model, Weigh
from bias_audit.models.doors import load_model

NAMES = ("a", "b", "c")
LABELS = np.array([0, 1, 2, -1, 1])


def photos(count: int = 5, size: tuple[int, int] = SIZE, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 255, (count, *size, 3)).astype(np.float32)


def opened(net: nn.Module, names: tuple[str, ...] | None = NAMES, **settings) -> Model:
    return load_model(net, AuditConfig(**{"image_size": SIZE, "batch_size": 4, **settings}), names)


def one(name: str) -> Weigh:
    """A heatmap method on the first explained layer."""
    return lambda values, gradients, xp: METHODS[name].function(values[0], gradients[0], xp)


def log_odds(logits: torch.Tensor, label: int) -> torch.Tensor:
    """z_c - log sum over the others of exp z, of one image."""
    others = torch.cat([logits[:label], logits[label + 1 :]])
    return logits[label] - torch.logsumexp(others, 0)


def by_hand(before: nn.Module, after: nn.Module, image: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Values (h, w, C) and gradients of the log-odds, one image at a time, by plain autograd in double precision."""
    pixels = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float64))
    values = before.double()(pixels).detach().clone().requires_grad_(True)
    logits = after.double()(values.clone())[0]
    chosen = label if label >= 0 else int(logits.argmax())
    log_odds(logits, chosen).backward()
    return values.detach()[0].permute(1, 2, 0).numpy(), values.grad[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("layer", ["auto", "1", "4"])
@pytest.mark.parametrize("pooled", [True, False])
def test_values_and_gradients_are_those_of_plain_autograd(layer, pooled):
    net = convolutions(pooled=pooled)
    images = photos(4)
    seen = opened(net, layer=layer).activations(images, LABELS[:4])
    at = 6 if layer == "auto" else int(layer) + 1
    whole = convolutions(pooled=pooled).eval()
    for i, label in enumerate(LABELS[:4]):
        # Cut behind the layer itself: the ReLU that follows belongs to the head.
        values, gradients = by_hand(whole[:at], whole[at:], images[i], int(label))
        assert np.allclose(seen.values[i], values, atol=1e-5 * np.abs(values).max())
        assert np.allclose(seen.gradients_label[i], gradients, atol=1e-5 * np.abs(gradients).max())


@pytest.mark.parametrize("name", ["hires_cam", "grad_cam", "grad_cam_plus_plus", "layer_cam", "xgrad_cam"])
def test_the_maps_of_the_pass_are_those_of_numpy_on_its_parts(name):
    from bias_audit.models.head import Arrays

    model, images = opened(convolutions(pooled=False)), photos(4)
    weigh = METHODS[name].function
    made, parts = model.explain(images, LABELS[:4], one(name)), model.activations(images, LABELS[:4])

    class NumPy(Arrays):
        einsum, mean, maximum, abs, tanh = (
            staticmethod(each) for each in (np.einsum, np.mean, np.maximum, np.abs, np.tanh)
        )

    expected = weigh(parts.values, parts.gradients_label, NumPy)
    assert np.allclose(made.maps_label, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_where_every_label_is_predicted_the_method_is_asked_once():
    net, images, asked = opened(convolutions()), photos(4), []

    def weigh(values, gradients, xp):
        asked.append(len(values))
        return one("hires_cam")(values, gradients, xp)

    predicted = net.predict(images).probabilities.argmax(axis=1)
    found = net.explain(images, predicted, weigh)
    assert len(asked) == 1
    np.testing.assert_array_equal(found.maps, found.maps_label)
    other = net.explain(images, (predicted + np.array([0, 0, 0, 1])) % CLASSES, weigh)
    assert len(asked) == 3
    np.testing.assert_array_equal(other.maps, found.maps)
    np.testing.assert_allclose(other.maps_label[:3], found.maps[:3], rtol=1e-5, atol=1e-7)
    assert np.abs(other.maps_label[3] - found.maps[3]).max() > 1e-3 * np.abs(found.maps[3]).max()


def test_predictions_are_the_softmax_of_the_models_own_outputs():
    net, images = convolutions(), photos(7)
    said = opened(net).predict(images)
    with torch.no_grad():
        logits = convolutions().eval()(torch.from_numpy(images.transpose(0, 3, 1, 2))).double()
    assert np.allclose(said.probabilities, torch.softmax(logits, 1).numpy(), atol=1e-6)
    odds = [[float(log_odds(row, label)) for label in range(CLASSES)] for row in logits]
    assert np.allclose(said.log_odds, odds, atol=1e-4)


def test_a_final_softmax_gives_way_to_its_logits():
    net, images = nn.Sequential(convolutions(), nn.Softmax(dim=1)), photos()
    model = opened(net)
    assert model.head == "softmax"
    assert np.allclose(model.predict(images).log_odds, opened(convolutions()).predict(images).log_odds, atol=1e-4)


def test_pixels_get_their_gradient():
    model, images = opened(convolutions(pooled=False), batch_size=2), photos(3)
    made = model.input_gradients(images, np.array([0, 1, -1]))
    net = convolutions(pooled=False).eval().double()
    for i, label in enumerate((0, 1, -1)):
        pixels = torch.from_numpy(images[i].transpose(2, 0, 1)[None].astype(np.float64)).requires_grad_(True)
        logits = net(pixels)[0]
        log_odds(logits, label if label >= 0 else int(logits.argmax())).backward()
        expected = pixels.grad[0].permute(1, 2, 0).numpy()
        assert np.allclose(made[i], expected, atol=1e-4 * np.abs(expected).max())


def test_the_model_is_left_as_it_was():
    net = convolutions()
    net.train()
    net[4].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    model, images = opened(net), photos()
    first = model.predict(images).probabilities
    model.explain(images[:4], LABELS[:4], one("hires_cam"))
    model.input_gradients(images, LABELS)
    with model.randomised(3):
        shuffled = model.predict(images).probabilities
    assert np.abs(shuffled - first).max() > 0.01
    assert np.array_equal(model.predict(images).probabilities, first)
    assert net.training
    assert all(module.training for module in net.modules())
    assert [each.requires_grad for each in net[4].parameters()] == [False, True]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_hooks_are_gone_after_an_error():
    class Breaks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.broken = convolutions(), False

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if self.broken:
                raise RuntimeError("no memory")
            return self.net(images)

    net = Breaks()
    model = opened(net)
    net.broken = True
    with pytest.raises(ConfigError, match="the model Breaks failed") as caught:
        model.explain(photos(4), LABELS[:4], one("hires_cam"))
    assert "no memory" in str(caught.value)
    assert not any(module._forward_hooks for module in net.modules())


def test_the_backward_pass_reaches_the_head_alone():
    """Nothing before the explained layer has a gradient function, so nothing of it is kept for a backward pass."""
    net, seen = convolutions(), []
    model = opened(net)
    handle = net[0].register_forward_hook(lambda *given: seen.append(given[2].requires_grad))
    model.explain(photos(4), LABELS[:4], one("hires_cam"))
    handle.remove()
    assert seen == [False]


def test_a_class_token_leaves_the_last_block_without_a_gradient():
    torch.manual_seed(0)
    model = opened(Transformer())
    assert model.grid == (3, 4)
    assert model.layer == "blocks.1.norm1"
    maps = model.explain(photos(4), LABELS[:4], one("hires_cam")).maps
    assert maps.shape == (4, 3, 4)
    assert (np.abs(maps).max(axis=(1, 2)) > 0).all()
    dead = opened(Transformer(), layer="blocks.1").activations(photos(4), LABELS[:4])
    assert not dead.gradients.any()


def test_channels_last_of_swin_are_told_from_channels_first():
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.norm = nn.Conv2d(3, 6, 8, stride=8), nn.LayerNorm(6)
            self.mix, self.head = nn.Linear(6, 6), nn.Linear(6, CLASSES)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.mix(self.norm(self.stem(images / 255).permute(0, 2, 3, 1))).mean(dim=(1, 2)))

    torch.manual_seed(0)
    model = opened(Last())
    assert dict(model.layers) == {"stem": (3, 4), "norm": (3, 4), "mix": (3, 4)}
    assert model.layer == "mix"
    assert model.activations(photos(4), LABELS[:4]).values.shape == (4, 3, 4, 6)


def test_several_layers_at_once_and_another_one():
    model, images = opened(convolutions(pooled=False), layer="1,5"), photos(4)
    assert (model.layer, model.grid) == ("1,5", (24, 32))
    first = model.at_layer("1").activations(images, LABELS[:4])
    both = model.activations(images, LABELS[:4])
    assert np.allclose(both.gradients, first.gradients, atol=1e-6 * np.abs(first.gradients).max())
    assert Explainer(model, "layer_cam", lambda x: x).explain(images, LABELS[:4]).maps.shape == (4, 24, 32)


def test_a_collection_with_one_tensor_and_logits_are_outputs():
    class Packed(nn.Module):
        def __init__(self, pack) -> None:
            super().__init__()
            self.net, self.pack = convolutions(), pack

        def forward(self, images):
            return self.pack(self.net(images))

    class Said:
        def __init__(self, logits) -> None:
            self.logits = logits

    expected = opened(convolutions()).predict(photos()).probabilities
    for pack in (lambda out: [out], lambda out: {"out": out}, Said):
        assert np.allclose(opened(Packed(pack)).predict(photos()).probabilities, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("net", "settings", "said"),
    [
        (convolutions(), {"layer": "9"}, "layer '9' does not exist in the model"),
        (convolutions(), {"layer": "7"}, "layer '7' has no spatial grid"),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), {}, r"no classifier: its output has shape \(2, 4, 22, 30\)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(5, 3)), {}, "the model Sequential failed"),
        (nn.Sequential(convolutions(), nn.Linear(3, 7)), {}, "the model has 7 outputs, the data have 3 classes"),
        (nn.Sequential(convolutions(), nn.Linear(3, 3)), {"head": "softmax"}, "head 'softmax' was asked for"),
    ],
)
def test_what_does_not_fit_is_one_sentence(net, settings, said):
    with pytest.raises((ModelError, ConfigError), match=said):
        opened(net, **settings)


def test_without_maps_it_predicts():
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIZE[0] * SIZE[1] * 3, CLASSES))
    model = opened(net)
    assert not model.differentiable
    assert model.layers == ()
    assert "only methods that perturb" in model.notes[-1]
    assert len(model.predict(photos()).predicted) == 5


def test_grey_pictures_and_a_size_of_its_own():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    assert load_model(net, AuditConfig(), None).input_size == (224, 224, 1)
    assert load_model(Transformer(), AuditConfig(), NAMES).input_size == (*SIZE, 3)


def test_the_hash_is_that_of_the_weights():
    one, other = opened(convolutions()), opened(convolutions(seed=1))
    assert one.sha256 == opened(convolutions()).sha256 != other.sha256


class Beside(nn.Module):
    """A classifier that returns what it knows beside its scores, in a form that a test names."""

    def __init__(self, form):
        super().__init__()
        self.net, self.other, self.form = convolutions(), nn.Linear(3, 7), form

    def forward(self, images):
        scores = self.net(images)
        return self.form(scores, self.other(scores))


class Named(NamedTuple):
    scores: torch.Tensor
    embedding: torch.Tensor


FORMS = {
    "tuple": (lambda s, e: (s, e), "0"),
    "list": (lambda s, e: [e, s], "1"),
    "dict": (lambda s, e: {"scores": s, "embedding": e}, "scores"),
    "named tuple": (Named, "scores"),
    "place in a dict": (lambda s, e: {"embedding": e, "scores": s}, "1"),
    "only one": (lambda s, e: {"scores": s}, None),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_output_that_is_asked_for_is_audited_as_if_it_stood_alone(form):
    made, asked = FORMS[form]
    net = Beside(made)
    ours, alone = (each.activations(photos(4), LABELS[:4]) for each in (opened(net, output=asked), opened(net.net)))
    np.testing.assert_allclose(ours.predictions.log_odds, alone.predictions.log_odds, rtol=1e-5, atol=1e-6)
    assert np.ptp(alone.predictions.log_odds, axis=0).max() > 0.01
    np.testing.assert_allclose(ours.gradients_label, alone.gradients_label, rtol=1e-5, atol=1e-8)
    assert np.abs(ours.gradients_label).max() > 0


def test_without_a_choice_the_outputs_are_listed():
    net = Beside(FORMS["dict"][0])
    with pytest.raises(ModelError) as caught:
        opened(net)
    assert caught.value.message == (
        "the model has 2 outputs, 'scores' (N, 3), 'embedding' (N, 7); one classification head is needed"
    )
    with pytest.raises(ConfigError, match="the model has no output 'logits'") as caught:
        opened(net, output="logits")
    assert caught.value.hint == "It has 'scores' (N, 3), 'embedding' (N, 7); places count from 0."


def test_logits_go_first_unless_another_output_is_asked_for():
    """As the outputs of transformers are: a dictionary with attributes."""

    class Outputs(dict):
        logits = property(lambda self: self["logits"])

    net = Beside(lambda scores, embedding: Outputs(embedding=embedding, logits=scores))
    assert opened(net).outputs == opened(net, output="logits").outputs == 3
    assert opened(net, None, output="embedding").outputs == 7
