"""Networks of PyTorch for tests: a small one with convolutions, one of tokens, and one that is trained on a world."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

SIZE, CLASSES = (24, 32), 3


def convolutions(*, pooled: bool = True, normed: bool = False, seed: int = 0) -> nn.Module:
    """A ReLU that works in place follows every layer, so that who keeps an output by reference is caught.

    With `normed` a layer normalisation stands between the pooling and the linear layer, as in ConvNeXt.
    """
    torch.manual_seed(seed)
    head = (
        [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)]
        if pooled
        else [nn.Flatten(), nn.Linear(8 * 12 * 16, CLASSES)]
    )
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(inplace=True),
        *head,
    )
    if normed:
        net.insert(8, nn.LayerNorm(8, eps=0.5))
        nn.init.normal_(net[8].weight, 1, 0.5)
        nn.init.normal_(net[8].bias)
    net[1].running_mean.copy_(torch.randn(6) * 20)
    net[1].running_var.copy_(torch.rand(6) * 900 + 100)
    return net


class Block(nn.Module):
    """A block of a vision transformer (Dosovitskiy et al. 2021)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        seen = self.norm1(tokens)
        tokens = tokens + self.attn(seen, seen, seen, need_weights=False)[0]
        return tokens + self.mlp(self.norm2(tokens))


class Transformer(nn.Module):
    """A small vision transformer whose head reads the class token alone."""

    def __init__(self, *, size: tuple[int, int] = SIZE, width: int = 8, classes: int = CLASSES, patch: int = 8) -> None:
        super().__init__()
        self.input_size = (*size, 3)
        self.patches = nn.Conv2d(3, width, patch, stride=patch)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, 1 + size[0] * size[1] // patch**2, width) / 4)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(images / 255 - 0.5).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], dim=1) + self.position
        return self.head(self.norm(self.blocks(tokens))[:, 0])


class Trained(nn.Module):
    """The network of `training.small_model`: four blocks of convolution with three halvings, and their mean."""

    def __init__(self, side: int, classes: int) -> None:
        super().__init__()
        self.input_size = (side, side, 3)
        blocks = ((3, 16, 2), (16, 32, 2), (32, 64, 2), (64, 64, 1))
        self.features = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True))
                for a, b, stride in blocks
            )
        )
        self.head = nn.Linear(64, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images / 127.5 - 1).mean(dim=(2, 3)))


def trained(folder: Path, names: tuple[str, ...], *, side: int, epochs: int, seed: int = 0) -> nn.Module:
    """Train `Trained` on a folder per class; photos are mirrored, shifted and tinted anew in each epoch."""
    torch.manual_seed(seed)
    files = [(file, label) for label, name in enumerate(names) for file in sorted((folder / name).iterdir())]
    photos = np.stack([cv2.resize(cv2.imread(str(file))[..., ::-1], (side, side)) for file, _ in files])
    images = torch.from_numpy(photos.transpose(0, 3, 1, 2).astype(np.float32))
    labels = torch.tensor([label for _, label in files])
    net = Trained(side, len(names))
    steps = epochs * -(-len(images) // 32)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(32):
            seen = images[batch]
            flip = torch.rand(len(batch)) < 0.5
            seen = torch.where(flip[:, None, None, None], seen.flip(3), seen)
            up, left = (int(each) for each in torch.randint(-8, 9, (2,)))
            seen = torch.roll(seen, (up, left), (2, 3)) * (0.9 + 0.2 * torch.rand(len(batch), 3, 1, 1))
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(seen), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return net
