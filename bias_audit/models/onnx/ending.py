"""Finds how an ONNX graph ends, by the names of its operations.

Heatmaps need no gradients of the runtime where it ends in global average pooling and one linear layer, with a layer
normalisation between them or without: `ending_of` finds the tensor before the pooling and what stands behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bias_audit.models.linear_head import MeansHead, Norm
from bias_audit.models.onnx.graph import PASSES_ON, Node, OnnxGraph, shown

BEHIND_MEANS = (*PASSES_ON, "Gather", "Transpose")
"""Operations that pass means on, which have one cell; torch.export writes a change of their layout as Gather."""

PROBABLE = ("LogSoftmax", "Sigmoid", "Softmax")
"""Operations that make probabilities, or their logarithms, of logits."""
PROBABLE_ROUNDED = ("QLinearSigmoid", "QLinearSoftmax")
"""Operations that make probabilities of logits of 8 bits, in steps of 8 bits."""


@dataclass(frozen=True)
class Pooled:
    """A head that works on the means of feature maps: one linear layer, behind a normalisation or not.

    Attributes:
        features: tensor before the pooling, (N, C, h, w) or (N, h, w, C).
        first: whether its channels come first.
        weights: tensor of the linear layer's weights; "" = the means themselves are the logits.
        rows: whether these are (C, outputs); else (outputs, C, ...).
        scale: factor of the weights.
        epsilon: of a layer normalisation before the linear layer; None = there is none.
        gains: tensor of the factors of that; "" = it has none.
    """

    features: str
    first: bool
    weights: str
    rows: bool = True
    scale: float = 1.0
    epsilon: float | None = None
    gains: str = ""


@dataclass(frozen=True)
class Ending:
    """How a graph ends.

    Attributes:
        logits: tensor before the operation `final`; the output itself where there is none.
        final: operation of `PROBABLE` or `PROBABLE_ROUNDED` that makes the output; "" = none.
        linear: whether a layer of weights without activation makes the logits.
        pooled: None = the graph ends in another way.
        why: then, what stands in the place of pooling and linear layer.
    """

    logits: str
    final: str
    linear: bool
    pooled: Pooled | None
    why: str = ""


def ending_of(graph: OnnxGraph, output: str) -> Ending:
    """How a graph makes an output of the shape (N, outputs).

    It is read off the names of operations; that the numbers are so has to be seen on images.
    """
    name, last = _back(graph, output)
    final = last.op if last is not None and last.op in (*PROBABLE, *PROBABLE_ROUNDED) and not last.own else ""
    if last is not None and final in PROBABLE:
        output = last.given
        name, last = _back(graph, output)
    head, means = _linear_layer(graph, name, last)
    linear = head is not None
    epsilon, gains, normed = _norm(graph, means) if linear else (None, "", means)
    _, pool = _back(graph, normed, BEHIND_MEANS)
    first = None if pool is None or pool.own else _pools(graph, pool)
    if pool is None or first is None:
        _, pool = _back(graph, means)
        what = "its input" if pool is None else pool.op
        where = "before its linear layer" if linear else "at its end"
        return Ending(output, final, linear, None, f"{shown(what)} stands {where}")
    weights, rows, scale = head or ("", True, 1.0)
    return Ending(output, final, linear, Pooled(pool.given, first, weights, rows, scale, epsilon, gains))


@dataclass(frozen=True)
class LinearEnding:
    """The linear layer that makes the logits of a graph.

    Attributes:
        path: what it is called in sentences.
        given: tensor that it gets.
        weights: initialiser of its weights.
        rows: whether these are (D, outputs); else (outputs, D, ...).
        scale: factor of the weights.
        bias: initialiser of its bias; "" = it has none.
        bias_scale: factor of the bias.
    """

    path: str
    given: str
    weights: str
    rows: bool
    scale: float
    bias: str
    bias_scale: float


def linear_ending(graph: OnnxGraph, logits: str) -> LinearEnding | str:
    """The linear layer that makes a tensor of logits; else what stands in its place, in words."""
    name, last = _back(graph, logits)
    head, given = _linear_layer(graph, name, last)
    if head is None or last is None:
        return f"{shown('its input' if last is None else last.op)} stands at the end of the graph"
    varying, bias = _and_constant(graph, last, "Add")
    node = _back(graph, varying)[1] if varying else last
    assert node is not None
    bias_scale = 1.0
    if len(node.inputs) > 2 and node.inputs[2]:  # of Gemm and Conv
        if bias:
            return "its last linear layer adds two biases"
        bias, bias_scale = node.inputs[2], node.real("beta", 1.0) if node.op == "Gemm" else 1.0
    weights, rows, scale = head
    turned = graph.made_by.get(weights)  # some exporters turn the weights in the graph
    if turned is not None and turned.op == "Transpose" and turned.integers("perm") in ([], [1, 0]):
        weights, rows = turned.given, not rows
    for each in filter(None, (weights, bias)):
        if why := graph.why_not_changed(each):
            return f"the numbers of {node.path} {why}"
    return LinearEnding(node.path, given, weights, rows, scale, bias, bias_scale)


def head_behind(graph: OnnxGraph, pooled: Pooled, channels: int) -> MeansHead:
    """What a graph does with the means of feature maps, with its weights as they are in it."""
    weights, norm = np.eye(channels), None
    if pooled.weights:
        found = graph.constants([pooled.weights])[0].astype(np.float64) * pooled.scale
        weights = found if pooled.rows else found.reshape(len(found), -1).T
    if pooled.epsilon is not None:
        gains = graph.constants([pooled.gains])[0].astype(np.float64).ravel() if pooled.gains else np.ones(channels)
        norm = Norm(gains, pooled.epsilon)
    return MeansHead(weights, norm)


def _back(graph: OnnxGraph, name: str, through: Sequence[str] = PASSES_ON) -> tuple[str, Node | None]:
    """(tensor, operation that makes it), behind operations that only pass on; None = an input or a constant."""
    seen = set()
    while (node := graph.made_by.get(name)) is not None and node.op in through and name not in seen:
        seen.add(name)
        name = node.given
    return name, node


def _linear_layer(graph: OnnxGraph, name: str, node: Node | None) -> tuple[tuple[str, bool, float] | None, str]:
    """((weights, whether they are (C, outputs), their factor) or None, tensor that the layer gets)."""
    varying, _ = _and_constant(graph, node, "Add")
    if varying and (found := _back(graph, varying))[1] is not None:
        name, node = found
    if node is None or node.own or len(node.inputs) < 2 or not graph.is_constant(node.inputs[1]):
        return None, name
    given, weights = node.inputs[:2]
    if node.op == "MatMul":
        return (weights, True, 1.0), given
    if node.op == "Gemm" and not node.integer("transA", 0):
        return (weights, not node.integer("transB", 0), node.real("alpha", 1.0)), given
    if node.op == "Conv" and node.integer("group", 1) == 1:  # on means it is a linear layer, if it is 1x1
        return (weights, False, 1.0), given
    return None, name


def _norm(graph: OnnxGraph, name: str) -> tuple[float | None, str, str]:
    """(epsilon, gains, tensor that is normalised) of the layer normalisation that makes a tensor.

    Epsilon is None where none does, and the tensor the one that was asked for.
    """
    node = _back(graph, name, BEHIND_MEANS)[1]
    layer = node is not None and node.op == "LayerNormalization" and not node.own and len(node.inputs) > 1
    if node is not None and layer and graph.is_constant(node.inputs[1]):
        return node.real("epsilon", 1e-5), node.inputs[1], node.given
    # Before opset 17 it is written out: (x - mean x) / sqrt(mean (x - mean x)^2 + epsilon) * gains + constant.
    varying, _ = _and_constant(graph, node, "Add")
    node = _back(graph, varying, BEHIND_MEANS)[1] if varying else node
    varying, gains = _and_constant(graph, node, "Mul")
    node = _back(graph, varying, BEHIND_MEANS)[1] if varying else node
    centred, root = _inputs(node, "Div", 2)
    given, mean = _inputs(graph.made_by.get(centred), "Sub", 2)
    (squares,) = _inputs(graph.made_by.get(root), "Sqrt", 1)
    averaged = graph.made_by.get(mean)
    _, epsilon = _and_constant(graph, graph.made_by.get(squares), "Add")
    if not epsilon or averaged is None or averaged.op != "ReduceMean" or averaged.given != given:
        return None, "", name
    return float(graph.constants([epsilon])[0].ravel()[0]), gains, given


def _and_constant(graph: OnnxGraph, node: Node | None, op: str) -> tuple[str, str]:
    """(tensor, constant) of which an operation of this kind makes something; ("", "") where it is another one."""
    names = _inputs(node, op, 2)
    constant = [graph.is_constant(each) for each in names]
    if constant[0] == constant[1] or "" in names:
        return "", ""
    return names[constant.index(False)], names[constant.index(True)]


def _inputs(node: Node | None, op: str, count: int) -> tuple[str, ...]:
    """Names of the inputs of an operation of this kind, which takes so many; as often "" where it is another one."""
    fits = node is not None and node.op == op and not node.own and len(node.inputs) == count
    return node.inputs if node is not None and fits else ("",) * count


def _pools(graph: OnnxGraph, node: Node) -> bool | None:
    """Whether an operation takes means over the image of channels that come first (True) or last (False)."""
    if node.op == "GlobalAveragePool":
        return True
    if node.op == "AveragePool":
        return None if any(node.integers("pads")) else True
    if node.op != "ReduceMean":
        return None
    axes = node.integers("axes")
    if not axes and len(node.inputs) > 1 and graph.is_constant(node.inputs[1]):
        axes = [int(each) for each in graph.constants([node.inputs[1]])[0].ravel()]
    places: dict[tuple[int, ...], bool] = {(2, 3): True, (1, 2): False}
    return places.get(tuple(sorted(axis % 4 for axis in axes)))


def makes(final: str, logits: NDArray[Any], outputs: NDArray[np.float64]) -> bool:
    """Whether an operation of PROBABLE makes these outputs (N, outputs) of these logits."""
    function = {"Softmax": special.softmax, "LogSoftmax": special.log_softmax}.get(final)
    given = logits.astype(np.float64)
    expected = special.expit(given) if function is None else function(given, axis=1)
    return bool(np.allclose(outputs, expected, rtol=2e-2, atol=4e-3))
