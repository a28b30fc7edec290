"""Describes in words the preprocessing inside a Keras model, so that nobody preprocesses its images twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bias_audit.models.arithmetic import SIGNS, arithmetic_in_words, in_words, number

AUGMENTATIONS = (
    "AugMix", "AutoContrast", "CutMix", "Equalization", "GaussianDropout", "GaussianNoise", "MixUp", "Posterization",
    "RandAugment", "Solarization",
)  # fmt: skip
"""Layers that change images in training only; layers whose name starts with Random are further ones."""


def preprocessing_inside(model: Any) -> tuple[str, ...]:
    """Preprocessing steps of a model before its first layer with weights, as "path: what it does", in order."""
    found = []
    for path, layer in _leaves(model, ""):
        if text := _said(layer):
            found.append(f"{path}: {text}")
        elif getattr(layer, "weights", None):
            break
    return tuple(found)


def _leaves(layer: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """(path, layer) of all layers and operations that hold no others, in the order of running where Keras knows it."""
    children = getattr(layer, "operations", None) or list(layer._flatten_layers(include_self=False, recursive=False))
    for child in children:
        path = f"{prefix}{child.name}"
        nested = hasattr(child, "_flatten_layers") and any(child._flatten_layers(include_self=False, recursive=False))
        if nested and not _said(child):
            yield from _leaves(child, f"{path}/")
        else:
            yield path, child


def _said(layer: Any) -> str:
    """Text of what a preprocessing or augmentation layer does to images; "" for any other layer."""
    kind = type(layer).__name__
    if kind == "Rescaling":
        return in_words(layer.scale, layer.offset)
    if kind == "Normalization":
        return _normalised(layer)
    if kind in ("Resizing", "CenterCrop"):
        return f"{'resized' if kind == 'Resizing' else 'centre crop'} to {layer.height}x{layer.width}"
    if kind.startswith("Random") or kind in AUGMENTATIONS:
        return "augmentation, in training only"
    return _operation(layer)


def _normalised(layer: Any) -> str:
    mean, variance = (getattr(layer, name, None) for name in ("mean", "variance"))
    if mean is None or variance is None:  # its statistics were never given: Keras refuses to run it
        return "(x - mean) / standard deviation"
    mean, deviation = (np.asarray(value, np.float64).ravel() for value in (mean, np.sqrt(np.asarray(variance))))
    if getattr(layer, "invert", False):
        return f"x * {number(deviation)} + {number(mean)}"
    return f"(x - {number(mean)}) / {number(deviation)}"


def _operation(layer: Any) -> str:
    """Text of arithmetic with a constant, or of channels in reverse; "" for any other operation.

    Keras 3 keeps such operations as they are, Keras 2 as TFOpLambda layers.
    """
    kind = type(layer).__name__
    name = str(getattr(layer, "symbol", "")) if kind == "TFOpLambda" else kind
    name = name.rpartition(".")[2].lower().replace("_", "")
    arguments = _arguments(layer)
    if name in SIGNS:
        constants = [
            np.asarray(each, np.float64).ravel()
            for each in arguments
            if isinstance(each, int | float)
            or ((isinstance(each, list) or hasattr(each, "numpy")) and np.size(each) <= 4)
        ]
        if len(constants) != 1 or len(arguments) < 2:
            return ""
        return arithmetic_in_words(name, constants[0])
    if name in ("getitem", "slicingoplambda", "flip", "reverse") and "-1" in str(arguments[1:]):
        return "channels in reverse (BGR)"
    if name == "stack" and kind == "Stack":  # keras.applications takes the channels apart and stacks them anew
        return "channels in another order (BGR)"
    return ""


def _arguments(layer: Any) -> list[Any]:
    node = next(iter(getattr(layer, "_inbound_nodes", None) or ()), None)
    if node is None:
        return []
    if hasattr(node, "arguments"):
        return [*node.arguments.args, *node.arguments.kwargs.values()]
    return [*node.call_args, *(value for key, value in (node.call_kwargs or {}).items() if key != "name")]
