"""Section about confusions: the confusion matrix, or the largest confusions where there are too many classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bias_audit.checks.outcomes import number
from bias_audit.report.cells import records
from bias_audit.run.statuses import NONE_OF_THESE

if TYPE_CHECKING:
    import pandas as pd

MATRIX_CLASSES = 30
"""Most classes for which the confusion matrix is drawn; with more, only the largest confusions are listed."""

MOST_CONFUSIONS = 30


def confusion_section(confusion: pd.DataFrame, class_names: Sequence[str]) -> dict[str, Any]:
    """The confusions between labels and predictions.

    Args:
        confusion: confusion table of a run.
        class_names: classes in the order in which they are shown.

    Returns:
        {kind: "matrix", names, rows} with a row per label and a column per name, the last of which may be "none of
        these", or {kind: "list", largest, total} with more classes than MATRIX_CLASSES.
    """
    rows = [row for row in records(confusion) if row["n"]]
    read: dict[str, int] = {}  # label -> its readable images
    for row in rows:
        read[row["label"]] = read.get(row["label"], 0) + int(row["n"])
    wrong = sorted((row for row in rows if row["label"] != row["predicted"]), key=lambda row: -row["n"])
    if len(class_names) > MATRIX_CLASSES:
        return {"kind": "list", "largest": wrong[:MOST_CONFUSIONS], "total": len(wrong)}
    cells = {(row["label"], row["predicted"]): row for row in rows}
    outside = NONE_OF_THESE not in class_names and any(row["predicted"] == NONE_OF_THESE for row in rows)
    columns = [*class_names, *([NONE_OF_THESE] if outside else [])]
    matrix = []
    for label in class_names:
        line: list[dict[str, Any] | None] = []
        for predicted in columns:
            cell = cells.get((label, predicted), {"n": 0, "share": 0.0})
            line.append({"n": int(cell["n"]), "share": number(cell["share"]) or 0.0} if label in read else None)
        matrix.append({"label": label, "n": read.get(label, 0), "cells": line})
    return {"kind": "matrix", "names": columns, "rows": matrix}
