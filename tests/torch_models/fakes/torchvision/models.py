"""Two classifiers, and a detector that would download its backbone."""

from __future__ import annotations

from enum import Enum
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn


class Small(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, stride=2)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer4 = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2), nn.ReLU())
        self.fc = nn.Linear(6, classes)

    _version = 2

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *others: Any) -> None:
        """As MNASNet's, which asks what version the weights are of: a bare dict of tensors does not say it."""
        if local_metadata.get("version") != 2:
            raise ValueError(f"version should be 2 instead of {local_metadata.get('version')}")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *others)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.layer4(self.bn1(self.conv1(images))).mean(dim=(2, 3)))


class WithAuxiliary(Small):
    def __init__(self, classes: int, transform_input: bool, aux_logits: bool, init_weights: bool) -> None:
        super().__init__(classes)
        self.transform_input = transform_input
        if aux_logits:
            self.aux1 = nn.Linear(4, classes)


class Interpolation(Enum):
    BILINEAR = "bilinear"


class Transforms:
    def __init__(self) -> None:
        self.resize_size, self.crop_size, self.interpolation = [36], [32], Interpolation.BILINEAR
        self.mean, self.std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class Detector(nn.Module):
    def __init__(self) -> None:
        raise AssertionError("it would download its backbone")


def list_models(module: Any = None) -> list[str]:
    names = ["googlenet", "small18"]
    return names if getattr(module, "__name__", None) == __name__ else [*names, "detector"]


def get_model(name: str, *, weights: Any, num_classes: int, **options: Any) -> nn.Module:
    if weights is not None:
        raise AssertionError("weights were asked for")
    return {"small18": Small, "googlenet": WithAuxiliary, "detector": Detector}[name](num_classes, **options)


def get_model_weights(name: str) -> Any:
    return SimpleNamespace(DEFAULT=SimpleNamespace(transforms=Transforms))
