"""Writes a history of runs as an HTML page, as Markdown, and as rows for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

import bias_audit
from bias_audit.compare.history import History, HistoryRow
from bias_audit.compare.history_chart import Point, band, line
from bias_audit.compare.pages import render_page
from bias_audit.gate.formats.markdown import escaped
from bias_audit.run.quantities import interval

MOST_CHARTS = 12
"""Most classes that have charts of their own; with more classes, all share one band per number."""

MOST_ROWS = 2000

LIMIT = 60_000
"""Most bytes of the Markdown: GitHub takes comments of 65,536 characters."""

CHARTS = (("accuracy", "accuracy", (0.0, 1.0)), ("gap", "background gap", (-0.2, 1.0)))
"""For each chart: field of `HistoryRow`, title, and values at the ends of the axis."""


def page_of(past: History) -> bytes:
    """The history as an HTML page in UTF-8."""
    values = {
        "version": bias_audit.__version__,
        "runs": past.runs,
        "classes": len(past.class_names),
        "skipped": past.skipped,
        "charts": _charts(past),
        "rows": [_cells(row) for row in past.rows[:MOST_ROWS]],
        "total": len(past.rows),
        "heads": HEADS,
    }
    return render_page("history.html", values)


HEADS = ("Run", "Made", "Model", "Data", "Class", "Images", "Accuracy", "Background gap", "Background excess",
         "Level", "Findings")  # fmt: skip


def markdown(past: History) -> str:
    """The history as a Markdown table of at most LIMIT bytes; where it grows too long, the older rows are left out."""
    rows = list(past.rows)
    text = _markdown(past, rows)
    while len(text.encode("utf-8", "backslashreplace")) > LIMIT and rows:
        rows = rows[len(rows) // 2 + 1 :]
        text = _markdown(past, rows)
    return text


def _markdown(past: History, rows: Sequence[HistoryRow]) -> str:
    lines = ["## Background bias over runs", ""]
    lines += [f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}"]
    lines += [f"| {' | '.join(escaped(cell) for cell in _cells(row))} |" for row in rows]
    if len(rows) < len(past.rows):
        lines += ["", f"{len(past.rows) - len(rows):,} older rows are left out; write CSV for all."]
    if any(row.other_data for row in past.rows):
        lines += ["", "“other data”: the images are not those of the latest run, so the numbers do not form a series."]
    lines += ["", *(f"- left out: {escaped(sentence)}" for sentence in past.skipped)]
    return "\n".join(lines).rstrip() + "\n"


SHORT_HEADS = ("Run", "Made", "Class", "Images", "Accuracy", "Background gap", "Level", "Findings")


def short_rows(past: History) -> list[tuple[str, ...]]:
    """All rows of a history as text, with the columns SHORT_HEADS, for a terminal."""
    rows: list[tuple[str, ...]] = []
    for row in past.rows:
        run, made, _, _, name, n, accuracy, gap, _, level, findings = _cells(row)
        rows.append((f"{run} (other data)" if row.other_data else run, made, name, n, accuracy, gap, level, findings))
    return rows


def _cells(row: HistoryRow) -> tuple[str, ...]:
    return (
        row.run,
        row.created[:16].replace("T", " "),
        row.model,
        f"{row.data}, other data" if row.other_data else row.data,
        row.class_name or "all classes",
        f"{row.n:,}",
        interval(row.accuracy, row.accuracy_low, row.accuracy_high, "share"),
        interval(row.gap, row.gap_low, row.gap_high, "points"),
        interval(row.excess, row.excess_low, row.excess_high, "number"),
        row.level,
        str(row.findings),
    )


def _charts(past: History) -> list[dict[str, object]]:
    labels = [next(row.created[:10] for row in past.rows if row.run == run) for run in past.runs]
    names = past.class_names
    rows = {(row.run, row.class_name): row for row in past.rows}
    charts: list[dict[str, object]] = []
    for column, title, scale in CHARTS:
        if len(names) > MOST_CHARTS:
            found = [[getattr(rows[run, name], column) for name in names if (run, name) in rows] for run in past.runs]
            values = [[value for value in each if value is not None] for each in found]
            about = f"{title}: median, lowest and highest of {len(names):,} classes"
            charts.append({"title": about, "svg": Markup(band(values, labels, scale, about))})
            continue
        for name in names:
            points = [_point(rows.get((run, name)), column) for run in past.runs]
            if any(points):
                about = f"{name}: {title}"
                charts.append({"title": about, "svg": Markup(line(points, labels, scale, about))})
    return charts


def _point(row: HistoryRow | None, column: str) -> Point | None:
    value = None if row is None else getattr(row, column)
    if row is None or value is None:
        return None
    return value, getattr(row, f"{column}_low"), getattr(row, f"{column}_high"), row.other_data
