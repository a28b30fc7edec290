"""The columns of the page's table of classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ClassColumn:
    """One column of the class table.

    Attributes:
        title: heading.
        about: one sentence for readers who do not know the number.
        value, low, high: columns of `schema.CLASSES`; low and high "" without an interval.
        reason: column that says why `value` is missing; "" where only missing images explain it.
        unit: "share" (0..1, printed in per cent), "points" (difference of shares) or "number".
        optional: left out of the page where no class has a value.
        core: shown at once; the other columns when they are asked for, and in print.
    """

    title: str
    about: str
    value: str
    low: str
    high: str
    reason: str
    unit: str
    optional: bool = False
    core: bool = False


CLASS_COLUMNS: tuple[ClassColumn, ...] = (
    ClassColumn(
        "Accuracy", "Recall on the photos as they are", "accuracy", "accuracy_low", "accuracy_high", "", "share",
        core=True,
    ),
    ClassColumn(
        "Same-class backgrounds",
        "Accuracy with the object pasted on backgrounds of its own class",
        "same_background_accuracy", "same_low", "same_high", "reliance_reason", "share", core=True,
    ),
    ClassColumn(
        "Other-class backgrounds",
        "Accuracy with the object pasted on backgrounds of other classes",
        "other_background_accuracy", "other_low", "other_high", "reliance_reason", "share", core=True,
    ),
    ClassColumn(
        "Background gap",
        "Same-class minus other-class backgrounds, in percentage points; 0 where the background does not matter",
        "background_gap", "gap_low", "gap_high", "reliance_reason", "points", core=True,
    ),
    ClassColumn(
        "Scenes of no class",
        "Accuracy with the object pasted on real scenes of no class, without any fill",
        "scene_background_accuracy", "scene_low", "scene_high", "reliance_reason", "share", optional=True,
    ),
    ClassColumn(
        "Loss on such scenes",
        "Same-class backgrounds minus real scenes of no class, in percentage points",
        "scene_loss", "scene_loss_low", "scene_loss_high", "reliance_reason", "points", optional=True,
    ),
    ClassColumn(
        "Loss on real photos",
        "Accuracy on the class's other photos minus that on photos whose scene, by a column of yours, is commoner in "
        "another class: what the gap bounds from above",
        "conflict_loss", "conflict_low", "conflict_high", "conflict_reason", "points", optional=True,
    ),
    ClassColumn(
        "Gap, second fill",
        "The same with the holes in the backgrounds filled by blur and noise, not inpainting: a second opinion",
        "background_gap_second_fill", "second_fill_low", "second_fill_high", "reliance_reason", "points",
    ),
    ClassColumn(
        "Background only",
        "Still predicted with the object inpainted",
        "background_only_accuracy", "background_only_low", "background_only_high", "reliance_reason", "share",
    ),
    ClassColumn(
        "Object only",
        "Foreground only: still predicted for the object on black",
        "foreground_only_accuracy", "foreground_only_low", "foreground_only_high", "reliance_reason", "share",
    ),
    ClassColumn(
        "Attract",
        "How far this class's backgrounds pull objects of other classes to it, in percentage points",
        "attract", "attract_low", "attract_high", "reliance_reason", "points",
    ),
    ClassColumn(
        "Adversarial backgrounds",
        "Recognised photos that at least one of the other classes' backgrounds tried turns into another class",
        "adversarial", "adversarial_low", "adversarial_high", "reliance_reason", "share",
    ),
    ClassColumn(
        "Adversarial, own class",
        "The same with as many backgrounds of the own class: what the worst of several costs by chance and by pasting",
        "adversarial_control", "adversarial_control_low", "adversarial_control_high", "reliance_reason", "share",
    ),
    ClassColumn(
        "Background's share",
        "Part of the evidence for the class that comes from the background (Shapley); 0 = all from the object",
        "shapley_background_share", "shapley_low", "shapley_high", "reliance_reason", "number",
    ),
    ClassColumn(
        "Background excess",
        "Attention on the background: 0 = as good as the map's resolution allows, 1 = no better than a uniform map",
        "background_excess", "excess_low", "excess_high", "attention_reason", "number",
    ),
)  # fmt: skip


def shown(class_rows: Iterable[Mapping[str, Any]]) -> tuple[ClassColumn, ...]:
    """The columns that the page has: without those that need something that was not given, in any class.

    Args:
        class_rows: rows of the class table, column name -> value.
    """
    rows = list(class_rows)
    return tuple(
        column
        for column in CLASS_COLUMNS
        if not column.optional or any(row.get(column.value) is not None for row in rows)
    )
