"""The columns of reliance that the check adds to the shared tables, made from the composites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.background import composites as arms
from bias_audit.checks.background.class_effects import Elsewhere, class_effects, cue_effect
from bias_audit.checks.background.columns import OF_CLASSES
from bias_audit.checks.background.crossed import crossed_gap_p
from bias_audit.checks.background.enough import mark_filled, mark_too_few
from bias_audit.checks.background.measure import Interventions
from bias_audit.checks.background.needs import Screening, missing_of_classes, tells_pulls
from bias_audit.checks.background.pulls import (
    Attraction,
    Contrasts,
    attraction,
    fair_contrasts,
    gap_matrix,
    largest_pulls,
)
from bias_audit.checks.background.shown import Example
from bias_audit.checks.background.strongest import gap_without_strongest, without_strongest
from bias_audit.checks.base import Photos
from bias_audit.checks.levels import class_levels
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.reasons import SHORT, STOPPED
from bias_audit.checks.within_class import outlier_p_within, robust_z_within
from bias_audit.run.statuses import DONE, DONE_BEFORE
from bias_audit.run.tables import frame

CORRECTED = (
    ("p_fdr", "p_gap"), ("p_attract_fdr", "p_attract"), ("p_cue_removal_fdr", "p_cue_removal"),
    ("p_cue_lent_fdr", "p_cue_lent"),
)  # fmt: skip
"""Pairs (corrected, p): name of the column after Benjamini-Hochberg over classes, and of the column it corrects."""


def of_images(made: Interventions, photos: Photos) -> pd.DataFrame:
    """The columns OF_IMAGES; the status of a photo says so where its mask has changed since its composites were made.

    Args:
        made: the composites and their columns.
        photos: input of the tables.
    """
    table = made.photos.set_axis(photos.images.index)
    status = table["intervention_status"].to_numpy(object, copy=True)
    for position in photos.remasked:
        if status[position] == DONE:
            status[position] = DONE_BEFORE
    return table.assign(intervention_status=pd.Series(status, index=table.index, dtype="str"))


def compared(images: pd.DataFrame) -> pd.DataFrame:
    """The columns COMPARED: swap_log_odds against the class (robust z, p), and the rank of the photo by reliance.

    Args:
        images: the images table with the columns OF_IMAGES.
    """
    return pd.DataFrame(
        {
            "swap_robust_z": robust_z_within(images["swap_log_odds"], images["label"]),
            "swap_outlier_p": outlier_p_within(images["swap_log_odds"], images["label"]),
            "reliance_rank": _rank_by_reliance(images.reset_index()).array,
        },
        index=images.index,
    )


def _rank_by_reliance(images: pd.DataFrame) -> pd.Series:
    """Rank of each photo by reliance, 1 = most: by rests_on_background, then background_gap, then swap_log_odds."""
    known = images[images["background_gap"].notna()]
    order = known.assign(resting=known["rests_on_background"].fillna(False).astype(bool)).sort_values(
        ["resting", "background_gap", "swap_log_odds"], ascending=False, kind="stable"
    )
    return pd.Series(np.arange(1, len(order) + 1), index=order.index, dtype="Int64").reindex(images.index)


def of_classes(
    composites: pd.DataFrame, photos: Photos, screened: Mapping[str, Screening] | None = None
) -> pd.DataFrame:
    """The columns OF_CLASSES: rates and effects of each class, with intervals and tests.

    A class of which the test was stopped has p_gap = 1: what its first photos say convicts nobody, and makes no other
    class easier to convict. So has one in a correction over classes to whose question it got no composites.

    Args:
        composites: one row per `composites.Composite`, with its photo's label (class indices).
        photos: input of the tables, with the complete table of the images.
        screened: class name -> how far it was tested; a class that is not there got everything. None = all did.
    """
    screened = screened or {}
    images, groups, least = photos.images, photos.groups, photos.thresholds.min_photos
    draws = stats.draws_for(len(photos.class_names), rate=photos.thresholds.fdr)
    codes = _codes(photos)
    compared, pull = _pulls(composites, photos, arms.OTHER, draws)
    _, grown = _pulls(composites, photos, arms.GROWN_OTHER, draws)
    rest = without_strongest(composites)
    weaker = None if rest is None else _pulls(rest, photos, arms.OTHER, draws)[1]
    matrix = gap_matrix(compared, photos.class_names, seed=photos.seed, groups=codes)
    largest = largest_pulls(matrix, rate=photos.thresholds.fdr)
    missing = missing_of_classes(photos.class_names, screened)
    by_label = composites.groupby("label")
    rest_of = {} if rest is None else rest.groupby("label").indices
    elsewhere = {fill: Elsewhere(images, fill, min_photos=least) for fill in ("", "_second_fill")}
    lent_of = images.groupby("cue_lent_class").indices
    rows = []
    lent_scenes = composites[composites["donor"] >= len(images)]  # scenes come after the photos
    scenes = lent_scenes.groupby("donor_label")["donor"].nunique()
    for index, name in enumerate(photos.class_names):
        own = photos.of_class(name)
        short = name in screened and screened[name].code in SHORT
        row: dict[str, Any] = class_effects(own, least, photos.seed, groups, draws=draws, short=short)
        row["n_scenes"] = int(scenes.get(index, 0))
        if name in screened:
            row["screening"], row["n_planned"] = screened[name].code, screened[name].planned
        if "p_sign_flip" in row:
            crossed = crossed_gap_p(by_label.get_group(index), codes)
            row["p_gap"] = np.fmax(row["p_sign_flip"], crossed) if row.get("screening") != STOPPED else 1.0
        row["attract"], row["p_attract"] = pull.attract[index], pull.p[index]
        row["attract_low"], row["attract_high"] = pull.low[index], pull.high[index]
        row["attract_grown_holes"], row["attract_grown_holes_low"] = grown.attract[index], grown.low[index]
        own_rest = None if rest is None else rest.iloc[rest_of.get(index, [])]
        row.update(gap_without_strongest(own_rest, index, codes))
        if weaker is not None:
            row["attract_without_strongest"] = weaker.attract[index]
            row["attract_without_strongest_low"] = weaker.low[index]
        row.update(largest.get(name, {}))
        for fill, rates in elsewhere.items():
            row[f"background_only_elsewhere{fill}"] = rates.of(name)
        lent = images["cue_lent_effect"].iloc[lent_of.get(name, [])].dropna()
        row.update(cue_effect("cue_lent", lent, groups, min_photos=least, seed=photos.seed, draws=draws))
        rows.append({column: value for column, value in row.items() if column not in missing[name]})
    table = frame(OF_CLASSES, rows)
    for corrected, p in CORRECTED:
        unasked = np.array([p in missing[name] for name in photos.class_names], bool)
        values = np.where(unasked, 1.0, table[p].to_numpy(float))
        table[corrected] = np.where(unasked, np.nan, stats.benjamini_hochberg(values))
    table["background_gap_shrunken"] = _shrunken_gaps(images, table, photos.class_names)
    marked = mark_too_few(table, least=least, rate=photos.thresholds.fdr, draws=draws, grouped=groups is not None)
    return mark_filled(marked, photos.thresholds)


def _pulls(composites: pd.DataFrame, photos: Photos, arm: str, draws: int) -> tuple[Contrasts, Attraction]:
    """The contrasts on one arm's backgrounds of other classes, and the pull of each class that they show."""
    found = _contrasts(composites, photos, arm)
    return found, attraction(found, len(photos.class_names), seed=photos.seed, groups=_codes(photos), draws=draws)


def _contrasts(composites: pd.DataFrame, photos: Photos, arm: str) -> Contrasts:
    return fair_contrasts(composites, len(photos.class_names), strong=photos.thresholds.min_pull, arm=arm)


def _codes(photos: Photos) -> NDArray[np.intp] | None:
    """Group code by sample position; None = every photo is a group of its own."""
    return None if photos.groups is None else photos.groups.to_numpy(np.intp)


def _shrunken_gaps(images: pd.DataFrame, classes: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """Background gap of each class shrunk towards the mean gap, more so with fewer photos; classes are ranked by it."""
    spread = images.groupby("label")["background_gap"].var(ddof=1).reindex(list(names))
    return stats.shrink_means(
        classes["background_gap"].to_numpy(float), spread.to_numpy(float), classes["n_interventions"].to_numpy(float)
    )


def gaps_between(
    composites: pd.DataFrame, photos: Photos, screened: Mapping[str, Screening] | None = None
) -> pd.DataFrame:
    """The table `gap_matrix`; without rows where no class was suspected: no pull was measured then.

    Args:
        composites, screened: as of `of_classes`.
        photos: input of the tables.
    """
    compared = _contrasts(composites if tells_pulls(screened or {}) else composites.iloc[:0], photos, arms.OTHER)
    return gap_matrix(compared, photos.class_names, seed=photos.seed, groups=_codes(photos))


def to_show(examples: Mapping[str, list[Example]], outcomes: Sequence[RuleOutcome]) -> dict[str, list[Example]]:
    """Example composites of the classes with a finding; of the first two classes where no class has one.

    Args:
        examples: class name -> its example composites.
        outcomes: outcomes of all rules.
    """
    flagged = class_levels([outcome for outcome in outcomes if outcome.found])
    return {name: rows for name, rows in examples.items() if name in flagged} or dict(list(examples.items())[:2])
