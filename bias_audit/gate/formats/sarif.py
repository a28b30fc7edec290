"""Writes SARIF 2.1.0 (OASIS), within the limits of what GitHub code scanning accepts and shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import bias_audit
from bias_audit.checks import registry
from bias_audit.checks.levels import fails_by_default
from bias_audit.checks.outcomes import FOUND, RuleOutcome
from bias_audit.checks.rule_texts import rule_codes
from bias_audit.gate.formats.place import Place
from bias_audit.gate.formats.told import check_text, checks_of, cut, is_rule, one_line, subject_of
from bias_audit.gate.values import FAILED, WARNED, GateResult, GateRow
from bias_audit.run.printable import printable
from bias_audit.run.versions import scope

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

MOST_RESULTS = 5_000
"""Most results of a file: GitHub shows so many of a run, and refuses files with more than 25,000 or above 10 MB
compressed."""

MESSAGE, DESCRIPTION = 2_000, 1_024
"""Most characters of a result's message and of a rule's descriptions (GitHub: 1,024)."""

LEVELS = {FAILED: "error", WARNED: "warning"}
"""Status of a row -> level of its SARIF result; rows of another status make no result."""

_FAMILIES = {
    "BA1": ("attention", "low"),
    "BA2": ("reliance", "high"),
    "BA3": ("cue", "high"),
    "BA4": ("leakage", "medium"),
    "BA9": ("audit-health", "high"),
}
"""First three signs of a rule's code -> tag and precision of the rule in SARIF; heatmaps alone are triage, so "low"."""


def sarif(gate: GateResult, place: Place) -> str:
    """The result of the gate as SARIF: a result per failed check and per warning, each at a line of a committed file.

    Waived checks make no results, because GitHub shows suppressed ones as open alerts. A finding that both fails and
    warns makes one result, the failure. No check is about a single image: rules and metrics of images have a row per
    class.
    """
    found = _distinct([row for row in checks_of(gate) if row.status in LEVELS])
    shown = found[:MOST_RESULTS]
    checks = [*rule_codes(), *sorted({row.check for row in shown if not is_rule(row.check)})]
    index = {check: place_in for place_in, check in enumerate(checks)}
    said = [gate.summary, *gate.notes]
    if len(found) > len(shown):
        said.append(f"{len(found) - len(shown)} further results are left out; gate.json holds all.")
    notifications = [{"level": "note", "message": {"text": _message(text)}} for text in said]
    run = {
        "tool": {
            "driver": {
                "name": "bias-audit",
                "version": bias_audit.__version__,
                "rules": [_rule(check, place) for check in checks],
            }
        },
        "invocations": [
            {"executionSuccessful": True, "exitCode": gate.exit_code, "toolExecutionNotifications": notifications}
        ],
        "columnKind": "utf16CodeUnits",
        "results": [_result(row, index[row.check], place) for row in shown],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, allow_nan=False) + "\n"


def _rule(check: str, place: Place) -> dict[str, Any]:
    text = check_text(check)
    tag, precision = _FAMILIES.get(check[:3], ("threshold", "high"))
    level = _severity(check)
    rule = {
        "id": check,
        "name": cut("".join(word.capitalize() for word in text.title.replace(",", "").split()), 255),
        "shortDescription": {"text": cut(text.title[0].upper() + text.title[1:], DESCRIPTION)},
        "fullDescription": {"text": cut(text.summary, DESCRIPTION)},
        "help": {"text": text.plain, "markdown": text.markdown},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["background-bias", tag], "precision": precision, "problem.severity": level},
    }
    address = place.help(check)
    return {**rule, "helpUri": address} if address else rule


def _severity(check: str) -> str:
    """The level of a rule that fails a gate by default at its highest: error; so is what a gate file asks for."""
    rule = registry.find_rule(check)
    if rule is None:
        return LEVELS[FAILED]
    worst = RuleOutcome(rule.code, rule.title, rule.scope, "", FOUND, "", level=rule.highest)
    return LEVELS[FAILED if fails_by_default(worst) else WARNED]


def _result(row: GateRow, rule_index: int, place: Place) -> dict[str, Any]:
    fingerprint = _identity(row)
    line = place.line(row)
    numbers = {name: getattr(row, name) for name in ("measured", "low", "high", "threshold", "n", "baseline")}
    words = {"subject": subject_of(row), "scope": row.scope, "findingLevel": row.level, "change": row.change}
    bag: dict[str, Any] = {name: one_line(word) for name, word in words.items() if word}
    return {
        "ruleId": row.check,
        "ruleIndex": rule_index,
        "level": LEVELS[row.status],
        "message": {"text": _message(f"{subject_of(row)}: {row.sentence}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": place.uri()},
                    "region": {"startLine": line, "startColumn": 1, "endLine": line, "endColumn": 2},
                }
            }
        ],
        # GitHub tells alerts apart by `primaryLocationLineHash` alone; all of ours share a few lines.
        "partialFingerprints": {"primaryLocationLineHash": f"{fingerprint}:1", "biasAuditFinding/v1": fingerprint},
        "properties": bag | {name: value for name, value in numbers.items() if value is not None},
    }


def _message(text: str) -> str:
    """Text of a SARIF message (3.11): braces are doubled, and no name of a class can make a link."""
    plain = cut(printable(text, lines=True), MESSAGE).replace("](", "] (")
    return plain.replace("{", "{{").replace("}", "}}")


def _identity(row: GateRow) -> str:
    """The finding's id, or for a number a hash of check, first word for its scope, and subject."""
    if row.finding_id:
        return row.finding_id
    parts = "\0".join((row.check, scope(row.scope, 1), row.subject))
    return hashlib.sha256(parts.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _distinct(rows: Sequence[GateRow]) -> list[GateRow]:
    """The first row of each identity: failures come before warnings."""
    kept: dict[str, GateRow] = {}
    for row in rows:
        kept.setdefault(_identity(row), row)
    return list(kept.values())
