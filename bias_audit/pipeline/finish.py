"""What the checks measured -> tables and outcomes: the part of an audit that needs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from bias_audit.checks.base import Check, Measured, Photos
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.config import Thresholds
from bias_audit.pipeline.judge import count, judge, rejudged
from bias_audit.pipeline.verdict import verdict
from bias_audit.report.page import write_report
from bias_audit.run import tables
from bias_audit.run.folder import FINISHED, Run
from bias_audit.run.result import AuditResult, RunInfo, to_json


def conclude(
    photos: Photos,
    classes: pd.DataFrame,
    measured: Mapping[str, Measured],
    ignored: Sequence[str],
    run: Run,
    checks: Sequence[Check],
) -> tuple[RuleOutcome, ...]:
    """Judge the tables by all rules, and write the tables into the run.

    Args:
        photos, classes: of `summaries.summarise`.
        measured: name of a check -> what it measured.
        ignored: codes of rules that are not judged.
        run: where the tables are written.
        checks: those that measured.
    """
    made = {name: table for check in measured.values() for name, table in check.tables.items()}
    for check in checks:
        made.update(check.sum_up(measured[check.name], photos))
    outcomes = judge(Evidence(photos.images, classes, photos.thresholds, measured, made), ignored, checks)
    shared = {"images": photos.images, "classes": classes, "confusion": tables.confusion_table(photos.images)}
    run.note_tables([*shared, *made])
    for name, table in {**shared, **made}.items():
        tables.write_table(run, name, table)
    return outcomes


def finish(run: Run, info: RunInfo, classes: pd.DataFrame, outcomes: tuple[RuleOutcome, ...]) -> AuditResult:
    """Write the page and then audit.json, whose presence means that the run is complete.

    Args:
        run: whose tables and pictures are written.
        info: of the run.
        classes: table of the classes.
        outcomes: of `conclude`.
    """
    result = AuditResult(
        path=run.path,
        info=info,
        verdict=verdict(outcomes, classes),
        outcomes=outcomes,
        rules=count(outcomes),
        class_rows=tables.rows(classes),
    )
    write_report(result)
    run.finish(to_json(result))
    return result


def judge_again(run: Run, result: AuditResult, check: Check, measured: Measured) -> AuditResult:
    """Judge a finished run by the rules of one check again, and write what they say and the page.

    Args:
        run: the run folder.
        result: as it was.
        check: whose rules judge.
        measured: what it has measured now.
    """
    thresholds = Thresholds(**result.info.thresholds)
    evidence = Evidence(result.images, result.classes, thresholds, {check.name: measured})
    outcomes = result.outcomes
    for rule in check.rules:
        outcomes = rejudged(outcomes, rule.code, evidence)
    again = replace(result, outcomes=outcomes, rules=count(outcomes), verdict=verdict(outcomes, result.classes))
    run.write_json(FINISHED, to_json(again))
    write_report(again)
    return again
