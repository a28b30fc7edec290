"""Properties are exchanged block by block, and one is given up when it will be shown to pull no class.

As with backgrounds this accuses nobody (docs/science.md#stages): a property that was given up counts as one whose test
shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.whole_photo.pulls import called
from bias_audit.data.batches import Pixels
from bias_audit.data.sampling import rank
from bias_audit.models.base import NO_CLASS, Predictions
from bias_audit.stats.futility import LEVEL

FIELDS = ("property", "photo", "label", "donor_label", "predicted")
"""Arrays of what was asked, one entry per changed photo."""

BLOCK = 20
"""Photos of every class after which it is asked whether a property goes on."""

Indices = NDArray[np.intp]


class Asked:
    """Changed photos on their way through the model in batches, and what it says of each."""

    def __init__(
        self,
        places: Sequence[int],
        labels: Indices,
        predict: Callable[[Pixels], Predictions],
        batch: int,
        advance: Callable[[int], None],
    ) -> None:
        """Nothing was asked yet.

        Args:
            places: sample position of each photo.
            labels: (N,) class indices of the photos.
            predict: (n, H, W, C) float32 in [0, 255] -> predictions.
            batch: pictures per call of `predict`.
            advance: called with the number of changed photos that are done.
        """
        self._places, self._labels, self._predict, self._batch = places, labels, predict, batch
        self.advance = advance
        self._rows: list[tuple[int, int, int, int]] = []
        self._waiting: list[Pixels] = []
        self._said: list[Indices] = []

    def ask(self, number: int, photo: int, donor: int, changed: Pixels) -> None:
        """Ask about a photo with a property of another, once as many wait as one call takes.

        Args:
            number: index of the property.
            photo, donor: indices of the two photos.
            changed: (H, W, C) float32 in [0, 255].
        """
        self._rows.append((number, self._places[photo], int(self._labels[photo]), int(self._labels[donor])))
        self._waiting.append(changed)
        if len(self._waiting) == self._batch:
            self._finish()

    def seen(self) -> dict[str, NDArray[Any]]:
        """Name of FIELDS -> array, of all that was asked; those that still wait are asked first."""
        self._finish()
        table = np.array(self._rows, np.intp).reshape(-1, 4)
        said = np.concatenate(self._said) if self._said else np.zeros(0, np.intp)
        return dict(zip(FIELDS, (*table.T, said), strict=True))

    def _finish(self) -> None:
        if self._waiting:
            self._said.append(self._predict(np.stack(self._waiting)).predicted)
            self.advance(len(self._waiting))
            self._waiting.clear()


@dataclass(frozen=True)
class Patience:
    """Decides whether a property is given up.

    Attributes:
        classes: number of classes, K.
        min_attract, fdr: of the thresholds of the rules.
        seed: seed of the audit.
        groups: group code by sample position (patient, scene); None = every photo is a group of its own.
    """

    classes: int
    min_attract: float
    fdr: float
    seed: int
    groups: Indices | None = None

    def ends(self, part: pd.DataFrame, left: NDArray[np.intp]) -> bool:
        """Whether no class will be shown to pull photos of other classes by a property.

        The floor is half of `min_attract`: the rule judges the median over the other classes, which may be up to twice
        the mean over their photos where that of half of them is 0.

        Args:
            part: what was said of the property's changed photos, a column per field.
            left: (K,) photos of other classes that have not got the property of each class yet.
        """
        for label in range(self.classes):
            on_it, on_own, photos = called(part, label)
            if not len(photos) and not left[label]:
                continue  # nobody lends it
            groups = None if self.groups is None else self.groups[photos]
            seed = int(rank(self.seed, f"{label}:pull")[:16], 16)
            level = max(self.fdr, LEVEL)
            if not stats.futile(
                on_it, on_own, int(left[label]), floor=self.min_attract / 2, seed=seed, groups=groups, level=level
            ):
                return False
        return True


def in_turns(image_ids: Sequence[str], labels: Indices, seed: int) -> list[list[int]]:
    """Indices of the photos in blocks: of every class the next BLOCK, in the random order of the seed.

    Args:
        image_ids, labels: of the photos.
        seed: seed of the order.
    """
    place = dict.fromkeys(map(int, labels), 0)
    blocks: dict[int, list[int]] = {}
    for photo in sorted(range(len(labels)), key=lambda photo: rank(seed, image_ids[photo])):
        label = int(labels[photo])
        blocks.setdefault(place[label] // BLOCK, []).append(photo)
        place[label] += 1
    return [sorted(blocks[number]) for number in sorted(blocks)]


def in_blocks(
    blocks: Sequence[Sequence[int]],
    labels: Indices,
    lent: Sequence[tuple[int, int, int]],
    asked: Asked,
    patience: Patience,
    properties: int,
    change: Callable[[int, int, int], Pixels],
) -> dict[str, NDArray[Any]]:
    """Ask about all changed photos of a block, then about the next, without the properties that are given up.

    Args:
        blocks: result of `in_turns`.
        labels: (N,) class indices of the photos.
        lent: (property, photo, donor) of each changed photo.
        asked: what asks the model.
        patience: what gives up.
        properties: number of properties.
        change: (property, photo, donor) -> the changed photo.

    Returns:
        "stopped" and "planned", see `measure.exchange`.
    """
    of_photo: dict[tuple[int, int], list[int]] = {}
    for number, photo, donor in lent:
        of_photo.setdefault((number, photo), []).append(donor)
    left = np.zeros((properties, patience.classes), np.intp)
    gets: dict[tuple[int, int], set[int]] = {}
    for (number, photo), donors in of_photo.items():
        gets[number, photo] = {int(labels[donor]) for donor in donors} - {int(labels[photo])}
        for label in gets[number, photo]:
            left[number, label] += 1
    planned, stopped = left.copy(), np.zeros(properties, bool)
    for place, block in enumerate(blocks):
        for number in np.flatnonzero(~stopped).tolist():
            for photo in block:
                for donor in of_photo.get((number, photo), ()):
                    asked.ask(number, photo, donor, change(number, photo, donor))
                for label in gets.get((number, photo), ()):
                    left[number, label] -= 1
        if place + 1 == len(blocks):
            break
        table = pd.DataFrame(asked.seen())
        table = table.assign(arm=np.where(table["label"] == table["donor_label"], "same", "other"))
        for number in np.flatnonzero(~stopped).tolist():
            part = table[table["property"] == number]
            lost = part.loc[part["predicted"] == NO_CLASS, "photo"]
            stopped[number] = patience.ends(part[~part["photo"].isin(lost)], left[number])
    spared = sum(len(donors) for (number, photo), donors in of_photo.items() if stopped[number])
    done = int(np.isin(asked.seen()["property"], np.flatnonzero(stopped)).sum())
    asked.advance(spared - done)
    return {"stopped": stopped, "planned": planned}
