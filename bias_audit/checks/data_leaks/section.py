"""Section "What the data alone give away": backgrounds and file properties against the label, and copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bias_audit.checks.data_leaks.rule import JUDGES, NOT_THE_MODEL, strength
from bias_audit.checks.outcomes import number
from bias_audit.report.cells import estimate, records

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.base import Page
    from bias_audit.checks.outcomes import RuleOutcome

MOST_ROWS, MOST_COPIES = 15, 40
"""Largest numbers of associations and of pairs of copies in the page; leakage.csv holds all."""

MOST_SAID = 3
"""Most properties that are named in words; the table holds the others."""

PROPERTY = "BA402"

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
        says: rule code -> sentence that the page has in the place of a finding's.
        rows: list of {kind, name, class_name, measure, estimate, n, p, typical}, probes of backgrounds first.
        rows_total: number of associations in all.
        copies: list of {first, label, second, other_label, place, bits, conflict}, conflicting labels first.
        copies_total: number of pairs in all.
        file: name of the table that holds all.
    """
    outcomes = [each for each in page.result.outcomes if each.code in CODES]
    if not outcomes:
        return None
    table = records(leakage)
    says = _in_words(table, outcomes)
    judged = [
        {"code": each.code, "status": each.status, "level": each.level, "sentence": says.get(each.code, each.sentence)}
        for each in outcomes
    ]
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
        "says": says,
        "rows": [_described(row) for row in found[:MOST_ROWS]],
        "rows_total": len(found),
        "copies": pairs[:MOST_COPIES],
        "copies_total": len(pairs),
        "file": "leakage.csv",
    }


def _in_words(table: Sequence[Mapping[str, Any]], outcomes: Sequence[RuleOutcome]) -> dict[str, str]:
    """The properties that go with the label, the strongest in words, where there are more than a sentence holds."""
    found = next((each for each in outcomes if each.code == PROPERTY and each.found), None)
    names = dict.fromkeys(str(found.evidence.get("properties") or "").split(", ")) if found else {}
    if len(names) <= MOST_SAID:
        return {}
    rows = [row for row in table if row["kind"] == "property" and row["name"] in names]
    rows = [row for row in rows if number(row["value"]) is not None]
    rows.sort(key=lambda row: strength(row["measure"], row["value"]), reverse=True)
    said = "; ".join(map(_words, rows[:MOST_SAID]))
    return {PROPERTY: f"{len(names)} properties go with the label, most of all {said}. {NOT_THE_MODEL}."}


def _words(row: Mapping[str, Any]) -> str:
    of = f" of {row['class_name']}" if row["class_name"] else ""
    return f"{row['name']}{of} ({row['typical']})" if row["typical"] else f"{row['name']}{of}"


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
