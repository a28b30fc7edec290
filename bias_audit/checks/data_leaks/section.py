"""Section "What the data alone give away": backgrounds and file properties against the label, and copies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bias_audit.checks.data_leaks.rule import JUDGES, strength
from bias_audit.checks.outcomes import number
from bias_audit.report.cells import estimate, records

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.base import Page

MOST_ROWS, MOST_COPIES = 15, 40
"""Largest numbers of associations and of pairs of copies in the page; leakage.csv holds all."""

CODES = tuple(rule.code for rule in JUDGES)

COPIES = {"training copy": "training set", "test copy": "test set"}
"""Kind of a pair of copies -> the set that holds its second picture."""


def section(leakage: pd.DataFrame, page: Page) -> dict[str, Any] | None:
    """Values of the section: outcomes of the rules, strongest associations with intervals, and pairs of copies.

    Args:
        leakage: the table `leakage`.
        page: the run, and the pictures of its page.

    Returns:
        None where the run has no outcome of these rules, else a dictionary with
        judged: list of {code, status, level, sentence}, one per outcome.
        rows: list of {kind, name, class_name, measure, estimate, n, p, typical}, probes of backgrounds first.
        rows_total: number of associations in all.
        copies: list of {first, label, second, other_label, place, bits, conflict}, conflicting labels first.
        copies_total: number of pairs in all.
        file: name of the table that holds all.
    """
    judged = [
        {"code": each.code, "status": each.status, "level": each.level, "sentence": each.sentence}
        for each in page.result.outcomes
        if each.code in CODES
    ]
    if not judged:
        return None
    table = records(leakage)
    found = [row for row in table if row["kind"] not in COPIES and number(row["value"]) is not None]
    # The probes are the question of the section: they stand first, in their order, whatever the properties say.
    probes = [row for row in found if row["kind"] != "property"]
    properties = [row for row in found if row["kind"] == "property"]
    properties.sort(key=lambda row: strength(row["measure"], row["value"]), reverse=True)
    found = probes + properties
    pairs = [_pair(row) for row in table if row["kind"] in COPIES]
    pairs.sort(key=lambda pair: (not pair["conflict"], pair["bits"]))
    return {
        "judged": judged,
        "rows": [_described(row) for row in found[:MOST_ROWS]],
        "rows_total": len(found),
        "copies": pairs[:MOST_COPIES],
        "copies_total": len(pairs),
        "file": "leakage.csv",
    }


def _described(row: Mapping[str, Any]) -> dict[str, Any]:
    corrected = number(row["p_fdr"])
    return {
        "kind": row["kind"],
        "name": row["name"],
        "class_name": row["class_name"] or "",
        "measure": row["measure"],
        "estimate": estimate(row["value"], row["low"], row["high"]),
        "n": row["n"] or 0,
        "p": number(row["p"]) if corrected is None else corrected,
        "typical": row["typical"] or "",
    }


def _pair(row: Mapping[str, Any]) -> dict[str, Any]:
    label, other = row["class_name"] or "", row["other_label"] or ""
    return {
        "first": row["name"],
        "label": label,
        "second": row["typical"],
        "other_label": other,
        "place": COPIES[row["kind"]],
        "bits": int(row["value"] or 0),
        "conflict": bool(label and other and label != other),
    }
