"""Writes a network of PyTorch as an ONNX file, layer by layer: the exporter of PyTorch needs the package onnx."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.append(str(Path(__file__).parents[1] / "models"))  # an import mode of pytest may not have added it
import onnx_files as files


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        yield from _leaves(child) if isinstance(child, nn.Sequential) else (child,)


def exported(
    net: nn.Module,
    size: tuple[int, int],
    classes: int,
    *,
    scale: float = 1.0,
    shift: float = 0.0,
    written_out: bool = False,
) -> bytes:
    """The file of a network, which runs its layers one after the other on x * scale + shift.

    Args:
        net: made of convolutions, batch normalisation, ReLU, max pooling, global average pooling, flattening, layer
            normalisation and one linear layer; where no pooling is among them it stands before the linear layer.
        size: height and width of the images.
        classes: number of outputs.
        scale, shift: what is done to images first.
        written_out: whether layer normalisation is made of other operations, as before opset 17.
    """
    tensors: list[bytes] = []
    nodes: list[bytes] = []

    def constant(values: torch.Tensor | float) -> str:
        name = f"w{len(tensors)}"
        tensors.append(files.array(name, np.asarray(torch.as_tensor(values).detach(), np.float32)))
        return name

    def flat(*sides: int) -> str:
        name = f"w{len(tensors)}"
        tensors.append(files.array(name, np.asarray(sides, np.int64)))
        return name

    def add(op: str, *inputs: str, **attributes: object) -> str:
        given = b"".join(files.attribute(name, value) for name, value in attributes.items())
        nodes.append(files.node(op, inputs, (f"{op}_{len(nodes)}",), attributes=given))
        return f"{op}_{len(nodes) - 1}"

    at = add("Add", add("Mul", "x", constant(scale)), constant(shift))
    layers = list(_leaves(net))
    pools = any(isinstance(layer, nn.AdaptiveAvgPool2d) for layer in layers)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            weights = [constant(each) for each in (layer.weight, layer.bias) if each is not None]
            at = add("Conv", at, *weights, strides=layer.stride, pads=(*layer.padding, *layer.padding))
        elif isinstance(layer, nn.BatchNorm2d):
            numbers = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
            at = add("BatchNormalization", at, *map(constant, numbers), epsilon=layer.eps)
        elif isinstance(layer, nn.ReLU):
            at = add("Relu", at)
        elif isinstance(layer, nn.MaxPool2d):
            at = add("MaxPool", at, kernel_shape=(layer.kernel_size,) * 2, strides=(layer.stride,) * 2)
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            at = add("GlobalAveragePool", at)
        elif isinstance(layer, nn.LayerNorm) and written_out:
            centred = add("Sub", at, add("ReduceMean", at, axes=(-1,)))
            spread = add("Add", add("ReduceMean", add("Pow", centred, constant(2.0)), axes=(-1,)), constant(layer.eps))
            at = add("Div", centred, add("Sqrt", spread))
            at = add("Add", add("Mul", at, constant(layer.weight)), constant(layer.bias))
        elif isinstance(layer, nn.LayerNorm):  # as ConvNeXt has it: channels last, and first again
            at = add("Transpose", add("Reshape", at, flat(-1, layer.weight.numel(), 1, 1)), perm=(0, 2, 3, 1))
            at = add("LayerNormalization", at, constant(layer.weight), constant(layer.bias), epsilon=layer.eps)
            at = add("Flatten", add("Transpose", at, perm=(0, 3, 1, 2)))
        elif isinstance(layer, nn.Linear):
            at = at if pools else add("ReduceMean", at, axes=(2, 3), keepdims=0)
            at = add("Gemm", at, constant(layer.weight), constant(layer.bias), transB=1)
        else:
            assert isinstance(layer, nn.Flatten), layer
            at = add("Flatten", at)
    nodes.append(files.node("Identity", (at,), ("y",)))
    given, made = files.value("x", ("n", 3, *size)), files.value("y", ("n", classes))
    return files.model(files.graph(*nodes, given=given, made=made, tensors=tensors), opset=17)
