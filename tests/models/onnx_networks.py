"""A small classifier of images as an ONNX file in many forms, and the same in NumPy, computed in another way.

Two convolutions of 3x3 with ReLU, and a head: pooling, a linear layer and what makes probabilities of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_files as files
from numpy.lib.stride_tricks import sliding_window_view

SIZE, CLASSES = (10, 12), 3
EPSILON = 0.25
MEAN, STD = (120.0, 110.0, 100.0), (60.0, 58.0, 62.0)


def _relu_convolution(images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """(N, C, H, W) and (K, C, 3, 3) -> (N, K, H, W), in double precision."""
    padded = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.maximum(np.einsum("nchwij,kcij->nkhw", sliding_window_view(padded, (3, 3), (2, 3)), kernel), 0)


def log_odds(logits: np.ndarray) -> np.ndarray:
    """(N, K): log p - log(1 - p) of each class of a softmax, by the definition, in double precision."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return np.log(p) - np.log1p(-p)


@dataclass(frozen=True)
class Network:
    """The weights, and how the file is written.

    Attributes:
        pool: "global", "mean" (ReduceMean with an attribute), "mean 18" (with an input), "average" or "max".
        linear: "Gemm" (weights (outputs, C)), "Gemm rows" ((C, outputs), times alpha), "MatMul", "Conv" or "".
        final: "", "Softmax", "LogSoftmax" or "Sigmoid".
        last: whether images come with their channels last; "inside" = feature maps do, too.
        batch, size: sides of the input as declared; a text is an open one.
        kind: type of the input, and of all weights unless it is uint8.
        hidden: whether a further layer with ReLU stands before the last one.
        norm: layer normalisation of the means: "layer" (one operation), "written out" (as before opset 17) or "".
        scaled: whether (x - MEAN) / STD stands in the graph.
        further: bytes of further outputs.
    """

    pool: str = "global"
    linear: str = "Gemm"
    final: str = ""
    last: bool | str = False
    batch: int | str = "n"
    size: tuple[int | str, int | str] = SIZE
    channels: int | str = 3
    kind: str = "float32"
    hidden: bool = False
    norm: str = ""
    scaled: bool = True
    outputs: int = CLASSES
    opset: int = 17
    ir_version: int = 8
    quantised: bool = False
    further: bytes = b""
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(5)
        channels = self.channels if isinstance(self.channels, int) else 3
        made = {
            "k1": rng.normal(size=(6, channels, 3, 3)) / 4,
            "k2": rng.normal(size=(8, 6, 3, 3)) / 6,
            "w": rng.normal(size=(8, self.outputs)) * 3,
            "b": rng.normal(size=self.outputs),
            "h": rng.normal(size=(8, 8)),
            "gains": rng.normal(1, 0.5, 8),
            "shift": rng.normal(size=8),
        }
        self.weights.update(
            {name: values.astype(np.float32) for name, values in made.items() if name not in self.weights}
        )

    def features(self, images: np.ndarray) -> np.ndarray:
        """Feature maps (N, h, w, 8) of images (N, H, W, C)."""
        values = images.astype(np.float64)
        if self.scaled:
            values = (values - MEAN[: images.shape[3]]) / STD[: images.shape[3]]
        values = values.transpose(0, 3, 1, 2)
        return _relu_convolution(_relu_convolution(values, self.weights["k1"]), self.weights["k2"]).transpose(
            0, 2, 3, 1
        )

    def logits(self, features: np.ndarray) -> np.ndarray:
        """(N, outputs) of feature maps."""
        return self.of_means(features.mean(axis=(1, 2)))

    def of_means(self, means: np.ndarray) -> np.ndarray:
        """(N, outputs) of the means (N, 8) of feature maps."""
        if self.norm:
            centred = means - means.mean(axis=1, keepdims=True)
            means = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + EPSILON)
            means = means * self.weights["gains"] + self.weights["shift"]
        return means @ self.weights["w"] + self.weights["b"] if self.linear else means

    def onnx(self, **elsewhere: Any) -> bytes:
        """The file; `elsewhere` is where the numbers of the linear layer lie, if not in it."""
        kind = "float32" if self.kind == "uint8" else self.kind
        w = {name: values.astype(kind) for name, values in self.weights.items()}
        tensors: list[bytes] = []
        nodes: list[bytes] = []

        def constant(name: str, values: Any, of: str = kind) -> str:
            tensors.append(files.array(name, np.asarray(values, of)))
            return name

        def add(op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
            made = f"{op}_{len(nodes)}"
            given = b"".join(files.attribute(name, value) for name, value in attributes.items())
            nodes.append(files.node(op, inputs, (made,), domain=domain, attributes=files.field(3, f"/{made}") + given))
            return made

        def rounded(name: str, scale: float, of: str = "uint8") -> str:
            """Quantised and back, as onnxruntime.quantization writes it."""
            if not self.quantised:
                return name
            steps = constant(f"s{len(nodes)}", scale), constant(f"z{len(nodes)}", 0, of)
            return add("DequantizeLinear", add("QuantizeLinear", name, *steps), *steps)

        at = "x"
        if self.kind == "uint8":
            at = add("Cast", at, to=1)
        sides = -1 if self.last else (-1, 1, 1)
        if self.scaled:
            count = 3 if self.channels == "c" else self.channels
            at = add("Sub", at, constant("mean", np.reshape(MEAN[:count], np.ravel(sides))))
            at = add("Div", at, constant("std", np.reshape(STD[:count], np.ravel(sides))))
        if self.last:
            at = add("Transpose", at, perm=(0, 3, 1, 2))
        for number in (1, 2):
            at = add("Conv", at, constant(f"k{number}", w[f"k{number}"]), pads=(1, 1, 1, 1))
            at = rounded(add("Relu", at), 0.03)
        axes: tuple[int, int] = (2, 3)
        if self.last == "inside":
            at, axes = add("Transpose", at, perm=(0, 2, 3, 1)), (1, 2)
        if self.pool == "mean":
            at = add("ReduceMean", at, axes=axes, keepdims=0)
        elif self.pool == "mean 18":
            at = add("ReduceMean", at, constant("axes", [-1, -2] if axes == (2, 3) else [2, 1], "int64"), keepdims=0)
        else:
            op = {"global": "GlobalAveragePool", "average": "AveragePool", "max": "GlobalMaxPool"}[self.pool]
            at = add(op, at, **({"kernel_shape": SIZE} if op == "AveragePool" else {}))
        if self.pool in ("global", "average", "max") and self.linear != "Conv":
            at = add("Flatten", at)
        if self.norm == "layer":
            given = constant("gains", w["gains"]), constant("shift", w["shift"])
            at = add("LayerNormalization", at, *given, epsilon=EPSILON)
        elif self.norm:
            centred = add("Sub", at, add("ReduceMean", at, axes=(-1,)))
            squares = add("ReduceMean", add("Mul", centred, centred), axes=(-1,))
            at = add("Div", centred, add("Sqrt", add("Add", constant("epsilon", EPSILON), squares)))
            at = add("Add", add("Mul", constant("gains", w["gains"]), at), constant("shift", w["shift"]))
        if self.hidden:
            at = add("Relu", add("MatMul", at, constant("h", w["h"])))
        if elsewhere:
            tensors.append(files.array("w", w["w"].T, **elsewhere))
        if self.linear == "Gemm":
            given = "w" if elsewhere else constant("w", w["w"].T)
            at = add("Gemm", rounded(at, 0.022), rounded(given, 0.06, "int8"), constant("b", w["b"]), transB=1)
        elif self.linear == "Gemm rows":
            at = add("Gemm", add("Dropout", at), constant("w", w["w"] / 2), constant("b", w["b"]), alpha=2.0)
        elif self.linear == "MatMul":
            at = add(
                "Add", constant("b", w["b"]), add("MatMul", at, add("Transpose", constant("w", w["w"].T), perm=(1, 0)))
            )
        elif self.linear == "Conv":
            at = add("Conv", at, constant("w", w["w"].T[:, :, None, None]), constant("b", w["b"]))
            at = add("Reshape", at, constant("flat", [0, -1], "int64"))
        if self.final:
            at = add(self.final, at, **({} if self.final == "Sigmoid" else {"axis": 1}))
        nodes.append(files.node("Identity", (at,), ("y",)))
        sides_of = (self.channels, *self.size) if not self.last else (*self.size, self.channels)
        shape = (self.batch, *sides_of)
        body = files.graph(
            *nodes,
            given=files.value("x", shape, files.KINDS[self.kind]),
            made=files.value("y", (self.batch, self.outputs if self.linear else 8), files.KINDS[kind]),
            tensors=tensors,
        )
        return files.model(body + self.further, opset=self.opset, ir_version=self.ir_version)
