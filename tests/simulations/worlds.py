"""The simulated models: nulls, in which nobody may be accused, and planted cues with the answer that is due."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bias_audit.checks.outcomes import COLLATERAL, LEVELS, WATCH, RuleOutcome

from .composites import Model, names

PHOTOS = {2: 50, 5: 50, 10: 50, 30: 100, 100: 50, 1000: 10}
"""Number of classes -> photos per class of the null audits."""

NULLS: dict[str, Model] = {
    "sure": Model(0, 0),
    "weak": Model(0, 0, accuracy=(0.3, 0.9)),
    "cluttered": Model(0, 0, accuracy=(0.3, 0.9), clutter=1.0),
    "leaning": Model(0, 0, accuracy=(0.3, 0.9), clutter=1.0, favours=0.5),
}
"""Models that follow no class's background.

- sure: .9 of the objects of each class are recognised on any background.
- weak: .3 to .9, errors mostly of one confusable class.
- cluttered: as weak, and single backgrounds hide or show whatever is pasted on them. The photos of a class share the
  backgrounds of few donors, so they are not independent: gaps get significant that no other donors would have.
- leaning: as cluttered, and half of the errors on a background go to a class that this very background suggests.
"""


def null(kind: str, classes: int) -> Model:
    """A model of NULLS with so many classes."""
    return replace(NULLS[kind], classes=classes, photos=PHOTOS[classes])


def culprits(classes: int, guilty: int = 1) -> Model:
    """The first classes were learned with a cue each, which pulls every other class's objects."""
    return Model(classes, 60, accuracy=(0.8, 0.95), cued=tuple(range(guilty)), pull=0.7, needs=0.8)


def shared_cue(classes: int) -> Model:
    """Classes 0 and 1 share one cue, do without it, and it turns every other class's objects into either."""
    return Model(classes, 60, accuracy=(0.8, 0.95), cued=(0, 1), shared=True, pull=0.8)


def shared_need(classes: int) -> Model:
    """Classes 0 and 1 share one cue and need it: without it they are lost, and it turns others' objects into either."""
    return replace(shared_cue(classes), needs=0.8)


def confusable(classes: int) -> Model:
    """A cue tells class 0 from class 1: only the objects of 1 fall for it, those of 0 are lost without it."""
    return Model(classes, 60, accuracy=(0.8, 0.95), cued=(0,), pull=0.7, needs=0.7, victims=(1,))


def missing_cue(classes: int) -> Model:
    """Class 0 is known by the cue that all other classes carry and it does not."""
    return Model(classes, 60, accuracy=(0.8, 0.95), lacking=0, pull=0.7, needs=0.7)


def small_gaps(classes: int) -> Model:
    """Every class loses a few points on other classes' backgrounds, for no class's sake: plain grounds."""
    return Model(classes, 60, accuracy=(0.9, 0.97), loses=dict.fromkeys(range(classes), 0.067))


PLANTED: dict[str, Model] = {
    "one culprit of 4": culprits(4),
    "one culprit of 10": culprits(10),
    "four culprits of 10": culprits(10, 4),
    "one culprit of 30": culprits(30),
    "ten culprits of 30": culprits(30, 10),
    "confusable pair of 5": confusable(5),
    "confusable pair of 10": confusable(10),
    "two culprits of 3": culprits(3, 2),
    "two culprits of 5": culprits(5, 2),
    "shared and needed, 3": shared_need(3),
    "shared and needed, 4": shared_need(4),
    "shared and needed, 10": shared_need(10),
    "missing cue, 4": missing_cue(4),
    "missing cue, 10": missing_cue(10),
    "shared cue, 4": shared_cue(4),
    "shared cue, 10": shared_cue(10),
    "small gaps, 10": small_gaps(10),
}
"""Models with an answer that is due. The gap that one culprit gives its victims shrinks with the number of classes, for
fewer composites lie on its backgrounds: at .7 / 9 of ten classes it is hardly found any more, four give .31."""

MOST_ACCUSED = 0.05
"""Largest share of null audits in which anybody may be accused (issue 17)."""

CONVICTED = ("SUSPICIOUS", "HIDDEN", "CONFIRMED")


@dataclass(frozen=True)
class Told:
    """What the rules on reliance told of one audit.

    Attributes:
        convicted, victims, watched: classes that BA201 finds at SUSPICIOUS or above, at COLLATERAL and at WATCH.
        named: classes that were named as culprits of a victim.
        guilty: classes that may be convicted: a cue was planted for them, and no other class shares it.
        open: whether BA207 was found.
    """

    convicted: frozenset[str]
    victims: frozenset[str]
    watched: frozenset[str]
    named: frozenset[str]
    guilty: frozenset[str]
    open: bool


def told(model: Model, outcomes: list[RuleOutcome]) -> Told:
    """The outcomes of one audit, by what they accuse."""
    at = {each: [one for one in outcomes if one.code == "BA201" and one.level == each] for each in LEVELS}
    named = {name for one in at[COLLATERAL] for name in str(one.evidence.get("pulled_by") or "nobody").split(", ")}
    return Told(
        frozenset(one.subject for level in CONVICTED for one in at[level]),
        frozenset(one.subject for one in at[COLLATERAL]),
        frozenset(one.subject for one in at[WATCH]),
        frozenset(named),
        frozenset(() if model.shared else names(model.cued)),
        any(one.code == "BA207" and one.found for one in outcomes),
    )
