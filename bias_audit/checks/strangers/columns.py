"""Columns of the table `strangers`: predictions for pictures that belong to none of the model's classes."""

from __future__ import annotations

from bias_audit.run.columns import Column
from bias_audit.run.core_columns import IMAGES

_MASKLESS = ("negative_share", "padding_share", "map_entropy", "border_share", "centre_share")
"""Scores of a heatmap that need no mask; the table of strangers has those that the images table has, too."""

STRANGERS: tuple[Column, ...] = (
    Column("image_id", "string", "path relative to the folder of strangers, with / (index)", index=True),
    Column("group", "string", "kind of stranger: its sub-folder, or the folder of strangers itself"),
    Column("status", "string", "ok, or why the picture was not read"),
    Column("status_reason", "string", "what was wrong with the file, in words"),
    Column("predicted", "string", "class that the model takes it for, or none of these"),
    Column("probability", "float", "probability of that prediction, 0..1"),
    Column("second", "string", "class with the second highest probability"),
    Column("second_probability", "float", "its probability, 0..1"),
    *(column for column in IMAGES if column.name == "log_odds"),
    *(column for column in IMAGES if column.name in _MASKLESS),
)
"""Columns of the table: one row per picture."""
