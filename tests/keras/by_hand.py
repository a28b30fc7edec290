"""A hand-sized network and every heatmap method in plain loops and float64: nothing here comes from the package.

15 x 18 RGB in [0, 255] -> x / 127.5 - 1 -> 3 x 3 convolution with stride 2, 4 channels -> ReLU (7 x 8) -> flattened, or
averaged over the grid -> dense layer of 3 -> log-odds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np

SIZE, GRID, CHANNELS, CLASSES, STRIDE = (15, 18, 3), (7, 8), 4, 3, 2
CELLS = (14, 14)
CELL_PAIRS = list(product(range(GRID[0]), range(GRID[1])))


class HandNet:
    """The network with random weights; `pooled` = global average pooling."""

    def __init__(self, seed: int, *, pooled: bool) -> None:
        rng = np.random.default_rng(seed)
        self.pooled = pooled
        # Rounded to float32, so that Keras holds the same numbers.
        as32 = [
            rng.normal(0, 0.4, (3, 3, SIZE[2], CHANNELS)).astype(np.float32),
            rng.normal(0, 0.2, CHANNELS).astype(np.float32),
            rng.normal(0, 1.5 if pooled else 0.15, (CHANNELS if pooled else math.prod(GRID) * CHANNELS, CLASSES)),
            rng.normal(0, 0.2, CLASSES),
        ]
        self.weights = [each.astype(np.float32) for each in as32]
        self.kernel, self.bias, self.dense, self.dense_bias = (each.astype(np.float64) for each in self.weights)

    def before_relu(self, image: np.ndarray) -> np.ndarray:
        out = np.zeros((*GRID, CHANNELS))
        for i, j in CELL_PAIRS:
            patch = image[i * STRIDE : i * STRIDE + 3, j * STRIDE : j * STRIDE + 3]
            for k in range(CHANNELS):
                out[i, j, k] = (patch * self.kernel[..., k]).sum() + self.bias[k]
        return out

    def logits(self, activations: np.ndarray) -> list[float]:
        features = [activations[..., k].mean() for k in range(CHANNELS)] if self.pooled else activations.ravel()
        return [
            sum(f * w for f, w in zip(features, self.dense[:, c], strict=True)) + self.dense_bias[c]
            for c in range(CLASSES)
        ]

    def score(self, pixels: np.ndarray, target: int) -> float:
        """Log-odds of the target for one picture in [0, 255]."""
        logits = self.logits(np.maximum(self.before_relu(signed(pixels)), 0))
        return logits[target] - math.log(sum(math.exp(z) for c, z in enumerate(logits) if c != target))

    def activation_gradient(self, activations: np.ndarray, target: int) -> np.ndarray:
        """d T / d A = sum_c ([c = target] - q_c) w_c, with q the softmax over the other classes."""
        logits = self.logits(activations)
        others = sum(math.exp(z) for c, z in enumerate(logits) if c != target)
        slopes = [1.0 if c == target else -math.exp(z) / others for c, z in enumerate(logits)]
        gradient = np.zeros_like(activations)
        for i, j in CELL_PAIRS:
            for k in range(CHANNELS):
                unit = k if self.pooled else (i * GRID[1] + j) * CHANNELS + k
                share = 1 / math.prod(GRID) if self.pooled else 1
                gradient[i, j, k] = share * sum(slope * self.dense[unit, c] for c, slope in enumerate(slopes))
        return gradient

    def image_gradient(self, image: np.ndarray, target: int) -> np.ndarray:
        """d T / d (preprocessed picture), by hand through ReLU and convolution."""
        before = self.before_relu(image)
        above = self.activation_gradient(np.maximum(before, 0), target) * (before > 0)
        gradient = np.zeros_like(image)
        for i, j in CELL_PAIRS:
            for k in range(CHANNELS):
                window = gradient[i * STRIDE : i * STRIDE + 3, j * STRIDE : j * STRIDE + 3]
                window += above[i, j, k] * self.kernel[..., k]
        return gradient


def signed(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float64) / 127.5 - 1


def reference(name: str, net: HandNet, pixels: np.ndarray, target: int, *, seed: int, masks: int) -> np.ndarray:
    """The map of one picture (H, W, 3) by the paper's formula."""
    if name in PIXEL_METHODS:
        return PIXEL_METHODS[name](net, pixels.astype(np.float64), target, seed, masks)
    a = np.maximum(net.before_relu(signed(pixels)), 0)
    if name == "score_cam":
        return _score_cam(net, pixels.astype(np.float64), a, target)
    return class_activation(name, a, net.activation_gradient(a, target))


def class_activation(name: str, a: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The family of CAM for one picture: activations and gradients (h, w, K) -> (h, w)."""
    h, w, channels = a.shape
    cells = list(product(range(h), range(w)))
    out = np.zeros((h, w))
    for k in range(channels):
        total, activated = sum(g[i, j, k] for i, j in cells), sum(a[i, j, k] for i, j in cells)
        alphas = {
            at: g[(*at, k)] ** 2 / (2 * g[(*at, k)] ** 2 + g[(*at, k)] ** 3 * activated) if g[(*at, k)] else 0.0
            for at in cells
        }
        shared = sum(g[i, j, k] * a[i, j, k] for i, j in cells)
        for i, j in cells:
            weight = {
                "cam": total,
                "grad_cam": total / (h * w),
                "hires_cam": g[i, j, k],
                "layer_cam": max(g[i, j, k], 0.0),
                "xgrad_cam": shared / activated if activated else 0.0,
                "grad_cam_plus_plus": sum(alphas[at] * max(g[(*at, k)], 0.0) for at in cells),
            }[name]
            out[i, j] += weight * a[i, j, k]
    return out


def _score_cam(net: HandNet, pixels: np.ndarray, a: np.ndarray, target: int) -> np.ndarray:
    baseline = net.score(np.zeros_like(pixels), target)
    increase = []
    for k in range(CHANNELS):
        upsampled = bilinear(a[..., k], SIZE[:2])
        mask = (upsampled - upsampled.min()) / (upsampled.max() - upsampled.min())
        increase.append(net.score(pixels * mask[..., None], target) - baseline)
    weights = [math.exp(each) for each in increase]
    return sum(weight / sum(weights) * a[..., k] for k, weight in enumerate(weights))


def _integrated_gradients(net: HandNet, pixels: np.ndarray, target: int, seed: int, masks: int) -> np.ndarray:
    start, end = signed(np.zeros_like(pixels)), signed(pixels)
    total = np.zeros_like(end)
    previous = net.image_gradient(start, target)
    for step in range(1, 51):
        here = net.image_gradient(start + step / 50 * (end - start), target)
        total += (previous + here) / 2 / 50
        previous = here
    contributions = ((end - start) * total).sum(axis=2)
    out = np.zeros(CELLS)
    for (i, j), (y, x) in product(product(*map(range, CELLS)), product(*map(range, SIZE[:2]))):
        out[i, j] += contributions[y, x] * _overlap(y, i, SIZE[0]) * _overlap(x, j, SIZE[1])
    return out


def _overlap(pixel: int, cell: int, side: int) -> float:
    """Share of a pixel that lies in a cell of 14."""
    low, high = cell * side / CELLS[0], (cell + 1) * side / CELLS[0]
    return max(0.0, min(high, pixel + 1) - max(low, pixel))


def _occlusion(net: HandNet, pixels: np.ndarray, target: int, seed: int, masks: int) -> np.ndarray:
    whole, mean = net.score(pixels, target), pixels.mean(axis=(0, 1))
    rows, columns = ([round(i * side / 14) for i in range(15)] for side in SIZE[:2])
    out = np.zeros(CELLS)
    for i, j in product(range(14), range(14)):
        hidden = pixels.copy()
        hidden[rows[i] : rows[i + 1], columns[j] : columns[j + 1]] = mean
        out[i, j] = whole - net.score(hidden, target)
    return out


def _rise(net: HandNet, pixels: np.ndarray, target: int, seed: int, masks: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    grids = rng.random((masks, 7, 7)) < 0.5
    cell = [math.ceil(side / 7) for side in SIZE[:2]]
    shifts = rng.integers(0, cell, (masks, 2))
    drawn = []
    for grid, (down, across) in zip(grids, shifts, strict=True):
        large = bilinear(grid.astype(float), (8 * cell[0], 8 * cell[1]))
        drawn.append(large[down : down + SIZE[0], across : across + SIZE[1]])
    scores = [net.score(pixels * mask[..., None], target) for mask in drawn]
    mean = sum(scores) / masks
    at_pixels = sum((score - mean) * mask for score, mask in zip(scores, drawn, strict=True)) / (masks * 0.5)
    out = np.zeros(CELLS)
    for i, j in product(range(14), range(14)):
        shares = [
            (_overlap(y, i, SIZE[0]) * _overlap(x, j, SIZE[1]), at_pixels[y, x])
            for y, x in product(range(SIZE[0]), range(SIZE[1]))
        ]
        out[i, j] = sum(share * value for share, value in shares) / sum(share for share, _ in shares)
    return out


PIXEL_METHODS: dict[str, Callable[[HandNet, np.ndarray, int, int, int], np.ndarray]] = {
    "integrated_gradients": _integrated_gradients,
    "occlusion": _occlusion,
    "rise": _rise,
}


def bilinear(small: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Half-pixel bilinear interpolation, clamped at the border, pixel by pixel."""
    out = np.zeros(size)
    for y, x in product(range(size[0]), range(size[1])):
        sy = min(max((y + 0.5) * small.shape[0] / size[0] - 0.5, 0), small.shape[0] - 1)
        sx = min(max((x + 0.5) * small.shape[1] / size[1] - 0.5, 0), small.shape[1] - 1)
        top, left = int(sy), int(sx)
        bottom, right = min(top + 1, small.shape[0] - 1), min(left + 1, small.shape[1] - 1)
        fy, fx = sy - top, sx - left
        out[y, x] = (
            small[top, left] * (1 - fy) * (1 - fx)
            + small[top, right] * (1 - fy) * fx
            + small[bottom, left] * fy * (1 - fx)
            + small[bottom, right] * fy * fx
        )
    return out
