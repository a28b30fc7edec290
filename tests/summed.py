"""Tables of a run from records of its images, as an audit makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bias_audit.checks.background.columns import OF_IMAGES
from bias_audit.checks.background.composites import Composite
from bias_audit.checks.background.measure import Interventions
from bias_audit.checks.background.photo_effects import intervention_columns
from bias_audit.checks.base import Measured
from bias_audit.checks.registry import CHECKS
from bias_audit.config import Thresholds
from bias_audit.pipeline.summaries import summarise
from bias_audit.run.tables import frame

NO_COMPOSITES = pd.DataFrame(columns=[*Composite.__dataclass_fields__, "label"])


def summed(
    records: Sequence[Mapping[str, Any]],
    composites: pd.DataFrame = NO_COMPOSITES,
    names: Sequence[str] = (),
    *,
    user: Mapping[str, Sequence[Any]] | None = None,
    groups: Any = None,
    ties: Any = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of the images and of the classes.

    Args:
        records: column -> value per image, those of the composites as well, see `with_interventions`.
        composites: one row per composite, and `label` of its photo.
        names: of the classes.
        user: the user's own columns.
        groups: (n,) group codes of the images.
        ties: class name -> permutation test of its maps.
    """
    photos = frame(OF_IMAGES, records)
    measured = {check.name: Measured() for check in CHECKS}
    measured["background"] = Measured(own=lambda: Interventions(composites, {}, photos))
    codes = None if groups is None else np.asarray(groups)
    made, classes = summarise(
        records, user or {}, names, measured, Thresholds(min_photos=10), 0, groups=codes, ties=ties
    )
    return made.images, classes


def images_table(records: Sequence[Mapping[str, Any]], user: Mapping[str, Sequence[Any]] | None = None) -> pd.DataFrame:
    """The table of images whose records hold all their columns."""
    return summed(records, user=user)[0]


def with_interventions(
    records: Sequence[Mapping[str, Any]], composites: pd.DataFrame, names: Sequence[str], blank: Any
) -> list[dict[str, Any]]:
    """The records with the columns that composites give them, None where there is nothing; see `photo_effects`."""
    status = [str(record.get("intervention_status") or "") for record in records]
    made = intervention_columns(records, status, composites, names, blank).astype(object)
    rows = made.where(made.notna(), None).to_dict("records")
    return [{**record, **row} for record, row in zip(records, rows, strict=True)]
