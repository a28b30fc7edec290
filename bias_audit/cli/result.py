"""What an audit prints at its end: classes, findings, what could not be judged, and last the verdict and what to do.

Nothing is wider than the line (`console.line_width`), and a run with two classes takes at most 45 lines, so that all of
it is on the screen. The page and the tables hold the rest.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from bias_audit.checks.levels import class_levels
from bias_audit.checks.outcomes import LEVELS, RuleOutcome, number
from bias_audit.checks.registry import find_rule, with_role
from bias_audit.cli.class_lines import class_lines
from bias_audit.cli.console import WIDEST, line_width, open_console
from bias_audit.cli.fitting import cells, chopped, cut_end, cut_middle, folded, padded, paragraph
from bias_audit.repair.evidence import repairable
from bias_audit.run.identity import subject_title
from bias_audit.run.printable import printable
from bias_audit.run.progress import QUIET, VERBOSE, Progress
from bias_audit.run.quantities import NONE, duration, interval
from bias_audit.run.sampled import told_of
from bias_audit.run.statuses import GIVEN
from bias_audit.run.verdict_text import sentences, without_level

if TYPE_CHECKING:
    from rich.text import Text

    from bias_audit.run.result import AuditResult

MOST_FINDINGS, MOST_REASONS, MOST_NOTES, MOST_KINDS = 10, 4, 4, 3
"""Largest numbers of lines about findings, reasons, notes and kinds of strangers."""

MOST_VERDICT = 4
"""Lines of the verdict beyond which a further sentence is left out; the first one stands in any case."""

LONGEST_VERDICT = 6
"""Lines at which the first sentence of the verdict is cut."""

NAME = 18
"""Cells that the name of a class or a slice takes of a finding's line."""

STYLES = {
    "CONTEXT": "cyan",
    "TOO FEW IMAGES": "cyan",
    "MODEL WARNING": "yellow",
    "WATCH": "yellow",
    "COLLATERAL": "magenta",
    "SUSPICIOUS": "bold red",
    "HIDDEN": "bold red",
    "CONFIRMED": "bold white on red",
}


def show_result(result: AuditResult, progress: Progress, *, what: str = "Audited") -> None:
    """Print the result of an audit on stdout.

    Args:
        result: the finished run.
        progress: display of the audit's progress, which knows how long it took. Where it is quiet only the verdict is
            printed, where it is verbose all findings, all notes and the seconds of every stage.
        what: what was done with the photos.
    """
    if progress.verbosity == QUIET:
        print(printable(result.verdict))
        return
    console = open_console()
    width = min(line_width(), WIDEST)
    for line in _lines(result, progress, what, width):
        console.print(line, soft_wrap=True)


def _lines(result: AuditResult, progress: Progress, what: str, width: int) -> Iterator[Text]:
    """All lines, with a blank one between blocks."""
    whole = progress.verbosity == VERBOSE
    blocks = (
        _audited(result, progress, what, width),
        _classes(result, width),
        _findings(result, width, whole=whole),
        _strangers(result, width),
        [*_not_judged(result, width), *_notes(result, width, whole=whole), *_stages(progress, width, whole=whole)],
        [*_verdict(result, width), *_next_steps(result, width)],
    )
    for place, block in enumerate(filter(None, blocks)):
        if place:
            yield _styled("")
        yield from block


def _audited(result: AuditResult, progress: Progress, what: str, width: int) -> list[Text]:
    """What was audited: photos, classes, and what of them could not be read."""
    counts = result.info.counts
    classes = len(result.info.class_names)
    photos = told_of(counts) or f"{counts.get('images', 0):,} photos"
    said = f"{what} {photos} of {classes:,} classes in {duration(progress.elapsed())}."
    if unread := counts.get("images", 0) - counts.get("read", 0):
        said += f" {unread:,} of them could not be used."
    return [_styled(line) for line in paragraph(said, width)]


def _classes(result: AuditResult, width: int) -> list[Text]:
    untested = {
        outcome.subject
        for outcome in result.outcomes
        if outcome.code in with_role("tests reliance") and not outcome.judged
    }
    estimated = bool(result.info.counts.get("estimated_masks"))
    lines = class_lines(result.class_rows, class_levels(result.found()), untested, width, estimated=estimated)
    return [_styled(line, STYLES.get(level, ""), "dim" if muted else "", level) for line, level, muted in lines]


def _findings(result: AuditResult, width: int, *, whole: bool) -> list[Text]:
    """A line per finding below its level, the worst first: rule, what in plain words, and the effect with its interval.

    The level has a line of its own: beside it nothing of the words would be left in 80 cells.
    """
    found = result.found()
    shown = found if whole else found[:MOST_FINDINGS]
    effects = [_effect(outcome) for outcome in shown]
    code_width = max((cells(printable(outcome.code)) for outcome in shown), default=0)
    room = width - 4 - code_width - 2 - 2
    lines: list[Text] = []
    above = None
    for outcome, effect in zip(shown, effects, strict=True):
        if (level := outcome.level or LEVELS[0]) != above:
            lines.append(_styled(f"  {level}", STYLES.get(level, "")))
            above = level
        title, who = printable(outcome.title), cut_middle(printable(subject_title(outcome)), NAME)
        words = max(room - cells(effect), 8)
        told = padded(cut_end(f"{who}: {title}" if who else title, words), words)
        line = f"    {padded(printable(outcome.code), code_width)}  {told}  {effect}"
        lines.append(_styled(cut_end(line.rstrip(), width)))
    if len(found) > len(shown):
        lines.append(_styled(f"  and {len(found) - len(shown):,} more: report.html, or --verbose", "dim"))
    return lines


def _effect(outcome: RuleOutcome) -> str:
    rule = find_rule(outcome.code)
    effect = interval(number(outcome.measured), outcome.low, outcome.high, rule.measures[1] if rule else "number")
    return "" if effect == NONE else effect


def _strangers(result: AuditResult, width: int) -> list[Text]:
    if not result.info.counts.get("strangers"):
        return []
    from bias_audit.checks.strangers.encounters import encounters

    met = encounters(result.strangers, result.images)
    lines = [
        line
        for each in met[:MOST_KINDS]
        for line in paragraph(printable(f"Strangers: {each.sentence}"), width, hanging=2, most=3)
    ]
    if len(met) > MOST_KINDS:
        lines.append(f"  and {len(met) - MOST_KINDS:,} more kinds: strangers.csv")
    return [_styled(line) for line in lines]


def _not_judged(result: AuditResult, width: int) -> list[Text]:
    """How many questions had no answer, by reason, and what was left out on request."""
    left = [outcome for outcome in result.outcomes if not outcome.judged and not outcome.ignored]
    said = []
    if left:
        reasons: dict[str, list[str]] = {}
        for outcome in left:
            reasons.setdefault(outcome.reason_code or "see the report", []).append(outcome.code)
        ordered = sorted(reasons.items(), key=lambda each: (-len(each[1]), each[0]))
        parts = [f"{len(codes):,} {reason}: {_codes(codes)}" for reason, codes in ordered[:MOST_REASONS]]
        if rest := sum(len(codes) for _, codes in ordered[MOST_REASONS:]):
            parts.append(f"{rest:,} for other reasons")
        said.append(f"Not judged: {len(left):,} of {len(result.outcomes):,} questions ({'; '.join(parts)}).")
    if ignored := [outcome.code for outcome in result.outcomes if outcome.ignored]:
        said.append(f"Ignored on request: {_codes(ignored)}.")
    return [_styled(line, "dim") for each in said for line in paragraph(printable(each), width, hanging=2, most=4)]


def _codes(codes: Iterable[str], most: int = 4) -> str:
    """Rule codes, each once: "BA203, BA205"."""
    named = list(dict.fromkeys(codes))
    return ", ".join(named[:most]) + (f" and {len(named) - most} more" if len(named) > most else "")


def _notes(result: AuditResult, width: int, *, whole: bool) -> list[Text]:
    """Notes on the run: their beginnings, or all of them."""
    notes = [f"- {printable(note)}" for note in result.info.notes]
    if whole:
        lines = [line for note in notes for line in paragraph(note, width, hanging=2)]
    else:
        lines = [cut_end(note, width) for note in notes[:MOST_NOTES]]
        if len(notes) > MOST_NOTES:
            lines.append(f"  {len(notes) - MOST_NOTES} more: report.html, or --verbose")
    return [_styled(line, "dim") for line in lines]


def _stages(progress: Progress, width: int, *, whole: bool) -> list[Text]:
    """Seconds of every stage, in their order."""
    if not whole or not progress.seconds:
        return []
    name_width = min(max(map(cells, progress.seconds)), width - 16)
    return [
        _styled(
            f"  {padded(cut_end(title, name_width), name_width)}  {padded(duration(seconds), 12, right=True)}", "dim"
        )
        for title, seconds in progress.seconds.items()
    ]


def _verdict(result: AuditResult, width: int) -> list[Text]:
    """The level, and beside it the first sentences of the verdict, as many as make a short paragraph."""
    level = printable(result.level)
    said = without_level(printable(result.verdict))
    hanging = cells(level) + 3
    shown, *further = sentences(said, [printable(name) for name in result.info.class_names])
    for sentence in further:
        if len(folded(f"{shown} {sentence}", width - hanging)) > MOST_VERDICT:
            break
        shown = f"{shown} {sentence}"
    lines = paragraph(f" {shown}", width - hanging, most=LONGEST_VERDICT)
    style = STYLES.get(result.level, "bold")
    first = _styled(f" {level}  {lines[0].strip()}", f"{style} reverse" if style != STYLES["CONFIRMED"] else style,
                    "", f" {level} ")  # fmt: skip
    return [first, *(_styled(" " * hanging + line) for line in lines[1:])]


def _next_steps(result: AuditResult, width: int) -> list[Text]:
    """The page, the text of the rule that weighs most, and the commands to decide, to repair and to judge with."""
    found = result.found()
    folder = shlex.quote(printable(result.path))
    repair = f"bias-audit repair {folder} --model MODEL --train DIR"
    steps: Mapping[str, str] = {
        "Report": printable(result.path / "report.html"),
        **({"Explain": f"bias-audit rule {printable(found[0].code)}"} if found else {}),
        **({"Decide": f"bias-audit review {folder}"} if found else {}),
        **({"Repair": repair} if any(map(repairable, found)) and result.info.head != GIVEN else {}),
        "CI": f"bias-audit gate {folder}",
    }
    lines = []
    for title, step in steps.items():
        first, *rest = chopped(step, width - 11)  # a long path goes on in the next line: cut, it would open nothing
        lines += [_styled(f"  {title:<9}{first}", "bold", "", title), *(_styled(f"{'':<11}{part}") for part in rest)]
    return lines


def _styled(line: str, style: str = "", base: str = "", part: str = "") -> Text:
    """A line, in a style as a whole, or the last occurrence of a part of it, beside the style of the rest."""
    from rich.text import Text

    if not part:
        return Text(line, style=style or base)
    made = Text(line, style=base)
    begin = line.rfind(part)
    if style and begin >= 0:
        made.stylize(style, begin, begin + len(part))
    return made
