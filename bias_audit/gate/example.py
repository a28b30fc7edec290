"""Text of a gate.toml that explains itself: every table and key with its default and the reason for it."""

from __future__ import annotations

import json
import textwrap

from bias_audit.gate.keys import KEYS
from bias_audit.gate.settings import FAIL_ON, MAX_DAYS, REQUIRED, SCOPES, WARN_ON
from bias_audit.gate.states import OTHER_THRESHOLDS, STATES
from bias_audit.gate.waivers import WARN_DAYS

WIDTH = 118


def example() -> str:
    """Text of a gate.toml with the defaults; thresholds without a default stand in comments."""
    return "\n".join([*_head(), *levels(), *_rest(), *_metrics(), *_waivers(), *_short()]) + "\n"


def comment(text: str, indent: str = "") -> list[str]:
    """A text as lines of a TOML comment, wrapped at WIDTH; lines after the first are indented by `indent`."""
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent=f"# {indent}", break_on_hyphens=False)


def _head() -> list[str]:
    return [
        "# What `bias-audit gate RUN --gate FILE` asks for. A key that is left out has the default shown here.",
        "",
        *comment(
            "Nothing is green because it is absent: what could not be judged has a named state, and each of them fails "
            'the gate unless it is allowed here, as "STATE", or as "STATE: NAME" for one class, rule or metric:'
        ),
        *[line for state, text in STATES.items() for line in comment(f"  {state}: {text}", "      ")],
        "allow = []",
        "",
        "# Classes that the run must have images of (those of the baseline are expected as well).",
        "# classes = [\"husky\", \"wolf\"]",
        "",
    ]  # fmt: skip


def levels() -> list[str]:
    """Lines of the tables [fail] and [warn] with their defaults."""
    return [
        *comment(
            "Lowest level of a finding that fails the gate, by scope. WATCH is triage, not evidence; from SUSPICIOUS "
            "on a paired intervention stands behind a finding. Image rules say that a photo is worth a look, not that "
            'the model is wrong. "none" = not judged.'
        ),
        "[fail]",
        *[f"{scope} = {json.dumps(FAIL_ON[scope])}" for scope in SCOPES],
        "# [fail.classes]            # a class may have its own level",
        '# wolf = "CONFIRMED"',
        "",
        "# Lowest level that is shown as a warning; warnings never fail the gate.",
        "[warn]",
        *[f"{scope} = {json.dumps(WARN_ON[scope])}" for scope in SCOPES],
        "",
    ]


def _rest() -> list[str]:
    return [
        *comment(
            "Rules that must have given an answer about every class: without reliance tested (BA201: masks or boxes, "
            "and enough photos) no class was cleared. Other rules may find nothing to look at, no columns of yours, no "
            "training set; they are listed as not judged."
        ),
        "[rules]",
        f"require = {json.dumps(list(REQUIRED))}",
        "",
        *comment(
            "Thresholds by which the rules of the run judged. Those that differ from their defaults in a direction "
            f'that could hide a finding are the state "{OTHER_THRESHOLDS}", unless just these values stand here. A '
            "value that stands here and that the run does not have is the same state."
        ),
        "# [require.thresholds]",
        "# fdr = 0.01",
        "",
        *comment(
            "Beside a baseline (--baseline OLD) a finding is new, known, or worse: of a higher level, or measured "
            "beyond the interval that it had. New and worse ones fail."
        ),
        "[baseline]",
        'known = "warn"              # what a known one does: "pass", "warn" or "fail"',
        "required = false            # true: a run without --baseline fails",
        "",
        "[provenance]",
        "require_same_data = true    # the baseline must be about the same images and labels",
        '# content = "..."           # content hash that the data must have; audit.json has it as info.content',
        "",
        *comment(
            "Where CI shows results (SARIF, annotations of GitHub), and where people read about a rule. Where the file "
            "is not there, they stand at the workflow that runs, or at README.md: CI shows nothing at a missing file."
        ),
        "# [output]",
        '# at = "model.keras"         # a committed file, from the repository\'s root; default: this file, at the line',
        '# help_uri = "https://wiki.example.org/bias/{code}"   # linked from SARIF and JUnit; default: the text itself',
        "",
    ]


def _metrics() -> list[str]:
    return [
        *comment(
            "Thresholds on any number of the tables dataset, class, cue, slice and image, by column name; the "
            "report explains the columns at its end. The bound itself is allowed."
        ),
        *comment(
            'By default (judge = "bound") a maximum holds if the upper end of the 95% interval keeps it, a minimum if '
            "the lower end does. So a threshold that holds has been shown to hold, and few images cannot make the gate "
            'green. An interval that contains the threshold is the state "near the threshold"; allowed, it leaves the '
            'decision to the estimate. Set to "estimate", judge lets the measured value decide; columns without an '
            "interval need it."
        ),
        *comment(
            "max_increase, max_decrease: against the baseline. On the same data the images are paired (Newcombe 1998) "
            "for accuracies and gaps, else the intervals of both runs are combined (Zou & Donner 2008)."
        ),
        "# [[metric]]",
        '# table = "class"',
        '# name = "background_gap"',
        "# max = 0.2",
        "# max_increase = 0.1",
        '# min_n = 20                # fewer photos: "not enough images"',
        '# severity = "fail"         # or "warn"',
        '# allow = ["near the threshold"]',
        "# [metric.classes.wolf]     # a class may have its own bounds, min_n, severity and allow",
        "# max = 0.3",
        "#",
        "# [[metric]]                # images: the share of each class beyond the bound is counted",
        '# table = "image"',
        '# name = "background_excess"',
        "# max = 1.5",
        "# max_share = 0.1",
        "",
    ]


def _waivers() -> list[str]:
    return [
        *comment(
            "Somebody answers for a finding until a day. Reason, owner and expiry are required. Review decisions "
            f'"legitimate context" with note, reviewer and expiry count as well. From {WARN_DAYS} days before its end '
            "a waiver is announced; after it the finding fails. One that grew beyond what was accepted is open again. "
            "`bias-audit gate RUN --prune FILE` removes those that are over or that no finding needs."
        ),
        "[waivers]",
        f"max_days = {MAX_DAYS}              # longest life, from `since` or today",
        "decisions = true            # false: only those of this file",
        "",
        "# [[waive]]",
        '# rule = "BA302"             # with class and cue; or finding = "..." (finding_id in gate.json)',
        '# class = "wolf"',
        '# cue = "snow"',
        '# reason = "wolves live in snow; the product is used in Alaska"',
        '# owner = "Dr. Ada"',
        "# expires = 2027-01-31",
        "# since = 2026-11-01        # optional: the day of the acceptance, before which it does not hold",
        "# measured = 0.4            # optional: what was accepted, with low, high and level",
        "",
    ]


def _short() -> list[str]:
    """Lines of the tables [dataset], [class] and [image] with every key of the short form."""
    lines = comment(
        "Short form of frequent thresholds: one for all classes, judged as those above; counts of the data set have no "
        "interval."
    )
    for table in dict.fromkeys(key.table for key in KEYS):
        lines += [f"[{table}]", 'judge = "bound"']
        for key in KEYS:
            if key.table == table:
                shown = 0.9 if key.name.startswith("min_") else 0.1
                value = f"# {key.name} = {shown}" if key.default is None else f"{key.name} = {key.default}"
                lines += [*comment(key.text), *comment(f"default: {key.reason}"), value]
        lines += [""]
        if table == "dataset":
            lines[-1:-1] = [
                *comment("true: nothing may be left unjudged, whatever rule or threshold it is, and `allow` is void"),
                "require_judged = false",
            ]
    return lines[:-1]
