"""Class activation maps: activations and gradients -> signed heatmaps at feature resolution.

Each method takes `values` and `gradients`, both (N, h, w, C) float32, and returns (N, h, w) float32, signed and
unscaled: ReLU and normalisation belong to scoring and display. A new method is one function and one line in METHODS.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ModelError

Array = NDArray[np.float32]
Method = Callable[[Array, Array], Array]


def cam(values: Array, gradients: Array) -> Array:
    """CAM: sum_k w_k A_k, for heads of global average pooling and one dense layer (Zhou et al. 2016).

    The weight of channel k is the gradient with respect to its pooled mean, which is the sum of `gradients` over
    the grid; only behind a global average is that gradient the same in every cell.

    Raises:
        ModelError: the gradient varies over the grid, so the head is no global average and CAM is not defined.
    """
    scale = np.abs(gradients).max(initial=0)
    if np.ptp(gradients, axis=(1, 2)).max(initial=0) > 1e-4 * scale:
        raise ModelError(
            "CAM needs global average pooling followed by one dense layer; this model's head is another",
            "Use --method hires_cam (the default) or grad_cam.",
        )
    return _weighted(values, gradients.sum(axis=(1, 2)))


def grad_cam(values: Array, gradients: Array) -> Array:
    """Grad-CAM: sum_k alpha_k A_k with alpha_k the mean gradient over the grid (Selvaraju et al. 2017)."""
    return _weighted(values, gradients.mean(axis=(1, 2)))


def hires_cam(values: Array, gradients: Array) -> Array:
    """HiResCAM: sum_k g_k * A_k, cell by cell (Draelos & Carin 2020).

    Shows only places that a head of one dense layer used; on GAP heads it equals Grad-CAM and CAM / (h w).
    """
    return np.asarray(np.einsum("nhwc,nhwc->nhw", values, gradients), np.float32)


def _weighted(values: Array, weights: Array) -> Array:
    """sum_k w_k A_k: (N, h, w, C) and (N, C) -> (N, h, w)."""
    return np.asarray(np.einsum("nhwc,nc->nhw", values, weights), np.float32)


METHODS: dict[str, Method] = {"cam": cam, "grad_cam": grad_cam, "hires_cam": hires_cam}
