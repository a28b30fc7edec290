"""The verdict on a whole audit in a few sentences: its level, the classes concerned, and the main numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bias_audit.checks.levels import failed_map_tests, fills_the_picture, overall_level
from bias_audit.checks.outcomes import (
    COLLATERAL,
    CONTEXT,
    DOUBT,
    LEVELS,
    NO_RELIANCE,
    WATCH,
    RuleOutcome,
    as_float,
    not_excluded,
)
from bias_audit.checks.reasons import FILLS_FRAME, MASKS_IN_DOUBT
from bias_audit.checks.registry import rules, with_role
from bias_audit.run.quantities import quantity

if TYPE_CHECKING:
    import pandas as pd


def _cues() -> dict[str, str]:
    """Code of each rule that proves a cue -> kind of cue, in words.

    The class of such an outcome is in its `evidence["class_name"]`.
    """
    return {rule.code: rule.cue for _, rule in rules() if rule.cue}


def verdict(outcomes: Sequence[RuleOutcome], classes: pd.DataFrame, sample: str = "") -> str:
    """The verdict of an audit as text.

    It begins with the overall level (`levels.overall_level`), unless reliance was tested and nothing was found. Then
    come doubts about the audit as a whole, and then the judgement on the classes.

    Args:
        outcomes: outcomes of all rules.
        classes: table of the classes.
        sample: what was audited, where that is a sample of the data (`run.sampled.told_of`); "" = all of them.
    """
    level = overall_level(outcomes)
    seen = [f"Only {sample} was audited."] if sample else []
    said = " ".join([*_doubts(outcomes, level), _judgement(outcomes, classes, level), *seen])
    return said if level == NO_RELIANCE else f"{level}: {said[:1].lower()}{said[1:]}"


def convicted(outcomes: Sequence[RuleOutcome]) -> list[RuleOutcome]:
    """Findings of reliance that accuse a class, the class whose background pulls most first.

    Victims of another class's cue (COLLATERAL) are not accused: the class whose background pulls the objects of others
    is the one that was learned with the cue. Nor is a class whose gap can be laid to nobody (WATCH).
    """
    found = [outcome for outcome in outcomes if outcome.found and outcome.code in with_role("tests reliance")]
    return _by_pull([outcome for outcome in found if outcome.level not in (COLLATERAL, WATCH)])


def _doubts(outcomes: Sequence[RuleOutcome], level: str) -> list[str]:
    """Sentences that put the whole audit in doubt: wrong inputs, and failed heatmaps where nothing worse was found."""
    found = [outcome for outcome in outcomes if outcome.found and outcome.level == DOUBT]
    said = [outcome.sentence for outcome in found if outcome.code in with_role("doubts the input")]
    failed = failed_map_tests(found)
    if failed and level == DOUBT:
        said.append(
            f"The heatmaps failed their tests ({', '.join(failed)}; BA908), so nothing is said about attention."
        )
    return said


def _judgement(outcomes: Sequence[RuleOutcome], classes: pd.DataFrame, level: str) -> str:
    reliance = [outcome for outcome in outcomes if outcome.code in with_role("tests reliance")]
    accused = convicted(outcomes)
    victims = [outcome for outcome in reliance if outcome.level == COLLATERAL]
    judged = [outcome for outcome in reliance if outcome.judged]
    measured = f"Test accuracy is {quantity(_weighted(classes, 'accuracy', 'n_read'), 'share')}"
    kinds = _cues()
    cues = [each for each in outcomes if each.code in kinds and each.found and each.level not in (CONTEXT, WATCH)]
    unnamed = [each for each in outcomes if each.found and each.code in with_role("proves reliance, names no class")]
    doubted = _doubted([*reliance, *(each for each in outcomes if each.code in kinds)])
    tail = f" {doubted}{_tail(classes)}" if doubted else _tail(classes)
    if unnamed and not accused:
        said = " ".join(outcome.sentence for outcome in unnamed)
        moved = f" Cues that move the prediction: {_named(cues)}." if cues else ""
        return f"{said} {measured}.{moved}{tail}"
    if cues and not accused:
        fallen = ", ".join(outcome.subject for outcome in victims)
        also = f" Also affected, by a background: {fallen}." if victims else ""
        return f"The prediction follows {_kind(cues)}: {_named(cues)}. {measured}.{also}{tail}"
    if accused or victims:
        named = accused or _by_pull(victims)
        rows = classes.loc[[outcome.subject for outcome in named]]
        same = _weighted(rows, "same_background_accuracy", "n_interventions")
        other = _weighted(rows, "other_background_accuracy", "n_interventions")
        photos = int(rows["n_interventions"].sum())
        reached = max((outcome.level or LEVELS[0] for outcome in named), key=LEVELS.index)
        # The level of the whole is that of its strongest proof, which must be said where it is not the background's.
        proofs = [each for each in cues if each.level == level] if reached != level else []
        proved = f", and {_kind(proofs)} moves it: {_named(proofs)}" if proofs else ""
        further = [each for each in cues if each not in proofs]
        names = ", ".join(
            outcome.subject if outcome.level == reached else f"{outcome.subject}: {outcome.level}" for outcome in named
        )
        strongest = f" The background that pulls most is that of {named[0].subject}." if len(classes) > 2 else ""
        fallen = ", ".join(outcome.subject for outcome in victims) if accused else ""
        also = f" Also affected, by another class's background: {fallen}." if fallen else ""
        moved = f" Further cues that move the prediction: {_named(further)}." if further else ""
        moved += "".join(f" {outcome.sentence}" for outcome in unnamed)
        return (
            f"The prediction follows the background in {len(named)} of {len(judged)} judged classes ({names}){proved}. "
            f"{measured}; pasted onto backgrounds of their own class {quantity(same, 'share')} of the objects are "
            f"recognised, onto those of other classes {quantity(other, 'share')} ({photos} photos)."
            f"{strongest}{also}{moved}{tail}"
        )
    watch = sorted({outcome.code for outcome in outcomes if outcome.found})
    hints = f" Worth a look: {', '.join(watch)}." if watch else ""
    if fills_the_picture(outcomes):
        first = next(outcome for outcome in reliance if outcome.reason_code == FILLS_FRAME)
        filled = sum(outcome.reason_code == FILLS_FRAME for outcome in reliance)
        return f"In none of {filled} classes can a background be exchanged. {first.sentence} {measured}.{hints}{tail}"
    if not judged:
        reason = reliance[0].sentence if reliance else "The rule was ignored."
        return f"Reliance on the background could not be tested. {reason} {measured}.{hints}{tail}"
    if any(each.found and each.level == DOUBT and each.code in with_role("doubts the input") for each in outcomes):
        # Of a model that is fed or read wrongly a negative is none.
        return f"Until that is fixed nothing is said about reliance. {measured}.{tail}"
    missing = len(reliance) - len(judged)
    filled = sum(outcome.reason_code == FILLS_FRAME for outcome in reliance)
    some = "" if filled == missing else f", {filled} of them"
    whole = f"{some} because the object fills the picture" if filled else ""
    partly = f" {missing} {'class' if missing == 1 else 'classes'} could not be judged{whole}." if missing else ""
    watched = [each.subject for each in reliance if each.level == WATCH and each.reason_code != MASKS_IN_DOUBT]
    clear = [outcome for outcome in judged if outcome.level != WATCH]
    parts = [doubted] if doubted else []  # first, for the level of the whole is theirs
    if watched:
        parts.append(f"A background gap was found that cannot be blamed on any class: {', '.join(watched)} (WATCH).")
    if clear:
        rest = "other " if len(clear) < len(judged) else ""
        where = f"{len(clear)} {rest}judged {'class' if len(clear) == 1 else 'classes'}"
        parts.append(f"No reliance on the background was shown in {where}. {_open_still(clear)}")
    return f"{' '.join([*parts, f'{measured}.'])}{partly}{hints}{_tail(classes)}"


def _doubted(outcomes: Sequence[RuleOutcome]) -> str:
    """Sentence on classes that are not accused because what the masks missed may have made their gap; "" for none."""
    doubted = [each for each in outcomes if each.reason_code == MASKS_IN_DOUBT]
    named = ", ".join(dict.fromkeys(str(each.evidence.get("class_name", each.subject)) for each in doubted))
    return (
        f"A background gap was found that could come from objects, or parts of them, that the masks miss: {named} "
        "(WATCH, masks in doubt)."
        if named
        else ""
    )


def _open_still(judged: Sequence[RuleOutcome]) -> str:
    """Sentence on what the negatives leave open: the largest upper limit of a gap over the classes."""
    known = [outcome for outcome in judged if outcome.scope == "class" and outcome.high is not None]
    if not known:
        return not_excluded("a gap", None, "points", None)
    widest = max(known, key=lambda outcome: as_float(outcome.high))
    if len(judged) == 1:
        return not_excluded("a gap", widest.high, "points", widest.n)
    counts = sorted(outcome.n for outcome in known if outcome.n is not None)
    photos = f"{counts[0]} to {counts[-1]}" if counts and counts[0] < counts[-1] else "".join(map(str, counts[:1]))
    said = not_excluded("a gap", widest.high, "points", None, where=widest.subject)
    return f"With {photos} photos per class {said[:1].lower()}{said[1:]}" if photos else said


def _tail(classes: pd.DataFrame) -> str:
    """Closing sentences on estimated masks and unreadable images; "" where there are none."""
    shares = classes["estimated_masks"].dropna()
    estimated = " All masks are estimated." if (shares == 1).all() else " Some masks are estimated."
    unreadable = int(classes["n"].sum() - classes["n_read"].sum())
    images = "image" if unreadable == 1 else "images"
    return (estimated if (shares > 0).any() else "") + (
        f" {unreadable} {images} could not be read." if unreadable else ""
    )


def _kind(cues: Sequence[RuleOutcome]) -> str:
    """Kind of cue, in words, of the first rule (in the order of the checks) that has an outcome among `cues`."""
    return next(text for code, text in _cues().items() if any(each.code == code for each in cues))


def _named(cues: Sequence[RuleOutcome]) -> str:
    """Classes and rule codes of some outcomes, as text, each pair once."""
    return ", ".join(dict.fromkeys(f"{each.evidence['class_name']} ({each.code})" for each in cues))


def _by_pull(outcomes: Sequence[RuleOutcome]) -> list[RuleOutcome]:
    return sorted(outcomes, key=lambda outcome: -as_float(outcome.evidence.get("attract"), -1))


def _weighted(classes: pd.DataFrame, value: str, weight: str) -> float:
    rows = classes[classes[value].notna()]
    weights = rows[weight].astype(float)
    return float((rows[value] * weights).sum() / weights.sum()) if weights.sum() else float("nan")
