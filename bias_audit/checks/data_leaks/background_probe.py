"""How well the background alone predicts the label: a cross-validated linear model on features without the object.

If the background does, a network can be right without looking at the object (Xiao et al. 2021: backgrounds alone
suffice to classify). Whether the audited model does so is not tested here. The features need no network: they are
colours and textures of the background's pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.data.masks import VOID
from bias_audit.interventions.edits import Mask, Pixels, hole

Floats = NDArray[np.float64]

BINS = 8
"""Bins of each colour channel's histogram."""

SCALES = (1, 2)
"""Standard deviations of the smoothing before gradients, in pixels at SIDE; larger ones find no room beside objects."""

ORIENTATIONS = 6

SIDE = 96
"""Side in pixels to which pictures are reduced before features are taken; a linear model needs only coarse ones."""

LEAST_GROUND = 0.05
"""Smallest share of the picture that must be background."""

LEAST_WITHIN = 0.01
"""Smallest share of the picture that must lie so far inside the background that no gradient there sees the object."""

FOLDS, PERMUTATIONS = 5, 199

ENOUGH = 10
"""Smallest number of images of a class, or of groups of images, that a probe needs: two in each fold."""

PENALTY = 0.3
"""Penalty of the ridge regression, per photo, on standardised features; directions with less variance hardly count."""


@dataclass(frozen=True)
class Probe:
    """How well the linear model tells one class from the rest, or all classes on average.

    Attributes:
        subject: class name; "" for the mean over classes.
        auc: area under the ROC curve of out-of-fold scores, 0..1; .5 = chance. For "" the mean over classes.
        low, high: 95 % interval of `auc`, see `stats.auc_interval`; for "" the mean of the classes' ends.
        p: p of a permutation test: labels are shuffled within folds and the cross-validation is repeated. A class is
            compared with the largest AUC of any class in each shuffle, which corrects for the number of classes
            (Westfall & Young 1993).
        n: number of images.
    """

    subject: str
    auc: float
    low: float
    high: float
    p: float
    n: int


def background_features(pixels: Pixels, mask: Mask) -> Floats | None:
    """Features of colour and texture of the background alone.

    All features are statistics over background pixels, so that size, place and shape of the object do not enter.

    Args:
        pixels: (H, W, C) in [0, 255], C = 1 or 3.
        mask: (H, W) mask of the object; all BACKGROUND for features of the whole picture.

    Returns:
        (F,) features, or None where there is too little background.
    """
    size = (SIDE, SIDE)
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32).reshape(SIDE, SIDE, -1)
    rgb = small if small.shape[2] == 3 else np.repeat(small, 3, axis=2)
    holes = hole(mask) | (mask == VOID).astype(np.uint8)
    ground = cv2.resize(holes.astype(np.float32), size, interpolation=cv2.INTER_AREA) <= 0
    if ground.mean() < LEAST_GROUND:
        return None
    lab = cv2.cvtColor(rgb / np.float32(255), cv2.COLOR_RGB2LAB)
    inside = lab[ground].astype(np.float64)
    found: list[NDArray[np.floating]] = [inside.mean(axis=0), inside.std(axis=0)]
    for channel, (low, high) in enumerate(((0, 100), (-60, 60), (-60, 60))):
        found.append(np.histogram(np.clip(inside[:, channel], low, high), BINS, (low, high))[0] / len(inside))
    # Gradients that see the object would tell its outline, those at the picture's rim are damped: a large object leaves
    # more rim among what is left. Only those whose smoothing and derivative stay within the ground count.
    for scale in SCALES:
        smooth = cv2.GaussianBlur(lab[..., 0], (4 * scale + 1,) * 2, scale)
        across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
        kernel = np.ones((2 * (2 * scale + 1) + 1,) * 2, np.uint8)
        within = cv2.erode(ground.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
        if within.mean() < LEAST_WITHIN:
            return None
        length, angle = np.hypot(across, down)[within], np.arctan2(down, across)[within] % np.pi
        place = np.minimum((angle / np.pi * ORIENTATIONS).astype(int), ORIENTATIONS - 1)
        found.append(np.log1p(np.bincount(place, length, ORIENTATIONS) / len(length)))
        found.append(np.array([np.log1p(length.mean()), np.log1p(length.std())]))
    return np.concatenate(found).astype(np.float64)


def probe(
    features: Floats,
    labels: NDArray[np.intp],
    class_names: Sequence[str],
    *,
    seed: int,
    groups: NDArray[np.intp] | None = None,
    permutations: int = PERMUTATIONS,
) -> list[Probe]:
    """Cross-validated AUC of a linear model, averaged over classes and for each class against the rest.

    Ridge regression on class indicators (one-vs-rest), on features standardised within each fold; one factorisation
    serves all permutations (Ojala & Garriga 2010, J. Mach. Learn. Res. 11, 1833-1863, for the test).

    Args:
        features: (n, F) features of n images.
        labels: (n,) indices into `class_names`; only classes with ENOUGH images (or groups of images) are probed.
        class_names: (K,) names of all classes.
        seed: seed of folds and permutations.
        groups: (n,) codes of photos that belong together and stay in one fold; None = every photo is its own group.
        permutations: number of shuffles of the labels.

    Returns:
        the mean over classes first, then each class; [] where fewer than two classes have ENOUGH images (or groups).
    """
    counts = np.bincount(labels, minlength=len(class_names))
    alone = np.arange(len(labels)) if groups is None else groups
    usable = np.flatnonzero([len(np.unique(alone[labels == i])) >= ENOUGH for i in range(len(class_names))])
    kept = np.isin(labels, usable)
    if len(usable) < 2:
        return []
    features, labels = features[kept], labels[kept]
    units = np.unique(alone[kept], return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    smoothers, folds = _smoothers(features, labels, units, rng)
    scores = _scores(smoothers, folds, labels, usable)
    aucs = _aucs(scores, labels, usable)
    null = np.empty((permutations, 2))  # mean and largest over the classes
    for draw in null:
        shuffled = _shuffled(labels, units, folds, rng)
        drawn = _aucs(_scores(smoothers, folds, shuffled, usable), shuffled, usable)
        draw[:] = np.mean(drawn), max(drawn)
    names = [str(class_names[int(label)]) for label in usable]
    # Of groups where photos belong together; one with photos of several classes counts on both sides.
    sizes = [tuple(len(np.unique(units[side])) for side in (labels == label, labels != label)) for label in usable]
    ends = [stats.auc_interval(each, *size) for each, size in zip(aucs, sizes, strict=True)]
    mean = float(np.mean(aucs))

    def p_value(value: float, drawn: Floats) -> float:
        return float((1 + (drawn >= value - 1e-12).sum()) / (1 + permutations))

    # The mean of the ends is an interval that is too wide, never too narrow: it takes the classes as moving together.
    low, high = (float(np.mean([each[side] for each in ends])) for side in (0, 1))
    own = zip(names, aucs, ends, counts[usable], strict=True)
    return [
        Probe("", mean, low, high, p_value(mean, null[:, 0]), len(labels)),
        *(Probe(name, value, *pair, p_value(value, null[:, 1]), int(n)) for name, value, pair, n in own),
    ]


def _smoothers(
    features: Floats, labels: NDArray[np.intp], units: NDArray[np.intp], rng: np.random.Generator
) -> tuple[list[Floats], list[NDArray[np.intp]]]:
    """For each fold the matrix that maps training indicators to held-out scores, and the held-out positions."""
    order = rng.permutation(units.max() + 1)
    # Units dealt out class by class, so that folds are stratified.
    first = np.array([labels[units == unit][0] for unit in range(len(order))])
    dealt = np.empty(len(order), int)
    dealt[order[np.argsort(first[order], kind="stable")]] = np.arange(len(order)) % FOLDS
    folds = [np.flatnonzero(dealt[units] == fold) for fold in range(FOLDS)]
    smoothers = []
    for held in folds:
        train = np.setdiff1d(np.arange(len(labels)), held)
        mean, spread = features[train].mean(axis=0), features[train].std(axis=0)
        z = (features - mean) / np.where(spread > 1e-9, spread, 1)
        inner = z[train].T @ z[train] + PENALTY * len(train) * np.eye(z.shape[1])
        smoothers.append(z[held] @ np.linalg.solve(inner, z[train].T))
    return smoothers, folds


def _scores(
    smoothers: Sequence[Floats], folds: Sequence[NDArray[np.intp]], labels: NDArray[np.intp], usable: NDArray[np.intp]
) -> Floats:
    indicators = (labels[:, None] == usable).astype(np.float64)
    scores = np.zeros((len(labels), len(usable)))
    for smoother, held in zip(smoothers, folds, strict=True):
        train = np.setdiff1d(np.arange(len(labels)), held)
        centre = indicators[train].mean(axis=0)
        scores[held] = smoother @ (indicators[train] - centre) + centre
    return scores


def _aucs(scores: Floats, labels: NDArray[np.intp], usable: NDArray[np.intp]) -> list[float]:
    return [stats.auc(scores[labels == label, i], scores[labels != label, i]) for i, label in enumerate(usable)]


def _shuffled(
    labels: NDArray[np.intp], units: NDArray[np.intp], folds: Sequence[NDArray[np.intp]], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Labels shuffled within each fold, between groups: a group gets the labels of another.

    Where photos of a group have several labels, those of a group are exchanged as a block, as many as the group needs,
    and which of its photos has which is drawn: photos of a group are no independent trials. The folds are stratified by
    class. Labels shuffled across folds would not be, their scores would be worse for that alone, and the test would
    find leaks where there are none.
    """
    shuffled = labels.copy()
    for held in folds:
        _, first, unit = np.unique(units[held], return_index=True, return_inverse=True)
        own = labels[held][first]
        if (labels[held] == own[unit]).all():
            shuffled[held] = rng.permutation(own)[unit]
            continue
        members = [held[unit == each] for each in range(len(own))]
        for group, other in zip(members, rng.permutation(len(members)), strict=True):
            shuffled[group] = rng.permutation(np.resize(rng.permutation(labels[members[other]]), len(group)))
    return shuffled
