"""Composites and emptied donors of a class that are kept as pictures for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bias_audit.checks.background import composites
from bias_audit.checks.examples import in_proportion
from bias_audit.config import FIRST_FILL, SECOND_FILL
from bias_audit.data.dataset import Dataset
from bias_audit.report import pictures
from bias_audit.run.statuses import predictions_of

Example = dict[str, Any]
"""A composite kept for the report, as an entry of pictures.json."""

EXAMPLES, SHOWN_AT_ONCE = 6, 3
"""Photos per class whose composites are kept for the report, and how many of them the page shows with a finding."""

EMPTIED = 3
"""Emptied donors per class that are kept for the report: those that look most like their class to the model."""


class Kept:
    """The pictures of a class from which those of the report are chosen.

    Attributes:
        pictures: (position of the photo, arm) -> (position of the donor or -1, the encoded picture).
    """

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self.pictures: dict[tuple[int, str], tuple[int, Any]] = {}

    def __call__(self, photo: int, arm: str, donor: int, pixels: composites.Pixels) -> None:
        """Keep the picture of an arm; see `composites.predict_composites`."""
        self.pictures[photo, arm] = donor, pictures.encode_picture(pixels)


def examples(
    dataset: Dataset,
    label: int,
    made: Sequence[composites.Composite],
    kept: Mapping[tuple[int, str], tuple[int, Any]],
    *,
    scenes_from: int,
) -> list[Example]:
    """Example composites of a few photos for the report, with the counts of all composites of the same kind.

    The photos are chosen so that the share recognised among them is near that of all composites.
    """
    first: dict[tuple[int, str], composites.Composite] = {}
    for composite in made:
        name = composite.photo, composite.arm
        if composite.fill != SECOND_FILL and kept.get(name, (None,))[0] == composite.donor:
            first.setdefault(name, composite)
    fills = {arm: composite.fill for (_, arm), composite in first.items()}
    counts = {arm: [0, 0] for arm in composites.SHOWN if arm in fills}
    for composite in made:
        if composite.arm in counts and composite.fill == fills[composite.arm]:
            counts[composite.arm][0] += composite.predicted == label
            counts[composite.arm][1] += 1
    seen: dict[int, dict[str, bool]] = {}
    for (photo, arm), composite in first.items():
        seen.setdefault(photo, {})[arm] = composite.predicted == label
    rates = {arm: right / total for arm, (right, total) in counts.items()}
    chosen = in_proportion(seen, rates, SHOWN_AT_ONCE, rounds=EXAMPLES // SHOWN_AT_ONCE)
    return [
        {
            "image_id": dataset.samples[photo].image_id,
            "donor_id": dataset.samples[donor].image_id if donor >= 0 else None,
            "donor_label": dataset.class_names[dataset.samples[donor].label] if donor >= 0 else None,
            "arm": arm,
            "scene": donor >= scenes_from,
            "predicted": predictions_of(dataset.class_names)[first[photo, arm].predicted],
            "probability": first[photo, arm].probability_predicted,
            "arm_recognised": counts[arm][0],
            "arm_total": counts[arm][1],
            **picture,
        }
        for photo in chosen
        for (owner, arm), (donor, picture) in kept.items()
        if owner == photo and (photo, arm) in first
    ]


def emptied(
    dataset: Dataset,
    made: Sequence[composites.Composite],
    kept: Mapping[tuple[int, str], tuple[int, Any]],
    lent: Sequence[int],
) -> list[Example]:
    """The donors that the model is surest of with their object removed, first fill: a part of it may be left there."""
    shown = [
        composite
        for composite in made
        if (composite.arm, composite.fill) == (composites.BACKGROUND, FIRST_FILL)
        and composite.photo in set(lent)
        and (composite.photo, composite.arm) in kept
    ]
    return [
        {
            "image_id": dataset.samples[composite.photo].image_id,
            "probability": composite.probability,
            **kept[composite.photo, composite.arm][1],
        }
        for composite in sorted(shown, key=lambda composite: -composite.probability)[:EMPTIED]
    ]
