"""Collects everything that the page says about a finished run in a plain dict, which can be tested without HTML.

The dict holds only strings, numbers, truth values, None, and lists, tuples and dicts of these; the page rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bias_audit.checks.base import Page
from bias_audit.checks.levels import class_levels, failed_map_tests
from bias_audit.checks.registry import of_run
from bias_audit.report.account import dictionary, every_rule, not_audited, provenance
from bias_audit.report.browser_section import browser_pictures, browser_section
from bias_audit.report.cells import records
from bias_audit.report.class_table import class_table
from bias_audit.report.confusion_section import confusion_section
from bias_audit.report.coverage import coverage, explained
from bias_audit.report.decide_section import decide_section
from bias_audit.report.distributions_section import distributions_section
from bias_audit.report.finding_words import anchor
from bias_audit.report.findings_section import findings_section
from bias_audit.report.first_screen import first_screen
from bias_audit.report.gallery import PICTURE_BUDGET, arrange_pictures, illustration
from bias_audit.report.rule_texts_section import rule_texts_section
from bias_audit.run.result import AuditResult
from bias_audit.run.sampled import told_of
from bias_audit.run.verdict_text import without_level


def summarise(result: AuditResult, pictures: Mapping[str, Any], budget: int = PICTURE_BUDGET) -> dict[str, Any]:
    """A dict of everything that the page shows about a run.

    Args:
        result: a finished run.
        pictures: content of pictures.json: "images" by image_id, "composites" by class name; {} without pictures.
        budget: bytes that pictures may take in the page, together with the markup around them.

    Raises:
        ResultError: a table of the run is missing or damaged.
    """
    info = result.info
    class_rows = {str(row["class_name"]): row for row in records(result.classes.reset_index())}
    found = result.found()
    flagged = list(class_levels(found))  # the worst finding of a class decides its place
    checks = _check_sections(result, pictures, budget)
    browser = browser_section(result, found)
    left = budget - sum(check["section"].get("bytes", 0) for check in checks) - browser["bytes"]
    chosen = arrange_pictures(result.images, found, flagged, pictures, left)
    browser["pictures"] = browser_pictures(browser["ids"], chosen)
    cues = _cues(checks)
    verdict = _verdict(result)
    says = {code: said for check in checks for code, said in check["section"].get("says", {}).items()}
    findings = findings_section(result, found, class_rows, chosen, cues, says)
    illustrated = {finding["subject"] for finding in findings if finding["scope"] == "class"}
    return {
        "name": info.name,
        "created": info.created,
        "sample": told_of(info.counts),
        "version": info.version,
        "verdict": verdict,
        "first": first_screen(result, verdict["sentence"], class_rows, chosen, cues),
        "facts": coverage(result, class_rows),
        "explained": explained(result),
        "notes": list(info.notes),
        "findings": findings,
        "findings_total": len(found),
        # Composites that no finding shows, above all where nothing was found: what was tried without effect.
        "examples": [
            {"subject": subject, **illustration(subject, chosen)}
            for subject in chosen["composites"]
            if subject not in illustrated
        ],
        "classes": class_table(result, class_rows, found),
        "distributions": distributions_section(result, flagged),
        "maps_failed": bool(failed_map_tests(found)),
        "checks": checks,
        "confusion": confusion_section(result.confusion, info.class_names),
        "browser": browser,
        "gallery": chosen["gallery"],
        "static_keys": [image["key"] for section in chosen["gallery"] for image in section["images"]],
        "outlines": [entry for entry in chosen["places"].values() if entry["outline"]],
        "pictures": [
            *chosen["pictures"],
            *(picture for check in checks for picture in check["section"].get("pictures", ())),
        ],
        "pictures_shown": chosen["shown"],
        "pictures_stored": chosen["stored"],
        "pictures_left_out": False,
        "rules": every_rule(result),
        "rule_texts": rule_texts_section(result),
        "not_audited": not_audited(result),
        "provenance": provenance(result),
        "dictionary": dictionary(),
        "decide": decide_section(result),
    }


def _cues(checks: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Recurring cues of the page by their ids, from the section of their check."""
    sections = [check["section"] for check in checks if check["name"] == "recurring_cues"]
    return {cue["id"]: cue for section in sections for cue in section["cues"]}


def _check_sections(result: AuditResult, pictures: Mapping[str, Any], budget: int) -> list[dict[str, Any]]:
    """Sections of the checks that have something to show, as {name, anchor, title, template, section}.

    `section` is what the template is given. It may hold `pictures`, as `gallery.arrange_pictures` makes them, `bytes`,
    which these take of the budget, and `says`, sentences by rule code that the page has in the place of a finding's.
    """
    page = Page(result, pictures, budget)
    made = ((check, check.section(check.recall(result), page)) for check in of_run(result.path))
    return [
        {
            "name": check.name,
            "anchor": anchor(check),
            "title": check.title,
            "template": f"{check.name}/section.html",
            "section": section,
        }
        for check, section in made
        if section is not None
    ]


def _verdict(result: AuditResult) -> dict[str, Any]:
    counted = ("judged", "passed", "found", "not_judged")
    totals = {name: sum(getattr(rule, name) for rule in result.rules) for name in counted}
    return {
        "level": result.level,
        "sentence": without_level(result.verdict),  # the level stands above the sentence
        **totals,
        "ignored": sum(outcome.ignored for outcome in result.outcomes),
    }
