"""Reads finished cases into one table: a row per class of every model, with its truth, scores and verdict.

Verdicts are made here from the stored tables, by the current rules and thresholds; no model is needed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bias_audit.checks.evidence import Evidence
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.registry import with_role
from bias_audit.config import Thresholds
from bias_audit.errors import ResultError
from bias_audit.pipeline.judge import judge
from bias_audit.pipeline.verdict import convicted
from bias_audit.planted.benchmark.grid import CLEAN_KINDS, FROZEN, Case
from bias_audit.planted.benchmark.truth import NEGATIVE, POSITIVE
from bias_audit.planted.benchmark.unit import finished_unit, unit_folder
from bias_audit.run.tables import read_table

ASKED = ("sufficiency", "necessity", "victim_loss", "photo_sufficiency", "photo_necessity")
"""Fields of `truth.Reliance` that become columns."""


def thresholds_digest(thresholds: Thresholds) -> str:
    """Hash of the thresholds named in `grid.FROZEN`, by which classes are judged; 12 hex digits."""
    values = {name: getattr(thresholds, name) for name in FROZEN}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def read_units(cases: Sequence[Case], work: Path, thresholds: Thresholds | None = None) -> pd.DataFrame:
    """Table with one row per class of every case: case, truth, verdict, and all columns of the class table.

    Columns of the case: model, seed, kind, cue, rho, head, label, class_name, guilty (a cue goes with the class),
    n_test, seconds. Columns of the truth: those of ASKED; reliance = max(sufficiency, necessity), NaN without a cue;
    truth = "positive", "negative", "between" or "complement", see `truth_of`. Columns of the verdict: flagged
    (convicted), level, judged, named_first (the first class that is convicted).

    Args:
        cases: the cases to read.
        work: folder with the folders of all cases.
        thresholds: thresholds to judge by; None = the defaults.

    Raises:
        ResultError: a case that is not finished, or whose tables another version of the audit made.
    """
    frames = [_unit(case, work, thresholds or Thresholds()) for case in cases]
    return pd.concat(frames, ignore_index=True)


def judge_again(folder: Path, thresholds: Thresholds) -> tuple[RuleOutcome, ...]:
    """Outcomes of the current rules on the stored tables of a finished case."""
    images, classes = (read_table(folder, name) for name in ("images", "classes"))
    made = {name: read_table(folder, name) for name in ("gap_matrix", "slices")}
    return judge(Evidence(images, classes, thresholds, tables=made))


def truth_of(case: Case, label: int, reliance: float) -> str:
    """The truth about one class of a case, with which its verdict is compared.

    Args:
        case: the case.
        label: label of the class.
        reliance: max(sufficiency, necessity) of the class; NaN without a cue.

    Returns:
        "positive": a cue was planted for the class, and its reliance is at least POSITIVE.
        "negative": no cue was planted for the class, or its reliance is below NEGATIVE.
        "between": a cue was planted, and the reliance lies between the two.
        "complement": the other one of two classes, for which the absence of the cue is as good a cue.
    """
    planted = case.kind not in CLEAN_KINDS and label in case.plan.guilty
    if case.kind == "two_classes" and not planted:
        return "complement"
    if not planted or reliance < NEGATIVE:
        return "negative"
    return "positive" if reliance >= POSITIVE else "between"


def _unit(case: Case, work: Path, thresholds: Thresholds) -> pd.DataFrame:
    record, folder = finished_unit(case, work), unit_folder(case, work)
    if record is None:
        raise ResultError(f"{str(folder)!r} holds no finished audit", "Run the same benchmark again: it goes on.")
    try:
        outcomes = judge_again(folder, thresholds)
        classes = read_table(folder, "classes")
    except (ResultError, KeyError) as error:
        raise ResultError(
            f"the tables in {str(folder)!r} were made by another version of the audit: {error}",
            "Run the benchmark with --reaudit; the trained models are kept.",
        ) from error
    verdicts = {outcome.subject: outcome for outcome in outcomes if outcome.code in with_role("tests reliance")}
    accused = [outcome.subject for outcome in convicted(outcomes)]
    asked = {row["label"]: row for row in record["reliance"]}
    rows = []
    for label, name in enumerate(case.plan.classes):
        answers: dict[str, Any] = {key: asked.get(label, {}).get(key, float("nan")) for key in ASKED}
        reliance = max(answers["sufficiency"], answers["necessity"])
        verdict = verdicts.get(name)
        rows.append(
            {
                "model": case.name,
                "seed": case.seed,
                "kind": case.kind,
                "cue": case.plan.cue or "",
                "rho": case.plan.rho if case.plan.cue else float("nan"),
                "head": case.head,
                "label": label,
                "class_name": name,
                "guilty": label in case.plan.guilty and case.kind not in CLEAN_KINDS,
                "n_test": record["n_test"],
                "seconds": record["seconds"]["audit"],
                **answers,
                "reliance": reliance,
                "truth": truth_of(case, label, reliance),
                "flagged": name in accused,
                "level": (verdict.level or "") if verdict else "",
                "judged": verdict is not None and verdict.judged,
                "named_first": accused[:1] == [name],
            }
        )
    frame = pd.DataFrame(rows)
    return frame.join(classes.drop(columns=[name for name in classes if name in frame]), on="class_name")
