"""Lists the units of the benchmark: groups of cases that are judged by themselves, each with what it must reach.

The unit COMPLETE_MASKS holds the worlds of `grid.cases`. The others came later: several culprits, many classes, unusual
samples, and masks that are not true. See docs/science.md#judging-the-auditor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bias_audit.planted.benchmark import grid
from bias_audit.planted.benchmark.degraded_masks import MASKS
from bias_audit.planted.benchmark.grid import CLASSES, COMPLETE, CUES, HEADS, STRONG, TEN_CLASSES, TWIN_KINDS, Case
from bias_audit.planted.objects import OBJECTS
from bias_audit.planted.planting import Planting, common_elsewhere, missing, shared, useless
from bias_audit.planted.shapes import ShapesPlan

UNIT_REPORT_SEEDS = tuple(range(20, 30))
"""Seeds on which all units are judged and reported, once, after the commit that freezes rules and thresholds.

Seeds 10-19, the `grid.REPORT_SEEDS`, had been seen by then.
"""

COMPLETE_MASKS = "complete_masks"
"""Key of UNITS: the unit of the worlds of `grid.cases`."""

PAIR = ("bar", "cross", "disc", "octagon", "triangle")
"""Five classes, of which the disc and the octagon can hardly be told apart at 48 pixels."""

SIX = ("cross", "disc", "hourglass", "star", "triangle", "zed")
"""Classes of the worlds in which two share a cue: none is so plain that a model could do without it."""

THIRTY_CLASSES = tuple(sorted(name for name, (shape, _) in OBJECTS.items() if shape in TEN_CLASSES))
"""Ten shapes with three surfaces each."""

ELSEWHERE = 0.15
"""P(cue | class) of all classes but the culprit where the cue shall win objects of its look-alike alone."""

PATIENT = 4
"""Photos of a patient."""

RARE = 5
"""Photos of every other class for each photo of the rare one."""

NOISE = 0.1
"""Share of labels that are wrong."""

CLEAN = "_clean"
"""End of the kind of a case whose cue, if it has any, says nothing of the class."""

ALWAYS = 1.0
"""Strength of a cue that few models rely on at STRONG (the tag in a corner), or that has to serve two classes."""

MANY_CUES = (("ruler", ALWAYS), ("snow", ALWAYS))
"""Cues and strengths of one culprit among many classes, which few models need."""

MASKED_CUES = (("corner_tag", ALWAYS), ("ruler", STRONG), ("snow", STRONG))
"""Cues and strengths of the reliant models that are audited with degraded masks: two with each way and seed."""

WEAK_TRAIN, WEAK_EPOCHS = {"gap": 1200, "attention": 600}, 4
"""Photos by which a weak model is trained, by its head, and passes over them: its accuracy is .5 to .8."""


@dataclass(frozen=True)
class Unit:
    """A group of cases that is judged by itself.

    Attributes:
        title: what is unusual about it, in a few words.
        cases: seed -> its cases. A case of degraded masks audits the model of a case of COMPLETE_MASKS.
        needs: name of a figure of `by_unit.FIGURES` -> what it must reach.
    """

    title: str
    cases: Callable[[int], list[Case]]
    needs: dict[str, float]


def unit_of(case: Case) -> str:
    """Key of UNITS: the unit that a case belongs to."""
    if case.masks != COMPLETE:
        return f"masks_{case.masks}"
    return case.kind.removesuffix(CLEAN) if case.kind.removesuffix(CLEAN) in UNITS else COMPLETE_MASKS


def is_clean(case: Case) -> bool:
    """Whether no class of a case's world is known by any cue, so that whatever is accused is accused wrongly."""
    return case.kind in TWIN_KINDS or case.kind.endswith(CLEAN)


def _confusable_pair(seed: int) -> list[Case]:
    """In the first world the cue may win objects of any class, in the second those of the look-alike alone."""
    guilty = PAIR.index(("octagon", "disc")[seed % 2])
    ruler = shared("ruler", (guilty,), STRONG, len(PAIR))
    tag = common_elsewhere("corner_tag", guilty, STRONG, ELSEWHERE, len(PAIR))
    return _planted(seed, "confusable_pair", PAIR, [(ruler,), (tag,)])


def _two_culprits(seed: int) -> list[Case]:
    first, second = _two(seed, len(CLASSES))
    pairs = [
        (shared("corner_tag", (first,), ALWAYS, 4), shared("snow", (second,), STRONG, 4)),
        (shared("ruler", (first,), ALWAYS, 4), shared("place", (second,), ALWAYS, 4)),
    ]
    return _planted(seed, "two_culprits", CLASSES, pairs)


def _shared_cue(seed: int) -> list[Case]:
    """Four of six classes lack the cue, so that its absence is the usual state and speaks for none of them."""
    classes = _two(seed, len(SIX))
    worlds = [(shared(cue, classes, ALWAYS, len(SIX)),) for cue in ("corner_tag", "snow")]
    return [replace(case, test=70) for case in _planted(seed, "shared_cue", SIX, worlds)]


def _missing_cue(seed: int) -> list[Case]:
    cues = (("ruler", STRONG), ("snow", ALWAYS))
    return _planted(seed, "missing_cue", CLASSES, [(missing(cue, seed % 4, rho, 4),) for cue, rho in cues])


def _two(seed: int, count: int) -> tuple[int, int]:
    """Two of some labels, in all orders over the seeds."""
    return seed % count, (seed + 1 + seed // count % (count - 1)) % count


def _planted(seed: int, kind: str, classes: tuple[str, ...], worlds: Sequence[tuple[Planting, ...]]) -> list[Case]:
    """A case for each of some lists of plantings, and the null twin of one of them."""
    nothing = tuple(useless(planting) for planting in worlds[seed % len(worlds)])
    return _cases(
        seed, kind, [ShapesPlan(classes, plantings=each) for each in worlds], [ShapesPlan(classes, plantings=nothing)]
    )


def _one_of_ten(seed: int) -> list[Case]:
    made = _one_culprit(seed, "one_of_ten", TEN_CLASSES, MANY_CUES)
    return [replace(case, test=60) for case in made]


def _one_of_thirty(seed: int) -> list[Case]:
    made = _one_culprit(seed, "one_of_thirty", THIRTY_CLASSES, MANY_CUES)
    return [replace(case, train=4800, epochs=8, test=40) for case in made]


def _patients(seed: int) -> list[Case]:
    """The photos of a patient are nearly alike, and all or none carry the cue."""
    return _one_culprit(seed, "patients", CLASSES, [("corner_tag", ALWAYS), ("snow", STRONG)], group=PATIENT)


def _label_noise(seed: int) -> list[Case]:
    return _one_culprit(seed, "label_noise", CLASSES, [("ruler", STRONG), ("snow", STRONG)], noise=NOISE)


def _one_culprit(
    seed: int,
    kind: str,
    classes: tuple[str, ...],
    cues: Sequence[tuple[str, float]],
    *,
    group: int = 1,
    noise: float = 0.0,
) -> list[Case]:
    """A case for each of some cues of one class, with its strength, and the null twin of one of them."""
    guilty = (seed % len(classes),)
    plans = [ShapesPlan(classes, cue, guilty, rho, group=group, noise=noise) for cue, rho in cues]
    return _cases(seed, kind, plans, [replace(plans[seed % len(plans)], rho=1 / len(classes))])


def _imbalance(seed: int) -> list[Case]:
    """The guilty class is the rare one in the first world and a common one in the second."""
    label = seed % 4
    weights = [tuple(1 if each == rare else RARE for each in range(4)) for rare in (label, (label + 1) % 4)]
    cues = (("snow", ALWAYS), ("ruler", STRONG))
    plans = [
        ShapesPlan(CLASSES, cue, (label,), rho, weights=each) for (cue, rho), each in zip(cues, weights, strict=True)
    ]
    return _cases(seed, "imbalance", plans, [replace(plans[seed % 2], rho=1 / 4)])


def _weak(seed: int) -> list[Case]:
    """Models of few photos and passes: one that relies on a cue, one without any cue, one whose cue says nothing."""
    plan = ShapesPlan(CLASSES, "corner_tag", (seed % 4,), ALWAYS)
    made = _cases(seed, "weak", [plan], [ShapesPlan(CLASSES), replace(plan, rho=1 / 4)])
    return [replace(case, train=WEAK_TRAIN[case.head], epochs=WEAK_EPOCHS) for case in made]


def _masked(seed: int, *, masks: str) -> list[Case]:
    """Two reliant and two clean models of COMPLETE_MASKS, audited with masks that are spoiled in one way."""
    turn = seed + list(MASKS).index(masks)
    cues = {MASKED_CUES[(turn + step) % len(MASKED_CUES)] for step in (0, 1)}
    null = CUES[turn % len(CUES)]
    return [
        replace(case, masks=masks)
        for case in grid.cases(seed)
        if (case.kind == "planted" and (case.plan.cue, case.plan.rho) in cues)
        or case.kind == "clean"
        or (case.kind == "null" and case.plan.cue == null)
    ]


def _cases(seed: int, kind: str, plans: Sequence[ShapesPlan], clean: Sequence[ShapesPlan]) -> list[Case]:
    """Cases of one kind, with clean ones of the kind "..._clean". Heads alternate, over a seed and over the seeds."""
    made = [(kind, plan) for plan in plans] + [(kind + CLEAN, plan) for plan in clean]
    return [Case(seed, name, HEADS[(seed + number) % len(HEADS)], plan) for number, (name, plan) in enumerate(made)]


COMPLETE_NEEDED = {"found": 0.95, "clean": 1 / 35}
"""What must be reached where masks are true: by each unit, and by all together."""

CULPRITS_NEEDED = {"exact": 0.9, "innocents": 0.05, "clean": 1 / 35, "green": 0.0}
"""What must be reached where it is hard to tell who is guilty."""

MASKS_NEEDED = {"found": 0.8, "clean": 1 / 20}
"""What must be reached where masks are degraded or estimated: by each unit, and by all together."""

_MASKS = {
    "eroded": "masks eroded by 2 pixels",
    "lowest_missing": "masks without the lowest 35 % of each object",
    "highest_missing": "masks without the highest third of each object",
    "boxes": "boxes for masks",
    "shifted": "masks shifted by 3 pixels",
    "second_object": "a second object, unmasked, in 30 % of the photos",
    "estimated": "masks estimated",
}
"""Way of `degraded_masks.MASKS` -> title of its unit."""

UNITS: dict[str, Unit] = {
    COMPLETE_MASKS: Unit("five cues at six strengths, and hard cases", grid.cases, COMPLETE_NEEDED),
    "confusable_pair": Unit("two look-alikes of five, one with a cue", _confusable_pair, CULPRITS_NEEDED),
    "two_culprits": Unit("two culprits with different cues", _two_culprits, CULPRITS_NEEDED),
    "shared_cue": Unit("a cue shared by two classes", _shared_cue, CULPRITS_NEEDED),
    "missing_cue": Unit("a class known by a missing cue", _missing_cue, CULPRITS_NEEDED),
    "one_of_ten": Unit("one culprit among ten classes", _one_of_ten, COMPLETE_NEEDED),
    "one_of_thirty": Unit("one culprit among thirty classes", _one_of_thirty, COMPLETE_NEEDED),
    "patients": Unit("four nearly alike photos of each patient", _patients, COMPLETE_NEEDED),
    "imbalance": Unit("one class with a fifth of the photos", _imbalance, COMPLETE_NEEDED),
    "label_noise": Unit("10 % of the labels wrong", _label_noise, COMPLETE_NEEDED),
    "weak": Unit("weak models", _weak, COMPLETE_NEEDED),
    **{f"masks_{way}": Unit(title, partial(_masked, masks=way), MASKS_NEEDED) for way, title in _MASKS.items()},
}
"""Units by name, in the order in which they are run: models of COMPLETE_MASKS are audited again with other masks."""


def cases_of(seed: int, units: Sequence[str] = ()) -> list[Case]:
    """Cases of a seed of some units, in the order of UNITS; of all where none is named."""
    return [case for name, unit in UNITS.items() if name in units or not units for case in unit.cases(seed)]
