"""Functions on tensors of PyTorch: the `xp` of `base.Weigh` and of `Head.read` inside a pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


class Tensors:
    """NumPy's names, on tensors of PyTorch; columns are classes or outputs."""

    abs, tanh = staticmethod(torch.abs), staticmethod(torch.tanh)
    zeros_like, log, log1p, exp = (
        staticmethod(each) for each in (torch.zeros_like, torch.log, torch.log1p, torch.exp)
    )  # fmt: skip
    clip, sigmoid = staticmethod(torch.clamp), staticmethod(torch.sigmoid)

    @staticmethod
    def einsum(equation: str, *operands: Any) -> Any:
        like = next(each for each in operands if isinstance(each, torch.Tensor))
        tensors = [_tensor(each, like) for each in operands]
        if equation == "nhwc,nhwc->nhw":  # PyTorch makes a product of tiny matrices of it, which is eight times slower
            return torch.linalg.vecdot(*tensors, dim=-1)
        return torch.einsum(equation, *tensors)

    @staticmethod
    def sum(values: Any, axis: Any, keepdims: bool = False) -> Any:
        return torch.sum(values, dim=axis, keepdim=keepdims)

    @staticmethod
    def mean(values: Any, axis: Any, keepdims: bool = False) -> Any:
        return torch.mean(values, dim=axis, keepdim=keepdims)

    @staticmethod
    def max(values: Any, axis: Any, keepdims: bool = False) -> Any:
        return torch.amax(values, dim=axis, keepdim=keepdims)

    @staticmethod
    def maximum(values: Any, other: Any) -> Any:
        return torch.maximum(*_tensors(values, other))

    @staticmethod
    def where(condition: Any, values: Any, other: Any) -> Any:
        return torch.where(condition, *_tensors(values, other))

    @staticmethod
    def float32(values: Any) -> Any:
        return values.to(torch.float32)

    @staticmethod
    def take(values: Any, columns: tuple[int, ...]) -> Any:
        return values[:, list(columns)]

    @staticmethod
    def stack(columns: list[Any]) -> Any:
        return torch.stack(columns, dim=1)

    @staticmethod
    def concatenate(parts: list[Any]) -> Any:
        return torch.cat(parts, dim=1)

    @staticmethod
    def logsumexp(values: Any, axis: int, *, keepdims: bool = False) -> Any:
        return torch.logsumexp(values, dim=axis, keepdim=keepdims)

    @staticmethod
    def softmax(values: Any) -> Any:
        return torch.softmax(values, dim=1)

    @staticmethod
    def is_largest(values: Any) -> Any:
        """(N, C) bool, true at the first largest of each row."""
        columns = torch.arange(values.shape[1], device=values.device)
        return columns == torch.argmax(values, dim=1, keepdim=True)

    @staticmethod
    def constant(values: Any) -> Any:
        """The values, through which no gradient flows."""
        return values.detach()


def _tensors(first: Any, second: Any) -> list[torch.Tensor]:
    """Two operands as tensors of one kind; at least one of them is a tensor."""
    like = first if isinstance(first, torch.Tensor) else second
    return [_tensor(each, like) for each in (first, second)]


def _tensor(value: Any, like: torch.Tensor) -> torch.Tensor:
    """A tensor as it is; a number or an array as a tensor of the kind and on the device of another."""
    if isinstance(value, torch.Tensor):
        return value
    return torch.as_tensor(np.asarray(value), dtype=like.dtype, device=like.device)
