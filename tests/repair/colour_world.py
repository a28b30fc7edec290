"""Photos whose object and background are a colour each, and a network that follows the background.

The network sees the mean of every colour. Its last layer asks for the blue of the background alone, though red and
green would tell the objects apart.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "models"))
import onnx_files as files

SIDE, TEST, TRAIN = 32, 16, 15
OBJECTS = {"ant": (190, 50, 90), "bee": (50, 190, 90)}
GROUNDS = {"ant": (90, 90, 190), "bee": (90, 90, 40)}


def weights(red: float = 0.0, blue: float = 0.25, middle: float = 112.0) -> tuple[np.ndarray, np.ndarray]:
    """Weights (3, 2) and bias (2,) of the last layer: ant by its red against green, and by blue."""
    made = [[red, -red], [-red, red], [blue, -blue]]
    return np.array(made, np.float32), np.array([-middle * blue, middle * blue], np.float32)


def network(red: float = 0.0, blue: float = 0.25, middle: float = 112.0) -> bytes:
    """An ONNX file: means of the three colours, and the last layer; at `middle` the blue says nothing."""
    kernel, bias = weights(red, blue, middle)
    given = [
        files.array("kernel", np.eye(3, dtype=np.float32)[:, :, None, None]),
        files.array("weights", kernel),
        files.array("bias", bias),
    ]
    nodes = [
        files.node("Conv", ("x", "kernel"), ("sum",)),
        files.node("Relu", ("sum",), ("features",)),
        files.node("GlobalAveragePool", ("features",), ("pooled",)),
        files.node("Flatten", ("pooled",), ("flat",)),
        files.node("Gemm", ("flat", "weights", "bias"), ("logits",)),
        files.node("Softmax", ("logits",), ("y",)),
    ]
    shape: tuple[Any, ...] = ("n", 3, SIDE, SIDE)
    body = files.graph(*nodes, given=files.value("x", shape), made=files.value("y", ("n", 2)), tensors=given)
    return files.model(body)


def draw(root: Path, masks: Path, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name in OBJECTS:
        (root / name).mkdir(parents=True)
        (masks / name).mkdir(parents=True)
        for number in range(count):
            top, left = rng.integers(4, 14, 2)
            mask = np.zeros((SIDE, SIDE), bool)
            mask[top : top + 14, left : left + 14] = True
            ground = GROUNDS[name] + np.array([1, 1, 0]) * rng.uniform(-50, 50)  # hides the colours of the object
            colours = np.where(mask[..., None], OBJECTS[name], ground) + rng.normal(0, 8, (SIDE, SIDE, 3))
            picture = Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))
            picture.save(root / name / f"{number}.png")
            Image.fromarray(mask.astype(np.uint8) * 255).save(masks / name / f"{number}.png")
