"""Section with the texts of `bias-audit rule` about a run's rules, cut into pieces that the template escapes."""

from __future__ import annotations

from typing import Any

from bias_audit.checks.rule_texts import blocks, explain_rule, rule_codes, spans
from bias_audit.run.result import AuditResult


def rule_texts_section(result: AuditResult) -> list[dict[str, Any]]:
    """Texts about the rules that have an outcome in this run and a text in this version, by code.

    Returns:
        list of {code, title, summary, sections}. A section has its heading and blocks, a block its kind ("paragraph" or
        "list") and lines, a line its pieces, see `pieces`.
    """
    of_run = {outcome.code for outcome in result.outcomes}
    return [_entry(code) for code in rule_codes() if code in of_run]


def _entry(code: str) -> dict[str, Any]:
    text = explain_rule(code)
    sections = [
        {
            "heading": heading,
            "blocks": [{"kind": kind, "lines": [pieces(line) for line in lines]} for kind, lines in blocks(markdown)],
        }
        for heading, markdown in text.sections()
    ]
    return {"code": code, "title": text.title, "summary": " ".join(text.summary.split()), "sections": sections}


def repair(code: str, most: int = 3) -> list[list[dict[str, Any]]]:
    """What a rule's text says to do: the first items of its list, each as `pieces`; [] for a rule without a text.

    Args:
        code: rule code.
        most: largest number of items.
    """
    if code not in rule_codes():
        return []
    lines = [line for _, lines in blocks(explain_rule(code).repair) for line in lines]
    return [pieces(line) for line in lines[:most]]


def pieces(line: str) -> list[dict[str, Any]]:
    """A line of a rule's text as a list of {is_code, text}."""
    return [{"is_code": is_code, "text": piece} for is_code, piece in spans(line)]
