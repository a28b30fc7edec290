"""Shrinkage: means and rates of classes with few images are drawn towards the overall mean before they are ranked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import Floats, vector


def shrink_means(means: ArrayLike, variances: ArrayLike, counts: ArrayLike) -> Floats:
    """Empirical-Bayes class means theta_c = B_c mu + (1 - B_c) x_c (Morris 1983, JASA 78, 47-55).

    Here B_c = (s^2 / n_c) / (tau^2 + s^2 / n_c) and tau^2 = max(0, Var_c(x_c) - mean_c(s_c^2 / n_c)). s^2 is the
    variance within classes, pooled over the classes, since that of a small class is too uncertain; it also stands for
    the s_c^2 of a class of one image. mu is the mean of the x_c with weights 1 / (tau^2 + s^2 / n_c). See
    docs/science.md#shrinkage.

    Args:
        means: (C,) class means x_c.
        variances: (C,) variances s_c^2 within the class, divided by n_c - 1; NaN allowed where n_c is 1.
        counts: (C,) number of images n_c.

    Returns:
        (C,) shrunken means, each between its own mean and mu; NaN for classes without images or mean. All are mu where
        tau^2 is 0. The means are returned unchanged for a single class, and where no class varies or has two images.

    Raises:
        ValueError: different lengths, or a negative count or variance.
    """
    x, s2, n = vector(means, "means"), vector(variances, "variances"), vector(counts, "counts")
    if not x.shape == s2.shape == n.shape:
        raise ValueError(f"each class needs mean, variance and count, got {x.size}, {s2.size} and {n.size}")
    if (n < 0).any() or (s2 < 0).any():
        raise ValueError("counts and variances must not be negative")
    shrunken = np.full(x.shape, np.nan)
    known = (n > 0) & np.isfinite(x)
    x, s2, n = x[known], s2[known], n[known]
    varied = (n > 1) & np.isfinite(s2)
    if x.size < 2 or not s2[varied].any():
        shrunken[known] = x
        return shrunken
    pooled = float((s2[varied] * (n[varied] - 1)).sum() / (n[varied] - 1).sum())
    if not (pooled / n).all():  # a variance so small that s^2 / n_c underflows to 0
        shrunken[known] = x
        return shrunken
    tau2 = max(0.0, float(x.var(ddof=1) - (np.where(varied, s2, pooled) / n).mean()))
    total = tau2 + pooled / n
    mu = float(np.average(x, weights=total.min() / total))  # not 1 / total, which overflows
    shrink = pooled / n / total
    shrunken[known] = shrink * mu + (1 - shrink) * x
    return shrunken
