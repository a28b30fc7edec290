"""Gradients of the log-odds in closed form, where a head is one linear layer on the means of feature maps.

With `A` the feature maps, `z = W^T mean_ij A_ij + b` the logits and `T_c` the log-odds of a class,
`dT_c/dA_ijk = sum_o W_ko dT_c/dz_o / (h w)`: the same in every cell (docs/science.md#heads-without-gradients). The
means may be normalised before the linear layer.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from threadpoolctl import ThreadpoolController

from bias_audit.models.base import Array
from bias_audit.models.head import Arrays, Head

MUCH = 1e-3
"""Most that logits may differ from those of the closed form, as a share of their own spread over images."""


@dataclass(frozen=True)
class Norm:
    """Layer normalisation: of means m, (m - mean m) / sqrt(var m + epsilon) times gains, but for a constant.

    Attributes:
        gains: (C,).
        epsilon: see above.
    """

    gains: NDArray[np.float64]
    epsilon: float

    def of(self, means: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, C) of means (N, C)."""
        return self._standard(means)[0] * self.gains

    def back(self, means: NDArray[np.float64], of_normed: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivatives with respect to the means (N, C), of those with respect to what `of` makes of them."""
        standard, spread = self._standard(means)
        inner = of_normed * self.gains
        along = standard * (inner * standard).mean(axis=1, keepdims=True)
        return np.asarray((inner - inner.mean(axis=1, keepdims=True) - along) / spread)

    def _standard(self, means: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """((m - mean m) / s, s), with s = sqrt(var m + epsilon)."""
        spread = np.sqrt(means.var(axis=1, keepdims=True) + self.epsilon)
        return (means - means.mean(axis=1, keepdims=True)) / spread, spread


@dataclass(frozen=True)
class MeansHead:
    """What makes logits of the means of feature maps, but for a constant.

    Attributes:
        weights: (C, outputs) of the linear layer.
        norm: normalisation of the means before it; None = there is none.
    """

    weights: NDArray[np.float64]
    norm: Norm | None = None


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
            sums = np.stack([Arrays.logsumexp(given[:, group], axis=1) for group in groups], axis=1)
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


def gradients(head: MeansHead, of_logits: NDArray[np.float64], features: Array) -> Array:
    """Gradients with respect to the feature maps.

    Args:
        head: what stands behind their means.
        of_logits: (N, outputs) derivatives with respect to the logits.
        features: (N, h, w, C) the feature maps.

    Returns:
        (N, h, w, C), which shares the memory of all cells and is only to be read.
    """
    weights, used = head.weights, of_logits.any(axis=0)
    if not used.all():  # a class map names a few of many outputs
        of_logits, weights = of_logits[:, used], weights[:, used]
    # One thread: those of BLAS wait busily for their next task, and keep the cores from the runtime of the model.
    with _pools().limit(limits=1, user_api="blas"):
        of_means = of_logits @ weights.T
    if head.norm is not None:
        of_means = head.norm.back(_means(features), of_means)
    height, width = features.shape[1:3]
    return np.broadcast_to((of_means / (height * width)).astype(np.float32)[:, None, None, :], features.shape)


def is_linear_on_means(features: Array, logits: NDArray[Any], head: MeansHead, *, much: float = MUCH) -> bool:
    """Whether logits follow the means of feature maps by this head, but for a constant: the bias.

    Args:
        features: (N, h, w, C) of some images.
        logits: (N, outputs).
        head: what is to stand behind the means.
        much: most difference, as a share of the spread of logits over images.
    """
    count, channels = len(features), features.shape[3]
    if head.weights.shape != (channels, logits.shape[1]) or len(logits) != count:
        return False
    if head.norm is not None and head.norm.gains.shape != (channels,):
        return False
    values = np.asarray(logits, np.float64)
    with np.errstate(all="ignore"):
        means = _means(features)
        rest = values - (means if head.norm is None else head.norm.of(means)) @ head.weights
    if not np.isfinite(rest).all():
        return False
    spread = np.ptp(values, axis=0).max()
    return bool(np.ptp(rest, axis=0).max() <= much * spread + 1e-5 * np.abs(values).max())


def _means(features: Array) -> NDArray[np.float64]:
    return np.asarray(features.mean(axis=(1, 2), dtype=np.float64))
