"""Section about what was found: a line per finding, and what stands below it when it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bias_audit.checks.outcomes import LEVELS, RuleOutcome, number
from bias_audit.report.cells import estimate
from bias_audit.report.cue_titles import cue_titles, with_titles
from bias_audit.report.finding_words import measures, place
from bias_audit.report.gallery import illustration
from bias_audit.report.rule_texts_section import repair
from bias_audit.run.identity import finding_id, subject_title
from bias_audit.run.result import AuditResult

MOST_FINDINGS = 60

MOST_THUMBNAILS = 6

LADDER: tuple[tuple[str, str, str, str], ...] = (
    ("Photos as they are", "accuracy", "accuracy_low", "accuracy_high"),
    ("On same-class backgrounds", "same_background_accuracy", "same_low", "same_high"),
    ("On other-class backgrounds", "other_background_accuracy", "other_low", "other_high"),
    ("Background only", "background_only_accuracy", "background_only_low", "background_only_high"),
    ("Object only", "foreground_only_accuracy", "foreground_only_low", "foreground_only_high"),
)
"""Label, value and ends of the interval of each share that leads from a photo to its parts."""


def findings_section(
    result: AuditResult,
    found: Sequence[RuleOutcome],
    class_rows: Mapping[str, Mapping[str, Any]],
    chosen: Mapping[str, Any],
    cues: Mapping[str, Mapping[str, Any]],
    says: Mapping[str, str],
) -> list[dict[str, Any]]:
    """The first MOST_FINDINGS findings.

    Args:
        result: a finished run.
        found: its findings, worst first.
        class_rows: class name -> row of the class table.
        chosen: the page's pictures, from `gallery.arrange_pictures`.
        cues: cue_id -> recurring cue as the section of that check has it.
        says: rule code -> sentence in the place of the finding's, from the sections of the checks.

    Returns:
        list of dicts. `title` is the rule's, `name` what it was found for (a class, a cue by its title, a slice with
        its value), `steps` what the rule's text says to do, `cue` the recurring cue with its pictures or None,
        `shown_at` the place (from 1) of an earlier finding that shows the same images, else None.
    """
    titles = cue_titles(result)
    findings: list[dict[str, Any]] = []
    illustrated: set[str] = set()
    for item in found[:MOST_FINDINGS]:
        first = item.scope == "class" and item.subject not in illustrated
        if first:
            illustrated.add(item.subject)
        finding = _finding(item, class_rows, chosen, illustrate=first)
        finding["name"] = _named(item, titles)
        finding["sentence"] = with_titles(says.get(item.code, item.sentence), titles)
        finding["key"] = finding_id(item, result)
        finding["cue"] = cues.get(item.subject) if item.scope == "cue" else None
        # Two rules often name the same images of a class: they are shown once.
        keys = {image["key"] for image in finding["thumbnails"]}
        shown = ({image["key"] for image in other["thumbnails"]} for other in findings)
        finding["shown_at"] = next((place for place, there in enumerate(shown, 1) if keys and keys <= there), None)
        findings.append(finding)
    return findings


def _named(outcome: RuleOutcome, titles: Mapping[str, str]) -> str:
    """What a finding is about; of a run of an older version, whose findings do not name their cue, its title."""
    named = outcome.evidence.get("name") or outcome.evidence.get("title")
    return subject_title(outcome) if named else titles.get(outcome.subject) or subject_title(outcome)


def _finding(
    outcome: RuleOutcome, class_rows: Mapping[str, Mapping[str, Any]], chosen: Mapping[str, Any], *, illustrate: bool
) -> dict[str, Any]:
    name, unit = measures(outcome.code)
    row = class_rows.get(outcome.subject)
    ladder = []
    if illustrate and row is not None and outcome.code.startswith("BA2"):
        ladder = [{"label": label, **estimate(row[value], row[low], row[high])} for label, value, low, high in LADDER]
        ladder = [step for step in ladder if step["value"] is not None]
    places = chosen["places"]
    thumbnails = [places[image_id] for image_id in outcome.image_ids if image_id in places][:MOST_THUMBNAILS]
    return {
        "code": outcome.code,
        "title": outcome.title,
        "scope": outcome.scope,
        "subject": outcome.subject,
        "level": outcome.level or LEVELS[0],
        "measure": name,
        "unit": unit,
        "estimate": estimate(outcome.measured, outcome.low, outcome.high),
        "threshold": number(outcome.threshold),
        "n": outcome.n,
        "p_value": number(outcome.p_value),
        "ladder": ladder,
        "steps": repair(outcome.code),
        **illustration(outcome.subject if illustrate else "", chosen),
        "thumbnails": thumbnails,
        "place": place(outcome.code),
        "images_total": len(outcome.image_ids),
    }
