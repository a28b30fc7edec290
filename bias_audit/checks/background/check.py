"""Declaration of the check `background`; `checks.base` explains what a check declares."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bias_audit.checks.background.columns import COMPARED, GAP_MATRIX, OF_CLASSES, OF_IMAGES, SCENES
from bias_audit.checks.background.image_rule import image_reliance, image_reliance_outliers
from bias_audit.checks.background.rule import follows_background
from bias_audit.checks.background.unnamed_rule import reliance_without_a_class
from bias_audit.checks.base import Check, Judge, Measured, Option, Rule

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.base import Context, Given, Part, Photos
    from bias_audit.checks.outcomes import RuleOutcome
    from bias_audit.checks.parts import Parts
    from bias_audit.config import AuditConfig
    from bias_audit.run.result import AuditResult

JUDGES: dict[Rule, Judge] = {
    Rule(
        code="BA201",
        title="prediction follows the background",
        about="the same objects are recognised less often on backgrounds of other classes (sign-flip test, BH, gap)",
        scope="class",
        measures=("background gap", "points"),
        needs=frozenset({"masks", "composites"}),
        role="tests reliance",
    ): follows_background,
    Rule(
        code="BA202",
        title="images whose prediction rests on the background",
        about="photos whose prediction survives without the object and changes on other backgrounds",
        scope="image",
        measures=("share of the photos tested", "share"),
        highest="WATCH",
        needs=frozenset({"masks", "composites"}),
    ): image_reliance,
    Rule(
        code="BA204",
        title="images that depend on their background more than their class",
        about="photos that lose far more on other backgrounds than is usual in their class (robust z of log-odds)",
        scope="image",
        measures=("share of the photos tested", "share"),
        highest="WATCH",
        needs=frozenset({"masks", "composites"}),
    ): image_reliance_outliers,
    Rule(
        code="BA207",
        title="reliance is proven, the class behind it is not known",
        about="objects of a class are proven to need its backgrounds, and are pulled by a class without a finding",
        scope="dataset",
        measures=("classes concerned", "count"),
        highest="SUSPICIOUS",
        needs=frozenset({"masks", "composites"}),
        role="proves reliance, names no class",
    ): reliance_without_a_class,
}
"""Rules of the check -> the function that judges each."""


class Background(Check):
    """The check `background`: does the prediction follow the background? Paired composites of the same objects."""

    name = "background"
    title = "Background"
    options = (
        Option("interventions", "--interventions", "N", "photos per class, at most (default 100; 0 = none)"),
        Option("donors", "--donors", "N", "backgrounds per photo and arm (default 5)"),
    )
    tables = {"gap_matrix": GAP_MATRIX, "scenes": SCENES}  # noqa: RUF012 - a literal that nothing changes
    columns = {"images": OF_IMAGES, "compared": COMPARED, "classes": OF_CLASSES}  # noqa: RUF012
    rules = tuple(JUDGES)
    judges = JUDGES
    after = ("map_reliability",)

    def fingerprints(self, given: Given) -> Mapping[str, str]:
        """Hash of the listing of the real scenes; "" where no folder was given."""
        if given.backgrounds is None or given.dataset is None:
            return {"backgrounds": ""}
        from bias_audit.checks.background.measure import listed_scenes

        return {"backgrounds": listed_scenes(given.backgrounds, given.dataset, given.reach)}

    def measure(self, context: Context) -> Measured:
        """Make composites of a sample of every class and predict them, or read those of an interrupted audit."""
        from bias_audit.checks.background.measure import measure

        return measure(context)

    def parts(self, config: AuditConfig) -> Parts | None:
        """The composites, class by class."""
        if config.interventions == 0:
            return None
        from bias_audit.checks.background.measure import PARTS

        return PARTS

    def recall(self, result: AuditResult) -> Measured:
        """The tables and composites of a finished run; one of an older version has no table of scenes."""
        own = functools.cache(functools.partial(self.recall_own, result))
        return Measured({"gap_matrix": result.gap_matrix, "scenes": result.scenes}, own=own)

    def recall_own(self, result: AuditResult) -> Any:
        """The composites of a finished run."""
        from bias_audit.checks.background.measure import recall

        return recall(result)

    def add(self, part: Part, measured: Measured, photos: Photos) -> pd.DataFrame:
        """Columns of reliance: per photo, per photo compared with its class, and per class."""
        from bias_audit.checks.background import summary

        if part == "images":
            return summary.of_images(measured.own(), photos)
        return (
            summary.compared(photos.images)
            if part == "compared"
            else summary.of_classes(measured.own().composites, photos, measured.own().screened)
        )

    def sum_up(self, measured: Measured, photos: Photos) -> Mapping[str, pd.DataFrame]:
        """The table gap_matrix: how much the backgrounds of one class pull the objects of another."""
        from bias_audit.checks.background import summary

        made = measured.own()
        return {"gap_matrix": summary.gaps_between(made.composites, photos, made.screened)}

    def contradiction(self, result: AuditResult) -> str:
        """An outcome of BA201 that the class table contradicts, or one of BA207 that those of BA201 contradict."""
        from bias_audit.checks.background.contradictions import contradiction, unnamed_contradiction
        from bias_audit.checks.thresholds import of_run

        bounds = of_run(result.info.thresholds, str(result.path))
        # Scored again with drawn masks, a run keeps the composites of its estimates, and what is said of them.
        estimated = result.info.mask_kind in ("estimated", "mixed") or any(
            outcome.evidence.get("estimated_masks") for outcome in result.outcomes
        )
        return contradiction(
            "BA201", result.outcomes, result.class_rows, bounds, estimated=estimated
        ) or unnamed_contradiction("BA207", "BA201", result.outcomes)

    def pictures(self, measured: Measured, outcomes: Sequence[RuleOutcome]) -> Mapping[str, Any]:
        """Pictures of composites and emptied donors of the classes with a finding; without any, of the first two."""
        from bias_audit.checks.background import summary

        made = measured.own()
        return {
            "composites": summary.to_show(made.examples, outcomes),
            "emptied": summary.to_show(made.emptied, outcomes),
        }
