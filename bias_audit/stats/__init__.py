"""Confidence intervals, significance tests and effect sizes. The unit is the photo or its group, never the composite.

The functions take arrays and return floats or arrays; they know no classes or rules of the audit. A wrong shape or a
value outside its range is a mistake of the caller, so it raises ValueError and not one of the user's errors. SciPy is
imported only where it is needed: `scipy.stats` alone costs 1.3 s.
"""

from bias_audit.stats.association import auc, auc_interval, cramers_v, odds_ratio
from bias_audit.stats.bootstrap import mean_interval
from bias_audit.stats.columns import sign_flip_columns
from bias_audit.stats.correction import benjamini_hochberg, rejection_bounds
from bias_audit.stats.crossed import crossed_p
from bias_audit.stats.draws import ENOUGH_DRAWS, draws_for
from bias_audit.stats.effects import cliffs_delta
from bias_audit.stats.futility import futile, predictive_chance
from bias_audit.stats.groups import (
    ENOUGH_GROUPS,
    codes_of,
    count_units,
    effective_size,
    group_codes,
    group_means,
    totals,
)
from bias_audit.stats.intervals import median_interval, paired_difference_interval, rate_interval, wilson
from bias_audit.stats.outliers import ENOUGH_FOR_OUTLIERS, robust_z, upper_tail_p
from bias_audit.stats.paired import PairedEffect, paired_effect
from bias_audit.stats.power import POWER, rejection_chances, smallest_share
from bias_audit.stats.rest import greater_than_rest
from bias_audit.stats.shrinkage import shrink_means
from bias_audit.stats.strata import (
    Cells,
    Standardised,
    cliffs_delta_within,
    fisher_within,
    means_interval,
    permutation_within,
    rates_interval,
    standardise,
)
from bias_audit.stats.tests import (
    EXACT_SIGN_FLIPS,
    least_sign_flip_p,
    mann_whitney,
    mann_whitney_greater,
    mcnemar,
    sign_flip,
)

__all__ = [
    "ENOUGH_DRAWS",
    "ENOUGH_FOR_OUTLIERS",
    "ENOUGH_GROUPS",
    "EXACT_SIGN_FLIPS",
    "POWER",
    "Cells",
    "PairedEffect",
    "Standardised",
    "auc",
    "auc_interval",
    "benjamini_hochberg",
    "cliffs_delta",
    "cliffs_delta_within",
    "codes_of",
    "count_units",
    "cramers_v",
    "crossed_p",
    "draws_for",
    "effective_size",
    "fisher_within",
    "futile",
    "greater_than_rest",
    "group_codes",
    "group_means",
    "least_sign_flip_p",
    "mann_whitney",
    "mann_whitney_greater",
    "mcnemar",
    "mean_interval",
    "means_interval",
    "median_interval",
    "odds_ratio",
    "paired_difference_interval",
    "paired_effect",
    "permutation_within",
    "predictive_chance",
    "rate_interval",
    "rates_interval",
    "rejection_bounds",
    "rejection_chances",
    "robust_z",
    "shrink_means",
    "sign_flip",
    "sign_flip_columns",
    "smallest_share",
    "standardise",
    "totals",
    "upper_tail_p",
    "wilson",
]
