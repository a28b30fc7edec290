"""Does the model rely on the planted cue? Asked of the renderer, which the auditor never sees.

Planting is not relying: a cue that training ignored is no bias. The cue is put into, and taken out of, the background
of fresh scenes, which is exact here, for the scenes are drawn. Sufficiency is the spurious score of
Adebayo et al. 2022; necessity sees the class that is lost without its cue (docs/science.md#judging-the-auditor).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bias_audit.planted.cues import Scene
from bias_audit.planted.shapes import Photos, ShapesPlan, base_scene, expose, with_cue

Predict = Callable[[Photos], NDArray[np.int64]]
"""(N, S, S, 3) uint8 RGB -> (N,) predicted labels."""

POSITIVE, STRONG, NEGATIVE = 0.2, 0.5, 0.05
"""Reliance from which a class counts as biased, as strongly biased, and below which as not.

Between NEGATIVE and POSITIVE a class is neither; it counts for the dose-response alone
(docs/science.md#judging-the-auditor).
"""


@dataclass(frozen=True)
class Reliance:
    """How far a model relies on the cue of one class; shares of scenes.

    Attributes:
        label: the class whose cue it is, or that is asked about the cue of another.
        sufficiency: of other classes' scenes that were not predicted as the class, those that are once the cue is in.
        necessity: recall of the class with the cue minus without, -1..1.
        with_cue, without_cue: that recall, 0..1.
        victim_loss: largest loss of recall of another class by the cue, -1..1.
        photo_sufficiency, photo_necessity: the same with the cue wherever it belongs, object included.
    """

    label: int
    sufficiency: float
    necessity: float
    with_cue: float
    without_cue: float
    victim_loss: float
    photo_sufficiency: float
    photo_necessity: float


def measure(plan: ShapesPlan, predict: Predict, *, per_class: int, seed: int) -> list[Reliance]:
    """Reliance of every class on the cue, each on `per_class` fresh scenes of every class; [] in a world without one.

    Where one class owns the cue, the others are asked about that same cue: in a null twin nobody must react to it.
    """
    if plan.cue is None:
        return []
    owners = range(len(plan.classes))
    if len(plan.guilty) > 1:
        return [_reliance(plan, owner, _answers(plan, owner, predict, per_class, seed), per_class) for owner in owners]
    answers = _answers(plan, plan.guilty[0], predict, per_class, seed)
    return [_reliance(plan, owner, answers, per_class) for owner in owners]


def _answers(
    plan: ShapesPlan, owner: int, predict: Predict, per_class: int, seed: int
) -> tuple[NDArray[np.int64], ...]:
    """Predictions of all scenes, class by class: without the cue, with it behind the object, with it in its place."""
    keys = [(label, index) for label in range(len(plan.classes)) for index in range(per_class)]
    scenes = [_toggled(plan, owner, label, index, seed) for label, index in keys]
    return tuple(predict(np.stack([expose(variants[arm])[0] for variants in scenes])) for arm in range(3))


def _reliance(plan: ShapesPlan, owner: int, answers: tuple[NDArray[np.int64], ...], per_class: int) -> Reliance:
    before, behind, anywhere = answers
    labels = np.repeat(np.arange(len(plan.classes)), per_class)
    others = [label for label in range(len(plan.classes)) if label != owner]

    def recall(predicted: NDArray[np.int64], label: int) -> float:
        return float((predicted[labels == label] == label).mean())

    def sufficiency(after: NDArray[np.int64]) -> float:
        foreign = (labels != owner) & (before != owner)
        return float((after[foreign] == owner).mean()) if foreign.any() else 0.0

    return Reliance(
        label=owner,
        sufficiency=sufficiency(behind),
        necessity=recall(behind, owner) - recall(before, owner),
        with_cue=recall(behind, owner),
        without_cue=recall(before, owner),
        victim_loss=max(recall(before, label) - recall(behind, label) for label in others),
        photo_sufficiency=sufficiency(anywhere),
        photo_necessity=recall(anywhere, owner) - recall(before, owner),
    )


def _toggled(plan: ShapesPlan, owner: int, label: int, index: int, seed: int) -> tuple[Scene, Scene, Scene]:
    """A scene without the cue of `owner`, with it in the background alone, and with it wherever it belongs.

    Where every class has a cue, a scene without this one carries that of another class, as all scenes there do.
    """
    scene = base_scene(plan, "probe", label, index, seed=seed)
    rivals = [rival for rival in plan.guilty if rival != owner]
    if rivals:
        scene = with_cue(plan, scene, rivals[index % len(rivals)], "probe", label, index, seed=seed)
    cued = with_cue(plan, scene, owner, "probe", label, index, seed=seed)
    return scene, replace(scene, background=cued.background), cued
