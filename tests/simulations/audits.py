"""Judges simulated composites by the package's own tables and rules, from the composites to the outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit.checks.background import composites as arms
from bias_audit.checks.background import summary
from bias_audit.checks.background.class_effects import Elsewhere, class_effects
from bias_audit.checks.background.columns import OF_CLASSES
from bias_audit.checks.background.crossed import crossed_gap_p
from bias_audit.checks.background.photo_effects import intervention_columns
from bias_audit.checks.background.pulls import attraction, fair_contrasts, largest_pulls
from bias_audit.checks.base import Photos
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.outcomes import COLLATERAL, RuleOutcome
from bias_audit.config import FIRST_FILL, SECOND_FILL, Thresholds
from bias_audit.pipeline.judge import RULES, judge_rule
from bias_audit.run.schema import TABLES
from bias_audit.run.statuses import DONE, OK
from bias_audit.run.tables import frame
from bias_audit.stats import benjamini_hochberg, sign_flip

from .composites import Model, draw
from .composites import names as class_names

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

RELIANCE = tuple(code for code in ("BA201", "BA207") if code in RULES)
"""The rules on reliance; older versions of the package have the first alone."""

ACCUSATIONS = (COLLATERAL, "SUSPICIOUS", "HIDDEN", "CONFIRMED")


def outcomes(model: Model, seed: int, *, whole: bool = False) -> list[RuleOutcome]:
    """Outcomes of the rules on reliance for one simulated audit; [] where no class has a gap that could be found.

    Columns of the class table that nobody asks for are not computed: of a class whose gap is not significant only that
    its gap is not. With many classes this saves nearly all the time, and `test_simulations.py` holds it against the
    whole table.

    Args:
        model: the simulated model and its test set.
        seed: seed of everything that is drawn, and of the audit.
        whole: compute every column of every class, as an audit does.
    """
    composites = draw(model, seed)
    p_fdr, gaps = _gaps(composites, model, seed)
    asked = np.flatnonzero((p_fdr <= 2 * Thresholds().fdr) & (gaps >= Thresholds().min_gap))
    if whole:
        asked = np.arange(model.classes)
    if not len(asked):
        return []
    names = class_names(range(model.classes))
    images = _images(composites, model, names, asked)
    photos = Photos(images, names, None, {}, Thresholds(), seed)
    classes = summary.of_classes(composites, photos) if whole else _classes(composites, photos, asked, p_fdr)
    classes = classes.set_axis(pd.Index(names, name="class_name"))
    classes = classes.reindex(columns=[column.name for column in TABLES["classes"] if column.name != "class_name"])
    evidence = Evidence(images, classes, Thresholds(), tables={"gap_matrix": summary.gaps_between(composites, photos)})
    return [outcome for code in RELIANCE for outcome in judge_rule(code, evidence)]


def accusations(model: Model, seed: int) -> list[RuleOutcome]:
    """The outcomes of one simulated audit that accuse somebody, or say that somebody is to be accused (BA207)."""
    return [outcome for outcome in outcomes(model, seed) if outcome.level in ACCUSATIONS]


def _gaps(composites: pd.DataFrame, model: Model, seed: int) -> tuple[Floats, Floats]:
    """Corrected p and background gap of every class, both (K,)."""
    first = composites[(composites["fill"] == FIRST_FILL) & composites["arm"].isin([arms.SAME, arms.OTHER])]
    right = (first["predicted"] == first["label"]).to_numpy(float)
    photo, same = first["photo"].to_numpy(), (first["arm"] == arms.SAME).to_numpy()
    total = model.classes * model.photos
    shares = [
        np.bincount(photo[of], right[of], minlength=total) / np.bincount(photo[of], minlength=total)
        for of in (same, ~same)
    ]
    gaps = (shares[0] - shares[1]).reshape(model.classes, model.photos)
    p = np.array([sign_flip(each, seed=seed) for each in gaps])
    by_label = first.groupby("label")
    for label in map(int, np.flatnonzero(p <= 2 * Thresholds().fdr)):  # of larger ones it does not matter
        p[label] = np.fmax(p[label], crossed_gap_p(by_label.get_group(label)))
    return benjamini_hochberg(p), gaps.mean(axis=1)


def _images(composites: pd.DataFrame, model: Model, names: Sequence[str], asked: Codes) -> pd.DataFrame:
    """The table of images, with all columns of the classes that are asked about; of the others what was emptied."""
    total = model.classes * model.photos
    labels = [names[photo // model.photos] for photo in range(total)]
    records = [{"label": label, "predicted": label, "log_odds_label": 1.0} for label in labels]
    used = composites[composites["label"].isin(asked)]
    images = intervention_columns(records, [DONE] * total, used, names, np.zeros(model.classes, np.float32))
    images["background_gap"] = images["background_gap"].fillna(0.0)
    emptied = composites[composites["arm"] == arms.BACKGROUND].sort_values("photo", kind="stable")
    for fill, suffix in ((FIRST_FILL, ""), (SECOND_FILL, "_second_fill")):
        called = emptied.loc[emptied["fill"] == fill, "predicted"]
        images[f"background_only_predicted{suffix}"] = pd.array([names[label] for label in called], "str")
    images = images.set_axis(pd.Index([f"{place:06d}" for place in range(total)], name="image_id"))
    return images.assign(label=pd.array(labels, "str"), status=OK, background_excess_label=np.nan)


def _classes(composites: pd.DataFrame, photos: Photos, asked: Codes, p_fdr: Floats) -> pd.DataFrame:
    """The columns of the class table that the rules ask for."""
    images, least = photos.images, photos.thresholds.min_photos
    passed = dict.fromkeys(
        ("background_gap", "n_interventions", "n_eligible", "flipped", "background_only_accuracy"), 0
    )
    rows: list[dict[str, Any]] = [
        {**passed, "same_background_accuracy": 1.0, "other_background_accuracy": 1.0, "becomes": "", "p_fdr": p}
        for p in p_fdr
    ]
    compared = fair_contrasts(composites, len(p_fdr), strong=photos.thresholds.min_pull)
    pull = attraction(compared, len(p_fdr), seed=photos.seed)
    largest = largest_pulls(summary.gaps_between(composites, photos), rate=photos.thresholds.fdr)
    p_attract = benjamini_hochberg(pull.p)
    for index in map(int, asked):
        name, row = photos.class_names[index], rows[index]
        row.update(class_effects(photos.of_class(name), least, photos.seed))
        row["attract"], row["p_attract_fdr"] = float(pull.attract[index]), float(p_attract[index])
        row["attract_low"], row["attract_high"] = float(pull.low[index]), float(pull.high[index])
        row.update(largest.get(name, {}))
        for fill in ("", "_second_fill"):
            row[f"background_only_elsewhere{fill}"] = Elsewhere(images, fill, min_photos=least).of(name)
    return frame(OF_CLASSES, rows)
