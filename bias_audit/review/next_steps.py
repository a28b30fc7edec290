"""Turns decisions about a run into lists to work through, and into training images to repair a class with.

wrong_masks.csv   images whose mask was called wrong
relabel.csv       images whose label was called wrong
collect.csv       images to collect, per biased class
training/         objects of biased classes on other backgrounds (`swapped`)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from bias_audit.checks.outcomes import LEVELS, class_of, number
from bias_audit.checks.registry import find_rule
from bias_audit.checks.thresholds import Thresholds, of_run
from bias_audit.errors import ConfigError
from bias_audit.review import targets
from bias_audit.review.agreement import DISAGREEMENT, UNDECIDED, by_target, state_of, who_said_what
from bias_audit.review.decisions import BIAS, WRONG_LABEL, WRONG_MASK, Decision, read_decisions
from bias_audit.review.swapped import write_swapped
from bias_audit.review.targets import Target
from bias_audit.run.atomic import write_atomically
from bias_audit.run.csv_text import csv_text
from bias_audit.run.printable import printable
from bias_audit.run.progress import Progress
from bias_audit.run.quantities import interval, quantity
from bias_audit.run.result import AuditResult

MASKS_FILE, LABELS_FILE, COLLECT_FILE = "wrong_masks.csv", "relabel.csv", "collect.csv"
TRAINING = "training"

MOST_COLLECTED = 10_000
"""Most images of one kind that collect.csv asks for."""

_HINT = "Choose a folder that can be written."

MOST_NAMED = 5
"""Most disagreements that the printed summary names; the page shows all."""


@dataclass(frozen=True)
class Called:
    """Why an image is in a list: the columns that both lists of images end with, in this order.

    Attributes:
        because: what was decided on: "the image", or the finding or cue that the image belongs to.
        state: `agreement.state_of` that target.
        reviewers: who gave the verdict of the list.
        otherwise: who gave which other verdict.
        note: notes of those who gave the verdict.
    """

    because: str
    state: str
    reviewers: str
    otherwise: str
    note: str


_CALLED = tuple(field.name for field in fields(Called))


@dataclass(frozen=True)
class WrongMask:
    """A row of wrong_masks.csv: an image whose mask somebody called wrong, and its present kind of mask."""

    image: str
    mask: str
    called: Called


@dataclass(frozen=True)
class WrongLabel:
    """A row of relabel.csv: an image whose label somebody called wrong, its label and its prediction."""

    image: str
    label: str
    predicted: str
    called: Called


@dataclass(frozen=True)
class ToCollect:
    """A row of collect.csv, with its columns in order.

    Attributes:
        class_name: the biased class; the column is named class.
        finding: code and subject of the finding that was decided to be bias.
        collect: which images the class lacks, in words.
        at_least: number of images to collect, see `images_needed`.
        reason: why so many.
    """

    class_name: str
    finding: str
    collect: str
    at_least: int
    reason: str


def write_next_steps(
    result: AuditResult, folder: Path, *, undecided: bool = False, outside: bool = False, progress: Progress
) -> str:
    """Write the lists and the training images into a new folder.

    Args:
        result: the run.
        folder: new or empty, outside the audited data.
        undecided: also act on findings above WATCH that nobody decided on. A disagreement counts neither as decided nor
            as undecided: nothing is collected or made for it, and the lists of images name it as their state.
        outside: allow a table of the run to name files outside its folder.
        progress: shows the training images being made.

    Returns:
        a few lines about what was written.

    Raises:
        ConfigError: the folder is in use or lies within the data.
        ResultError: a table of the run or the store of decisions is damaged, or a file cannot be written.
    """
    folder = _usable(folder, result)
    decisions = read_decisions(result.path)
    biased = biased_targets(result, decisions, undecided=undecided)
    tables: dict[str, tuple[Sequence[str], list[tuple[str | int, ...]]]] = {
        MASKS_FILE: (
            ("image", "mask", *_CALLED),
            [(row.image, row.mask, *astuple(row.called)) for row in wrong_masks(result, decisions)],
        ),
        LABELS_FILE: (
            ("image", "label", "predicted", *_CALLED),
            [(row.image, row.label, row.predicted, *astuple(row.called)) for row in relabel(result, decisions)],
        ),
        COLLECT_FILE: (
            ("class", "finding", "collect", "at_least", "reason"),
            [astuple(row) for row in collect(result, biased)],
        ),
    }
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, (columns, rows) in tables.items():
        write_atomically(folder / name, _csv(columns, rows), _HINT)
        lines.append(f"{folder / name}: {len(rows)} row{'' if len(rows) == 1 else 's'}")
    classes = list(dict.fromkeys(name for target in biased if (name := _class(target, result))))
    lines += write_swapped(result, folder / TRAINING, classes, progress, outside=outside)
    if not biased:
        lines.append(
            "No finding was agreed to be bias, so there is nothing to collect and there are no training images. "
            "--undecided also takes the flagged classes that nobody has decided on."
        )
    if split := disagreements(result, decisions):
        more = f"; and {len(split) - MOST_NAMED} more" if len(split) > MOST_NAMED else ""
        lines.append(f"Left out, since reviewers disagree: {'; '.join(split[:MOST_NAMED])}{more}.")
    return "\n".join(map(printable, lines))


def biased_targets(result: AuditResult, decisions: Sequence[Decision], *, undecided: bool) -> list[Target]:
    """Findings and cues that are agreed to be bias.

    Args:
        result: the run.
        decisions: its standing decisions.
        undecided: also take the findings above WATCH that nobody decided on.
    """
    standing = by_target(decisions)
    agreed = targets.agreed(decisions, BIAS)
    return [
        target
        for key, target in targets.findings_and_cues(result).items()
        if key in agreed
        or (
            undecided
            and state_of(standing.get(key, ())) == UNDECIDED
            and target.outcome is not None
            and _above_watch(target.outcome.level)
        )
    ]


def disagreements(result: AuditResult, decisions: Sequence[Decision]) -> list[str]:
    """A text for each finding, cue and image of the run that reviewers disagree about, with who says what."""
    known = {**targets.images(result), **targets.findings_and_cues(result)}
    return [
        f"{' '.join(part for part in (known[key].code, known[key].subject) if part)} ({who_said_what(standing)})"
        for key, standing in by_target(decisions).items()
        if key in known and state_of(standing) == DISAGREEMENT
    ]


def wrong_masks(result: AuditResult, decisions: Sequence[Decision]) -> list[WrongMask]:
    """Rows of wrong_masks.csv, one per image and target whose mask somebody called wrong."""
    kinds = result.images["mask_kind"]
    return [
        WrongMask(image, _text(kinds.get(image)), called)
        for image, called in _images_called(result, decisions, WRONG_MASK)
    ]


def relabel(result: AuditResult, decisions: Sequence[Decision]) -> list[WrongLabel]:
    """Rows of relabel.csv, one per image and target whose label somebody called wrong.

    An image that the run has with several labels gets a row for each.
    """
    rows = []
    for image, called in _images_called(result, decisions, WRONG_LABEL):
        found = result.images.loc[[image]]
        for label, predicted in zip(found["label"], found["predicted"], strict=True):
            rows.append(WrongLabel(image, _text(label), _text(predicted), called))
    return rows


def collect(result: AuditResult, biased: Iterable[Target]) -> list[ToCollect]:
    """Rows of collect.csv: which images a biased class lacks, how many at least, and why so many.

    Args:
        result: the run.
        biased: targets that are taken for bias, see `biased_targets`.
    """
    rows: dict[str, ToCollect] = {}
    thresholds = of_run(result.info.thresholds, str(result.path))
    for target in biased:
        name = _class(target, result)
        if not name or name not in result.classes.index:
            continue
        becomes = str(result.classes["becomes"][name] or "")
        becomes = becomes if becomes in result.classes.index else ""  # of none of these there is nothing to collect
        finding = " ".join(part for part in (target.code, target.subject) if part)
        for what, whose in _missing(target, name, becomes):
            usual = other = None
            if whose in result.classes.index:
                usual = number(result.classes["accuracy_low"][whose])
                other = number(result.classes["other_background_accuracy"][whose])
            count, reason = images_needed(usual, None if target.cue_id else other, thresholds)
            row = ToCollect(name, finding, what, count, reason)
            rows.setdefault(what, row)  # two classes that are taken for each other ask for the same images
    return list(rows.values())


def images_needed(usual: float | None, other: float | None, thresholds: Thresholds) -> tuple[int, str]:
    """Number of images that tell whether a class is recognised without its usual background, and the reason.

    Args:
        usual: lower end of the interval of the accuracy on the photos as they are, 0..1; None if unknown.
        other: accuracy that is expected without the usual background, 0..1; None if unknown.
        thresholds: thresholds of the run, of which `min_photos` and `min_gap` are used.

    Returns:
        the smallest n whose 95 % Wilson interval around `other` ends below `usual`; where there is none, the smallest n
        that bounds the accuracy to an interval of at most 4 * `min_gap`; and a sentence. n lies between `min_photos`
        and MOST_COLLECTED.
    """
    from bias_audit.stats import wilson

    least = thresholds.min_photos
    if usual is not None and other is not None and other < usual:
        for n in range(least, MOST_COLLECTED + 1):
            low, high = wilson(other * n, n)
            if high < usual:
                return n, (
                    f"{n} images with the accuracy measured on other backgrounds give "
                    f"{interval(other, low, high, 'share')}, which lies below the {quantity(usual, 'share')} that the "
                    "usual photos reach at least"
                )
    width, share = 2 * thresholds.min_gap, 0.9 if usual is None else usual
    for n in range(least, MOST_COLLECTED + 1):
        low, high = wilson(share * n, n)
        if high - low <= 2 * width:
            return n, f"{n} images give an accuracy with an interval such as {interval(share, low, high, 'share')}"
    return MOST_COLLECTED, "no more than this can be asked for"


def _missing(target: Target, name: str, becomes: str) -> list[tuple[str, str]]:
    """Images that a class lacks: (description, class whose accuracies say how many; "" for several classes)."""
    others = becomes or "other classes"
    if target.cue_id:
        cue = f"{target.subject} (see its contact sheet in the report)"
        return [(f"{name} without {cue}", name), (f"other classes with {cue}", "")]
    declared = find_rule(target.code)
    if declared and declared.collect:
        return [(f"{name} {declared.collect}", name)]
    return [
        (f"{name} on backgrounds that are usual for {others}", name),
        (f"{others} on backgrounds that are usual for {name}", becomes),
    ]


def _images_called(result: AuditResult, decisions: Sequence[Decision], verdict: str) -> list[tuple[str, Called]]:
    """Images of each target that somebody gave the verdict to, whether or not other reviewers disagree."""
    known = {**targets.images(result), **targets.findings_and_cues(result)}
    spots = result.cue_spots
    rows = []
    for key, own in by_target(decisions).items():
        target = known.get(key)
        called = [decision for decision in own if decision.verdict == verdict]
        if target is None or not called:
            continue
        names: Iterable[Any] = target.image_ids
        if target.outcome is not None and not target.cue_id:
            names = target.outcome.image_ids
        elif target.cue_id:
            names = spots.loc[spots["cue_id"] == target.cue_id, "image_id"]
        said = Called(
            because="the image" if target.kind == "image" else f"{target.kind} {target.code} {target.subject}",
            state=state_of(own),
            reviewers="; ".join(decision.reviewer for decision in called),
            otherwise="; ".join(f"{each.reviewer}: {each.verdict}" for each in own if each.verdict != verdict),
            note="; ".join(decision.note for decision in called if decision.note),
        )
        rows += [(str(name), said) for name in dict.fromkeys(names) if name in result.images.index]
    return rows


def _class(target: Target, result: AuditResult) -> str:
    """Name of the class that a target is about, "" where there is none."""
    if target.cue_id and target.cue_id in result.cues.index:
        return str(result.cues["class_name"][target.cue_id])
    return class_of(target.outcome) if target.outcome is not None else ""


def _above_watch(level: str | None) -> bool:
    return LEVELS.index(level or LEVELS[0]) > LEVELS.index("WATCH")


def _usable(folder: Path, result: AuditResult) -> Path:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{str(folder)!r} is not empty; nothing in it was touched", "Give a new folder to --next.")
    for given in (result.info.data, result.info.masks):
        # In a folder of photos a new folder would be a new class; a table lists what belongs to it.
        if given and Path(given).is_dir() and folder.resolve().is_relative_to(Path(given).resolve()):
            raise ConfigError(
                f"{str(folder)!r} lies within the audited data at {given!r}: made images must not mix with them",
                "Choose a folder elsewhere.",
            )
    return folder


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str | int]]) -> bytes:
    return csv_text(columns, rows).encode("utf-8", "backslashreplace")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
