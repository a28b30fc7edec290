"""What the stages measured -> tables and outcomes: the part of an audit that needs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit.checks.attraction import gap_matrix
from bias_audit.checks.base import Measured as CheckMeasured
from bias_audit.checks.inputs.measure import PreprocessCheck
from bias_audit.checks.map_reliability.similarity import Reliability
from bias_audit.checks.mask_quality.measure import MaskQuality
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.slices.measure import slices_table
from bias_audit.config import FIRST_FILL, Thresholds
from bias_audit.heatmaps.permutation_tie import Tie
from bias_audit.pipeline import judge as rules
from bias_audit.pipeline import summaries
from bias_audit.report.page import write_report
from bias_audit.run import tables
from bias_audit.run.folder import FINISHED, Run
from bias_audit.run.result import AuditResult, RunInfo, to_json


@dataclass(frozen=True)
class Measured:
    """What an audit measured.

    Attributes:
        images, clusters, cluster_spots, strangers: tables of `schema`.
        checks: name of a check -> what it measured.
        composites: one row per `reliance.Composite`, and `label` of its photo (class indices).
        ties: class name -> permutation test of its maps.
        groups: (n,) group code per image (patient, scene); None = every photo by itself.
        no_clusters, preprocess, reliability, masks, hypotheses: as in
            `rules.Evidence`.
    """

    images: pd.DataFrame
    composites: pd.DataFrame
    ties: Mapping[str, Tie]
    groups: NDArray[np.intp] | None
    clusters: pd.DataFrame
    cluster_spots: pd.DataFrame
    no_clusters: str
    strangers: pd.DataFrame
    preprocess: PreprocessCheck
    reliability: tuple[Reliability, ...]
    masks: MaskQuality | None
    checks: Mapping[str, CheckMeasured]
    hypotheses: pd.DataFrame | None = None


def conclude(
    measured: Measured,
    class_names: Sequence[str],
    thresholds: Thresholds,
    seed: int,
    ignored: Sequence[str],
    run: Run,
) -> tuple[pd.DataFrame, tuple[RuleOutcome, ...]]:
    """Sum up classes and slices, judge them, and write all tables into the run.

    Args:
        measured: what is judged.
        class_names: all classes of the model.
        thresholds: bounds.
        seed: of bootstrap and permutations.
        ignored: codes of rules that are not judged.
        run: where the tables are written.

    Returns:
        the table of classes, and the outcomes of all rules.
    """
    images = measured.images
    groups = None if measured.groups is None else pd.Series(measured.groups, index=images.index)
    classes = summaries.classes_table(
        images,
        measured.composites,
        class_names,
        seed=seed,
        min_photos=thresholds.min_photos,
        clusters=groups,
        ties=measured.ties,
    )
    pulls = gap_matrix(measured.composites[measured.composites["fill"] == FIRST_FILL], class_names)
    slices = slices_table(images, tables.user_columns(images), seed=seed, clusters=groups)
    evidence = rules.Evidence(
        images, classes, pulls, slices, thresholds, measured.preprocess, measured.reliability,
        clusters=measured.clusters, cluster_spots=measured.cluster_spots, no_clusters=measured.no_clusters,
        masks=measured.masks, measured=measured.checks,
        hypotheses=measured.hypotheses,
    )  # fmt: skip
    outcomes = rules.judge(evidence, ignored)
    written = {
        "images": images,
        "classes": classes,
        "confusion": tables.confusion_table(images),
        "gap_matrix": pulls,
        "slices": slices,
        "clusters": measured.clusters,
        "cluster_spots": measured.cluster_spots,
        "strangers": measured.strangers,
        "hypotheses": tables.hypotheses_table([]) if measured.hypotheses is None else measured.hypotheses,
    }
    for check in measured.checks.values():
        written.update(check.tables)
    for name, table in written.items():
        tables.write_table(run, name, table)
    return classes, outcomes


def finish(run: Run, info: RunInfo, classes: pd.DataFrame, outcomes: tuple[RuleOutcome, ...]) -> AuditResult:
    """Write the page and then audit.json, whose presence means that the run is complete.

    Args:
        run: whose tables and pictures are written.
        info: of the run.
        classes, outcomes: of `conclude`.
    """
    result = AuditResult(
        path=run.path,
        info=info,
        verdict=rules.verdict(outcomes, classes),
        outcomes=outcomes,
        rules=rules.count(outcomes),
        class_rows=tables.rows(classes),
    )
    write_report(result)
    run.finish(to_json(result))
    return result


def judge_again(run: Run, result: AuditResult, code: str, **measured: Any) -> AuditResult:
    """Judge a finished run by one rule again, and write what it says and the page.

    Args:
        run: the run folder.
        result: as it was.
        code: of the rule.
        measured: fields of `rules.Evidence` that the rule reads.
    """
    thresholds = Thresholds(**result.info.thresholds)
    evidence = rules.Evidence(result.images, result.classes, result.gap_matrix, result.slices, thresholds, **measured)
    outcomes = rules.rejudged(result.outcomes, code, evidence)
    again = replace(
        result, outcomes=outcomes, rules=rules.count(outcomes), verdict=rules.verdict(outcomes, result.classes)
    )
    run.write_json(FINISHED, to_json(again))
    write_report(again)
    return again
