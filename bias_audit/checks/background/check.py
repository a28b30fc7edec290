"""The check `background`, declared."""

from __future__ import annotations

from bias_audit.checks.background.image_rule import image_reliance, image_reliance_outliers
from bias_audit.checks.background.rule import class_reliance
from bias_audit.checks.base import Check, Judge, Rule

JUDGES: dict[Rule, Judge] = {
    Rule(
        code="BA201",
        title="prediction follows the background",
        about="the same objects are recognised less often on backgrounds of other classes (sign-flip test, BH, gap)",
        scope="class",
        measures=("background gap", "points"),
        needs=frozenset({"masks", "composites"}),
        role="accuses a class",
    ): class_reliance,
    Rule(
        code="BA202",
        title="images whose prediction rests on the background",
        about="photos whose prediction survives without the object and changes on other backgrounds",
        scope="image",
        measures=("share of the photos tested", "share"),
        needs=frozenset({"masks", "composites"}),
    ): image_reliance,
    Rule(
        code="BA204",
        title="images that depend on their background unlike their class",
        about="photos that lose far more on other backgrounds than is usual in their class (robust z of log-odds)",
        scope="image",
        measures=("share of the photos tested", "share"),
        needs=frozenset({"masks", "composites"}),
    ): image_reliance_outliers,
}
"""The rules of the check, and what judges by each."""


class Background(Check):
    """Does the prediction follow the background? Paired composites of the same objects."""

    name = "background"
    title = "Background"
    rules = tuple(JUDGES)
    judges = JUDGES
