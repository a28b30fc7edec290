"""Finds the images that two runs have in common."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

PAIRED_FROM = 0.5
"""Share of the smaller run's images that the other run must have for a paired comparison.

With fewer images in common the runs are compared as two samples.
"""


@dataclass(frozen=True)
class Pairs:
    """The images that both runs have, row by row.

    Attributes:
        old, new: rows of the two images tables in the same order, numbered 0..n-1, with `image_id` as a column.
        images: number of images in the old and in the new run.
        by_content: how many images were matched by their content; the others were matched by image_id.
        relabelled: number of matched images whose label differs. They are in neither table, since their correct answer
            changed.
        enough: whether so many images are in both runs (PAIRED_FROM) that the comparison is paired.
    """

    old: pd.DataFrame
    new: pd.DataFrame
    images: tuple[int, int]
    by_content: int
    relabelled: int
    enough: bool

    def __len__(self) -> int:
        return len(self.new)


def pair_images(old: pd.DataFrame, new: pd.DataFrame) -> Pairs:
    """Match the images of two runs.

    Images match by content and name first, then by content alone. Where one of the runs stored no contents, the rest
    match by name alone.

    Args:
        old, new: images tables, index `image_id`.
    """
    first, second = _listed(old), _listed(new)
    known = all(any(content for content, _ in rows) for rows in (first, second))
    places: list[tuple[int, int]] = []
    _match(first, second, lambda row: row if row[0] else None, places)
    _match(first, second, lambda row: row[0] or None, places)
    by_content = len(places)
    if not known:  # with contents known, equal names with other contents are different images
        _match(first, second, lambda row: row[1], places)
    places.sort(key=lambda pair: pair[1])
    one = old.reset_index().iloc[[before for before, _ in places]].reset_index(drop=True)
    two = new.reset_index().iloc[[now for _, now in places]].reset_index(drop=True)
    same_label = (one["label"] == two["label"]).to_numpy(bool)
    smaller = min(len(old), len(new))
    return Pairs(
        one[same_label].reset_index(drop=True),
        two[same_label].reset_index(drop=True),
        (len(old), len(new)),
        by_content,
        int((~same_label).sum()),
        smaller > 0 and len(places) >= PAIRED_FROM * smaller,
    )


Row = tuple[str, str]
"""(content hash or "", image_id) of an image."""


def _match(old: list[Row], new: list[Row], key: Callable[[Row], object], places: list[tuple[int, int]]) -> None:
    """Add pairs of rows with equal key to `places`, one to one in table order; a row whose key is None has no pair."""
    taken_old, taken_new = ({pair[side] for pair in places} for side in (0, 1))
    free: dict[object, deque[int]] = {}
    for place, row in enumerate(old):
        if place not in taken_old and (found := key(row)) is not None:
            free.setdefault(found, deque()).append(place)
    for place, row in enumerate(new):
        if place not in taken_new and (found := key(row)) is not None and (same := free.get(found)):
            places.append((same.popleft(), place))


def _listed(images: pd.DataFrame) -> list[Row]:
    return [(str(content or ""), str(name)) for content, name in zip(images["content"], images.index, strict=True)]
