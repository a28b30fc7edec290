"""Tables + thresholds -> outcomes. Each rule says found, passed or not applicable of each subject, and why.

A new rule is one function and one line in RULES. Codes never change meaning: BA1xx attention, BA2xx reliance,
BA9xx health of the audit. Attention alone is triage and stays at WATCH: every absolute rule on it convicted clean
models in the pilot (SCIENCE G). SUSPICIOUS needs the paired intervention.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bias_audit import stats
from bias_audit.config import Thresholds
from bias_audit.result import LEVELS, RuleCount, RuleOutcome

MOST_IDS = 200
"""Image ids kept per outcome; the tables hold them all."""


@dataclass(frozen=True)
class Evidence:
    """What the rules may look at.

    Attributes:
        images, classes: tables of `schema`.
        thresholds: bounds.
    """

    images: pd.DataFrame
    classes: pd.DataFrame
    thresholds: Thresholds


def class_attention(evidence: Evidence) -> list[RuleOutcome]:
    """BA101: a class's maps lie on the background more than those of the other classes (Mann-Whitney, BH, Cliff)."""
    title, bounds = "attention on the background, compared with the other classes", evidence.thresholds
    groups = {
        str(name): group["background_excess_label"].dropna().to_numpy(float)
        for name, group in evidence.images.groupby("label")
    }
    judged = [name for name, values in groups.items() if len(values) >= bounds.min_attention]
    p_values: dict[str, float] = {}
    rest: dict[str, Any] = {}
    for name in judged:
        others = [values for other, values in groups.items() if other != name and len(values)]
        if others:
            rest[name] = np.concatenate(others)
            p_values[name] = stats.mann_whitney_greater(groups[name], rest[name])
    corrected = dict(zip(p_values, stats.benjamini_hochberg(np.array(list(p_values.values()))), strict=True))
    outcomes = []
    for name, row in evidence.classes.iterrows():
        name = str(name)
        if name not in corrected:
            reason = _why_no_attention(row, bounds.min_attention, has_rest=name not in judged)
            outcomes.append(_not_applicable("BA101", title, "class", name, reason))
            continue
        delta = stats.cliffs_delta(groups[name], rest[name])
        found = corrected[name] <= bounds.fdr and delta >= bounds.cliffs_delta
        excess = float(row["background_excess"])
        sentence = (
            f"The maps of {name} lie on the background {'clearly more' if found else 'not clearly more'} than those of "
            f"the other classes (background excess {excess:.2f}, the others {rest[name].mean():.2f}; Cliff's delta {delta:.2f})."
        )
        outcomes.append(
            RuleOutcome(
                "BA101", title, "class", name, *_verdict(found, "WATCH", sentence),
                measured=float(delta), threshold=bounds.cliffs_delta, n=len(groups[name]), p_value=float(corrected[name]),
                image_ids=_worst(evidence.images, name, "background_excess_label") if found else (),
                evidence={"background_excess": excess, "excess_low": _number(row["excess_low"]), "excess_high": _number(row["excess_high"])},
            )
        )  # fmt: skip
    return outcomes


def image_attention(evidence: Evidence) -> list[RuleOutcome]:
    """BA102: images whose attention lies on the background far more than is usual in their class (robust z)."""
    title, bounds = "images with unusual attention on the background", evidence.thresholds
    outcomes = []
    for name, row in evidence.classes.iterrows():
        name = str(name)
        group = evidence.images[evidence.images["label"] == name]
        judged = group[group["excess_robust_z"].notna()]
        if judged.empty:
            reason = _why_no_attention(row, 20, has_rest=True)
            outcomes.append(_not_applicable("BA102", title, "image", name, reason))
            continue
        outliers = judged[(judged["excess_robust_z"] > bounds.image_z) & (judged["background_excess_label"] > bounds.image_excess)]
        outliers = outliers.sort_values("excess_robust_z", ascending=False)
        low, high = stats.wilson(len(outliers), len(judged))
        sentence = f"{len(outliers)} of {len(judged)} images of {name} look at the background far more than is usual in their class."
        outcomes.append(
            RuleOutcome(
                "BA102", title, "image", name, *_verdict(len(outliers) > 0, "WATCH", sentence),
                measured=len(outliers) / len(judged), threshold=0.0, low=low, high=high, n=len(judged),
                image_ids=tuple(outliers.index[:MOST_IDS]),
            )
        )  # fmt: skip
    return outcomes


def class_reliance(evidence: Evidence) -> list[RuleOutcome]:
    """BA201: the same objects are recognised less often on backgrounds of other classes (exact McNemar, BH, gap)."""
    title, bounds = "prediction follows the background", evidence.thresholds
    outcomes = []
    for name, row in evidence.classes.iterrows():
        name = str(name)
        if not np.isfinite(_nan(row["p_fdr"])):
            outcomes.append(_not_applicable("BA201", title, "class", name, _why_no_reliance(row)))
            continue
        n, gap = int(row["n_interventions"]), float(row["background_gap"])
        found = float(row["p_fdr"]) <= bounds.fdr and gap >= bounds.min_gap
        outcomes.append(
            RuleOutcome(
                "BA201", title, "class", name, *_verdict(found, "SUSPICIOUS", _reliance_sentence(name, row, found)),
                measured=gap, threshold=bounds.min_gap, low=_number(row["gap_low"]), high=_number(row["gap_high"]),
                n=n, p_value=float(row["p_fdr"]),
                image_ids=_worst(evidence.images, name, "background_gap") if found else (),
                evidence={
                    key: _number(row[key])
                    for key in ("accuracy", "same_background_accuracy", "other_background_accuracy", "background_only_accuracy",
                                "foreground_only_accuracy", "attract", "background_excess", "flipped", "n_eligible")
                },
            )
        )  # fmt: skip
    return outcomes


def image_reliance(evidence: Evidence) -> list[RuleOutcome]:
    """BA202: photos whose prediction survives without the object and changes on other backgrounds."""
    title = "images whose prediction rests on the background"
    outcomes = []
    for name, row in evidence.classes.iterrows():
        name = str(name)
        group = evidence.images[(evidence.images["label"] == name) & evidence.images["rests_on_background"].notna()]
        if group.empty:
            outcomes.append(_not_applicable("BA202", title, "image", name, _why_no_reliance(row)))
            continue
        resting = group[group["rests_on_background"].astype(bool)]
        resting = resting.sort_values("background_gap", ascending=False, kind="stable")
        low, high = stats.wilson(len(resting), len(group))
        sentence = (
            f"{len(resting)} of {len(group)} photos of {name} are still predicted the same, with more than 50 % probability, "
            f"when the object itself is removed, and differently on most other backgrounds."
        )
        outcomes.append(
            RuleOutcome(
                "BA202", title, "image", name, *_verdict(len(resting) > 0, "WATCH", sentence),
                measured=len(resting) / len(group), threshold=0.0, low=low, high=high, n=len(group),
                image_ids=tuple(resting.index[:MOST_IDS]),
            )
        )  # fmt: skip
    return outcomes


def unreadable_images(evidence: Evidence) -> list[RuleOutcome]:
    """BA901: so many pictures could not be read that the audit speaks of another data set."""
    title, bounds = "unreadable images", evidence.thresholds
    n = len(evidence.images)
    bad = evidence.images[evidence.images["status"] != "ok"]
    low, high = stats.wilson(len(bad), n)
    share = len(bad) / n
    sentence = f"{len(bad)} of {n} images could not be read or were skipped" + (
        "; the rest may not stand for the data set." if share > bounds.max_unreadable else "."
    )
    return [
        RuleOutcome(
            "BA901", title, "dataset", "", *_verdict(share > bounds.max_unreadable, "WATCH", sentence),
            measured=share, threshold=bounds.max_unreadable, low=low, high=high, n=n, image_ids=tuple(bad.index[:MOST_IDS]),
        )
    ]  # fmt: skip


def maps_without_tie(evidence: Evidence) -> list[RuleOutcome]:
    """BA902: maps hardly better than uniform although no class relies on its background: tied to nothing here."""
    title, bounds = "heatmaps tied to nothing at this layer", evidence.thresholds
    classes = evidence.classes[evidence.classes["background_excess"].notna()]
    if classes.empty:
        reason = str(evidence.classes["attention_reason"].mode().iloc[0])
        return [_not_applicable("BA902", title, "dataset", "", f"No attention scores: {reason}.")]
    # Where interventions show reliance, attention on the background is what one must see, not a fault of the maps.
    unexplained = classes[~((classes["p_fdr"] <= bounds.fdr) & (classes["background_gap"] >= bounds.min_gap))]
    if unexplained.empty:
        reason = "Every class relies on its background, so maps that lie there are no fault of the layer."
        return [_not_applicable("BA902", title, "dataset", "", reason)]
    median = float(unexplained["background_excess"].median())
    found = median > bounds.model_excess
    sentence = f"The median background excess over {len(unexplained)} classes without shown reliance is {median:.2f}" + (
        ", close to a uniform map (1): read heatmaps and attention columns of this layer with caution."
        if found
        else " (0 = as good as the resolution allows, 1 = uniform map)."
    )
    return [
        RuleOutcome(
            "BA902", title, "dataset", "", *_verdict(found, "WATCH", sentence),
            measured=median, threshold=bounds.model_excess, n=int(unexplained["n_attention"].sum()),
        )
    ]  # fmt: skip


def accuracy_at_chance(evidence: Evidence) -> list[RuleOutcome]:
    """BA903: predictions no better than guessing: as a rule a wrong --preprocess or a wrong class order."""
    title = "accuracy no better than chance"
    read = evidence.images[evidence.images["status"] == "ok"]
    n, hits = len(read), int(read["correct"].sum())
    if n == 0:
        return [_not_applicable("BA903", title, "dataset", "", "no readable images")]
    chance = float(read["label"].value_counts(normalize=True).max())
    low, high = stats.wilson(hits, n)
    found = hits / n < chance or low <= 1 / len(evidence.classes) < high
    sentence = f"Accuracy is {hits / n:.2f} on {n} images; always guessing the most frequent class gives {chance:.2f}." + (
        " Check --preprocess, --resize and the order of the classes before you read on." if found else ""
    )
    return [
        RuleOutcome(
            "BA903", title, "dataset", "", *_verdict(found, "WATCH", sentence),
            measured=hits / n, threshold=chance, low=low, high=high, n=n,
        )
    ]  # fmt: skip


RULES: dict[str, Callable[[Evidence], list[RuleOutcome]]] = {
    "BA101": class_attention,
    "BA102": image_attention,
    "BA201": class_reliance,
    "BA202": image_reliance,
    "BA901": unreadable_images,
    "BA902": maps_without_tie,
    "BA903": accuracy_at_chance,
}


def judge(evidence: Evidence, ignored: Sequence[str] = ()) -> tuple[RuleOutcome, ...]:
    """All outcomes of all rules; rules whose code is in `ignored` are listed, not judged."""
    outcomes: list[RuleOutcome] = []
    for code, rule in RULES.items():
        if code in ignored:
            sentence = "Ignored on request."
            outcomes.append(RuleOutcome(code, _summary(rule), "dataset", "", "ignored", sentence))
        else:
            outcomes.extend(rule(evidence))
    return tuple(outcomes)


def count(outcomes: Sequence[RuleOutcome]) -> tuple[RuleCount, ...]:
    """Per rule how many subjects were judged, passed, found and could not be judged."""
    counts = []
    for code in dict.fromkeys(outcome.code for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.code == code]
        passed = sum(outcome.status == "passed" for outcome in own)
        found = sum(outcome.status == "found" for outcome in own)
        counts.append(
            RuleCount(code, own[0].title, own[0].scope, passed + found, passed, found, len(own) - passed - found)
        )
    return tuple(counts)


def verdict(outcomes: Sequence[RuleOutcome], classes: pd.DataFrame) -> str:
    """One sentence: the highest level, the classes, and the numbers that carry it."""
    reliance = [outcome for outcome in outcomes if outcome.code == "BA201"]
    convicted = [outcome for outcome in reliance if outcome.status == "found"]
    judged = [outcome for outcome in reliance if outcome.status in ("found", "passed")]
    unreadable = classes["n"].sum() - classes["n_read"].sum()
    accuracy = _weighted(classes, "accuracy", "n_read")
    tail = f" {int(unreadable)} images could not be read." if unreadable else ""
    if convicted:
        # The class whose background pulls the others is the one that was learned with its cue.
        ordered = sorted(convicted, key=lambda outcome: -_nan(outcome.evidence.get("attract"), -1))
        level = max((outcome.level or "WATCH" for outcome in convicted), key=LEVELS.index)
        names = ", ".join(outcome.subject for outcome in ordered)
        convicted_rows = classes.loc[[outcome.subject for outcome in ordered]]
        same = _weighted(convicted_rows, "same_background_accuracy", "n_interventions")
        other = _weighted(convicted_rows, "other_background_accuracy", "n_interventions")
        photos = int(convicted_rows["n_interventions"].sum())
        strongest = f" The background that pulls most is that of {ordered[0].subject}." if len(classes) > 2 else ""
        return (
            f"{level}: the prediction follows the background in {len(convicted)} of {len(judged)} judged classes ({names}). "
            f"Test accuracy is {accuracy:.2f}; pasted on backgrounds of the same class {same:.2f} of the objects are recognised, "
            f"on those of other classes {other:.2f} ({photos} photos).{strongest}{tail}"
        )
    watch = sorted({outcome.code for outcome in outcomes if outcome.status == "found"})
    hints = f" To look at: {', '.join(watch)}." if watch else ""
    if not judged:
        reason = reliance[0].sentence if reliance else "the rule was ignored."
        return f"NOT JUDGED: reliance on the background could not be tested. {reason} Test accuracy is {accuracy:.2f}.{hints}{tail}"
    worst = classes["background_gap"].max()
    missing = len(reliance) - len(judged)
    partly = f" {missing} classes could not be judged." if missing else ""
    return (
        f"No reliance on the background was shown in {len(judged)} judged classes (largest background gap {worst:.2f}, "
        f"test accuracy {accuracy:.2f}).{partly}{hints}{tail}"
    )


def _reliance_sentence(name: str, row: pd.Series, found: bool) -> str:
    n = int(row["n_interventions"])
    same, other = float(row["same_background_accuracy"]), float(row["other_background_accuracy"])
    head = f"{n} of {int(row['n_eligible'])} usable photos of {name} were cut out and pasted on other photos' backgrounds: "
    body = f"{same:.0%} of the composites on {name} backgrounds are still recognised, {other:.0%} on backgrounds of other classes"
    flipped, becomes = int(row["flipped"]), str(row["becomes"])
    turned = f"; {flipped} of {n} change sides, most often to {becomes}" if flipped and becomes else ""
    alone = f" With the object removed, {float(row['background_only_accuracy']):.0%} are still called {name}."
    attract = _nan(row["attract"], 0)
    pull = f" Its backgrounds pull other classes' objects to {name} (by {attract:.0%})." if found and attract > 0.05 else ""
    return f"{head}{body}{turned}.{alone}{pull}"


def _why_no_attention(row: pd.Series, needed: int, *, has_rest: bool) -> str:
    if row["attention_reason"] != "ok":
        return f"No attention scores: {row['attention_reason']}."
    if not has_rest:
        return "No other class with attention scores to compare with."
    return f"Not enough images: {int(row['n_attention'])} with attention scores, {needed} needed."


def _why_no_reliance(row: pd.Series) -> str:
    reason = str(row["reliance_reason"])
    return f"Not enough photos: {reason}." if reason.startswith("only") else f"No composites could be made: {reason}."


def _not_applicable(code: str, title: str, scope: str, subject: str, reason: str) -> RuleOutcome:
    return RuleOutcome(code, title, scope, subject, "not applicable", reason)


def _verdict(found: bool, level: str, sentence: str) -> tuple[str, str, str | None]:
    """status, sentence, level of a RuleOutcome."""
    return ("found", sentence, level) if found else ("passed", sentence, None)


def _worst(images: pd.DataFrame, name: str, column: str) -> tuple[str, ...]:
    group = images[(images["label"] == name) & images[column].notna()]
    return tuple(group.sort_values(column, ascending=False, kind="stable").index[:MOST_IDS])


def _weighted(classes: pd.DataFrame, value: str, weight: str) -> float:
    rows = classes[classes[value].notna()]
    weights = rows[weight].astype(float)
    return float((rows[value] * weights).sum() / weights.sum()) if weights.sum() else float("nan")


def _number(value: Any) -> float | None:
    number = _nan(value)
    return number if np.isfinite(number) else None


def _nan(value: Any, missing: float = float("nan")) -> float:
    return missing if value is None or pd.isna(value) else float(value)


def _summary(rule: Callable[..., Any]) -> str:
    return (rule.__doc__ or "").split(":", 1)[1].strip().rstrip(".")
