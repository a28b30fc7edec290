"""Measures how far a model relies on the planted cue, on scenes that the auditor never sees.

A cue that training ignored is no bias, so planting alone does not decide. The cue is put into, and taken out of, the
background of new scenes, which is exact since the scenes are drawn. Sufficiency is the spurious score of Adebayo et al.
2022; necessity is the recall that a class loses without its cue (docs/science.md#judging-the-auditor).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bias_audit.planted.cues import Scene
from bias_audit.planted.objects import Photos
from bias_audit.planted.shapes import ShapesPlan, base_scene, expose, with_cue, with_planting

Predict = Callable[[Photos], NDArray[np.int64]]
"""(N, S, S, 3) uint8 RGB -> (N,) predicted labels."""

POSITIVE, STRONG, NEGATIVE = 0.2, 0.5, 0.05
"""Reliance from which on a class counts as biased, from which on as strongly biased, and below which as not biased.

Between NEGATIVE and POSITIVE a class is neither, and counts for the dose-response alone
(docs/science.md#judging-the-auditor).
"""


@dataclass(frozen=True)
class Reliance:
    """How far the predictions of one class depend on a cue, as shares of scenes.

    Attributes:
        label: the class: one that the cue goes with, or another class that is asked about this cue. Of a cue that is
            missing in its classes, what is put in here is its absence.
        sufficiency: of the scenes of other classes that are not predicted as the class without the cue, the share that
            is with the cue in the background, 0..1.
        necessity: recall of the class with the cue in the background minus recall without, -1..1.
        with_cue, without_cue: recall of the class with and without the cue, 0..1.
        victim_loss: largest recall that another class loses by the cue in the background, -1..1.
        photo_sufficiency, photo_necessity: sufficiency and necessity of the cue in its own place, which can be the
            object.
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
    """Measure the reliance of every class on the cue; [] in a world without a cue.

    Where one class owns the cue, the other classes are asked about that cue as well: in a null twin no class should
    react to it. Where every class owns a cue, each is asked about its own. Of several plantings each is asked about by
    itself, and a class has the largest reliance among those that go with it; among all of them, where none does.

    Args:
        plan: settings of the world.
        predict: predicts labels.
        per_class: number of new scenes of each class on which the predictions are compared.
        seed: seed of the scenes.
    """
    owners = range(len(plan.classes))
    if plan.plantings:
        numbers = range(len(plan.plantings))
        asked = [_planting_answers(plan, number, predict, per_class, seed) for number in numbers]
        return [_of_plantings(plan, label, asked, per_class) for label in owners]
    if plan.cue is None:
        return []
    if len(plan.guilty) > 1:
        return [_reliance(plan, owner, _answers(plan, owner, predict, per_class, seed), per_class) for owner in owners]
    answers = _answers(plan, plan.guilty[0], predict, per_class, seed)
    return [_reliance(plan, owner, answers, per_class) for owner in owners]


def _answers(
    plan: ShapesPlan, owner: int, predict: Predict, per_class: int, seed: int
) -> tuple[NDArray[np.int64], ...]:
    """Predicted labels of all scenes, class by class: without cue, with the cue behind the object, and in its place."""
    keys = [(label, index) for label in range(len(plan.classes)) for index in range(per_class)]
    scenes = [_toggled(plan, owner, label, index, seed) for label, index in keys]
    return tuple(predict(np.stack([expose(variants[arm])[0] for variants in scenes])) for arm in range(3))


def _planting_answers(
    plan: ShapesPlan, number: int, predict: Predict, per_class: int, seed: int
) -> tuple[NDArray[np.int64], ...]:
    """As `_answers`, of the cue of one planting, or of its absence; scenes carry no other planting."""
    keys = [(label, index) for label in range(len(plan.classes)) for index in range(per_class)]
    bare = [base_scene(plan, "probe", label, index, seed=seed) for label, index in keys]
    cued = [
        with_planting(plan, scene, number, "probe", label, index, seed=seed)
        for scene, (label, index) in zip(bare, keys, strict=True)
    ]
    without, behind = (predict(np.stack([expose(scene)[0] for scene in scenes])) for scenes in (bare, cued))
    return (behind, without, without) if plan.plantings[number].absent else (without, behind, behind)


def _of_plantings(plan: ShapesPlan, label: int, asked: list[tuple[NDArray[np.int64], ...]], per_class: int) -> Reliance:
    """Reliance of a class on the planting that moves it most, among its own ones, or among all if it has none."""
    own = [number for number, planting in enumerate(plan.plantings) if label in planting.classes]
    measured = []
    for number in own or range(len(plan.plantings)):
        among = plan.plantings[number].classes if own else (label,)
        measured.append(_reliance(plan, label, asked[number], per_class, among))
    return max(measured, key=lambda each: max(each.sufficiency, each.necessity))


def _reliance(
    plan: ShapesPlan,
    owner: int,
    answers: tuple[NDArray[np.int64], ...],
    per_class: int,
    among: tuple[int, ...] | None = None,
) -> Reliance:
    """Reliance of class `owner`; `among` are all classes that the cue goes with, whose scenes cannot be won by it."""
    before, behind, anywhere = answers
    labels = np.repeat(np.arange(len(plan.classes)), per_class)
    others = [label for label in range(len(plan.classes)) if label != owner]
    theirs = np.isin(labels, among or (owner,))

    def recall(predicted: NDArray[np.int64], label: int) -> float:
        return float((predicted[labels == label] == label).mean())

    def sufficiency(after: NDArray[np.int64]) -> float:
        foreign = ~theirs & (before != owner)
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
    """One scene in three variants: without the cue of `owner`, with the cue in the background alone, and in its place.

    Where every class has a cue, the variant without this cue carries the cue of another class, as every scene of such a
    world carries one.
    """
    scene = base_scene(plan, "probe", label, index, seed=seed)
    rivals = [rival for rival in plan.guilty if rival != owner]
    if rivals:
        scene = with_cue(plan, scene, rivals[index % len(rivals)], "probe", label, index, seed=seed)
    cued = with_cue(plan, scene, owner, "probe", label, index, seed=seed)
    return scene, replace(scene, background=cued.background), cued
