"""Composites that were written as pictures and predicted elsewhere, in the place of those that an audit makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bias_audit.checks.background import composites as arms
from bias_audit.checks.background.composites import Composite, Name, Pixels
from bias_audit.config import NO_FILL
from bias_audit.data.dataset import Dataset
from bias_audit.data.manifest import BLACK, MANIFEST, ORIGINAL, Picture
from bias_audit.data.pictures import decode
from bias_audit.errors import DataError
from bias_audit.heatmaps.given import Results
from bias_audit.interventions.donors import Plan
from bias_audit.interventions.edits import BACKDROPS, FILLS
from bias_audit.models.base import Array
from bias_audit.run.statuses import DONE, NO_COMPOSITES, NOT_SAMPLED, OK

AT_ONCE = 256
"""Composites that are answered at once."""

ARMS = (
    arms.SAME, arms.OTHER, arms.NEXT, arms.GROWN_SAME, arms.GROWN_OTHER, arms.SCENE, arms.BACKGROUND, arms.FOREGROUND,
    arms.CONTROL, arms.NOISY_OBJECT, arms.NOISY_BACKGROUND,
)  # fmt: skip
"""Arms that need no heatmap, so that they can be made before anything is predicted."""


@dataclasses.dataclass(frozen=True)
class Predicted:
    """Composites with predictions of elsewhere.

    Attributes:
        results: the predictions, and the folder of the composites.
        whole: the data set, with real scenes behind its photos.
        todo: the plan of the audit, with the photos of which there are composites.
        named: class index -> (image id, name) of each composite.
    """

    results: Results
    whole: Dataset
    todo: Plan
    named: Mapping[int, Sequence[tuple[str, Name]]]

    @classmethod
    def of(cls, results: Results, whole: Dataset, todo: Plan, records: Sequence[Mapping[str, Any]]) -> Predicted:
        """Find the composites of the photos that have a prediction.

        Args:
            results: the predictions, and the folder of the composites.
            whole: as in the attribute.
            todo: the plan that an audit with a model would follow.
            records: records of the photos, by position.

        Raises:
            DataError: the manifest names a photo, a scene or a kind of picture that there is not.
        """
        if results.composites is None:
            status = {position: NO_COMPOSITES if each == DONE else each for position, each in todo.status.items()}
            return cls(results, whole, dataclasses.replace(todo, photos={}, status=status), {})
        named = _named(results.composites.pictures, whole, len(records), str(results.composites.folder / MANIFEST))
        there = {label: [each for each in rows if records[each[1][0]]["status"] == OK] for label, rows in named.items()}
        photos = {label: tuple(dict.fromkeys(name[0] for _, name in rows)) for label, rows in there.items()}
        status = {position: NOT_SAMPLED if each == DONE else each for position, each in todo.status.items()}
        status.update(dict.fromkeys((position for part in photos.values() for position in part), DONE))
        return cls(results, whole, dataclasses.replace(todo, photos=photos, status=status), there)

    def count(self) -> int:
        """Number of composites."""
        return sum(map(len, self.named.values()))

    def blank(self) -> Array:
        """(K,) log-odds of the black picture; NaN where it was not predicted."""
        return np.asarray(self.results.answers.of([f"{BLACK}.png"]).log_odds[0], np.float32)

    def composites(self, label: int, keep: Callable[[int, str, int, Pixels], None]) -> Iterator[list[Composite]]:
        """The composites of one class with their predictions; for `keep` see `composites.predict_composites`."""
        rows, seen = self.named[label], set[tuple[int, str]]()
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            for image_id, (position, arm, fill, donor) in part:
                shown = arms.shown_first(position, arm, fill, seen)
                if shown and (pixels := self._pixels(image_id)) is not None:
                    keep(position, arm, donor, pixels)
            predictions = self.results.answers.of([image_id for image_id, _ in part])
            yield arms.with_predictions(self.whole, label, [name for _, name in part], predictions)

    def _pixels(self, image_id: str) -> Pixels | None:
        """The picture itself, which the report shows and no number needs; None where it is gone."""
        assert self.results.composites is not None
        pixels, _ = decode(self.results.composites.folder / image_id, 3)
        return None if pixels is None else np.asarray(pixels, np.float32)


def _named(
    pictures: Sequence[Picture], whole: Dataset, photos: int, manifest: str
) -> dict[int, list[tuple[str, Name]]]:
    """Class index -> (image id, name) of each composite of a manifest."""
    places = {sample.image_id: position for position, sample in enumerate(whole.samples[:photos])}
    scenes = {sample.image_id: position for position, sample in enumerate(whole.samples) if position >= photos}
    named: dict[int, list[tuple[str, Name]]] = {}
    for row, each in enumerate(pictures, start=2):
        if each.set in (ORIGINAL, BLACK):
            continue
        position, there = places.get(each.source), scenes if each.fill == NO_FILL else places
        donor = there.get(each.donor) if each.donor else -1
        if position is None or donor is None:
            other, kind = (each.source, "photo") if position is None else (each.donor, "photo or scene")
            raise DataError(
                f"{manifest!r} row {row}: there is no {kind} {other!r} in this audit",
                "Give the audit the data, and the --backgrounds, that the composites were made of.",
            )
        if each.set not in ARMS or (each.fill not in (*FILLS, *BACKDROPS, NO_FILL, "")):
            raise DataError(f"{manifest!r} row {row}: {each.set!r} with {each.fill!r} is no kind of composite")
        named.setdefault(whole.samples[position].label, []).append(
            (each.image_id, (position, each.set, each.fill, donor))
        )
    return named
