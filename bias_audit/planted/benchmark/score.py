"""Measures how well scores and verdicts tell biased classes from others; intervals resample whole models.

See docs/science.md#judging-the-auditor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit.planted.benchmark.accusations import by_rule, wrong
from bias_audit.planted.benchmark.catalogue import UNIT_REPORT_SEEDS
from bias_audit.planted.benchmark.grid import CUES, REPORT_SEEDS, SEPARATE, STRENGTHS, TWIN_KINDS
from bias_audit.planted.benchmark.rates import FLAGS, HIGH_RHO, Rate, Requirement, first, rates, requirements, triage
from bias_audit.planted.benchmark.truth import STRONG

Floats = NDArray[np.float64]

RESAMPLES = 500
"""Number of bootstrap samples of the models."""

ENOUGH_TPR = 0.8
"""Share of biased classes that must be found at a strength for the strength to count as detectable."""

P_VALUES = ("p_sign_flip", "p_log_odds", "p_mcnemar")
"""Columns of p-values whose distribution in clean worlds is compared with the uniform distribution."""


@dataclass(frozen=True)
class Score:
    """A score of a class, computed from columns of the units; a larger score is more suspicious.

    Attributes:
        title: title in the report.
        columns: columns of the units; the smallest value is the score.
        sign: -1 for columns that are small where a class is biased, else 1.
        baseline: whether the score is a baseline to compare with, not a part of the auditor.
    """

    title: str
    columns: tuple[str, ...]
    sign: int = 1
    baseline: bool = False

    def of(self, units: pd.DataFrame) -> Floats:
        """(N,) score of each of N units; NaN where it was not measured."""
        values = self.sign * units[list(self.columns)].astype(float).to_numpy()
        return np.asarray(values.min(axis=1), np.float64)


@dataclass(frozen=True)
class Scored:
    """Result of the benchmark.

    Attributes:
        seeds: the seeds of the cases.
        models: number of models.
        scores: one row per score: score, title, baseline, n, positives, auroc, auroc_low, auroc_high, ap, ap_low,
            ap_high (average precision), auroc_strong, spearman (with reliance).
        rules: name of a way to accuse of FLAGS -> name of a rate of `table.RATES` -> the rate.
        required: the figures that must be reached.
        findings: how many audits hold a finding of each rule and level, see `accusations.by_rule`.
        wrong: every accusation that is wrong, by whichever rule.
        first: "attract", "background_gap" and "verdict" -> how often the guilty class comes first by it.
        cases: one row per kind, cue and rho: models, accuracy, means over guilty classes (reliance, gap, attract),
            numbers of classes (planted, positives, found, named_first, others, flagged among the others, not_judged).
        detectable: cue -> smallest rho from which on TPR >= ENOUGH_TPR; None if there is none.
        calibration: one row per p-value: column, n, ks, p, at_05 (share of p <= .05) with its interval.
        missed, false_alarms: units that the verdict missed or convicted wrongly, worst first.
        seconds_per_1000: seconds of an audit per 1000 images, median over models.
        core_minutes: minutes that one core was busy to draw, train, ask and audit all models.
    """

    seeds: tuple[int, ...]
    models: int
    scores: pd.DataFrame
    rules: Mapping[str, Mapping[str, Rate]]
    required: tuple[Requirement, ...]
    findings: pd.DataFrame
    wrong: pd.DataFrame
    first: Mapping[str, Rate]
    cases: pd.DataFrame
    detectable: Mapping[str, float | None]
    calibration: pd.DataFrame
    missed: pd.DataFrame
    false_alarms: pd.DataFrame
    seconds_per_1000: float
    core_minutes: float

    @property
    def reportable(self) -> bool:
        """Whether all seeds are report seeds, on which no thresholds were chosen."""
        return set(self.seeds) <= set(REPORT_SEEDS) or set(self.seeds) <= set(UNIT_REPORT_SEEDS)


def score(units: pd.DataFrame, findings: pd.DataFrame, *, resamples: int = RESAMPLES) -> Scored:
    """Score the benchmark: rates of all rules, the verdict and baselines, AUROC of scores, calibration of p-values.

    Args:
        units, findings: tables of `units.read_units`.
        resamples: number of bootstrap samples of the models.
    """
    counted = units[~units["kind"].isin(SEPARATE)]
    rules = {name: rates(counted, flag) for name, flag in FLAGS.items() if flag.fits(counted)}
    firsts = first(counted)
    per_model = units.drop_duplicates("model")
    false = counted[counted["flagged"] & (counted["truth"] == "negative")]
    missed = counted[~counted["flagged"] & (counted["truth"] == "positive") & (counted["rho"] >= HIGH_RHO)]
    return Scored(
        seeds=tuple(sorted(int(seed) for seed in units["seed"].unique())),
        models=len(per_model),
        scores=_score_table(counted, resamples),
        rules=rules,
        required=tuple(requirements(rules, firsts, triage(units, findings))),
        findings=by_rule(units, findings),
        wrong=wrong(units, findings),
        first=firsts,
        cases=_cases(units),
        detectable={cue: _detectable(counted[counted["cue"] == cue]) for cue in CUES},
        calibration=_calibration(counted),
        missed=missed.sort_values("reliance", ascending=False, kind="stable"),
        false_alarms=false.sort_values("background_gap", ascending=False, kind="stable"),
        seconds_per_1000=float((1000 * per_model["seconds"] / per_model["n_test"]).median()),
        core_minutes=float(per_model["cpu_seconds"].sum() / 60),
    )


def auroc_and_ap(values: Floats, positive: NDArray[np.bool_]) -> tuple[float, float]:
    """(area under the ROC curve, average precision) of N classes; NaN where all or no classes are positive.

    Args:
        values: (N,) scores, larger = more suspicious.
        positive: (N,) whether a class is biased.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    if positive.all() or not positive.any():
        return math.nan, math.nan
    return float(roc_auc_score(positive, values)), float(average_precision_score(positive, values))


def weighted_auroc_and_ap(values: Floats, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """AUROC and average precision of R resamples at once; scikit-learn would take a minute for them.

    Args:
        values, positive: as in `auroc_and_ap`.
        weights: (R, N), how often each value was drawn in each resample.

    Returns:
        (R, 2) AUROC and average precision; NaN where all or no classes of a resample are positive.
    """
    levels, place = np.unique(-values, return_inverse=True)  # tied values count as one threshold
    hits, alarms = (np.zeros((len(weights), len(levels))) for _ in range(2))
    for total, chosen in ((hits, positive), (alarms, ~positive)):
        np.add.at(total.T, place[chosen], weights[:, chosen].T)
    above, wrong = hits.cumsum(axis=1), alarms.cumsum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        beaten = hits * (wrong[:, -1:] - wrong + alarms / 2)
        auroc = beaten.sum(axis=1) / (above[:, -1] * wrong[:, -1])
        precision = np.where(hits > 0, above / (above + wrong), 0)
        ap = np.where(wrong[:, -1] > 0, (hits * precision).sum(axis=1) / above[:, -1], math.nan)
    return np.stack([auroc, ap], axis=1)


def _score_table(units: pd.DataFrame, resamples: int) -> pd.DataFrame:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    units = units.assign(random=rng.random(len(units)), verdict=units["flagged"].astype(float))
    judged = units[units["truth"].isin(("positive", "negative"))]
    models, places = np.unique(judged["model"].to_numpy(str), return_inverse=True)
    draws = rng.multinomial(len(models), np.full(len(models), 1 / len(models)), size=resamples)
    rows = []
    for name, kind in SCORES.items():
        if not set(kind.columns) <= set(units):
            continue
        values = kind.of(judged)
        known = ~np.isnan(values)
        if not known.any():
            continue
        positive = (judged["truth"] == "positive").to_numpy()
        weak = positive & (judged["reliance"] < STRONG).to_numpy()
        auroc, ap = auroc_and_ap(values[known], positive[known])
        weights = draws[:, places[known]].astype(float)
        low, high = _percentiles(weighted_auroc_and_ap(values[known], positive[known], weights))
        planted = units[(units["kind"] == "planted") & units["guilty"]]
        dose, reliance = kind.of(planted), planted["reliance"].to_numpy(float)
        there = ~np.isnan(dose)
        varies = there.sum() > 2 and np.ptp(dose[there]) > 0 and np.ptp(reliance[there]) > 0
        rows.append(
            {
                "score": name,
                "title": kind.title,
                "baseline": kind.baseline,
                "n": int(known.sum()),
                "positives": int(positive[known].sum()),
                "auroc": auroc,
                "auroc_low": low[0],
                "auroc_high": high[0],
                "ap": ap,
                "ap_low": low[1],
                "ap_high": high[1],
                "auroc_strong": auroc_and_ap(values[known & ~weak], positive[known & ~weak])[0],
                "spearman": float(spearmanr(dose[there], reliance[there]).statistic) if varies else math.nan,
            }
        )
    return pd.DataFrame(rows).sort_values(["baseline", "auroc"], ascending=[True, False], kind="stable")


def _percentiles(sampled: Floats) -> tuple[Floats, Floats]:
    """(low, high) of the 95 % percentile interval of each column (R, 2); resamples with NaN are left out."""
    kept = sampled[~np.isnan(sampled).any(axis=1)] if sampled.size else sampled.reshape(0, 2)
    if not len(kept):
        return np.full(2, math.nan), np.full(2, math.nan)
    low, high = np.percentile(kept, [2.5, 97.5], axis=0)
    return np.asarray(low), np.asarray(high)


def _cases(units: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (kind, cue, rho), group in units.groupby(["kind", "cue", "rho"], dropna=False, sort=False):
        guilty, others = group[group["guilty"]], group[~group["guilty"] & (group["truth"] == "negative")]
        positive = guilty[guilty["truth"] == "positive"]
        asked = guilty if len(guilty) else group
        rows.append(
            {
                "kind": kind,
                "cue": cue,
                "rho": rho,
                "models": group["model"].nunique(),
                "accuracy": group["accuracy"].mean(),
                "reliance": asked["reliance"].mean(),
                "gap": asked["background_gap"].mean(),
                "attract": asked["attract"].mean(),
                "planted": len(guilty),
                "positives": len(positive),
                "found": int(positive["flagged"].sum()),
                "named_first": int(positive["named_first"].sum()),
                "others": len(others),
                "flagged": int(others["flagged"].sum()),
                "not_judged": int((~group["judged"]).sum()),
            }
        )
    return pd.DataFrame(rows)


def _detectable(units: pd.DataFrame) -> float | None:
    """Smallest rho such that at this and every larger rho at least ENOUGH_TPR of the verified classes are found."""
    smallest = None
    for rho in sorted(STRENGTHS, reverse=True):
        rows = units[(units["kind"] == "planted") & (units["truth"] == "positive") & np.isclose(units["rho"], rho)]
        if rows.empty:
            continue
        if rows["flagged"].mean() < ENOUGH_TPR:
            break
        smallest = rho
    return smallest


def _calibration(units: pd.DataFrame) -> pd.DataFrame:
    """Compare the p-values of clean classes with the uniform distribution (Kolmogorov-Smirnov test)."""
    from scipy.stats import kstest

    clean = units[units["kind"].isin(TWIN_KINDS)]
    rows = []
    for column in P_VALUES:
        values = clean[column].dropna().to_numpy(float) if column in clean else np.zeros(0)
        if len(values):
            test = kstest(values, "uniform")
            small = Rate(int((values <= 0.05).sum()), len(values))
            rows.append((column, len(values), float(test.statistic), float(test.pvalue), small.value, *small.interval))
    return pd.DataFrame(rows, columns=["column", "n", "ks", "p", "at_05", "at_05_low", "at_05_high"])


SCORES: dict[str, Score] = {
    "verdict": Score("verdict (BA201 convicts)", ("verdict",)),
    "background_gap": Score("background gap", ("background_gap",)),
    "background_gap_second_fill": Score("background gap, second fill", ("background_gap_second_fill",)),
    "attract": Score("attract", ("attract",)),
    "gap_and_attract": Score("smaller of gap and attract", ("background_gap", "attract")),
    "swap_log_odds": Score("swap effect, log-odds", ("swap_log_odds",)),
    "background_only_accuracy": Score("background-only accuracy", ("background_only_accuracy",)),
    "shapley_background_share": Score("Shapley background share", ("shapley_background_share",)),
    "relative_foreground_sensitivity": Score(
        "relative foreground sensitivity, negated", ("relative_foreground_sensitivity",), -1
    ),
    "cue_removal_effect": Score("attended background removed", ("cue_removal_effect",)),
    "cue_lent_effect": Score("attended background lent", ("cue_lent_effect",)),
    "background_excess": Score("background excess of the map", ("background_excess",)),
    "background_lift": Score("background lift of the map", ("background_lift",)),
    "background_share": Score("raw background share", ("background_share",), baseline=True),
    "iou_half_maximum": Score("IoU at half maximum, negated", ("iou_half_maximum",), -1, baseline=True),
    "accuracy": Score("class accuracy, negated", ("accuracy",), -1, baseline=True),
    "random": Score("random", ("random",), baseline=True),
}
"""Scores by name; "verdict" and "random" are columns that are added to the units."""
