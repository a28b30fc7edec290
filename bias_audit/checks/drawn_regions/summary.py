"""Making of the table `hypotheses`: regions that reviewers drew and had tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bias_audit import stats
from bias_audit.run.tables import table


def regions_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table `hypotheses`; p_fdr is p_paste after Benjamini-Hochberg over all regions tested.

    Args:
        rows: one per tested region, the latest last: column name -> value, as in `columns.HYPOTHESES`.
    """
    made = table("hypotheses", rows)
    return made.assign(p_fdr=stats.benjamini_hochberg(made["p_paste"].to_numpy(float)))
