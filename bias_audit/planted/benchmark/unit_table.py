"""Writes the units of the benchmark as Markdown, the worst first."""

from __future__ import annotations

import math

from bias_audit.planted.benchmark.by_unit import FIGURES, Measured, UnitResult, UnitsScored
from bias_audit.planted.benchmark.catalogue import UNITS
from bias_audit.planted.benchmark.layout import heading, number, table

MOST_SETS = 80
"""Most models that are listed with a wrong set of accused classes; units.parquet holds all."""


def units_text(scored: UnitsScored) -> list[str]:
    """Lines of Markdown: the units with their figures and what these must reach, and the sets that are wrong."""
    head = ["unit", "models", "reliant", *(figure.title for figure in FIGURES.values()), "missed, but WATCH", "holds"]
    rows = [_row(each) for each in (*scored.units, *scored.groups)]
    left = [name for name in UNITS if name not in {each.name for each in scored.units}]
    lines = [
        *heading("Units, the worst first (95 % intervals with the seed as the unit; in brackets what must hold)"),
        *table(head, rows),
    ]
    if left:
        lines += ["", f"Units without a model here: {', '.join(left)}."]
    return [*lines, "", *_wrong_sets(scored)]


def _row(unit: UnitResult) -> list[str]:
    figures = [_figure(unit.figures[name]) for name in FIGURES]
    failed = [FIGURES[name].title for name, each in unit.figures.items() if not each.holds]
    said = f"**no: {', '.join(failed)}**" if failed else "yes"
    return [unit.title, str(unit.models), str(unit.reliant), *figures, _watched(unit), said]


def _watched(unit: UnitResult) -> str:
    """How many biased classes are shown as WATCH alone, and for what reasons."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(unit.watched.items()) if reason)
    total = sum(unit.watched.values())
    return f"{total} ({reasons})" if reasons else str(total or "")


def _figure(measured: Measured) -> str:
    bound = measured.bound
    must = "" if bound is None else f" [{'>=' if measured.at_least else '<='} {number(bound)}]"
    if not measured.n:
        return f"-{must}"
    span = "" if math.isnan(measured.low) else f" ({measured.low:z.2f}, {measured.high:z.2f})"
    return f"{measured.k} of {measured.n}: {number(measured.value)}{span}{must}"


def _wrong_sets(scored: UnitsScored) -> list[str]:
    lines = heading(f"Models whose accused classes are not the guilty ones: {len(scored.wrong)}")
    if scored.wrong.empty:
        return [*lines, "None."]
    shown = scored.wrong.head(MOST_SETS)
    rows = [[str(row[name]) for name in shown.columns] for row in shown.to_dict("records")]
    left = len(scored.wrong) - len(shown)
    head = ["unit", "model", "guilty", "missed", "accused though innocent", "by rule, or level"]
    return [*lines, *table(head, rows), *([f"And {left} more."] if left > 0 else [])]
