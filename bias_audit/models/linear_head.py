"""Gradients of the log-odds in closed form, where a head is one linear layer on the means of feature maps.

With `A` the feature maps, `z = W^T mean_ij A_ij + b` the logits and `T_c` the log-odds of a class,
`dT_c/dA_ijk = sum_o W_ko dT_c/dz_o / (h w)`: the same in every cell (docs/science.md#targets).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from threadpoolctl import ThreadpoolController

from bias_audit.models.base import Array
from bias_audit.models.head import Head

MUCH = 1e-3
"""Most that logits may differ from those of the closed form, as a share of their own spread over images."""


def slopes(head: Head, logits: NDArray[Any], targets: NDArray[np.intp]) -> NDArray[np.float64]:
    """Derivatives of the log-odds of a class, as `Head.read` computes them, with respect to the logits.

    Args:
        head: what the outputs are.
        logits: (N, outputs) input of the final softmax or sigmoid, or the outputs themselves.
        targets: (N,) index of the class of each image, 0..K-1.

    Returns:
        (N, outputs); NaN where logits are not finite.
    """
    made = np.zeros(logits.shape)
    rows = np.arange(len(logits))
    if head.kind == "sigmoid" and head.outputs > 1:  # T_c = z_c
        made[rows, targets] = 1
        return made
    given = np.asarray(logits, np.float64)
    if head.outputs == 1:  # two classes of logits 0 and z
        given = np.concatenate([np.zeros_like(given), given], axis=1)
        made = np.zeros(given.shape)
    with np.errstate(invalid="ignore"):
        if head.groups is None:
            made = _of_groups(given, targets)
        else:
            groups = [list(each) for each in head.groups if each]
            sums = np.stack([special.logsumexp(given[:, group], axis=1) for group in groups], axis=1)
            of_groups = _of_groups(sums, targets)
            for place, group in enumerate(groups):
                made[:, group] += of_groups[:, [place]] * special.softmax(given[:, group], axis=1)
    return made[:, 1:] if head.outputs == 1 else made


def _of_groups(logits: NDArray[np.float64], targets: NDArray[np.intp]) -> NDArray[np.float64]:
    """Derivatives of `u_c - log sum_{g != c} exp u_g` with respect to the logits u (N, G) of classes."""
    own = np.arange(logits.shape[1]) == targets[:, None]
    return np.asarray(own - special.softmax(np.where(own, -np.inf, logits), axis=1))


@functools.cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def gradients(weights: NDArray[np.float64], of_logits: NDArray[np.float64], grid: tuple[int, int]) -> Array:
    """Gradients with respect to the feature maps.

    Args:
        weights: (C, outputs) of the linear layer.
        of_logits: (N, outputs) derivatives with respect to the logits.
        grid: (h, w) of the feature maps.

    Returns:
        (N, h, w, C), which shares the memory of all cells and is only to be read.
    """
    # One thread: those of BLAS wait busily for their next task, and keep the cores from the runtime of the model.
    with _pools().limit(limits=1, user_api="blas"):
        of_means = (of_logits @ weights.T / (grid[0] * grid[1])).astype(np.float32)
    return np.broadcast_to(of_means[:, None, None, :], (len(of_means), *grid, len(weights)))


def is_linear_on_means(
    features: Array, logits: NDArray[Any], weights: NDArray[np.float64], *, much: float = MUCH
) -> bool:
    """Whether logits follow the means of feature maps by these weights, but for a constant: the bias.

    Args:
        features: (N, h, w, C) of some images.
        logits: (N, outputs).
        weights: (C, outputs).
        much: most difference, as a share of the spread of logits over images.
    """
    if len(features) != len(logits) or features.shape[3] != weights.shape[0] or logits.shape[1] != weights.shape[1]:
        return False
    values = np.asarray(logits, np.float64)
    with np.errstate(all="ignore"):
        rest = values - features.mean(axis=(1, 2), dtype=np.float64) @ weights
    if not np.isfinite(rest).all():
        return False
    spread = np.ptp(values, axis=0).max()
    return bool(np.ptp(rest, axis=0).max() <= much * spread + 1e-5 * np.abs(values).max())
