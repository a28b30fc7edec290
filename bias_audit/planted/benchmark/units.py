"""Reads finished cases into two tables: a row per class of every model, with its truth, scores and verdict, and a row
per finding of every model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bias_audit.checks.registry import with_role
from bias_audit.config import Thresholds
from bias_audit.errors import ResultError
from bias_audit.pipeline.verdict import convicted
from bias_audit.planted.benchmark import catalogue
from bias_audit.planted.benchmark.accusations import COLUMNS, accusers, accuses, findings_of
from bias_audit.planted.benchmark.grid import CLEAN_KINDS, FROZEN, TWIN_KINDS, Case
from bias_audit.planted.benchmark.judging import judged_again
from bias_audit.planted.benchmark.truth import NEGATIVE, POSITIVE
from bias_audit.planted.benchmark.unit import RUN, finished_unit, outcomes_of, unit_folder
from bias_audit.run.tables import table

ASKED = ("sufficiency", "necessity", "victim_loss", "photo_sufficiency", "photo_necessity")
"""Fields of `truth.Reliance` that become columns."""


def thresholds_digest(thresholds: Thresholds) -> str:
    """Hash of the thresholds named in `grid.FROZEN`, by which classes are judged; 12 hex digits."""
    values = {name: getattr(thresholds, name) for name in FROZEN}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def read_units(
    cases: Sequence[Case], work: Path, thresholds: Thresholds | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables: one row per class of every case, and one row per finding of every case.

    Columns of the classes: those of the case: unit (key of `catalogue.UNITS`), case (`Case.digest`), clean
    (`catalogue.is_clean`), model, seed, kind, cue, rho (of the first planting in a world of several), head, label,
    class_name, guilty (a cue, or its absence, goes with the class), n_test, seconds, cpu_seconds, package (digest of
    the code that audited). Those of the truth: those of ASKED; reliance = max(sufficiency, necessity), NaN without a
    cue; truth = "positive", "negative", "between" or "complement", see `truth_of`; truth_any: the same of the cue in
    its own place, which can be the object or the whole photo. Those of the verdict: flagged (convicted), level, reason
    (code, why it could not judge, or says less than it measured), judged, named_first (the first class that is
    convicted), accused (by any rule), accused_by (codes of these rules), model_accused (any class of the model, or the
    model as a whole), gate_passes (whether the gate passes by its defaults). All columns of the class table.

    Columns of the findings: model, seed, kind, cue, rho, guilty (of the class that is named), and those of
    `accusations.COLUMNS`.

    Args:
        cases: the cases to read.
        work: folder with the folders of all cases.
        thresholds: thresholds to judge by, which judges all cases again; None = as they were judged.

    Raises:
        ResultError: a case that is not finished.
    """
    pairs = [_unit(case, work, thresholds) for case in cases]
    findings = [row for _, rows in pairs for row in rows]
    about = ["model", "seed", "kind", "cue", "rho", "guilty"]
    return (
        pd.concat([frame for frame, _ in pairs], ignore_index=True),
        pd.DataFrame(findings, columns=[*about, *COLUMNS]),
    )


def truth_of(case: Case, label: int, reliance: float, *, of_background: bool = True) -> str:
    """The truth about one class of a case, with which its verdict is compared.

    Args:
        case: the case.
        label: label of the class.
        reliance: max(sufficiency, necessity) of the class; NaN without a cue.
        of_background: whether only the background can be guilty, so that a cue on the object is none.

    Returns:
        "positive": a cue was planted for the class, and its reliance is at least POSITIVE.
        "negative": no cue was planted for the class, or its reliance is below NEGATIVE.
        "between": a cue was planted, and the reliance lies between the two.
        "complement": the other one of two classes, for which the absence of the cue is as good a cue.
    """
    planted = case.kind not in (CLEAN_KINDS if of_background else TWIN_KINDS) and label in case.plan.culprits
    if case.kind == "two_classes" and not planted:
        return "complement"
    if not planted or reliance < NEGATIVE:
        return "negative"
    return "positive" if reliance >= POSITIVE else "between"


def _unit(case: Case, work: Path, thresholds: Thresholds | None) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    record, folder = finished_unit(case, work), unit_folder(case, work)
    if record is None:
        raise ResultError(f"{str(folder)!r} holds no finished audit", "Run the same benchmark again: it goes on.")
    judged = outcomes_of(case, work) if thresholds is None else judged_again(folder / RUN, thresholds)
    outcomes, names = judged.outcomes, case.plan.classes
    verdicts = {outcome.subject: outcome for outcome in outcomes if outcome.code in with_role("tests reliance")}
    convictions = [outcome.subject for outcome in convicted(outcomes)]
    asked = {row["label"]: row for row in record["reliance"]}
    cues = [(each.cue, each.rho) for each in case.plan.plantings] or [(case.plan.cue or "", case.plan.rho)]
    known = {
        "model": case.name,
        "seed": case.seed,
        "kind": case.kind,
        "cue": " ".join(cue for cue, _ in cues),
        "rho": cues[0][1] if cues[0][0] else float("nan"),
    }
    guilty = {name: label in case.plan.culprits and case.kind not in CLEAN_KINDS for label, name in enumerate(names)}
    rows = []
    for label, name in enumerate(names):
        answers: dict[str, Any] = {key: asked.get(label, {}).get(key, float("nan")) for key in ASKED}
        reliance = max(answers["sufficiency"], answers["necessity"])
        anywhere = max(reliance, answers["photo_sufficiency"], answers["photo_necessity"])
        verdict, codes = verdicts.get(name), accusers(outcomes, names, name)
        rows.append(
            {
                "unit": catalogue.unit_of(case),
                "case": case.digest(),
                "clean": catalogue.is_clean(case),
                **known,
                "head": case.head,
                "label": label,
                "class_name": name,
                "guilty": guilty[name],
                "n_test": record["n_test"],
                "seconds": record["seconds"]["audit"],
                "cpu_seconds": record["cpu_seconds"],
                "package": record["package"],
                **answers,
                "reliance": reliance,
                "truth": truth_of(case, label, reliance),
                "truth_any": truth_of(case, label, anywhere, of_background=False),
                "flagged": name in convictions,
                "level": (verdict.level or "") if verdict else "",
                "reason": verdict.reason_code if verdict else "",
                "judged": verdict is not None and verdict.judged,
                "named_first": convictions[:1] == [name],
                "accused": bool(codes),
                "accused_by": " ".join(codes),
                "model_accused": any(map(accuses, outcomes)),
                "gate_passes": judged.gate_passes,
            }
        )
    frame = pd.DataFrame(rows)
    classes = table("classes", judged.classes)
    joined = frame.join(classes.drop(columns=[name for name in classes if name in frame]), on="class_name")
    found = [{**known, "guilty": guilty.get(row["class_name"], False), **row} for row in findings_of(outcomes, names)]
    return joined, found
