"""Reads many runs into one table with a row per run and class; only audit.json of each run is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bias_audit.checks.levels import class_levels, counts_for
from bias_audit.checks.outcomes import FILLS_PICTURE, NO_RELIANCE, NOT_JUDGED
from bias_audit.errors import ResultError
from bias_audit.run.csv_text import csv_of_records
from bias_audit.run.identity import data_of
from bias_audit.run.result import AuditResult, load
from bias_audit.run.statuses import FILLS_FRAME, OK


@dataclass(frozen=True)
class HistoryRow:
    """One class in one run; class_name "" stands for the run as a whole.

    Attributes:
        run: path of the run folder.
        created: ISO time in UTC.
        model, data: first 12 hex digits of the hash of the model file and of the data set.
        other_data: whether the run's data set is not that of the latest run, so that its numbers do not continue a
            series.
        n: images read.
        accuracy, gap, excess: accuracy (0..1), background gap (-1..1) and background excess, each with its 95 %
            interval in `_low` and `_high`; None where there is none. A run as a whole has only its accuracy over all
            images read.
        level: highest level among the findings about the class, one of NO_LEVELS without a finding;
            `AuditResult.level` for the run as a whole.
        findings: number of findings about the class, or in the run as a whole.
    """

    run: str
    created: str
    model: str
    data: str
    other_data: bool
    class_name: str
    n: int
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    gap: float | None
    gap_low: float | None
    gap_high: float | None
    excess: float | None
    excess_low: float | None
    excess_high: float | None
    level: str
    findings: int


@dataclass(frozen=True)
class History:
    """Many runs in the order of time.

    Attributes:
        runs: paths of the run folders, oldest first.
        rows: per run the row of the run as a whole, then its classes in the model's order.
        skipped: a sentence for each folder that holds no readable run.
    """

    runs: tuple[str, ...]
    rows: tuple[HistoryRow, ...]
    skipped: tuple[str, ...]

    @property
    def class_names(self) -> list[str]:
        """Names of all classes of all runs; classes that the latest run lacks come first."""
        return list(dict.fromkeys(row.class_name for row in reversed(self.rows) if row.class_name))[::-1]


def history(folders: Sequence[Path]) -> History:
    """Read runs and sort them by the time they were made.

    A damaged or unfinished run is named and left out.

    Raises:
        ResultError: none of the folders holds a run.
    """
    runs: list[AuditResult] = []
    skipped = []
    for folder in dict.fromkeys(folders):
        try:
            runs.append(load(folder))
        except ResultError as error:
            skipped.append(error.message)
    if not runs:
        raise ResultError(f"none of {len(skipped)} folders holds a finished run: {skipped[0]}", "Give run folders.")
    runs.sort(key=lambda run: (run.info.created, str(run.path)))
    latest = data_of(runs[-1])
    rows = [row for run in runs for row in _rows(run, data_of(run) != latest)]
    return History(tuple(str(run.path) for run in runs), tuple(rows), tuple(skipped))


def as_csv(past: History) -> str:
    """The history as CSV with a line per row; a cell is empty where there is no number."""
    return csv_of_records([field.name for field in fields(HistoryRow)], map(asdict, past.rows), "\n")


def _rows(run: AuditResult, other: bool) -> list[HistoryRow]:
    info, found = run.info, run.found()
    made = _Maker(str(run.path), info.created, info.model_sha256[:12], data_of(run)[:12], other)
    rows = [made.row("", info.counts.get("read", 0), {"accuracy": _mean(run)}, run.level, len(found))]
    levels = class_levels(found)
    for cells in run.class_rows:
        name = str(cells["class_name"])
        judged = cells.get("reliance_reason") == OK
        unjudged = FILLS_PICTURE if cells.get("reliance_reason_code") == FILLS_FRAME else NOT_JUDGED
        level = levels.get(name, NO_RELIANCE if judged else unjudged)
        about = sum(counts_for(outcome) == name for outcome in found)
        rows.append(made.row(name, int(cells.get("n_read") or 0), cells, level, about))
    return rows


@dataclass(frozen=True)
class _Maker:
    """Makes rows of one run, with the fields that are the same in all of these rows."""

    run: str
    created: str
    model: str
    data: str
    other_data: bool

    def row(self, name: str, n: int, cells: Mapping[str, Any], level: str, findings: int) -> HistoryRow:
        numbers = {field: cells.get(column) for field, column in _COLUMNS.items()}
        said: dict[str, Any] = {**vars(self), "class_name": name, "n": n, **numbers, "level": level}
        return HistoryRow(**said, findings=findings)


_COLUMNS = {
    "accuracy": "accuracy", "accuracy_low": "accuracy_low", "accuracy_high": "accuracy_high", "gap": "background_gap",
    "gap_low": "gap_low", "gap_high": "gap_high", "excess": "background_excess", "excess_low": "excess_low",
    "excess_high": "excess_high",
}  # fmt: skip
"""Field of `HistoryRow` -> column of the classes table."""


def _mean(run: AuditResult) -> float | None:
    """Accuracy over all images read, 0..1; None where no class has one."""
    read = [(float(row["accuracy"]), int(row["n_read"])) for row in run.class_rows if row.get("accuracy") is not None]
    total = sum(n for _, n in read)
    return sum(value * n for value, n in read) / total if total else None
