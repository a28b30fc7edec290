"""The columns of every table: type, unit, range, which way is worse, and what they mean.

One source for validation on load, the data dictionary in the report, and which number the gate may judge.
"""

from __future__ import annotations

from bias_audit.checks.drawn_regions.columns import HYPOTHESES
from bias_audit.checks.recurring_cues.columns import CLUSTER_SPOTS, CLUSTERS
from bias_audit.checks.registry import CHECKS
from bias_audit.checks.slices.columns import SLICES
from bias_audit.run.columns import Column as Column
from bias_audit.run.schema.classes import CLASSES, CONFUSION, GAP_MATRIX
from bias_audit.run.schema.images import IMAGES, STRANGERS

__all__ = ["INDEX", "TABLES", "Column"]

TABLES: dict[str, tuple[Column, ...]] = {
    "images": IMAGES,
    "classes": CLASSES,
    "confusion": CONFUSION,
    "gap_matrix": GAP_MATRIX,
    "slices": SLICES,
    "strangers": STRANGERS,
    "clusters": CLUSTERS,
    "cluster_spots": CLUSTER_SPOTS,
    **{name: tuple(columns) for check in CHECKS for name, columns in check.tables.items()},
    "hypotheses": HYPOTHESES,
}
INDEX: dict[str, str] = {
    "images": "image_id",
    "classes": "class_name",
    "strangers": "image_id",
    "clusters": "cluster_id",
    "hypotheses": "hypothesis_id",
}
