"""The first screen of the page: the verdict, one object on several backgrounds, three numbers, and what to do next.

Whatever the run is, it answers four questions: which class, why, how sure, and what to do. Coverage, sampling and
provenance stand farther down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bias_audit.checks.levels import fills_the_picture
from bias_audit.checks.outcomes import LEVELS, NO_LEVELS, WATCH, RuleOutcome, as_float, class_of, number
from bias_audit.checks.reasons import FEW, FILLS_FRAME, MASKS_IN_DOUBT, NO_READABLE, SCREENED
from bias_audit.checks.registry import with_role
from bias_audit.checks.reliance import screened
from bias_audit.report.cells import estimate
from bias_audit.report.coverage import right
from bias_audit.report.finding_words import measures
from bias_audit.report.rule_texts_section import pieces, repair
from bias_audit.run.result import AuditResult
from bias_audit.run.verdict_text import sentences

MOST_HEADLINE = 260
"""Most characters of the headline; a longer one is cut, and the whole verdict stands in a fold below it."""

MOST_OTHERS = 3
"""Most further classes whose numbers are shown; the class table has all."""

MOST_TILES = 5

SHARES: tuple[tuple[str, str, str, str], ...] = (
    ("as they are", "accuracy", "accuracy_low", "accuracy_high"),
    ("on own-class backgrounds", "same_background_accuracy", "same_low", "same_high"),
    ("on other backgrounds", "other_background_accuracy", "other_low", "other_high"),
)
"""Label, value and ends of the interval of the three numbers, columns of the class table."""


IN_DOUBT = (
    "See whether the masks cover the whole objects: a leg or a tail that they miss makes such a gap.",
    "Correct the masks and audit again, which makes new composites.",
)
"""What to do where what the masks miss may have made the gap: more photos of the class would not help."""


def first_screen(
    result: AuditResult,
    sentence: str,
    class_rows: Mapping[str, Mapping[str, Any]],
    chosen: Mapping[str, Any],
    cues: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Values of the first screen.

    Args:
        result: a finished run.
        sentence: the verdict, without its level.
        class_rows: class name -> row of the class table.
        chosen: the page's pictures, from `gallery.arrange_pictures`.
        cues: cue_id -> recurring cue as the section of that check has it.

    Returns:
        headline, rest: first sentence of the verdict, and the others; whole: the verdict where the headline was cut.
        subject: class that the numbers are of; "" = the whole test set.
        numbers: list of {label, value, low, high, reason}, shares of photos recognised.
        others: list of {name, level, values} of further classes, others_total: how many there are.
        sure: {measure, unit, n, p_value, estimate}, the effect behind the verdict, or {sentence}.
        strip: {subject, kind, tiles}, or None without pictures; kind "composites", "cue" or "photos".
        steps: what to do next, each a list of {is_code, text}; code: rule whose text says so, "" = none.
        place: place of the finding that the verdict rests on, from 1; 1 without one.
    """
    names = list(class_rows)
    headline, rest = split_verdict(sentence, names)
    lead, subject = lead_finding(result), leading_class(result)
    steps, code = _steps(result, lead)
    others = _others(result, class_rows, subject)
    return {
        **_cut(headline, rest, sentence),
        "subject": subject,
        "numbers": _numbers(result, lead, class_rows, subject),
        "others": others[:MOST_OTHERS],
        "others_total": len(others),
        "sure": _sure(result, lead),
        "strip": _strip(lead, subject, chosen, cues),
        "steps": steps,
        "code": code,
        "place": result.found().index(lead) + 1 if lead else 1,
    }


def split_verdict(text: str, names: Sequence[str]) -> tuple[str, str]:
    """First sentence of a verdict, and what follows it.

    Args:
        text: the verdict, without its level.
        names: names of the classes; a full stop within one ends no sentence.
    """
    first, *further = sentences(text, names)
    return first, " ".join(further)


def lead_finding(result: AuditResult) -> RuleOutcome | None:
    """The finding that the verdict rests on: a doubt about the input, else reliance, else the highest; None without.

    Among findings of reliance that of the class whose background pulls most comes first, as in the verdict.
    """
    found = result.found()
    doubts = [item for item in found if item.code in with_role("doubts the input")]
    if doubts:
        return doubts[0]
    reliance = [item for item in found if item.code in with_role("tests reliance")]
    if result.level in NO_LEVELS:
        return next(iter(reliance), None)
    counted = [item for item in found if item.level == result.level]
    accused = [item for item in counted if item in reliance and item.level != WATCH]
    accused.sort(key=lambda item: -as_float(item.evidence.get("attract"), -1))
    return next(iter([*accused, *counted]), None)


def leading_class(result: AuditResult) -> str:
    """Class that the verdict rests on: that of its finding, else that for which the negative leaves most open.

    Returns:
        its name; "" where the finding is about none, or where none was judged.
    """
    names = {str(row["class_name"]) for row in result.class_rows}
    if (lead := lead_finding(result)) is not None:
        return class_of(lead) if class_of(lead) in names else ""
    judged = [
        item
        for item in result.outcomes
        if item.code in with_role("tests reliance") and item.judged and item.subject in names
    ]
    return max(judged, key=lambda item: as_float(item.high, -1)).subject if judged else ""


def _cut(headline: str, rest: str, whole: str) -> dict[str, str]:
    if len(headline) <= MOST_HEADLINE:
        return {"headline": headline, "rest": rest, "whole": ""}
    short = headline[:MOST_HEADLINE].rsplit(" ", 1)[0].rstrip(",;:(")
    return {"headline": f"{short} \N{HORIZONTAL ELLIPSIS}", "rest": "", "whole": whole}


def _numbers(
    result: AuditResult, lead: RuleOutcome | None, class_rows: Mapping[str, Mapping[str, Any]], subject: str
) -> list[dict[str, Any]]:
    row = class_rows.get(subject)
    if row is None:
        hits, n, low, high = right(result)
        first = {"label": SHARES[0][0], **estimate(hits / n if n else None, low, high, "no readable images")}
        reasons = [str(each["reliance_reason"]) for each in class_rows.values() if each["reliance_reason"]]
        why = next((reason for reason, _ in Counter(reasons).most_common(1)), "not tested")
        return [first, *({"label": label, **estimate(None, reason=why)} for label, _, _, _ in SHARES[1:])]
    why = SCREENED if screened(row) else str(row["reliance_reason"] or "not tested")
    numbers = [{"label": label, **estimate(row[value], row[low], row[high], why)} for label, value, low, high in SHARES]
    exchanged = lead.evidence.get("property") if lead else None
    if lead and exchanged:  # a property of the whole photo stands in the place of the background
        known = lead.evidence
        numbers[1:] = [
            {
                "label": f"with the {exchanged} of {whose}",
                **estimate(known.get(f"{arm}_accuracy"), known.get(f"{arm}_low"), known.get(f"{arm}_high")),
            }
            for whose, arm in (("its own class", "same"), ("another class", "other"))
        ]
    return numbers


def _others(result: AuditResult, class_rows: Mapping[str, Mapping[str, Any]], subject: str) -> list[dict[str, Any]]:
    """Further classes with a finding of reliance, worst first, with their shares."""
    found = [item for item in result.found() if item.code in with_role("tests reliance")]
    return [
        {
            "name": item.subject,
            "level": item.level or LEVELS[0],
            "values": [number(class_rows[item.subject][value]) for _, value, _, _ in SHARES],
        }
        for item in found
        if item.subject != subject and item.subject in class_rows
    ]


def _sure(result: AuditResult, lead: RuleOutcome | None) -> dict[str, Any]:
    if lead is not None and lead.measured is not None:
        name, unit = measures(lead.code)
        known = estimate(lead.measured, lead.low, lead.high)
        effect = {"measure": name, "unit": unit, "estimate": known}
        return {**effect, "n": lead.n, "p_value": number(lead.p_value), "code": lead.code}
    reliance = [item for item in result.outcomes if item.code in with_role("tests reliance")]
    judged = [item for item in reliance if item.judged and number(item.high) is not None]
    if judged:
        widest = max(judged, key=lambda item: as_float(item.high))
        known = estimate(widest.high)
        return {"measure": "excluded", "unit": "points", "estimate": known, "n": widest.n, "name": widest.subject}
    if any(item.judged for item in reliance):
        return {"sentence": "There are too few photos to say how large a gap could still be."}
    return {"sentence": "Not tested. That nothing was found is no acquittal."}


def _strip(
    lead: RuleOutcome | None, subject: str, chosen: Mapping[str, Any], cues: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | None:
    cue = cues.get(lead.subject) if lead and lead.scope == "cue" else None
    if cue and cue["shots"]:
        tiles = [
            {**shot, "predicted": cue["class_name"], "right": None, "title": shot["host_id"] or shot["image_id"]}
            for shot in cue["shots"][:3]
        ]
        return {"subject": cue["class_name"], "kind": "cue", "tiles": tiles}
    composites = chosen["composites"]
    name = subject if subject in composites or lead else next(iter(composites), "")
    if photos := composites.get(name):
        photo = photos[0]
        tiles = []
        if original := photo["original"]:
            tiles.append({**original, "text": "the photo", "right": original["correct"], "title": photo["image_id"]})
        tiles += [{**tile, "title": tile["donor_id"] or photo["image_id"]} for tile in photo["tiles"]]
        return {"subject": name, "kind": "composites", "tiles": tiles[:MOST_TILES]}
    places = chosen["places"]
    named = [places[each] for each in (lead.image_ids if lead else ()) if each in places]
    own = named or _by_turns([entry for entry in places.values() if not subject or entry["label"] == subject])
    tiles = [{**entry, "text": "", "right": entry["correct"], "title": entry["image_id"]} for entry in own]
    return {"subject": subject, "kind": "photos", "tiles": tiles[:MOST_TILES]} if tiles else None


def _by_turns(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Entries with the classes taking turns, so that a few pictures show more than one of them."""
    seen: dict[str, int] = {}
    turns = []
    for entry in entries:
        seen[entry["label"]] = seen.get(entry["label"], 0) + 1
        turns.append(seen[entry["label"]])
    return [entry for _, entry in sorted(zip(turns, entries, strict=True), key=lambda pair: pair[0])]


def _steps(result: AuditResult, lead: RuleOutcome | None) -> tuple[list[list[dict[str, Any]]], str]:
    """What to do next, and the rule whose text says so."""
    if lead is not None and lead.reason_code == MASKS_IN_DOUBT:
        return [pieces(line) for line in IN_DOUBT], "BA911"
    if lead is not None and (said := repair(lead.code)):
        return said, lead.code
    lines, code = _without_finding(result)
    return [pieces(line) for line in lines], code


def _without_finding(result: AuditResult) -> tuple[list[str], str]:
    reliance = [item for item in result.outcomes if item.code in with_role("tests reliance")]
    if any(item.judged for item in reliance):
        watched = len(result.found())
        look = f"Look at the {watched} findings below." if watched > 1 else "Look at the finding below."
        return [
            *([look] if watched else []),
            "To exclude a smaller gap, audit more photos per class.",
            "Keep it so: let `bias-audit gate` judge every new model in CI.",
        ], ""
    if fills_the_picture(result.outcomes):
        return ["Read what needs no background: whole-photo cues (BA301), recurring cues (BA302), leaks (BA401)."], ""
    codes = [item.reason_code for item in reliance if item.reason_code not in ("", NO_READABLE, FILLS_FRAME)]
    reason = max(codes, key=codes.count, default="")
    if any(item.ignored for item in reliance):
        return ["Audit again without ignoring the rule on reliance."], ""
    if reason in FEW:
        return ["Collect photos of the classes that have too few, or give masks for more of those there are."], "BA905"
    if "mask" in reason:
        return [
            "Give masks (`--masks`) or boxes (`--boxes`) of the objects.",
            "Or let the masks be estimated: `--segmenter auto`.",
        ], ""
    return ["See below why it could not be judged, and audit again."], ""
