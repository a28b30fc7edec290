"""The same weights in Keras and in PyTorch: the same predictions and the same maps."""

from __future__ import annotations

import keras
import numpy as np
import torch
from torch_networks import CLASSES, SIZE, convolutions

from bias_audit.config import AuditConfig
from bias_audit.heatmaps.methods import METHODS
from bias_audit.models.base import Weigh
from bias_audit.models.doors import load_model


def twin(net: torch.nn.Module) -> keras.Model:
    """The network of `convolutions` in Keras, with its weights."""
    layers = [
        keras.Input((*SIZE, 3)),
        keras.layers.Conv2D(6, 3, padding="same"),
        keras.layers.BatchNormalization(epsilon=1e-5),
        keras.layers.ReLU(),
        keras.layers.MaxPooling2D(2),
        keras.layers.Conv2D(8, 3, padding="same"),
        keras.layers.ReLU(name="last"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(CLASSES),
    ]
    model = keras.Sequential(layers)
    held = {name: value.numpy() for name, value in net.state_dict().items()}
    kernels = [held[f"{place}.weight"].transpose(2, 3, 1, 0) for place in (0, 4)]
    norm = [held[f"1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")]
    weights = [kernels[0], held["0.bias"], *norm, kernels[1], held["4.bias"], held["8.weight"].T, held["8.bias"]]
    model.set_weights(weights)
    return model


def first(name: str) -> Weigh:
    """A heatmap method on the first explained layer."""
    return lambda values, gradients, xp: METHODS[name].function(values[0], gradients[0], xp)


def test_predictions_and_maps_are_the_same():
    net, names = convolutions(), ("a", "b", "c")
    config = AuditConfig(image_size=SIZE, batch_size=8)
    ours, theirs = load_model(net, config, names), load_model(twin(net), config, names)
    images = np.random.default_rng(2).uniform(0, 255, (8, *SIZE, 3)).astype(np.float32)
    labels = np.arange(8) % CLASSES
    assert np.abs(ours.predict(images).probabilities - theirs.predict(images).probabilities).max() < 1e-5
    for name in ("hires_cam", "grad_cam_plus_plus"):
        one, other = (each.explain(images, labels, first(name)) for each in (ours, theirs))
        scale = np.abs(other.maps_label).max()
        assert np.abs(one.maps_label - other.maps_label).max() < 1e-4 * scale
        assert np.abs(one.maps - other.maps).max() < 1e-4 * scale
