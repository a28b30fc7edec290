"""Judges simulated composites by the package's own tables and rules, from the composites to the outcomes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bias_audit.checks.background import summary
from bias_audit.checks.background.photo_effects import intervention_columns
from bias_audit.checks.base import Photos
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.config import Thresholds
from bias_audit.pipeline.judge import RULES, judge_rule
from bias_audit.run.schema import TABLES
from bias_audit.run.statuses import DONE, OK

from .composites import Model, draw

RELIANCE = tuple(code for code in ("BA201", "BA207") if code in RULES)

ACCUSED = ("SUSPICIOUS", "HIDDEN", "CONFIRMED")


def outcomes(model: Model, seed: int) -> list[RuleOutcome]:
    """Outcomes of the rules on reliance for one simulated audit."""
    composites = draw(model, seed)
    names = [f"class {label:04d}" for label in range(model.classes)]
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
