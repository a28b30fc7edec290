"""Refits the last layer: weighted logistic regression on features, regularised for the worst group of pictures.

The pictures of a photo count as one photo together, and stay in one fold. The regularisation is the one with which the
class and background that are recognised worst on the folds held out are recognised best (docs/science.md#repair).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from bias_audit.errors import DataError
from bias_audit.models.base import Linear
from bias_audit.repair.heads import NO_CLASS, Layout, offsets, targets, written

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

STRENGTHS = (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Penalties that are tried, the strongest first: of the squared weights of standardised features, per mean loss."""

FOLDS = 5

TEMPERATURES = (0.5, 10.0)
"""Bounds of the temperature: where the folds held out are all right, no temperature would be low enough."""

STEPS = 300
"""Most steps of the optimiser."""

LEAST_OF_GROUP = 3
"""Pictures of a group from which on its share of right ones counts."""


@dataclass(frozen=True)
class Pictures:
    """Features of pictures, and what they are of.

    Attributes:
        features: (n, D) float32, what the layer gets.
        labels: (n,) class that each shows, or NO_CLASS.
        groups: (n,) code of class and background, or -1 where a picture is in no group.
        folds: (n,) fold that each is held out in, below FOLDS.
        weights: (n,) how much each counts.
        real: (n,) whether it is a photo as it is, whose probabilities are to keep their meaning.
    """

    features: NDArray[np.float32]
    labels: Indices
    groups: Indices
    folds: Indices
    weights: Floats
    real: NDArray[np.bool_]

    def part(self, rows: NDArray[Any]) -> Pictures:
        """Some of the pictures."""
        every = self.features, self.labels, self.groups, self.folds, self.weights, self.real
        return Pictures(*(each[rows] for each in every))


@dataclass(frozen=True)
class Tried:
    """What one penalty gave on the folds held out.

    Attributes:
        strength: the penalty.
        worst: share of right pictures in the worst group, 0..1.
        loss: mean loss of the worst group.
    """

    strength: float
    worst: float
    loss: float


@dataclass(frozen=True)
class Refit:
    """A refitted layer.

    Attributes:
        linear: its weights.
        strength: the penalty that was chosen.
        temperature: that the logits were divided by; 1 where outputs of no class must keep their scale.
        tried: what each penalty gave, in the order of STRENGTHS.
    """

    linear: Linear
    strength: float
    temperature: float
    tried: tuple[Tried, ...]


def refit(pictures: Pictures, linear: Linear, layout: Layout, advance: Callable[[int], None]) -> Refit:
    """Fit the layer anew.

    Args:
        pictures: of the training photos.
        linear: the layer as it is.
        layout: what is fitted of it.
        advance: called with 1 for each of `fits` fits that are done.

    Raises:
        DataError: pictures of a single class, or of a single fold.
    """
    refuse_too_few(pictures.labels[pictures.labels != NO_CLASS], pictures.folds)
    held = _held_out(pictures, linear, layout, advance)
    tried = tuple(_judged(pictures, layout, strength, held[strength]) for strength in STRENGTHS)
    best = max(tried, key=lambda each: (round(each.worst, 6), -each.loss))
    temperature = 1.0
    if not layout.adds:
        temperature = _temperature(pictures.part(pictures.real), layout, held[best.strength][pictures.real])
    weights, bias = _fitted(pictures, linear, layout, STRENGTHS[: STRENGTHS.index(best.strength) + 1])[-1]
    advance(1)
    return Refit(written(layout, linear, weights / temperature, bias / temperature), best.strength, temperature, tried)


def refuse_too_few(labels: Indices, folds: Indices) -> None:
    """Raise DataError where pictures are of one class or one fold.

    Args:
        labels: classes that they show.
        folds: fold of each.
    """
    if len(np.unique(labels)) < 2 or len(np.unique(folds)) < 2:
        raise DataError(
            "the training photos that can be used are of one class, or too few to hold some of them out",
            "A refit needs photos of at least two classes, a handful of each.",
        )


def fits(pictures: Pictures) -> int:
    """How many times `refit` calls `advance`."""
    return len(np.unique(pictures.folds)) + 1


def _held_out(
    pictures: Pictures, linear: Linear, layout: Layout, advance: Callable[[int], None]
) -> dict[float, Floats]:
    """Penalty -> (n, columns) what is said of each picture by a fit without its fold."""
    made = {strength: np.zeros((len(pictures.labels), len(layout.columns))) for strength in STRENGTHS}
    for fold in np.unique(pictures.folds):
        rows = pictures.folds == fold
        others, own = pictures.part(~rows), pictures.part(rows)
        base = offsets(layout, linear.logits(own.features)) if layout.adds else 0.0
        for strength, (weights, bias) in zip(STRENGTHS, _fitted(others, linear, layout, STRENGTHS), strict=True):
            said = own.features.astype(np.float64) @ weights + bias
            made[strength][rows] = base + np.pad(said, ((0, 0), (0, len(layout.columns) - layout.fitted)))
        advance(1)
    return made


def _judged(pictures: Pictures, layout: Layout, strength: float, said: Floats) -> Tried:
    right, losses = _right(layout, said, pictures.labels), _losses(layout, said, _aims(pictures, layout, said))
    worst, loss = 1.0, 0.0
    for group in np.unique(pictures.groups[pictures.groups >= 0]):
        rows = (pictures.groups == group) & (pictures.labels != NO_CLASS)
        if rows.sum() >= LEAST_OF_GROUP:
            worst, loss = min(worst, float(right[rows].mean())), max(loss, float(losses[rows].mean()))
    return Tried(strength, worst, loss)


def _right(layout: Layout, said: Floats, labels: Indices) -> NDArray[np.bool_]:
    if layout.unit is not None:
        return np.asarray((said[:, 0] > 0) == (labels == layout.unit))
    return np.asarray(np.array(layout.classes)[said.argmax(axis=1)] == labels)


def _aims(pictures: Pictures, layout: Layout, base: Floats) -> Floats:
    return targets(layout, pictures.labels, base)


def _losses(layout: Layout, said: Floats, aims: Floats) -> Floats:
    """(n,) cross-entropy of each picture."""
    if layout.independent:
        return np.asarray((np.logaddexp(0, said) - aims * said).sum(axis=1))
    return np.asarray(special.logsumexp(said, axis=1) - (aims * said).sum(axis=1))


def _temperature(pictures: Pictures, layout: Layout, said: Floats) -> float:
    aims = _aims(pictures, layout, said)

    def loss(log: float) -> float:
        return float(np.average(_losses(layout, said / np.exp(log), aims), weights=pictures.weights))

    bounds = tuple(np.log(each) for each in TEMPERATURES)
    return float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded").x))


def _fitted(
    pictures: Pictures, linear: Linear, layout: Layout, strengths: tuple[float, ...]
) -> list[tuple[Floats, Floats]]:
    """(weights (D, fitted), bias (fitted,)) for each penalty, each fit begun at the one before.

    The loss is the mean over pictures by their weight; features are standardised, so that one penalty fits all.
    """
    features, weight = pictures.features.astype(np.float64), pictures.weights / pictures.weights.sum()
    base = offsets(layout, linear.logits(features)) if layout.adds else np.zeros((len(features), len(layout.columns)))
    aims = _aims(pictures, layout, base)
    with_bias = linear.bias is not None
    middle = weight @ features if with_bias else np.zeros(features.shape[1])
    spread = np.sqrt(weight @ (features - middle) ** 2)
    spread[spread < 1e-6 * max(float(spread.max()), 1e-12)] = np.inf  # a feature that never changes says nothing
    features = (features - middle) / spread
    count, fitted = features.shape[1], layout.fitted

    def loss(values: Floats, strength: float) -> tuple[float, Floats]:
        own, bias = values[: count * fitted].reshape(count, fitted), values[count * fitted :]
        said = base.copy()
        said[:, :fitted] += features @ own + (bias if with_bias else 0.0)
        likely = special.expit(said) if layout.independent else special.softmax(said, axis=1)
        slope = weight[:, None] * (likely - aims)[:, :fitted]
        down = features.T @ slope + strength * own
        total = weight @ _losses(layout, said, aims) + strength / 2 * float((own**2).sum())
        return float(total), np.concatenate([down.ravel(), slope.sum(axis=0) if with_bias else np.zeros(fitted)])

    values = np.zeros(count * fitted + fitted)
    made = []
    for strength in strengths:
        options = {"maxiter": STEPS, "maxcor": 20, "ftol": 1e-10, "gtol": 1e-6}
        values = optimize.minimize(loss, values, (strength,), "L-BFGS-B", jac=True, options=options).x
        weights = values[: count * fitted].reshape(count, fitted) / spread[:, None]
        made.append((weights, values[count * fitted :] - middle @ weights))
    return made
