"""Composites of an audit that nobody has to make: predictions drawn from a model of which everything is known.

Donors are chosen by the package's own `interventions.donors.choose_donors`, so photos of a class share the backgrounds
that a small pool of donors lends, as in an audit.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit.checks.background import composites as arms
from bias_audit.config import FIRST_FILL, SECOND_FILL, SECOND_FILL_DONORS
from bias_audit.interventions.donors import Donors, choose_donors, donors_per_class
from bias_audit.interventions.edits import BACKDROPS

DONORS = 5
SAME_UNDER_BOTH_FILLS = 0.8
"""Share of the composites that are predicted alike under both fills, whatever the model is."""

CONFUSED = 0.5
"""Share of a class's errors that go to the class it is confused with; the others go anywhere."""


@dataclass(frozen=True)
class Model:
    """A simulated model and its test set. Every class is recognised by the object unless a field says otherwise.

    Attributes:
        classes: number of classes, K.
        photos: photos per class.
        accuracy: lowest and highest accuracy of a class on composites; each class has its own, between them.
        spread: standard deviation between the photos of a class, in log-odds.
        clutter: standard deviation between backgrounds, in log-odds: one hides any object, another none.
        favours: share of the errors on a background that go to a class of this background's own, drawn at random.
        cued: classes on whose backgrounds a cue lies.
        shared: whether it is one cue, whichever of the classes it lies with; else each has its own.
        pull: probability that an object is called the cue's class where there is a cue and its class has another or
            none; of a shared cue it is called each of its classes as often.
        needs: probability that an object of a class with a cue is lost where this cue is not.
        victims: the only classes whose objects fall for a cue; None = all do.
        lacking: class that is known by a missing cue: objects of all others carry it, and are called this class with
            probability `pull` where it is not, on neutral backdrops too; its own are lost where it is, by `needs`.
        loses: class -> probability that its object is lost on a background of another class, for no class's sake.
    """

    classes: int
    photos: int
    accuracy: tuple[float, float] = (0.9, 0.9)
    spread: float = 1.0
    clutter: float = 0.0
    favours: float = 0.0
    cued: tuple[int, ...] = ()
    shared: bool = False
    pull: float = 0.0
    needs: float = 0.0
    victims: tuple[int, ...] | None = None
    lacking: int | None = None
    loses: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Design:
    """Who is pasted on whose background; all (n,), one entry per composite of one fill.

    Attributes:
        photo, donor: positions of photo and donor; position // photos is the class.
        same: whether both are of one class.
        second: whether the composite is made under the second fill as well.
    """

    photo: NDArray[np.intp]
    donor: NDArray[np.intp]
    same: NDArray[np.bool_]
    second: NDArray[np.bool_]


def names(labels: Iterable[int]) -> list[str]:
    """Names of some classes."""
    return [f"class {label:04d}" for label in labels]


@functools.cache
def design(classes: int, photos: int) -> Design:
    """The composites of a test set of equal classes."""
    pool = min(donors_per_class(classes, DONORS), photos)
    lent = Donors({label: tuple(range(label * photos, label * photos + pool)) for label in range(classes)})
    rows = []
    for photo in range(classes * photos):
        for same, chosen in zip(
            (True, False), choose_donors(lent, photo // photos, photo, str(photo), DONORS, 0), strict=True
        ):
            rows += [(photo, donor, same, place < SECOND_FILL_DONORS) for place, donor in enumerate(chosen)]
    photo, donor, same, second = (np.array(column) for column in zip(*rows, strict=True))
    return Design(photo, donor, same.astype(bool), second.astype(bool))


def draw(model: Model, seed: int) -> pd.DataFrame:
    """All composites of an audit: one row per `composites.Composite`, and the column `label` of its photo."""
    rng = np.random.default_rng(seed)
    made, classes = design(model.classes, model.photos), model.classes
    total = classes * model.photos
    accuracy = np.repeat(rng.uniform(*model.accuracy, classes), model.photos)
    ease = np.log(accuracy / (1 - accuracy)) + rng.normal(0, model.spread, total)
    confused = (np.arange(classes) + 1 + rng.integers(0, max(classes - 1, 1), classes)) % classes
    world = _World(model, ease, confused, rng.normal(0, model.clutter, total), rng.integers(0, classes, total))
    first = world.predicted(made.photo, made.donor, rng)
    again = world.predicted(made.photo, made.donor, rng)
    second = np.where(rng.random(len(first)) < SAME_UNDER_BOTH_FILLS, first, again)[made.second]
    arm = np.where(made.same, arms.SAME, arms.OTHER)
    parts = [
        _rows(model, arm, FIRST_FILL, made.photo, made.donor, first),
        _rows(model, arm[made.second], SECOND_FILL, made.photo[made.second], made.donor[made.second], second),
    ]
    grown = np.where(made.same, arms.GROWN_SAME, arms.GROWN_OTHER)[
        made.second
    ]  # as unlike the first as another fill is
    parts.append(_rows(model, grown, FIRST_FILL, made.photo[made.second], made.donor[made.second], second))
    photos = np.arange(total)
    # Emptied pictures are called what the net leans to, or their background's own favourite.
    leaning = rng.dirichlet(np.full(classes, 0.3))
    emptied = np.where(rng.random(total) < model.favours, world.favourite, rng.choice(classes, total, p=leaning))
    has_cue = np.isin(photos // model.photos, model.cued) & (rng.random(total) < model.pull)
    emptied = np.where(has_cue, world.of_cue(photos // model.photos, rng), emptied)
    again = np.where(rng.random(total) < SAME_UNDER_BOTH_FILLS, emptied, rng.choice(classes, total, p=leaning))
    parts += [
        _rows(model, np.full(total, arms.BACKGROUND), fill, photos, np.full(total, -1), called)
        for fill, called in ((FIRST_FILL, emptied), (SECOND_FILL, again))
    ]
    for backdrop in BACKDROPS:
        called = world.predicted(photos, np.full(total, -1), rng)
        parts.append(_rows(model, np.full(total, arms.FOREGROUND), backdrop, photos, np.full(total, -1), called))
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class _World:
    model: Model
    ease: NDArray[np.float64]
    confused: NDArray[np.intp]
    clutter: NDArray[np.float64]
    favourite: NDArray[np.intp]

    def predicted(self, photo: NDArray[np.intp], donor: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
        """Predictions of objects on backgrounds; donor -1 is a neutral backdrop."""
        model, n = self.model, len(photo)
        own, lent = photo // model.photos, np.where(donor < 0, -1, donor // model.photos)
        ease = self.ease[photo] + np.where(donor < 0, 0.0, self.clutter[donor])
        right = rng.random(n) < 1 / (1 + np.exp(-ease))
        there, has = np.isin(lent, model.cued), np.isin(own, model.cued)
        own_cue = there & has if model.shared else there & (lent == own)
        right &= ~(has & ~own_cue & (rng.random(n) < model.needs))
        lost = np.array([model.loses.get(label, 0.0) for label in range(model.classes)])
        right &= ~((lent != own) & (donor >= 0) & (rng.random(n) < lost[own]))
        kind = rng.random(n)
        wrong = np.where(kind < CONFUSED, self.confused[own], rng.integers(0, model.classes, n))
        wrong = np.where((kind > 1 - model.favours) & (donor >= 0), self.favourite[donor], wrong)
        called = np.where(right, own, wrong)
        falls = there & ~own_cue & (rng.random(n) < model.pull)
        if model.victims is not None:
            falls &= np.isin(own, model.victims)
        called = np.where(falls, self.of_cue(lent, rng), called)
        if model.lacking is None:
            return called
        bare = (donor < 0) | (lent == model.lacking)
        called = np.where(bare & (own != model.lacking) & (rng.random(n) < model.pull), model.lacking, called)
        lost = ~bare & (own == model.lacking) & (rng.random(n) < model.needs)
        return np.where(lost, self.confused[own], called)

    def of_cue(self, lent: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
        """(n,) what a cue on backgrounds of these classes stands for; of a shared cue any of its classes."""
        return rng.choice(self.model.cued, len(lent)) if self.model.shared else lent


def _rows(
    model: Model,
    arm: NDArray[np.str_],
    fill: str,
    photo: NDArray[np.intp],
    donor: NDArray[np.intp],
    called: NDArray[np.intp],
) -> pd.DataFrame:
    label = photo // model.photos
    right = np.where(called == label, 1.0, 0.0)
    return pd.DataFrame(
        {
            "photo": photo, "arm": arm, "fill": fill, "donor": donor,
            "donor_label": np.where(donor < 0, -1, donor // model.photos), "predicted": called,
            "probability": right, "probability_predicted": 1.0, "log_odds": 2 * right - 1, "donor_probability": np.nan,
            "label": label,
        }
    )  # fmt: skip
