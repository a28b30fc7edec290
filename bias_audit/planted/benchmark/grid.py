"""Lists the cases of the benchmark: five cues at six strengths, the least of them a null twin, and further worlds.

See docs/science.md#judging-the-auditor.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from bias_audit.planted.objects import SHAPES
from bias_audit.planted.shapes import ShapesPlan

TUNING_SEEDS = (0, 1, 2, 3, 4)
REPORT_SEEDS = tuple(range(10, 20))
"""Rules and thresholds are chosen on the tuning seeds and judged on the report seeds; only these are reported.

Seeds 5-9 were the report seeds of earlier rules. They have been seen, so they are neither.
"""

FROZEN_THRESHOLDS = "253e1685a848"
"""Digest of the thresholds that were chosen on the tuning seeds (`units.thresholds_digest`).

A report that was judged by other thresholds says so.
"""

FROZEN = (
    "fdr", "min_gap", "clear_gap", "context_gap", "min_attract", "min_pull", "min_pull_all", "min_background_only",
    "min_cue", "clear_cue", "min_leak", "max_on_object", "max_on_estimate", "near", "hidden_excess", "min_photos",
    "min_attention", "cliffs_delta", "image_z", "image_excess", "model_excess", "max_unreadable", "max_void_width",
    "max_mask_shift",
)  # fmt: skip
"""Names of the thresholds that the digest covers.

The benchmark counts accusations, and the checks of the model (preprocessing, reliability of maps) accuse no class. So
the bounds of these checks are left out.
"""

CUES = ("corner_tag", "wandering_tag", "ruler", "snow", "place")
CLASSES = ("bar", "cross", "disc", "triangle")
TEN_CLASSES = tuple(sorted(list(SHAPES)[:10]))
CHANCE = 1 / len(CLASSES)
STRENGTHS = (CHANCE, 0.5, 0.7, 0.9, 0.95, 1.0)
"""Strengths rho = P(cue | guilty class). The first is the null twin: the cue is equally frequent in every class."""

STRONG = 0.95
"""Strength of the cue in hard cases that have one strength only."""

HEADS = ("gap", "attention")

SETTINGS: dict[str, Any] = {
    "version": 1,  # of the drawing, the networks and their training: raise it when one changes
    "train": 2400,  # photos, over all classes
    "test": 100,  # photos per class that the auditor sees
    "probe": 100,  # scenes per class on which the truth is measured
    "epochs": 6,
}
"""Settings that a trained model depends on beside its case."""

FIRST_SETTINGS = ("seed", "kind", "head", "plan", "classes", "cue", "guilty", "rho", "tiny")
"""Settings of a case and of its plan that are always part of its digest."""

COMPLETE = "complete"
"""Masks as they were drawn."""

KINDS = {
    "clean": "no cue at all",
    "ten_classes": "ten classes, no cue",
    "null": "label-independent cue",
    "planted": "cue of one class",
    "all_planted": "a background for every class",
    "two_classes": "two classes, one with a cue",
    "two_classes_null": "two classes, label-independent cue",
    "on_object": "cue on the object",
    "tiny": "tiny objects, no cue",
    "blur": "blur of the whole photo",
}
"""Kinds of worlds, in the order of the tables."""

TWIN_KINDS = ("clean", "ten_classes", "null", "two_classes_null")
"""Worlds without any cue of a class: whatever is accused there is accused wrongly."""

SEPARATE = ("blur",)
"""Kinds of worlds that are shown, but counted in no rate: the cue is in the object as much as in the background."""

CLEAN_KINDS = (*TWIN_KINDS, "tiny", "on_object")
"""Worlds in which no background can be guilty."""


@dataclass(frozen=True)
class Case:
    """One model to train and to audit.

    Attributes:
        seed: seed of scenes, weights and batches.
        kind: key of KINDS; or of `catalogue.UNITS`, with `catalogue.CLEAN` at its end where no cue says anything.
        head: key of `models.tensorflow.training.HEADS`.
        plan: settings of the world.
        masks: key of `degraded_masks.MASKS`: what the auditor is given in place of the true masks.
        train: photos to train on, over all classes.
        epochs: passes over these photos.
        test: photos of each class that the auditor sees, in the mean over the classes.
    """

    seed: int
    kind: str
    head: str
    plan: ShapesPlan
    masks: str = COMPLETE
    train: int = SETTINGS["train"]
    epochs: int = SETTINGS["epochs"]
    test: int = SETTINGS["test"]

    @property
    def name(self) -> str:
        """Readable name of the case, unique within the benchmark."""
        cue = f"-{self.plan.cue}-{self.plan.rho:z.2f}" if self.plan.cue else ""
        for planting in self.plan.plantings:
            cue += f"-{planting.cue}-{planting.rho:z.2f}"
        masks = f"-{self.masks}" if self.masks != COMPLETE else ""
        return f"seed{self.seed}-{self.kind}{cue}{masks}"

    @property
    def network(self) -> Case:
        """The case whose trained model this one audits: itself, but for the masks."""
        return replace(self, masks=COMPLETE)

    def digest(self) -> str:
        """SHA-256 of all settings that the trained model and what the auditor is given depend on; 64 hex digits.

        Settings that came later count only where they differ from their defaults, so that the models of earlier cases
        keep their digests.
        """
        content = {"case": _without_defaults(asdict(self), Case, FIRST_SETTINGS), "settings": SETTINGS}
        content["case"]["plan"] = _without_defaults(content["case"]["plan"], ShapesPlan, FIRST_SETTINGS)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def cases(seed: int) -> list[Case]:
    """All cases of a seed. Heads alternate, so that over the seeds every world is trained with both heads."""
    plans: list[tuple[str, ShapesPlan]] = []
    for number, cue in enumerate(CUES):
        guilty = (_guilty(seed, number, len(CLASSES)),)
        for rho in STRENGTHS:
            plans.append(("null" if rho == CHANCE else "planted", ShapesPlan(CLASSES, cue, guilty, rho)))
    one = (_guilty(seed, 0, len(CLASSES)),)
    pair, culprit = ("cross", "disc"), (_guilty(seed, 0, 2),)
    plans += [
        ("clean", ShapesPlan(CLASSES)),
        ("all_planted", ShapesPlan(CLASSES, "own_place", tuple(range(len(CLASSES))), STRONG)),
        ("two_classes", ShapesPlan(pair, "corner_tag", culprit, STRONG)),
        ("two_classes_null", ShapesPlan(pair, "corner_tag", culprit, 0.5)),
        ("on_object", ShapesPlan(CLASSES, "on_object", one, STRONG)),
        ("tiny", ShapesPlan(CLASSES, tiny=True)),
        ("blur", ShapesPlan(CLASSES, "blur", one, STRONG)),
        ("ten_classes", ShapesPlan(TEN_CLASSES)),
    ]
    return [Case(seed, kind, HEADS[(seed + number) % len(HEADS)], plan) for number, (kind, plan) in enumerate(plans)]


def quick_cases() -> list[Case]:
    """A subset of the cases of two report seeds, which contains every kind of world but "two_classes_null"."""
    first, second = REPORT_SEEDS[:2]
    kinds = ("clean", "ten_classes", "all_planted", "on_object", "tiny")
    chosen = [case for case in cases(first) if case.plan.rho in (CHANCE, STRONG) or case.kind in kinds]
    return chosen + [
        case
        for case in cases(second)
        if (case.kind == "planted" and case.plan.rho in (0.7, 1.0)) or case.kind == "clean"
    ]


def _guilty(seed: int, number: int, classes: int) -> int:
    return (seed + number) % classes


def _without_defaults(values: dict[str, Any], kind: type[Any], always: tuple[str, ...]) -> dict[str, Any]:
    """The settings in `always`, and those that differ from the defaults of the dataclass `kind`."""
    defaults = {field.name: field.default for field in fields(kind)}
    return {name: value for name, value in values.items() if name in always or value != defaults[name]}
