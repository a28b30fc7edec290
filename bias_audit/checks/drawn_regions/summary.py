"""The table of regions that reviewers drew and had tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bias_audit import stats
from bias_audit.run.tables import table


def regions_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per region that a reviewer had tested, the latest last; p corrected over all of them."""
    made = table("hypotheses", rows)
    return made.assign(p_fdr=stats.benjamini_hochberg(made["p_paste"].to_numpy(float)))
