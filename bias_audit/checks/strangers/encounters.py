"""Summary of the predictions for each kind of stranger, beside how sure the model is of its own test photos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_audit.run.quantities import quantity
from bias_audit.run.statuses import OK

MOST_NAMED = 5
"""Largest number of classes named in a sentence."""


@dataclass(frozen=True)
class Encounter:
    """Predictions for one kind of stranger.

    Attributes:
        group: name of the kind.
        n, unread: number of pictures, and how many of them could not be read.
        taken_for: (class, number of pictures predicted as it), most frequent first.
        probability: median probability of the predicted class, 0..1; None where no picture could be read.
        own_probability: the same median for the test photos that the model gets right, 0..1; None without any.
    """

    group: str
    n: int
    unread: int
    taken_for: tuple[tuple[str, int], ...]
    probability: float | None
    own_probability: float | None

    @property
    def sentence(self) -> str:
        """The summary as a sentence.

        For example: lynx (5): 4 taken for wolf, 1 for husky; median probability 98% (own test photos: 97%).
        """
        if not self.taken_for:
            return f"{self.group} ({self.n}): none could be read."
        (first, n), *others = self.taken_for[:MOST_NAMED]
        named = [f"{n} taken for {first}", *(f"{count} for {name}" for name, count in others)]
        more = len(self.taken_for) - len(named)
        rest = (
            f", {sum(count for _, count in self.taken_for[MOST_NAMED:])} for {more} other classes" if more > 0 else ""
        )
        known = self.own_probability
        own = "" if known is None else f" (own test photos: {quantity(known, 'share')})"
        unread = f"; {self.unread} could not be read" if self.unread else ""
        median = f"median probability {quantity(self.probability, 'share')}{own}"
        return f"{self.group} ({self.n}): {', '.join(named)}{rest}; {median}{unread}."


def encounters(strangers: pd.DataFrame, images: pd.DataFrame) -> list[Encounter]:
    """Summaries of all kinds of strangers, sorted by name.

    Args:
        strangers: table with the columns `columns.STRANGERS`.
        images: the images table; its rightly predicted photos show how sure the model usually is.
    """
    right = images.loc[images["correct"].fillna(False).astype(bool), "probability"].dropna()
    own = float(np.median(right)) if len(right) else None
    met = []
    for group, rows in strangers.groupby("group", sort=True):
        read = rows[rows["status"] == OK]
        counted = read["predicted"].value_counts()
        order = sorted(((str(name), int(n)) for name, n in counted.items()), key=lambda item: (-item[1], item[0]))
        median = float(np.median(read["probability"])) if len(read) else None
        met.append(Encounter(str(group), len(rows), len(rows) - len(read), tuple(order), median, own))
    return met
