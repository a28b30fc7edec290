"""Who is to blame for a background gap that BA201 finds: the class itself, a named culprit, or nobody by name.

A gap says that the background matters to a class, and not whose background. Light, for the gate rejudges by it.
See docs/science.md#attract and docs/science.md#levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bias_audit.checks.outcomes import as_float, background_convicts, gap_proven, masks_in_doubt
from bias_audit.config import Thresholds

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.outcomes import ClassRow

Blame = Literal["itself", "a culprit", "unnamed", "nobody", "unproven"]
"""Who is to blame for the gap of a class.

- itself: its own background pulls other objects or passes for it alone.
- a culprit: its objects are pulled by another class that is blamed itself (COLLATERAL).
- unnamed: its objects are pulled by a class that is not blamed itself (BA207).
- nobody: the gap is proven, and no pull on its objects is shown.
- unproven: the gap is too small for its uncertainty.
"""


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

    A class whose own background neither pulls nor passes alone is the victim of a named culprit only where the pull of
    a class that is blamed itself is significant, corrected (Benjamini-Hochberg) over all pairs of such a culprit and
    such a class. Where it is not, the pulls of all classes are asked, corrected over all of them and all such classes.

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
    named = significant_pulls(matrix, asked, blamed_themselves(rows, bounds), bounds)
    unnamed = significant_pulls(matrix, asked, [name for name, _ in rows], bounds)

    def standing(name: str) -> Standing:
        if name not in proven:
            return Standing("unproven")
        if name in itself:
            return Standing("itself")
        if name in named:
            return Standing("a culprit", named[name])
        return Standing("unnamed", unnamed[name]) if name in unnamed else Standing("nobody")

    return {name: standing(name) for name in found}


def significant_pulls(
    matrix: pd.DataFrame | None, victims: Sequence[str], culprits: Sequence[str], bounds: Thresholds
) -> dict[str, tuple[Pull, ...]]:
    """The pulls of some classes on others that are significant after correction, and at least `min_attract`.

    Args:
        matrix: the table `gap_matrix`; None = there is none.
        victims: classes whose objects may be pulled.
        culprits: classes whose backgrounds may pull them.
        bounds: thresholds of the rules.

    Returns:
        victim -> its pulls, the strongest first; without the victims that nobody is shown to pull.
    """
    if matrix is None or "p_pull" not in matrix or not victims or not culprits:
        return {}
    from bias_audit import stats

    pairs = matrix[matrix["object_class"].isin(victims) & matrix["background_class"].isin(culprits)]
    pairs = pairs.assign(p_fdr=stats.benjamini_hochberg(pairs["p_pull"].to_numpy(float)))
    pairs = pairs[(pairs["p_fdr"] <= bounds.fdr) & (pairs["pull"] >= bounds.min_attract)]
    pulls: dict[str, list[Pull]] = {}
    for pair in pairs.sort_values("pull", ascending=False, kind="stable").to_dict("records"):
        pull = Pull(str(pair["background_class"]), float(pair["pull"]), float(pair["p_fdr"]))
        pulls.setdefault(str(pair["object_class"]), []).append(pull)
    return {name: tuple(each) for name, each in pulls.items()}


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

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
    """
    return as_float(row["attract_low"], -1) > 0 and as_float(row["attract"], 0) >= bounds.min_attract


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
