"""Transformers: tokens become a grid, and the layer explained is one that the head still reads."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
import token_networks
from networks import make_model
from token_networks import GRID, TOKENS, vit

from bias_audit.errors import ModelError
from bias_audit.heatmaps.methods import Explainer
from bias_audit.models.grids import spatial, token_grid

LABELS = np.array([0, 1, 2, 0, 1])


@pytest.mark.parametrize(
    ("head", "patches", "layer"),
    [
        # The patches of the last block reach the class token through its attention only.
        ("class token", "convolution", "block_2_norm_1"),
        ("class token", "cut out", "block_2_norm_1"),
        ("mean", "convolution", "norm"),
        ("mean", "cut out", "norm"),
        ("flatten", "convolution", "norm"),
    ],
)
def test_the_layer_is_the_last_whose_patches_count(head: str, patches: str, layer: str) -> None:
    keras.utils.set_random_seed(1)
    model = vit(head, patches)
    explained = make_model(model, 3)
    assert (explained.layer, explained.grid) == (layer, GRID)
    shown = Explainer(explained, "grad_cam", lambda x: x).explain(token_networks.images(5), LABELS)
    assert shown.maps.shape == (5, *GRID)
    assert (np.ptp(shown.maps, axis=(1, 2)) > 0).all()
    np.testing.assert_allclose(
        shown.predictions.probabilities, model.predict(token_networks.images(5), verbose=0), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("name", ["block_2_norm_1", "block_1_add_2"])
def test_grad_cam_on_tokens_against_a_model_split_in_two(name: str) -> None:
    """The same tokens through the rest of the network, gradients by a tape in eager mode, weights in NumPy."""
    keras.utils.set_random_seed(2)
    model = vit("class token")
    pictures = token_networks.images(5, seed=3)
    explained = make_model(model, 3, layer=name)
    maps = Explainer(explained, "grad_cam", lambda x: x).explain(pictures, LABELS).maps_label

    layer, before = model.get_layer(name), model.get_layer("block_1_add_2")
    tokens = keras.Model(model.inputs[0], layer.output)(pictures)
    beside = keras.Model(model.inputs[0], before.output)(pictures)
    fed = [layer.output] if layer is before else [layer.output, before.output]  # the skip connection
    rest = keras.Model(fed, model.outputs[0])
    with tf.GradientTape() as tape:
        tape.watch(tokens)
        log_p = tf.math.log(rest([tokens] if layer is before else [tokens, beside]))
        target = 0.0
        for i, c in enumerate(LABELS):
            target += log_p[i, c] - tf.reduce_logsumexp(tf.gather(log_p[i], [j for j in range(3) if j != c]))
    gradients = tape.gradient(target, tokens).numpy()[:, 1:].astype(np.float64)  # without the class token
    weights = gradients.mean(axis=1)
    expected = (tokens.numpy()[:, 1:] * weights[:, None]).sum(axis=2).reshape(5, *GRID)
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def test_attention_itself_is_no_map_and_a_reshape_without_attention_is_none() -> None:
    paths = [path for path, _ in make_model(vit("mean"), 3).layers]
    assert not any("attention/" in path for path in paths)
    assert {"patch_embedding", "tokens", "block_1_attention", "norm"} <= set(paths)
    inputs = keras.Input((12, 16, 3))
    x = keras.layers.Conv2D(4, 3, strides=4, padding="same", name="cells")(inputs)
    x = keras.layers.Dense(5, name="row")(keras.layers.Reshape((12, 4), name="reshape")(x))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(x)))
    assert make_model(model, 3).layer == "cells"


def test_a_layer_without_a_grid_is_refused_and_the_others_listed() -> None:
    with pytest.raises(ModelError, match="no spatial grid") as caught:
        make_model(vit(), 3, layer="head")
    assert "block_2_norm_1 (3x4)" in caught.value.hint


@pytest.mark.parametrize(
    ("count", "patches", "image", "expected"),
    [
        (196, (14, 14), (224, 224), ((14, 14), 0)),
        (197, (14, 14), (224, 224), ((14, 14), 1)),  # a class token
        (201, (14, 14), (224, 224), ((14, 14), 5)),  # and four registers
        (49, (14, 14), (224, 224), ((7, 7), 0)),  # merged patches
        (12, None, (24, 32), ((3, 4), 0)),
        (13, None, (24, 32), ((3, 4), 1)),
        (7, None, (24, 32), None),
        (150, (14, 14), (224, 224), None),  # words
    ],
)
def test_grids_of_tokens(
    count: int, patches: tuple[int, int] | None, image: tuple[int, int], expected: tuple[tuple[int, int], int] | None
) -> None:
    assert token_grid(count, patches, image) == expected


def test_tokens_are_laid_out_row_by_row() -> None:
    class SelfAttention:
        pass

    (place,) = spatial([("block", SelfAttention(), (None, 1 + TOKENS, 2))], token_networks.SIZE[:2])
    tokens = tf.constant(np.arange((1 + TOKENS) * 2, dtype=np.float32).reshape(1, -1, 2))
    assert place.as_grid(tokens, tf.reshape)[0, :, :, 0].numpy().tolist() == [
        [2, 4, 6, 8],
        [10, 12, 14, 16],
        [18, 20, 22, 24],
    ]
