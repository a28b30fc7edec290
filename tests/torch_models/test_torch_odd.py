"""Models of PyTorch that are written or given in odd ways: maps that are no zeros, or one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_torch_model import LABELS, NAMES, one, opened, photos
from torch import nn
from torch_networks import CLASSES, SIZE, Transformer, convolutions

import bias_audit
from bias_audit.config import AuditConfig
from bias_audit.errors import BiasAuditError
from bias_audit.models.doors import load_model


class Parts(nn.Module):
    """Features and a head, and between them whatever a user writes."""

    def __init__(self, between) -> None:
        super().__init__()
        net = convolutions()
        self.features, self.head, self.between = net[:6], net[6:], between

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.between(self, images)


def frozen_backbone(net: Parts, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        features = net.features(images)
    return net.head(features)


def detached(net: Parts, images: torch.Tensor) -> torch.Tensor:
    return net.head(net.features(images).detach() * 1)


@torch.no_grad()
def without_gradients(net: Parts, images: torch.Tensor) -> torch.Tensor:
    return net.head(net.features(images))


def in_place(net: Parts, images: torch.Tensor) -> torch.Tensor:
    return net.head(net.features(images.div_(2)))


class InPlaceTokens(Transformer):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.div_(2))


def test_a_frozen_backbone_has_the_maps_of_one_that_is_not():
    expected = opened(convolutions()).explain(photos(4), LABELS[:4], one("hires_cam"))
    made = opened(Parts(frozen_backbone)).explain(photos(4), LABELS[:4], one("hires_cam"))
    np.testing.assert_allclose(made.maps, expected.maps, rtol=1e-5)
    assert np.abs(made.maps).max() > 0


@pytest.mark.parametrize("between", [detached, without_gradients])
def test_where_no_gradient_arrives_there_are_no_maps(between):
    model = opened(Parts(between))
    assert not model.differentiable, model.layer
    assert any("gradient" in note for note in model.notes)
    assert len(model.predict(photos()).predicted) == 5


@pytest.mark.parametrize("between", [detached, without_gradients])
def test_pixels_without_a_gradient_have_zeros(between):
    assert not opened(Parts(between)).input_gradients(photos(3), LABELS[:3]).any()


def test_a_model_that_changes_its_input_in_place():
    model, images = opened(Parts(in_place)), photos(4)
    before = images.copy()
    assert np.abs(model.explain(images, LABELS[:4], one("hires_cam")).maps).max() > 0
    assert np.abs(model.input_gradients(images, LABELS[:4])).max() > 0
    np.testing.assert_array_equal(images, before)
    torch.manual_seed(0)
    assert opened(InPlaceTokens()).layer == "blocks.1.norm1"


class GreyInPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images.div_(255))


def test_grey_images_are_not_changed():
    model = opened(GreyInPlace())
    images = photos(4)[..., :1].copy()
    before = images.copy()
    model.predict(images)
    np.testing.assert_array_equal(images, before)


def test_an_endless_input_is_refused_before_it_is_made():
    net = convolutions()
    net.input_size = (10**6, 10**6, 3)
    with pytest.raises(BiasAuditError, match="would take"):
        load_model(net, AuditConfig(batch_size=2), NAMES)


class ConvTokens(nn.Module):
    """A class of the user's, called as it likes, whose output has the channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 8, stride=8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.stem(images / 255).permute(0, 2, 3, 1)


def test_the_name_of_a_class_says_nothing_of_the_layout():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = ConvTokens(), nn.Linear(6, CLASSES)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.embed(images).mean(dim=(1, 2)))

    assert dict(opened(Net()).layers)["embed"] == (3, 4)


def test_inspect_does_not_claim_that_nothing_is_scaled_inside():
    facts = bias_audit.inspect(convolutions(), image_size=SIZE)
    assert (facts["inside"], facts["inside_shown"]) == ([], False)
    assert "does not show" in facts["preprocess_hint"]


class Lazy(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(CLASSES))


class BreaksInside(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(*convolutions())

    def state_dict(self, *given, **named):
        raise ValueError("no state")


class BadSize(nn.Sequential):
    @property
    def input_size(self):
        raise ValueError("no size")


class BadBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, gradient):
        raise ValueError("no backward")


@pytest.mark.parametrize(
    "net",
    [
        BreaksInside(),
        BadSize(*convolutions()),
        Parts(lambda net, images: net.head(BadBackward.apply(net.features(images)))),
        Parts(lambda net, images: (net.head(net.features(images)), 1)),
        Parts(lambda net, images: None),
        Parts(lambda net, images: net.head(net.features(images)) * float("nan")),
        Parts(lambda net, images: (_ for _ in ()).throw(SystemExit(0))),
        Parts(lambda net, images: net.head(net.features(images)).to(torch.complex64)),
        nn.Sequential(),
    ],
)
def test_what_a_model_raises_is_one_sentence(net):
    settings = {} if not isinstance(net, BadSize) else {"image_size": None}
    with pytest.raises(BiasAuditError):
        opened(net, **settings).explain(photos(4), LABELS[:4], one("hires_cam"))


def test_lazy_layers_without_weights_are_refused():
    with pytest.raises(BiasAuditError, match="lazy layers without weights") as caught:
        opened(Lazy())
    assert "Call it once" in caught.value.hint
    net = Lazy()
    net(torch.zeros(1, 3, *SIZE))
    assert opened(net).layer == "1"


def test_inference_mode_of_the_caller_takes_no_gradients_away():
    net = convolutions()
    expected = opened(net).explain(photos(4), LABELS[:4], one("hires_cam")).maps
    with torch.inference_mode():
        maps = opened(net).explain(photos(4), LABELS[:4], one("hires_cam")).maps
        made = convolutions()
    np.testing.assert_allclose(maps, expected, rtol=1e-5)
    with pytest.raises(BiasAuditError, match="the model Sequential failed: RuntimeError: Inference tensors"):
        opened(made)


def test_scripted_and_exported_models_predict():
    net = convolutions().eval()
    example = torch.zeros(2, 3, *SIZE)
    expected = opened(net).predict(photos()).probabilities
    for made in (torch.jit.trace(net, example), torch.jit.script(net)):
        model = opened(made)
        np.testing.assert_allclose(model.predict(photos()).probabilities, expected, atol=1e-6)
        if model.differentiable:
            assert np.abs(model.explain(photos(4), LABELS[:4], one("hires_cam")).maps).max() > 0


def test_a_compiled_model_has_the_same_maps():
    expected = opened(convolutions()).explain(photos(4), LABELS[:4], one("hires_cam")).maps
    made = opened(torch.compile(convolutions(), backend="eager")).explain(photos(4), LABELS[:4], one("hires_cam"))
    np.testing.assert_allclose(made.maps, expected, rtol=1e-4)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(kind):
    net = convolutions().to(kind)
    net.eval()
    expected = opened(convolutions()).predict(photos()).probabilities
    model = opened(net)
    np.testing.assert_allclose(model.predict(photos()).probabilities, expected, atol=0.03)
    assert model.explain(photos(4), LABELS[:4], one("hires_cam")).maps.dtype == np.float32


def test_a_class_map_sums_as_numpy_does():
    net = nn.Sequential(convolutions(), nn.Linear(3, 7))
    config = {"class_map": (("a", (0, 3)), ("b", (1,)))}
    said = opened(net, ("a", "b"), **config).predict(photos())
    with torch.no_grad():
        p = torch.softmax(net.eval()(torch.from_numpy(photos().transpose(0, 3, 1, 2))).double(), 1).numpy()
    np.testing.assert_allclose(said.probabilities, np.stack([p[:, 0] + p[:, 3], p[:, 1]], 1), atol=1e-6)
    np.testing.assert_allclose(said.other, p[:, [2, 4, 5, 6]].sum(1), atol=1e-6)
    np.testing.assert_array_equal(said.outdone, p[:, [2, 4, 5, 6]].max(1) >= said.probabilities.max(1))


def test_the_memory_of_the_choice_does_not_grow_with_the_batch():
    """The graph of the whole net is kept for a few images only."""
    seen = []

    class Counts(Transformer):
        def forward(self, images):
            if torch.is_grad_enabled():
                seen.append(len(images))
            return super().forward(images)

    torch.manual_seed(0)
    opened(Counts(), batch_size=64)
    assert max(seen) <= 2


def test_a_transformer_without_a_class_called_attention():
    """Blocks that call the function itself."""

    class Mixes(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.norm1, self.qkv, self.norm2 = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.LayerNorm(width)
            self.mlp = nn.Linear(width, width)

        def forward(self, tokens):
            q, k, v = self.qkv(self.norm1(tokens)).chunk(3, -1)
            tokens = tokens + nn.functional.scaled_dot_product_attention(q, k, v)
            return tokens + self.mlp(self.norm2(tokens))

    torch.manual_seed(0)
    net = Transformer()
    net.blocks = nn.Sequential(Mixes(8), Mixes(8))
    model = opened(net)
    assert model.layer.startswith("blocks.1"), model.layer


def test_the_encoder_of_pytorch_itself():
    torch.manual_seed(0)
    net = Transformer()
    net.blocks = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True), 2)
    model = opened(net)
    assert model.layer.startswith("blocks.layers."), model.layer
    assert np.abs(model.explain(photos(4), LABELS[:4], one("hires_cam")).maps).max() > 0


def test_tokens_first():
    """(T, N, C), as the attention of PyTorch takes it by default, is explained as (N, T, C) is."""

    class Turned(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.inner(tokens.transpose(0, 1)).transpose(0, 1)

    made = []
    for first in (False, True):
        torch.manual_seed(0)
        net = Transformer()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=not first, norm_first=True)
        encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        net.blocks = Turned(encoder) if first else encoder
        path = "blocks.inner.layers.0" if first else "blocks.layers.0"
        model = opened(net, layer=path)
        assert (path, (3, 4)) in model.layers
        made.append(model.explain(photos(4), LABELS[:4], one("hires_cam")).maps)
    assert np.abs(made[0]).max() > 0
    np.testing.assert_allclose(made[1], made[0], rtol=1e-5, atol=1e-7)
    assert opened(net).layer.startswith("blocks.inner.layers.")


def test_a_grey_network_without_convolutions_says_so():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    net.input_size = (8, 8, 1)
    model = load_model(net, AuditConfig(), None)
    assert model.input_size == (8, 8, 1)
    assert model.predict(np.zeros((3, 8, 8, 1), np.float32)).probabilities.shape == (3, 2)


class Branches(nn.Module):
    """A block as Inception's: what runs last in it is a part of its output, and not the output."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(8, 3, 1), nn.Conv2d(8, 4, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.first(images), self.second(images)], dim=1)


class Shortcut(nn.Module):
    """A block as ResNet's, with nothing around it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + self.conv(images)


@pytest.mark.parametrize(("block", "channels"), [(Branches, 7), (Shortcut, 8)])
def test_a_block_is_explained_as_a_whole(block: type[nn.Module], channels: int) -> None:
    """The map sums to the log-odds of the features: what the head of one linear layer makes of all channels."""
    torch.manual_seed(2)
    net = nn.Sequential()
    net.features = convolutions()[:6]
    net.block = block()
    net.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2))
    model = opened(net, ("a", "b"))
    assert model.layer == "block"
    pixels = photos(4)
    maps = model.explain(pixels, np.zeros(4, np.intp), one("hires_cam")).maps_label
    weight = net.head[2].weight.detach().numpy()
    with torch.no_grad():
        seen = net.block(net.features.eval()(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))).numpy()
    expected = np.einsum("nchw,c->nhw", seen, weight[0] - weight[1]) / seen.shape[2] / seen.shape[3]
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_a_sequence_of_blocks_is_named_by_the_last_one() -> None:
    net = nn.Sequential()
    net.features = convolutions()[:6]
    net.blocks = nn.Sequential(Shortcut(), Shortcut())
    net.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES))
    assert opened(net).layer == "blocks.1"


class Twice(nn.Module):
    """A layer that sees the tokens of a large grid first and those of a small one last, as CrossViT's do."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.norm, self.head = nn.Conv2d(3, 8, 4, stride=4), nn.LayerNorm(8), nn.Linear(8, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        large = self.patches(images / 255)
        tokens = self.norm(large.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(large.shape)
        small = torch.nn.functional.avg_pool2d(tokens, 2)
        return self.head(self.norm(small.flatten(2).transpose(1, 2)).mean(dim=1))


def test_a_layer_that_runs_twice_has_the_grid_of_its_last_output() -> None:
    model = opened(Twice())
    assert (model.layer, model.grid) == ("norm", (3, 4))
    assert model.explain(photos(4), LABELS[:4], one("hires_cam")).maps.shape == (4, 3, 4)


class Heads(nn.Module):
    """Ends with an output of four axes that is none over the image: (N, heads, tokens, channels of a head)."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.position, self.head = convolutions()[:6], nn.Identity(), nn.Linear(8, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = self.features(images).flatten(2).transpose(1, 2)  # (N, 192, 8)
        heads = self.position(seen.reshape(len(seen), 192, 2, 4).transpose(1, 2))
        return self.head(heads.transpose(1, 2).reshape(len(seen), 192, 8).mean(dim=1))


def test_axes_that_are_none_of_the_image_are_no_grid() -> None:
    model = opened(Heads())
    assert (model.layer, model.grid) == ("features.5", (12, 16))
    assert "position" not in dict(model.layers)
