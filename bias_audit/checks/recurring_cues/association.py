"""Association of a group of images with the classes, by label and by prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bias_audit import stats

Indices = NDArray[np.intp]

LEAST_TIED = 0.25
"""Share of a group's images that a class must have by prediction for the group to be tied to it."""


@dataclass(frozen=True)
class Association:
    """Association of a group of n images, out of N in the sample, with the classes.

    Attributes:
        tied: index of the class that the group is tied to: the predicted class with the largest lift among those with
            at least a quarter of the group.
        n: images in the group.
        counts: (K,) images of the group per predicted class; (K + 1,) where some of the sample are none of these.
        counts_label: (K,) images of the group per labelled class.
        share: share of the images predicted as the tied class that are in the group, 0..1, with the lower and upper
            end of its Wilson interval.
        lift: share of the tied class in the group over its share in the sample, by prediction; 1 = no association.
        odds: odds ratio of the tied class (by prediction), with the lower and upper end of its interval.
        v_predicted, v_label: bias-corrected Cramér's V of membership with prediction and with label, 0..1.
        purity: share of the group's images labelled as the tied class, 0..1.
        p: one-sided Fisher test that membership is more frequent in the tied class than elsewhere.
    """

    tied: int
    n: int
    counts: Indices
    counts_label: Indices
    share: tuple[float, float, float]
    lift: float
    odds: tuple[float, float, float]
    v_predicted: float
    v_label: float
    purity: float
    p: float


def associate(
    members: Indices,
    labels: NDArray[np.intp],
    predicted: NDArray[np.intp],
    classes: int,
    groups: Indices | None = None,
) -> Association:
    """Measure the association of a group of images with the classes.

    Args:
        members: images of the group, indices below N, each once; at least one.
        labels, predicted: (N,) class indices of all images of the sample; in predicted also K, none of these, to which
            nothing is tied.
        classes: number of classes, K.
        groups: (N,) codes of images that belong together (patient, scene), which count as one in the interval of the
            share; None = every image is a group of its own. Counts, odds ratio, V and p remain those of images.
    """
    from scipy.stats import fisher_exact

    inside = np.zeros(len(labels), bool)
    inside[members] = True
    totals = np.bincount(predicted, minlength=classes)
    counts = np.bincount(predicted[inside], minlength=len(totals))
    by_label = np.bincount(labels[inside], minlength=classes)
    n, size = int(inside.sum()), len(labels)
    lifts = np.divide(counts * size, totals * n, out=np.zeros(len(totals)), where=totals > 0)
    tied = int(np.argmax(np.where(counts >= LEAST_TIED * n, lifts, -1)[:classes]))
    a, b = int(counts[tied]), int(totals[tied] - counts[tied])
    c, d = n - a, size - int(totals[tied]) - (n - a)
    taken = predicted == tied
    of_taken = inside[taken].astype(float)
    table = np.array([counts, totals - counts])
    label_table = np.array([by_label, np.bincount(labels, minlength=classes) - by_label])
    return Association(
        tied,
        n,
        counts,
        by_label,
        (a / (a + b), *stats.rate_interval(of_taken, groups=None if groups is None else groups[taken])),
        float(lifts[tied]),
        stats.odds_ratio(a, b, c, d),
        stats.cramers_v(table),
        stats.cramers_v(label_table),
        float(by_label[tied]) / n,
        float(fisher_exact([[a, b], [c, d]], alternative="greater").pvalue),
    )
