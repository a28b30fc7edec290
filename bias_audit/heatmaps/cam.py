"""Class activation maps: activations and gradients -> signed heatmaps at feature resolution.

Each function takes `values` (the activations) and `gradients`, both (N, h, w, C) float32, and returns maps (N, h, w).
Maps are unscaled, and signed where the method has a sign: ReLU and normalisation belong to scoring and display. `xp` is
NumPy, or a namespace that has NumPy's names for functions on tensors, so that the same function runs inside the traced
pass. A method is one function here and a line in METHODS (`heatmaps.methods`).

Left out on purpose: Eigen-CAM (Muhammad & Yeasin 2020) and attention rollout (Abnar & Zuidema 2020) do not know the
class, and the sign of the first is arbitrary. They show where something is, not why a class was chosen, so no score
of bias may rest on them. Guided backpropagation and deconvnet barely depend on the upper layers (Adebayo et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bias_audit.data.geometry import bilinear_weights

_SMALLEST = 1e-7
"""Magnitude below which a denominator counts as zero, and so does the weight that it belongs to."""


def cam(values: Any, gradients: Any, xp: Any = np) -> Any:
    """CAM: sum_k w_k A_k, for heads of global average pooling and one dense layer (Zhou et al. 2016).

    The weight of channel k is the gradient with respect to its pooled mean, which is the sum of `gradients` over
    the grid. Only behind a global average is that gradient the same in every cell; elsewhere CAM is not defined and
    the map is NaN, which `methods.Explainer` turns into a refusal.
    """
    scale = xp.max(xp.abs(gradients), axis=(1, 2, 3))
    spread = xp.max(gradients, axis=(1, 2)) + xp.max(-gradients, axis=(1, 2))
    defined = xp.max(spread, axis=1) <= 1e-4 * scale
    maps = _weighted(values, xp.sum(gradients, axis=(1, 2)), xp)
    return xp.where(defined[:, None, None], maps, np.float32(np.nan))


def grad_cam(values: Any, gradients: Any, xp: Any = np) -> Any:
    """Grad-CAM: sum_k alpha_k A_k with alpha_k the mean gradient over the grid (Selvaraju et al. 2017)."""
    return _weighted(values, xp.mean(gradients, axis=(1, 2)), xp)


def grad_cam_plus_plus(values: Any, gradients: Any, xp: Any = np) -> Any:
    """Grad-CAM++: sum_k w_k A_k, w_k = sum_ij alpha_kij ReLU(g_kij) (Chattopadhay et al. 2018, equations 10 and 19).

    alpha_kij = g^2 / (2 g^2 + g^3 sum_ab A_kab), with sums over the grid as in the paper. Implementations disagree:
    xplique takes means, tf-keras-vis multiplies by exp(score) and makes the alphas sum to 1. The paper's own factor
    exp(score) is left out, since it only scales an image's map. Where g is 0, alpha counts as 0. The denominator is
    positive behind a ReLU; elsewhere it can vanish, and alpha counts as 0 there as well.
    """
    # alpha ReLU(g) with g^2 cancelled: tiny gradients, squared and cubed, would underflow in float32.
    denominator = 2 + gradients * xp.sum(values, axis=(1, 2))[:, None, None, :]
    defined = xp.abs(denominator) > _SMALLEST
    positive = xp.maximum(gradients, np.float32(0))
    weights = xp.where(defined, positive / xp.where(defined, denominator, np.float32(1)), np.float32(0))
    return _weighted(values, xp.sum(weights, axis=(1, 2)), xp)


def hires_cam(values: Any, gradients: Any, xp: Any = np) -> Any:
    """HiResCAM: sum_k g_k * A_k, cell by cell (Draelos & Carin 2020).

    The map shows only places that a head of one dense layer used. With global average pooling before that layer it
    equals Grad-CAM and CAM / (h w).
    """
    return xp.einsum("nhwc,nhwc->nhw", values, gradients)


def layer_cam(values: Any, gradients: Any, xp: Any = np) -> Any:
    """LayerCAM: sum_k ReLU(g_k) * A_k, cell by cell (Jiang et al. 2021); evidence against the class is dropped."""
    return xp.einsum("nhwc,nhwc->nhw", values, xp.maximum(gradients, np.float32(0)))


def xgrad_cam(values: Any, gradients: Any, xp: Any = np) -> Any:
    """XGrad-CAM: sum_k w_k A_k, w_k = sum_ij g_kij A_kij / sum_ij A_kij (Fu et al. 2020).

    With these weights the sum of the map comes nearest to the score for any A. A channel whose activations sum to 0 has
    weight 0; a channel of mixed sign, as before an activation function, can get any weight.
    """
    total = xp.sum(values, axis=(1, 2))
    defined = xp.abs(total) > _SMALLEST
    shared = xp.einsum("nhwc,nhwc->nc", values, gradients)
    weights = xp.where(defined, shared / xp.where(defined, total, np.float32(1)), np.float32(0))
    return _weighted(values, weights, xp)


def fused(maps: Sequence[Any], grid: tuple[int, int], xp: Any = np) -> Any:
    """Fuse the maps of several layers into one: the maximum over layers of tanh(2 M+ / max M+), cell by cell.

    This is the fusion of LayerCAM (Jiang et al. 2021): tanh scaling with gamma = 2 (equation 9), here of every layer,
    so that no layer outweighs another by its units alone. Scaled maps are brought to `grid` (half-pixel bilinear), then
    the maximum is taken. Negative evidence is dropped, as in LayerCAM; meant for `layer_cam` only.

    Args:
        maps: one array (N, h_l, w_l) per layer.
        grid: (h, w) of the result.
        xp: see the module.

    Returns:
        (N, h, w) in 0..1.
    """
    largest: Any = None
    for each in maps:
        positive = xp.maximum(each, np.float32(0))
        peak = xp.max(positive, axis=(1, 2))[:, None, None]
        scaled = xp.tanh(2 * positive / xp.maximum(peak, np.float32(1e-12)))
        rows, columns = bilinear_weights(each.shape[1], grid[0]), bilinear_weights(each.shape[2], grid[1])
        resized = xp.einsum("ih,nhw,jw->nij", rows, scaled, columns)
        largest = resized if largest is None else xp.maximum(largest, resized)
    return largest


def _weighted(values: Any, weights: Any, xp: Any) -> Any:
    """sum_k w_k A_k: (N, h, w, C) and (N, C) -> (N, h, w)."""
    return xp.einsum("nhwc,nc->nhw", values, weights)
