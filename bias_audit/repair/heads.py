"""Translates between the outputs of a head and the classes of an audit: what is fitted, and where it is written.

Three kinds of heads are fitted (docs/science.md#repair):

- one output per class: the weights of every class are fitted anew;
- sigmoid units: each unit is fitted on its own, and of a single one that stands for two classes, that one;
- a class map: one change per class is fitted and added to all of its outputs, and nothing else moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bias_audit.errors import ModelError
from bias_audit.models.base import Linear
from bias_audit.models.head import Head
from bias_audit.models.last_layer import HINT

Floats = NDArray[np.float64]

NO_CLASS = -1
"""Label of a picture that shows none of the classes: a background without its object."""


@dataclass(frozen=True)
class Layout:
    """What is fitted for a head.

    Attributes:
        independent: whether each column is a yes or no of its own; else the columns share one softmax.
        columns: outputs of the layer that each fitted column changes.
        classes: class of each column; -1 = outputs of no class, which stay as they are.
        adds: whether a column is added to what the outputs have; else it takes their place.
        unit: of a single unit the class that it stands for; None = there are more outputs.
    """

    independent: bool
    columns: tuple[tuple[int, ...], ...]
    classes: tuple[int, ...]
    adds: bool
    unit: int | None = None

    @property
    def fitted(self) -> int:
        """Number of columns that are fitted; those of no class come last, and are not."""
        return sum(each >= 0 for each in self.classes)


def layout_of(head: Head, classes: int) -> Layout:
    """What is fitted for a head of so many audited classes.

    Raises:
        ModelError: a class map that gives both classes the same side of a single unit.
    """
    if head.outputs == 1:
        unit = 1 if head.groups is None else next((c for c, group in enumerate(head.groups[:-1]) if group == (1,)), -1)
        if unit < 0 or classes != 2:
            raise ModelError("the class map does not give the two sides of the single output to two classes", HINT)
        return Layout(True, ((0,),), (unit,), adds=False, unit=unit)
    if head.groups is None:
        columns = tuple((output,) for output in range(head.outputs))
        independent = head.kind == "sigmoid"
        return Layout(independent, columns, tuple(range(head.outputs)), adds=False)
    *groups, rest = head.groups
    if not rest and all(len(group) == 1 for group in groups):
        return Layout(False, tuple(groups), tuple(range(len(groups))), adds=False)
    if rest:
        return Layout(False, (*groups, rest), (*range(len(groups)), -1), adds=True)
    return Layout(False, tuple(groups), tuple(range(len(groups))), adds=True)


def offsets(layout: Layout, logits: Floats) -> Floats:
    """(n, columns) what the model says before anything is added: log of the summed exponentials of a column's outputs.

    Args:
        layout: of the head.
        logits: (n, outputs) of the model as it is.
    """
    if not layout.adds:
        return np.zeros((len(logits), len(layout.columns)))
    return np.asarray(np.stack([special.logsumexp(logits[:, list(each)], axis=1) for each in layout.columns], axis=1))


def targets(layout: Layout, labels: NDArray[np.intp], base: Floats) -> Floats:
    """(n, columns) what the model should say of pictures, each row of a softmax with the sum 1.

    A picture of no class is evidence for none: every class is as probable as the others, and of several units none.

    Args:
        layout: of the head.
        labels: (n,) class of each picture, or NO_CLASS.
        base: (n, columns) of `offsets`.
    """
    classes = np.array(layout.classes)
    made = (labels[:, None] == classes).astype(np.float64)
    none = labels == NO_CLASS
    made[none] = 0.0
    if layout.unit is not None:
        made[none] = 0.5
    elif not layout.independent:
        kept = np.zeros((int(none.sum()), 1))
        if (outside := classes < 0).any():  # what stays as it is keeps its probability
            kept = special.softmax(base[none], axis=1)[:, outside]
            made[np.ix_(none, outside)] = kept
        made[np.ix_(none, ~outside)] = (1 - kept.sum(axis=1, keepdims=True)) / layout.fitted
    return np.asarray(made)


def written(layout: Layout, linear: Linear, weights: Floats, bias: Floats) -> Linear:
    """The layer with what was fitted in it.

    Args:
        layout: of the head.
        linear: the layer as it was.
        weights, bias: (D, fitted) and (fitted,) that were fitted.
    """
    own, intercept = linear.weights.copy(), None if linear.bias is None else linear.bias.copy()
    for number in range(layout.fitted):
        for output in layout.columns[number]:
            own[:, output] = weights[:, number] + (own[:, output] if layout.adds else 0)
            if intercept is not None:
                intercept[output] = bias[number] + (intercept[output] if layout.adds else 0)
    return Linear(own, intercept)
