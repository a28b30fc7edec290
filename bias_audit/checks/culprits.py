"""Who is to blame for a background gap that BA201 finds: the class itself, a named culprit, or nobody by name.

A gap says that the background matters to a class, and not whose background. Light, for the gate rejudges by it.
See docs/science.md#attract and docs/science.md#levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bias_audit.checks.outcomes import as_float
from bias_audit.checks.reliance import background_convicts, gap_proven, masks_in_doubt, pulls_all
from bias_audit.config import Thresholds

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.outcomes import ClassRow

Blame = Literal["itself", "a culprit", "unnamed", "unseen", "nobody", "unproven"]
"""Who is to blame for the gap of a class.

- itself: its own background pulls other objects, passes for it alone, or is what its objects need and others do not.
- a culprit: its objects are pulled by another class that is blamed itself (COLLATERAL).
- unnamed: its objects are pulled by a class that is not blamed itself (BA207).
- unseen: the gap is proven, and no pull on its objects could have been shown with so few photos per pair of classes
  (BA207).
- nobody: the gap is proven, and no pull on its objects is shown, though one could have been.
- unproven: the gap is too small for its uncertainty.
"""

UNKNOWN: tuple[Blame, ...] = ("unnamed", "unseen")
"""Reliance is proven, and the class that was learned with the cue is not known (BA207)."""


@dataclass(frozen=True)
class Pull:
    """A significant pull on the objects of a class.

    Attributes:
        by: class on whose backgrounds they are called that class.
        size: how many more of them than on backgrounds of their own, 0..1.
        p: of the sign-flip test, corrected.
    """

    by: str
    size: float
    p: float


@dataclass(frozen=True)
class Standing:
    """Who is to blame for the gap of a class, and the pulls that show it, the strongest first."""

    blame: Blame
    pulls: tuple[Pull, ...] = ()


def found_by_gap(rows: Sequence[tuple[str, ClassRow]], bounds: Thresholds) -> list[tuple[str, ClassRow]]:
    """The classes that BA201 finds: their gap is significant and large enough, and the fills do not disagree.

    Args:
        rows: pairs of a class name and its row of the class table.
        bounds: thresholds of the rules.
    """
    return [(name, row) for name, row in rows if background_convicts(row, bounds)]


def blamed_themselves(rows: Sequence[tuple[str, ClassRow]], bounds: Thresholds) -> list[str]:
    """The classes that are accused: to blame for their own gap, which does not come from what the masks missed.

    Args:
        rows: pairs of a class name and its row of the class table, of all classes.
        bounds: thresholds of the rules.
    """
    table = dict(rows)
    return [name for name in to_blame(rows, bounds) if not masks_in_doubt(table[name], bounds)]


def to_blame(rows: Sequence[tuple[str, ClassRow]], bounds: Thresholds) -> list[str]:
    """The classes that are to blame for their own gap: it is proven, and their background pulls or passes alone.

    Args:
        rows: pairs of a class name and its row of the class table, of all classes.
        bounds: thresholds of the rules.
    """
    victim = victim_of_two(rows, bounds)
    return [
        name
        for name, row in found_by_gap(rows, bounds)
        if gap_proven(row, bounds) and is_to_blame(row, bounds) and name != victim
    ]


def standings(
    rows: Sequence[tuple[str, ClassRow]], matrix: pd.DataFrame | None, bounds: Thresholds
) -> dict[str, Standing]:
    """Who is to blame for the gap of each class that BA201 finds.

    Of a class whose own background neither pulls nor passes alone three questions are asked in turn. Is it pulled by a
    class that is blamed itself, corrected (Benjamini-Hochberg) over all pairs of such a culprit and such a class? Is it
    pulled by any class, corrected over all classes and all such classes? Do its objects need a background of their own
    (`needs_its_own`)? The last comes last because the victims of a class that is known by a missing cue are lost on
    neutral backdrops as well.

    Args:
        rows: pairs of a class name and its row of the class table, of all classes.
        matrix: the table `gap_matrix`; None = there is none, and no pull is shown.
        bounds: thresholds of the rules.

    Returns:
        class name -> who is to blame, for the classes of `found_by_gap`.
    """
    found = dict(found_by_gap(rows, bounds))
    proven = [name for name, row in found.items() if gap_proven(row, bounds)]
    itself = to_blame(rows, bounds)
    asked = [name for name in proven if name not in itself]
    named = significant_pulls(matrix, asked, blamed_themselves(rows, bounds), bounds, least=bounds.min_attract)
    unnamed = significant_pulls(matrix, asked, [name for name, _ in rows], bounds, least=bounds.min_pull)
    seen = could_be_pulled(matrix, asked, bounds)

    def standing(name: str) -> Standing:
        if name not in proven:
            return Standing("unproven")
        if name in itself:
            return Standing("itself")
        if name in named:
            return Standing("a culprit", named[name])
        if name in unnamed:
            return Standing("unnamed", unnamed[name])
        if needs_its_own(name, rows, bounds):
            return Standing("itself")
        return Standing("nobody" if name in seen else "unseen")

    return {name: standing(name) for name in found}


def significant_pulls(
    matrix: pd.DataFrame | None, victims: Sequence[str], culprits: Sequence[str], bounds: Thresholds, *, least: float
) -> dict[str, tuple[Pull, ...]]:
    """The pulls of some classes on others that are significant after correction, and large enough.

    Args:
        matrix: the table `gap_matrix`; None = there is none.
        victims: classes whose objects may be pulled.
        culprits: classes whose backgrounds may pull them.
        bounds: thresholds of the rules.
        least: smallest pull that counts.

    Returns:
        victim -> its pulls, the strongest first; without the victims that nobody is shown to pull.
    """
    if matrix is None or "p_pull" not in matrix or not victims or not culprits:
        return {}
    from bias_audit import stats

    pairs = matrix[matrix["object_class"].isin(victims) & matrix["background_class"].isin(culprits)]
    pairs = pairs.assign(p_fdr=stats.benjamini_hochberg(pairs["p_pull"].to_numpy(float)))
    pairs = pairs[(pairs["p_fdr"] <= bounds.fdr) & (pairs["pull"] >= least)]
    pulls: dict[str, list[Pull]] = {}
    for pair in pairs.sort_values("pull", ascending=False, kind="stable").to_dict("records"):
        pull = Pull(str(pair["background_class"]), float(pair["pull"]), float(pair["p_fdr"]))
        pulls.setdefault(str(pair["object_class"]), []).append(pull)
    return {name: tuple(each) for name, each in pulls.items()}


def could_be_pulled(matrix: pd.DataFrame | None, victims: Sequence[str], bounds: Thresholds) -> set[str]:
    """The classes of which a pull could have been shown: some pair has the photos to pass the correction.

    Where no pull was tested nothing is said about numbers, so it is every class: tables of older versions.

    Args:
        matrix: the table `gap_matrix`; None = there is none.
        victims: classes whose objects may be pulled, all of which are asked about together.
        bounds: thresholds of the rules.
    """
    if matrix is None or "n_groups" not in matrix:
        return set(victims)
    from bias_audit import stats

    pairs = matrix[matrix["object_class"].isin(victims)]
    allowed = stats.rejection_bounds(pairs["p_pull"].to_numpy(float), bounds.fdr)
    draws = stats.draws_for(len(pairs))
    return {
        str(victim)
        for victim, count, bound in zip(pairs["object_class"], pairs["n_groups"], allowed, strict=True)
        if stats.least_sign_flip_p(int(count), draws) <= bound
    }


def level_of(row: ClassRow, bounds: Thresholds, *, watched: bool) -> str:
    """Level of a class that is to blame itself: CONFIRMED, HIDDEN or SUSPICIOUS.

    CONFIRMED where the attended background moves the prediction, HIDDEN where the heatmaps lie on the object.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
        watched: True where the heatmaps accuse the class as well, or cannot be used; it then cannot be HIDDEN.
    """
    if cue_moves_it(row, bounds):
        return "CONFIRMED"
    return "HIDDEN" if not watched and maps_are_blind(row, bounds) else "SUSPICIOUS"


def is_to_blame(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the class's own background pulls other objects, or passes for the class alone.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
    """
    return pulls(row, bounds) or passes_alone(row, bounds)


def pulls(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the class's backgrounds pull the objects of other classes to it, which marks the class with the cue.

    Either those of all classes together, or those of one of them, which must be pulled as clearly as a gap is clear.
    Tables of older versions have no test, and were judged by the interval and `min_attract`.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
    """
    certain = as_float(row["attract_low"], -1) > 0
    if math.isnan(as_float(row["p_attract_fdr"])):
        return certain and as_float(row["attract"], 0) >= bounds.min_attract
    one = as_float(row["p_largest_pull_fdr"], 1) <= bounds.fdr and as_float(row["largest_pull"], 0) >= bounds.min_pull
    return (certain and pulls_all(row, bounds)) or one


def passes_alone(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the class's photos without their object are still called the class, clearly more often than others.

    The lower limit of the class's own rate is compared with the highest rate among other classes; both fills must show
    it.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
    """
    first = as_float(row["background_only_low"], 0) - as_float(row["background_only_elsewhere"], 1)
    second = as_float(row["background_only_second_fill"], 0) - as_float(row["background_only_elsewhere_second_fill"], 1)
    return min(first, second) > bounds.min_background_only


def victim_of_two(rows: Sequence[tuple[str, ClassRow]], bounds: Thresholds) -> str | None:
    """Name of the victim in a data set of two classes: recognised on neutral backdrops while the other class is not.

    With two classes the pull of backgrounds cannot tell culprit from victim: a picture without the cue of one class is
    called the other. On neutral backdrops there is no cue, so the class that was learned with one is lost and its
    victim is not.

    Args:
        rows: pairs of a class name and its row of the class table.
        bounds: thresholds of the rules.

    Returns:
        class name; None where both or neither are recognised, and where there are not two classes.
    """
    if len(rows) != 2:
        return None
    (first, one), (second, other) = rows
    if _stands(one, bounds) and _falls(other, bounds):
        return first
    return second if _stands(other, bounds) and _falls(one, bounds) else None


def needs_its_own(name: str, rows: Sequence[tuple[str, ClassRow]], bounds: Thresholds) -> bool:
    """Whether the objects of a class are lost on neutral backdrops, and those of most other classes are not.

    So it is where two classes share a cue: on each other's backgrounds they keep it, and neither pulls the other. The
    others are the measure, since many networks lose some objects on any plain backdrop.

    Args:
        name: the class.
        rows: pairs of a class name and its row of the class table, of all classes, three at least.
        bounds: thresholds of the rules.
    """
    low = next(as_float(row["neutral_loss_low"], -1) for own, row in rows if own == name)
    if low <= bounds.min_background_only:  # whatever the others lose: a glance for each of thousands of classes
        return False
    losses = sorted(as_float(row["neutral_loss"]) for other, row in rows if other != name)
    known = [loss for loss in losses if not math.isnan(loss)]
    if len(known) < 2:
        return False
    usual = max(known[(len(known) - 1) // 2], 0.0)
    return low - usual > bounds.min_background_only


def _stands(row: ClassRow, bounds: Thresholds) -> bool:
    return as_float(row["neutral_loss_high"]) < bounds.min_background_only


def _falls(row: ClassRow, bounds: Thresholds) -> bool:
    return as_float(row["neutral_loss"]) >= bounds.min_gap and as_float(row["neutral_loss_low"]) > 0


def cue_moves_it(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the piece of background that the maps point at moves the probability, removed or lent to other photos.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
    """
    return any(
        as_float(row[f"p_{name}_fdr"], 1) <= bounds.fdr
        and as_float(row[f"{name}_effect"], 0) >= bounds.min_cue
        and as_float(row[f"{name}_low"], 0) > 0
        for name in ("cue_removal", "cue_lent")
    )


def maps_are_blind(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the heatmaps lie on the object, so that who reads them would acquit the class (a tint, a texture).

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules; at least `min_attention` maps must be scored.
    """
    return (
        as_float(row["n_attention"], 0) >= bounds.min_attention
        and as_float(row["excess_high"], 9) < bounds.hidden_excess
    )
