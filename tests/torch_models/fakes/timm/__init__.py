"""A classifier, with and without the tag of its weights, which is timm's own way of naming them."""

from __future__ import annotations

from typing import Any

from torch import nn
from torchvision.models import Small


def list_models() -> list[str]:
    return ["tiny_patch8_32"]


def is_model(name: str) -> bool:
    return name.partition(".")[0] in list_models()


def create_model(name: str, *, pretrained: bool, num_classes: int) -> nn.Module:
    if pretrained or ":" in name:
        raise AssertionError("weights were asked for")
    network: Any = Small(num_classes)
    network.pretrained_cfg = {
        "input_size": (3, 32, 32), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "interpolation": "bicubic",
        "crop_pct": 0.9, "crop_mode": "center",
    }  # fmt: skip
    return network
