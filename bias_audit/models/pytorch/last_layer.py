"""Finds the last linear layer of a PyTorch model, and writes a state_dict with other weights in it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from bias_audit.models.addresses import SAFETENSORS
from bias_audit.models.base import Array, Linear
from bias_audit.models.last_layer import in_batches, no_layer
from bias_audit.packages import installed

if TYPE_CHECKING:
    from bias_audit.models.pytorch.model import TorchModel


class TorchLastLayer:
    """The last linear layer of a PyTorch model; see `base.LastLayer`.

    Args:
        model: the loaded model.
        network: its module.

    Raises:
        ModelError: no `nn.Linear` makes its outputs.
    """

    def __init__(self, model: TorchModel, network: nn.Module) -> None:
        self._model, self._network = model, network
        first, *others = (SAFETENSORS, ".pt", ".pth")
        self.endings: tuple[str, ...] = (first, *others) if installed("safetensors") else (*others, first)
        self.head = model._head
        self.path, self._layer = _last_linear(model)
        bias = None if self._layer.bias is None else _numbers(self._layer.bias)
        self.linear = Linear(_numbers(self._layer.weight).T, bias)

    def features(self, images: Array) -> Array:
        """(n, D) what the layer gets for images (n, H, W, C), in full batches."""
        return in_batches(self._of_batch, images, self._model.batch_size, len(self.linear.weights))

    def _of_batch(self, part: Array) -> Array:
        seen: list[torch.Tensor] = []

        def note(_: nn.Module, given: Any) -> None:
            seen.append(given[0])

        handle = self._layer.register_forward_pre_hook(note)
        try:
            with self._model._called(f"the features of {len(part)} images", len(part)), torch.no_grad():
                self._model._forward(self._model._padded(part))
        finally:
            handle.remove()
        return np.asarray(seen[-1].detach().float().cpu().numpy())

    def write(self, linear: Linear, file: Path) -> None:
        """Write the state_dict with other weights in this layer; see `LastLayer`."""
        state = {name: each.detach().cpu().clone().contiguous() for name, each in self._network.state_dict().items()}
        for name, values in (("weight", linear.weights.T), ("bias", linear.bias)):
            if values is not None:
                own = f"{self.path}.{name}"
                state[own] = torch.from_numpy(np.ascontiguousarray(values)).to(state[own].dtype)
        if file.suffix.lower() == SAFETENSORS:
            from safetensors.torch import save_file

            save_file(state, str(file))
        else:
            torch.save(state, file)

    def changed(self, linear: Linear) -> nn.Module:
        """A copy of the module with other weights in this layer; see `LastLayer`."""
        other = copy.deepcopy(self._network)
        layer = other.get_submodule(self.path)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(linear.weights.T)))  # type: ignore[operator]
            if linear.bias is not None:
                layer.bias.copy_(torch.from_numpy(linear.bias))  # type: ignore[operator]
        return other


def _last_linear(model: TorchModel) -> tuple[str, nn.Linear]:
    for path, module, shape in reversed(model._layers.steps):
        if type(module) is not nn.Linear:
            continue
        if len(shape) != 2 or module.out_features != model.outputs:
            raise no_layer(f"{path} gives {shape[-1]} numbers, and the model has {model.outputs} outputs")
        return path, module
    raise no_layer("no module of the kind nn.Linear runs, as far as it shows them")


def _numbers(tensor: torch.Tensor) -> Any:
    return tensor.detach().double().cpu().numpy()
