"""A comparison of two runs on a terminal: only changes are shown; the page and the Markdown hold the rest."""

from __future__ import annotations

from bias_audit.cli.console import show_tables
from bias_audit.compare.compared import Comparison
from bias_audit.compare.measures import BETTER, MEASURES, WORSE
from bias_audit.compare.words import about, between, difference, measured, ordered, tested
from bias_audit.run.quantities import quantity

MOST_ROWS = 40


def show(comparison: Comparison) -> None:
    """Print a comparison: headline, differences in data and settings, findings, changed numbers and predictions.

    Args:
        comparison: result of `compare`.
    """
    findings = [
        (f"{each.kind}: {each.state}" if each.state else each.kind, each.outcome.level or "", each.outcome.code,
         about(each), measured(each))
        for each in comparison.findings
    ]  # fmt: skip
    changes = [*comparison.data, *comparison.classes, *comparison.slices]
    moved = [change for change in ordered(changes) if change.verdict in (WORSE, BETTER)]
    numbers = []
    for change in moved:
        unit = MEASURES[change.measure].unit
        values = f"{quantity(change.old, unit)} to {quantity(change.new, unit)}"
        moved_by = f"{difference(change)} [{between(change)}]"
        subject = change.subject or "all images"
        row = (change.verdict, subject, MEASURES[change.measure].title, values, moved_by, tested(change))
        numbers.append((*row, f"{change.n:,}"))
    flips = [(kind.title, f"{kind.total:,}", ", ".join(flip.image_id for flip in kind.images[:3]))
             for kind in comparison.flips if kind.total]  # fmt: skip
    still = len(changes) - len(moved)
    show_tables(
        comparison.headline,
        [comparison.matching, *comparison.differences],
        {
            "findings": (("", "level", "rule", "about", "measured"), findings),
            "numbers": (("", "where", "measure", "before to now", "difference", "test", "images"), numbers),
            "images": (("what happened", "images", "for instance"), flips),
        },
        MOST_ROWS,
        f"{still} further numbers: no difference shown, or not enough images." if still else "",
    )
