"""Networks of libraries with random weights that react to pictures, for the tables of compatibility."""

from __future__ import annotations

import without_cuda  # noqa: F401 before torchvision

# isort: split
import contextlib
import importlib.metadata
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import timm.data
import torch
import torchvision.models
from numpy.typing import NDArray
from PIL import Image
from torch import nn

CLASSES, BATCH = 5, 2
APART = 0.05
"""Least difference of a probability between the two pictures."""

Saved = Callable[[], str]
"""Writes the weights of a network, and returns its address."""


@contextlib.contextmanager
def unconnected() -> Iterator[None]:
    """A context in which no connection is made: nothing may be fetched."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise SystemExit("a network was asked for a file of the internet")

    kept = socket.socket.connect, socket.getaddrinfo
    socket.socket.connect = socket.getaddrinfo = refuse  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        socket.socket.connect, socket.getaddrinfo = kept  # type: ignore[method-assign]


def picture() -> Image.Image:
    """A picture of 300x400 pixels, in which every pixel and every cut differs."""
    rng = np.random.default_rng(3)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize((400, 300), Image.Resampling.BICUBIC)
    noise = rng.integers(-20, 21, (300, 400, 3))
    return Image.fromarray(np.clip(np.asarray(coarse, int) + noise, 0, 255).astype(np.uint8))


def of_torchvision(name: str, classes: int, folder: Path) -> tuple[nn.Module, Saved, Any]:
    """(network, what saves it, the library's own preparation of a picture)."""
    options = {"init_weights": False, "transform_input": True} if name in ("googlenet", "inception_v3") else {}
    network = torchvision.models.get_model(name, weights=None, num_classes=classes, **options)

    def save() -> str:
        torch.save(network.state_dict(), folder / f"{name}.pth")
        return f"torchvision:{name}@{folder / name}.pth"

    return network, save, torchvision.models.get_model_weights(name).DEFAULT.transforms()


def of_timm(name: str, classes: int, folder: Path) -> tuple[nn.Module, Saved, Any]:
    """As `of_torchvision`; the file is one of a training script on several GPUs."""
    network = timm.create_model(name, pretrained=False, num_classes=classes)

    def save() -> str:
        weights = {f"module.{key}": value for key, value in network.state_dict().items()}
        torch.save({"epoch": 3, "state_dict": weights}, folder / f"{name}.pth")
        return f"timm:{name}@{folder / name}.pth"

    return network, save, timm.data.create_transform(**timm.data.resolve_data_config({}, model=network))


def alive(network: nn.Module, images: torch.Tensor) -> None:
    """Give every normalisation of a batch the statistics of these images: else nothing may reach the last layer."""
    norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm2d | nn.BatchNorm1d)]
    kept = [each.momentum for each in norms]
    for each in norms:
        each.momentum = 1.0
    with torch.no_grad():
        network.train()(images)
    for each, momentum in zip(norms, kept, strict=True):
        each.momentum = momentum
    network.eval()


def sharpened(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Scale the last layer until two images differ, in place; the network's probabilities (N, CLASSES) for them.

    What both have in common goes into the bias: else both would become certain of one class.
    """
    last = [each for each in network.parameters() if each.ndim > 1 and each.shape[0] == CLASSES]
    biases = [each for each in network.parameters() if each.ndim == 1 and each.shape[0] == CLASSES]
    for weight in last:
        if not weight.any():  # some begin with zeros
            nn.init.normal_(weight, std=0.02)
    for _ in range(60):
        with torch.no_grad():
            made = network(images)
            logits = getattr(made, "logits", made)
        chances = logits.softmax(dim=1)
        if (chances[0] - chances[1]).abs().max() > APART:
            return chances
        for bias in biases:
            bias.data -= logits.mean(dim=0)
        for weight in last:
            weight.data *= 3
        for bias in biases:
            bias.data *= 3
    return chances


def reacting(network: nn.Module, wanted: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make a network react to two images, of which one is `wanted` (H, W, 3), in place.

    Returns:
        (the images (2, H, W, 3), its probabilities (2, CLASSES)).
    """
    rng = np.random.default_rng(1)
    images = np.stack([rng.uniform(-2, 2, wanted.shape).astype(np.float32), wanted.astype(np.float32)])
    tensor = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    alive(network, tensor)
    return images, sharpened(network, tensor).numpy()


def versions(*names: str) -> str:
    """The installed versions of packages, for a sentence."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
