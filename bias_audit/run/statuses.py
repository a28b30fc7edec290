"""Statuses of an image, its mask, its attention scores and its composites: what tables hold, and what code compares."""

from __future__ import annotations

from collections.abc import Sequence

OK = "ok"

# Of an image.
UNREADABLE = "unreadable"
SKIPPED = "skipped"
CHANGED = "changed during the audit"
"""The file of an image or of its mask is not the one that was read first; also of composites that it cost."""
INVALID_PREDICTION = "invalid prediction"
"""The model's outputs for it, or for a composite of it, are not finite: there is no predicted class."""
NOT_FINITE_OUTPUTS = "the model gives NaN or infinite outputs for it"
"""The reason in words of INVALID_PREDICTION."""
NO_ROW = "the table of predictions has no row for it"
"""The same, where predictions were given and no model."""

# Of a prediction.
GIVEN = "given predictions"
"""In the place of the kind of a model's head, where predictions were given and no model (`RunInfo.head`)."""
NONE_OF_THESE = "none of these"
"""What a model predicts where a single output outside the class map is at least as probable as every class.

It is a prediction like any other, and wrong for every photo. In arrays of class indices it is K, the number of classes.
"""

# Of a mask.
NO_MASK = "no mask"
MASK_UNREADABLE = "mask unreadable"
MASK_TOO_LARGE = "mask beyond the limit pixels (--limit pixels=NUMBER)"
WRONG_SIZE = "mask has the wrong size"
COLOURED = "mask is a colour picture"
EMPTY = "mask without foreground"
EMPTY_ESTIMATE = "estimated mask without foreground"
FULL_ESTIMATE = "estimated mask without background"

# Of attention scores.
NO_MAPS = "no maps"
"""There is no heatmap of the image: nothing that was audited makes any, or none was given."""
NOT_FINITE = "map is not finite"
EMPTY_MAP = "no positive evidence in the map"
NO_FOREGROUND = "object outside the picture's crop"
NO_BACKGROUND = "no background in the picture"
TOO_SMALL_FOR_GRID = "object too small for this grid"
FILLS_FRAME = "object fills the frame"
NO_EVIDENCE = "no positive evidence for the labelled class"

# Of composites; an object that fills the frame has none either.
DONE = "done"
DONE_BEFORE = "done with the mask of before"
"""Status after a rescoring with other masks: the composites are still those of the masks before.

Rescoring runs without the model, so it makes no new composites.
"""
NOT_SAMPLED = "not sampled"
SCREENED = "screened"
"""Not made, since the photos of the class that were tested before told enough (docs/science.md#stages)."""
NOT_OUTLINED = "not outlined"
"""No mask was estimated for the image, since enough others of its class have one (`pipeline.outlines`)."""
NO_USABLE_MASK = "no usable mask"
TOO_SMALL_TO_PASTE = "object too small to paste"
NO_DONORS = "no donor backgrounds"
SWITCHED_OFF = "switched off"
NO_COMPOSITES = "no composites given"
"""Predictions were given and no model, and none of them are of composites."""


def predictions_of(class_names: Sequence[str]) -> tuple[str, ...]:
    """Names of all that can be predicted, by index: the K classes in their order, and at K NONE_OF_THESE."""
    return (*class_names, NONE_OF_THESE)


def indices_of(class_names: Sequence[str]) -> dict[str, int]:
    """Name of a prediction -> its index, as in `predictions_of`; a class that is itself called so keeps its own."""
    return {NONE_OF_THESE: len(class_names), **{name: index for index, name in enumerate(class_names)}}
