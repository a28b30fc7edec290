"""Which classes the test of the background gap cannot judge: they have too few photos, or no background to exchange.

A test over few photos cannot give a small p, and the more classes are tested, the smaller it must be: ten photos that
all change sides have .002, which passes the correction over 25 classes and no longer over 26. Such a class must not be
called passed (docs/science.md#minimum-numbers). Nor must one
whose objects fill the picture (docs/science.md#interventions).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bias_audit import stats
from bias_audit.checks.outcomes import as_float
from bias_audit.checks.reasons import FEW, FILLS_FRAME, NOT_TESTED, OK, TOO_FEW, TOO_FEW_GROUPS
from bias_audit.checks.reliance import relies
from bias_audit.config import Thresholds


def mark_too_few(table: pd.DataFrame, *, least: int, rate: float, draws: int, grouped: bool) -> pd.DataFrame:
    """The class table, with the reason of every class that has too few photos, and how many are needed.

    A class that was tested and not rejected has too few where the correction would not have rejected it either with the
    smallest p that its photos allow, the p-values of the other classes being as they are. Of those that have too few
    themselves p counts as 1: Benjamini-Hochberg lets two classes pass together of which neither could alone, and a
    class that cannot be judged must not be what acquits the others.

    Args:
        table: the columns `columns.OF_CLASSES`; "p_gap", its correction "p_fdr", "n_units" and the reasons are
            read.
        least: photos (or groups) that any test needs.
        rate: bound of the corrected p.
        draws: most sign patterns of a test, see `stats.draws_for`.
        grouped: the units are groups of photos.

    Returns:
        the table with "n_needed", one number for all classes that have too few: with so many photos each could be
        convicted, if all of them were tested. Their "reliance_reason" names it.
    """
    p = table["p_gap"].to_numpy(float)
    units = table["n_units"].fillna(0).to_numpy(int)
    few = table["reliance_reason_code"].isin(FEW).to_numpy(bool, copy=True)
    passed = (table["reliance_reason_code"] == OK).to_numpy() & (table["p_fdr"].to_numpy(float) > rate)
    smallest = np.array([stats.least_sign_flip_p(int(count), draws) for count in units])
    known = -1
    while few.sum() > known:
        known = int(few.sum())
        others = np.where(few & ~np.isnan(p), 1.0, p)
        few |= passed & (smallest > stats.rejection_bounds(others, rate))
    places = np.flatnonzero(few)
    # Were all of them tested, there would be more tests to correct for; what they would show is not known.
    if_tested = np.where(few, 1.0, p)
    wanted = needed(float(stats.rejection_bounds(if_tested, rate)[places[0]]), least, draws) if len(places) else 0
    unit, code = ("groups of photos", TOO_FEW_GROUPS) if grouped else ("photos", TOO_FEW)
    over = f" that is corrected over {int((~np.isnan(if_tested)).sum())} classes" if wanted > least else ""
    lacking = few & (units < wanted)
    marked = table.copy()
    marked.loc[lacking, "n_needed"] = wanted
    marked.loc[lacking, "reliance_reason_code"] = code
    marked.loc[lacking, "reliance_reason"] = [
        f"only {count} {unit}, {wanted} needed for a test{over}" for count in units[lacking]
    ]
    beyond = few & ~lacking  # a rate so low that the random patterns are too few for it
    marked.loc[beyond, "reliance_reason_code"] = NOT_TESTED
    marked.loc[beyond, "reliance_reason"] = [
        f"no p of a test of {count} {unit} can reach {rate:g} after the correction" for count in units[beyond]
    ]
    return marked


def mark_filled(table: pd.DataFrame, bounds: Thresholds) -> pd.DataFrame:
    """The class table, with the reason of every class whose object fills the picture.

    That is a class of whose photos with a usable mask most show nothing but the object (`interventions.donors.plan`).
    What the few others lose can convict it, but acquits nobody: most of the class was not tested.

    Args:
        table: the columns `columns.OF_CLASSES`, with the reasons of `mark_too_few`.
        bounds: thresholds of the rules.
    """
    marked = table.copy()
    for place, row in table.iterrows():
        filled, outlined = as_float(row["n_fills_frame"], 0), as_float(row["n_outlined"], 0)
        if filled > outlined / 2 and not relies(row, bounds):
            marked.loc[place, "reliance_reason_code"] = FILLS_FRAME
            marked.loc[place, "reliance_reason"] = (
                f"the object fills the picture in {int(filled)} of {int(outlined)} photos with a mask"
            )
    return marked


def needed(bound: float, least: int, draws: int) -> int:
    """Smallest number of photos, at least `least`, whose smallest p is at most `bound`.

    Where none is, since random patterns are too few for the bound, it is the first that is tested by these.
    """
    exact = range(least, max(least, stats.EXACT_SIGN_FLIPS) + 2)
    return next((n for n in exact if stats.least_sign_flip_p(n, draws) <= bound), exact[-1])
