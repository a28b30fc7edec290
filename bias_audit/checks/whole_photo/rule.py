"""The rule BA301: the prediction follows a property of the whole photo, such as colour or blur.

No heatmap can point at such a cue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.base import Rule
from bias_audit.checks.culprits import standings
from bias_audit.checks.outcomes import WATCH, RuleOutcome, answered, as_float, not_applicable, not_excluded, number
from bias_audit.checks.reasons import FEW, NOT_MEASURED, OK, STOPPED, TOO_FEW
from bias_audit.checks.reliance import background_convicts, gap_proven, masks_in_doubt
from bias_audit.run.quantities import interval, quantity

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.evidence import Evidence
    from bias_audit.config import Thresholds

GLOBAL_CUE = Rule(
    code="BA301",
    title="prediction follows a property of the whole photo",
    about="photos of every other class turn into a class when they get its colour, brightness, sharpness or border",
    scope="class",
    measures=("pull on photos of the other classes", "points"),
    highest="HIDDEN",
    more="Every property that was exchanged",
    role="accuses a class",
    cue="a property of the whole photo",
    collect="in the colours, brightness, sharpness and borders of other classes (the report says which matter)",
)

MOST_BEHIND = 0.25
"""Share of a property's strongest pull that a class must reach to be accused. With less, the class is only swept along:
photos that lose the strong cue must be called something. Innocent classes of the tuning seeds had up to .09."""

EVIDENCE = (
    "same_accuracy", "same_low", "same_high", "other_accuracy", "other_low", "other_high", "loss", "loss_low",
    "loss_high", "pulled", "n_pulled",
)  # fmt: skip

IN_PLACE = ("border",)
"""Properties that have a place in the picture, so that a heatmap can point at them."""


def global_cue(rule: Rule, evidence: Evidence, properties: pd.DataFrame | None) -> list[RuleOutcome]:
    """BA301 for each class: does its colour, brightness, sharpness or border turn photos of other classes into it?

    The comparison is with the same photos given the property of another photo of their own class, so the effect of the
    change itself cancels. Found where a sign-flip test over photos is significant (Benjamini-Hochberg over properties
    and classes) and the lower median of the pull over the other classes is large enough, with a lower limit above 0.

    The level is HIDDEN, since heatmaps cannot show the cue. It is SUSPICIOUS where they could, for a border, and where
    the class's background is convicted already (snow is bright). It is WATCH where BA201 lays the gap of the class to
    another class: photos of that class which lose their cue must be called something.

    Args:
        rule: GLOBAL_CUE.
        evidence: what all rules may use.
        properties: the table `whole_photo`; None = the run holds none.
    """
    import numpy as np

    bounds = evidence.thresholds
    if properties is None or properties.empty:
        why = evidence.own("whole_photo")
        said = f"Properties of the whole photo were not exchanged{f': {why}' if why else ''}."
        return [not_applicable(rule, "dataset", "", said, NOT_MEASURED)]
    tested = properties[properties["reason"] == OK]
    if tested.empty:
        reason = str(properties["reason"].mode().iloc[0])
        return [not_applicable(rule, "dataset", "", f"Not enough images: {reason}.", _code(properties))]
    strongest = tested.groupby("property")["attract"].max()
    blamed = standings(evidence.rows(), evidence.table("gap_matrix"), bounds)
    victims = {name: each.pulls[0].by for name, each in blamed.items() if each.blame == "a culprit"}
    outcomes = []
    for name, rows in properties.groupby("class_name", sort=False):
        own = rows[rows["reason"] == OK]
        if own.empty:
            reason = str(rows["reason"].iloc[0])
            outcomes.append(not_applicable(rule, "class", str(name), f"Not enough images: {reason}.", _code(rows)))
            continue
        found = own[[pulls(row, bounds, float(strongest[str(row["property"])])) for _, row in own.iterrows()]]
        # Of a negative the property counts whose pull could still be the largest.
        ranked = (
            found.sort_values("attract", ascending=False, kind="stable")
            if len(found)
            else own.iloc[np.argsort([-_limit(each) for _, each in own.iterrows()], kind="stable")]
        )
        outcomes.append(_outcome(rule, str(name), ranked, evidence, victims.get(str(name), ""), found=len(found) > 0))
    return outcomes


def pulls(row: pd.Series, bounds: Thresholds, strongest: float) -> bool:
    """Whether the pull of one property and class is significant, large enough, and no side effect of a stronger class.

    Args:
        row: a row of the table `whole_photo`.
        bounds: thresholds of the rules.
        strongest: largest pull of this property over all classes.
    """
    attract = as_float(row["attract"], 0)
    return (
        as_float(row["p_fdr"], 1) <= bounds.fdr
        and as_float(row["attract_low"], -1) > 0
        and attract >= max(bounds.min_attract, MOST_BEHIND * strongest)
    )


def _outcome(
    rule: Rule, name: str, ranked: pd.DataFrame, evidence: Evidence, culprit: str, *, found: bool
) -> RuleOutcome:
    row, bounds = ranked.iloc[0], evidence.thresholds
    level, own = None, sorted(map(str, ranked["property"]))
    if found:
        convicted = not culprit and _background_convicted(name, evidence)
        in_place = all(each in IN_PLACE for each in ranked["property"])
        level = WATCH if culprit else "SUSPICIOUS" if convicted or in_place else "HIDDEN"
        sentence = " ".join(_told(name, each) for _, each in ranked.iterrows())
        sentence += " No heatmap can show this." if level == "HIDDEN" else ""
        sentence += " Reliance on its background is proven already (BA201), and may explain this." if convicted else ""
        sentence += (
            f" Its objects are pulled by the backgrounds of {culprit} (BA201): photos of {culprit} that lose their cue "
            f"may explain this, so {name} is not accused."
            if culprit
            else ""
        )
        own_sake = not convicted and not culprit
        sentence += " That is legitimate only if the property belongs to the object itself." if own_sake else ""
    else:
        sentence = (
            f"Photos of other classes that get the {_either(own)} of photos of {name} were not shown to turn into it. "
            + not_excluded("a pull", _limit(row), "points", int(row["n_pulled"]), where=str(row["property"]))
            + _given_up(ranked)
        )
    return answered(
        rule,
        "class",
        name,
        found,
        level,
        sentence,
        measured=number(row["attract"]),
        threshold=bounds.min_attract,
        low=number(row["attract_low"]),
        high=number(row["attract_high"] if found else _limit(row)),
        n=int(row["n_pulled"]),
        p_value=number(row["p_fdr"]),
        evidence={
            "class_name": name,
            "property": str(row["property"]),
            "properties": ", ".join(ranked["property"]),
            **{key: number(row[key]) for key in EVIDENCE},
        },
    )


def _limit(row: pd.Series) -> float:
    """Upper limit of a pull; of a property that was given up that of the photos' mean, by the interval that did so."""
    stopped = row.get("screening") == STOPPED
    return max(as_float(row["attract_high"], -1), as_float(row["pulled_high"], -1) if stopped else -1)


def _given_up(rows: pd.DataFrame) -> str:
    """Sentence on properties that were given up before all photos had been changed, after a space; "" for none."""
    early = [
        f"{row['property']} ({int(row['n_pulled'])} of {int(row['n_planned'])})"
        for _, row in rows.iterrows()
        if row.get("screening") == STOPPED
    ]
    return (
        f" Stopped before all photos were changed: {', '.join(sorted(early))}; --thorough tests all." if early else ""
    )


def _either(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _code(rows: pd.DataFrame) -> str:
    """The code of the reason why properties were not tested, that of the first row; older runs have none."""
    code = rows["reason_code"].iloc[0] if "reason_code" in rows else None
    return str(code) if code in FEW else TOO_FEW


def _told(name: str, row: pd.Series) -> str:
    pull = interval(as_float(row["attract"]), number(row["attract_low"]), number(row["attract_high"]), "points")
    return (
        f"Given the {row['property']} of photos of {name}, photos of other classes are called {name} more often than "
        f"with that of their own class, by {pull} (median of these classes, {int(row['n_pulled'])} photos). Photos of "
        f"{name} are recognised in {quantity(row['same_accuracy'], 'share')} of cases with the {row['property']} of "
        f"their own class, in {quantity(row['other_accuracy'], 'share')} with that of another."
    )


def _background_convicted(name: str, evidence: Evidence) -> bool:
    """Whether BA201 finds the class by a proven gap that what the masks missed cannot have made."""
    row, bounds = dict(evidence.rows()).get(name), evidence.thresholds
    if row is None:
        return False
    return background_convicts(row, bounds) and gap_proven(row, bounds) and not masks_in_doubt(row, bounds)
