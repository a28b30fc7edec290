"""The last stage of an audit, which needs no model: tables, outcomes, page and audit.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bias_audit.checks.base import Check, Measured, Photos
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.outcomes import RuleOutcome, count
from bias_audit.checks.thresholds import of_run
from bias_audit.pipeline.judge import judge, rejudged
from bias_audit.pipeline.verdict import verdict
from bias_audit.report.page import write_report
from bias_audit.run import tables
from bias_audit.run.digests import digest_of
from bias_audit.run.folder import FINISHED, Run
from bias_audit.run.image_numbers_written import write_numbers
from bias_audit.run.result import AuditResult, RunInfo, to_json
from bias_audit.run.sampled import told_of


def conclude(
    photos: Photos,
    classes: pd.DataFrame,
    measured: Mapping[str, Measured],
    ignored: Sequence[str],
    run: Run,
    checks: Sequence[Check],
) -> tuple[RuleOutcome, ...]:
    """Make the remaining tables, judge all rules, and write the tables into the run.

    Args:
        photos, classes: results of `summaries.summarise`.
        measured: name of a check -> its measurement.
        ignored: codes of rules that are not judged.
        run: the run folder, where the tables are written.
        checks: the checks that measured.

    Returns:
        outcomes of all rules, sorted by code.
    """
    made = {name: table for check in measured.values() for name, table in check.tables.items()}
    for check in checks:
        made.update(check.sum_up(measured[check.name], photos))
    evidence = Evidence(photos.images, classes, photos.thresholds, measured, made, groups=photos.groups)
    outcomes = judge(evidence, ignored, checks)
    shared = {"images": photos.images, "classes": classes, "confusion": tables.confusion_table(photos.images)}
    run.note_tables([*shared, *made])
    for name, table in {**shared, **made}.items():
        tables.write_table(run, name, table)
    write_numbers(run, photos.images)
    return outcomes


def check_pictures(
    checks: Sequence[Check], measured: Mapping[str, Measured], outcomes: Sequence[RuleOutcome]
) -> dict[str, Any]:
    """The entries of pictures.json that the checks make, by name."""
    shown: dict[str, Any] = {}
    for check in checks:
        shown.update(check.pictures(measured[check.name], outcomes))
    return shown


def finish(run: Run, info: RunInfo, classes: pd.DataFrame, outcomes: tuple[RuleOutcome, ...]) -> AuditResult:
    """Write the page and then audit.json, whose presence means that the run is complete.

    Args:
        run: the run folder; its tables and pictures must have been written.
        info: provenance of the run.
        classes: table of the classes.
        outcomes: result of `conclude`.
    """
    result = AuditResult(
        path=run.path,
        info=info,
        verdict=verdict(outcomes, classes, told_of(info.counts)),
        outcomes=outcomes,
        rules=count(outcomes),
        class_rows=tables.rows(classes),
        digests=run.digests,
        shards=run.shard_digests(),
    )
    write_report(result)
    content = to_json(result)
    run.finish(content)
    return replace(result, digest=content["digest"])


def judge_again(
    run: Run, result: AuditResult, check: Check, measured: Measured, changed: Mapping[str, pd.DataFrame]
) -> AuditResult:
    """Replace tables of a finished run, judge the rules of one check again, and write audit.json and the page anew.

    A command that is killed on the way leaves a run with the old verdict that can be read: until all is written,
    audit.json accepts the digests of the old and of the new files.

    Args:
        run: the run folder.
        result: the run so far.
        check: the check whose rules are judged.
        measured: the check's new measurement.
        changed: name -> table, for the tables that are replaced.

    Returns:
        the run with the new outcomes and verdict.
    """
    files = {
        file: data
        for name, table in changed.items()
        for file, data in tables.table_files(name, table, result.version).items()
    }
    evidence = Evidence(
        result.images, result.classes, of_run(result.info.thresholds, str(run.path)), {check.name: measured}
    )
    outcomes = result.outcomes
    for rule in check.rules:
        outcomes = rejudged(outcomes, rule.code, evidence)
    said = verdict(outcomes, result.classes, told_of(result.info.counts))
    again = replace(result, outcomes=outcomes, rules=count(outcomes), verdict=said)
    if result.digests is not None:
        new = {file: (digest_of(data),) for file, data in files.items()}
        both = {file: (*result.digests.get(file, ()), *digest) for file, digest in new.items()}
        run.write_json(FINISHED, to_json(replace(result, digests={**result.digests, **both})))
        again = replace(again, digests={**result.digests, **new})
    for file, data in files.items():
        run.write(file, data)
    content = to_json(again)
    run.write_json(FINISHED, content)
    again = replace(again, digest=content.get("digest", ""))
    write_report(again)
    return again
