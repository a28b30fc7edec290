"""Judges simulated composites by the package's own tables and rules, from the composites to the outcomes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bias_audit.checks.background import composites as arms
from bias_audit.checks.background import summary
from bias_audit.checks.background.photo_effects import intervention_columns
from bias_audit.checks.base import Photos
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.outcomes import COLLATERAL, RuleOutcome
from bias_audit.config import FIRST_FILL, Thresholds
from bias_audit.pipeline.judge import RULES, judge_rule
from bias_audit.run.schema import TABLES
from bias_audit.run.statuses import DONE, OK
from bias_audit.stats import benjamini_hochberg, sign_flip

from .composites import Model, draw
from .composites import names as class_names

RELIANCE = tuple(code for code in ("BA201", "BA207") if code in RULES)
"""The rules on reliance; older versions of the package have the first alone."""

ACCUSATIONS = (COLLATERAL, "SUSPICIOUS", "HIDDEN", "CONFIRMED")


def accusations(model: Model, seed: int) -> list[RuleOutcome]:
    """Findings at COLLATERAL or above of one simulated audit.

    Most null audits have no class with a gap that could be found. They are not judged any further, which saves nearly
    all the time: no rule on reliance accuses without such a class.
    """
    composites = draw(model, seed)
    if not _any_gap(composites, model, seed):
        return []
    return [outcome for outcome in outcomes(model, seed, composites) if outcome.level in ACCUSATIONS]


def _any_gap(composites: pd.DataFrame, model: Model, seed: int) -> bool:
    """Whether any class has a large enough gap whose corrected p is below twice the rule's bound."""
    bounds = Thresholds()
    first = composites[(composites["fill"] == FIRST_FILL) & composites["arm"].isin([arms.SAME, arms.OTHER])]
    right = (first["predicted"] == first["label"]).to_numpy(float)
    photo, same = first["photo"].to_numpy(), (first["arm"] == arms.SAME).to_numpy()
    total = model.classes * model.photos
    shares = [
        np.bincount(photo[of], right[of], minlength=total) / np.bincount(photo[of], minlength=total)
        for of in (same, ~same)
    ]
    gaps = (shares[0] - shares[1]).reshape(model.classes, model.photos)
    p = benjamini_hochberg([sign_flip(each, seed=seed) for each in gaps])
    return bool(((p <= 2 * bounds.fdr) & (gaps.mean(axis=1) >= bounds.min_gap)).any())


def outcomes(model: Model, seed: int, composites: pd.DataFrame | None = None) -> list[RuleOutcome]:
    """Outcomes of the rules on reliance for one simulated audit.

    Args:
        model: the simulated model and its test set.
        seed: seed of everything that is drawn, and of the audit.
        composites: result of `draw`; None = drawn here.
    """
    composites = draw(model, seed) if composites is None else composites
    names = class_names(range(model.classes))
    records = [
        {"label": names[photo // model.photos], "predicted": names[photo // model.photos], "log_odds_label": 1.0}
        for photo in range(model.classes * model.photos)
    ]
    blank = np.zeros(model.classes, np.float32)
    images = intervention_columns(records, [DONE] * len(records), composites, names, blank)
    images = images.set_axis(pd.Index([f"{place:06d}" for place in range(len(records))], name="image_id"))
    images = images.assign(label=[record["label"] for record in records], status=OK, background_excess_label=np.nan)
    photos = Photos(images, names, None, {}, Thresholds(), seed)
    classes = summary.of_classes(composites, photos).set_axis(pd.Index(names, name="class_name"))
    classes = classes.reindex(columns=[column.name for column in TABLES["classes"] if column.name != "class_name"])
    matrix = summary.gaps_between(composites, photos)
    evidence = Evidence(images, classes, Thresholds(), tables={"gap_matrix": matrix})
    return [outcome for code in RELIANCE for outcome in judge_rule(code, evidence)]
