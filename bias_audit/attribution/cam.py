"""Class activation maps: activations and gradients -> signed heatmaps at feature resolution.

Each function takes `values` and `gradients`, both (N, h, w, C) float32, and returns (N, h, w), signed and unscaled
where the method is: ReLU and normalisation belong to scoring and display. `xp` is NumPy, or a namespace with its names
on tensors, so that the same function runs inside the traced pass. A method is one function and a line in METHODS
(`attribution.methods`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bias_audit.data.geometry import bilinear_weights


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


def hires_cam(values: Any, gradients: Any, xp: Any = np) -> Any:
    """HiResCAM: sum_k g_k * A_k, cell by cell (Draelos & Carin 2020).

    Shows only places that a head of one dense layer used; on GAP heads it equals Grad-CAM and CAM / (h w).
    """
    return xp.einsum("nhwc,nhwc->nhw", values, gradients)


def fused(maps: Sequence[Any], grid: tuple[int, int], xp: Any = np) -> Any:
    """Maps of several layers -> one: the largest of tanh(2 M / max M), each brought to `grid` first.

    The scaling of LayerCAM (Jiang et al. 2021, gamma = 2); negative evidence is dropped, as there.

    Args:
        maps: (N, h_l, w_l) per layer.
        grid: (h, w) of the result.
    """
    largest: Any = None
    for each in maps:
        rows, columns = bilinear_weights(each.shape[1], grid[0]), bilinear_weights(each.shape[2], grid[1])
        positive = xp.einsum("ih,nhw,jw->nij", rows, xp.maximum(each, np.float32(0)), columns)
        peak = xp.max(positive, axis=(1, 2))[:, None, None]
        scaled = xp.tanh(2 * positive / xp.maximum(peak, np.float32(1e-12)))
        largest = scaled if largest is None else xp.maximum(largest, scaled)
    return largest


def _weighted(values: Any, weights: Any, xp: Any) -> Any:
    """sum_k w_k A_k: (N, h, w, C) and (N, C) -> (N, h, w)."""
    return xp.einsum("nhwc,nc->nhw", values, weights)
