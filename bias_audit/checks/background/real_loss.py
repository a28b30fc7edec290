"""What BA201 says a gap is, beside what was measured on real scenes and photos. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.outcomes import amount, as_float, number, unfilled
from bias_audit.checks.reasons import FEW

if TYPE_CHECKING:
    from bias_audit.checks.outcomes import ClassRow

BOUND = (
    "A gap is what is lost when an object is moved to another class's place: an upper bound of the loss on real photos "
    "of other scenes."
)


def column(row: ClassRow) -> str | None:
    """Name of the user's column by which the loss on real photos was measured; None where it was not.

    Args:
        row: the class's row of the class table.
    """
    return None if number(row["conflict_loss"]) is None else str(row["conflict_column"])


def told(name: str, row: ClassRow) -> str:
    """Sentences on what a gap is, and on the loss on conflicting photos where it is known or had too few of them.

    Args:
        name: the class.
        row: its row of the class table.
    """
    loss = number(row["conflict_loss"])
    if loss is None:
        few = row["conflict_reason_code"] in FEW
        return f"{BOUND} That loss could not be measured: {row['conflict_reason']}." if few else BOUND
    low, high = number(row["conflict_low"]), number(row["conflict_high"])
    ends = (
        "without an interval, for their groups are too few"
        if low is None or high is None
        else f"{_bare(low)} to {amount(high, 'points')} at 95 %"
    )
    return (
        f"{BOUND} On real photos, by the column {row['conflict_column']}: {float(row['conflicting_accuracy']):z.0%} of "
        f"{int(row['n_conflicting'])} photos of {name} are recognised whose {row['conflict_column']} is commoner in "
        f"another class, {float(row['conforming_accuracy']):z.0%} of its {int(row['n_conforming'])} others: a loss of "
        f"{amount(loss, 'points')} ({ends})."
    )


def places(row: ClassRow) -> str:
    """On what the objects of a class were pasted, in words."""
    return "real scenes without an object" if unfilled(row) else "other photos' backgrounds"


def on_scenes(name: str, row: ClassRow) -> list[str]:
    """Sentences on real scenes: of the classes, where no fill can be blamed, or of no class, which name no culprit.

    Args:
        name: the class.
        row: its row of the class table.
    """
    said = []
    if unfilled(row):
        said.append(
            f"No hole was filled in these backgrounds ({int(as_float(row['n_scenes']))} scenes of {name}): no fill can "
            "make a gap."
        )
    share = number(row["scene_background_accuracy"])
    if share is not None:
        ends = f"{as_float(row['scene_low']):z.0%} to {as_float(row['scene_high']):z.0%}"
        loss = amount(row["scene_loss"], "points")
        limits = f"{_bare(row['scene_loss_low'])} to {amount(row['scene_loss_high'], 'points')}"
        said.append(
            f"On real scenes of no class {share:z.0%} are recognised ({ends}): a loss of {loss} against backgrounds "
            f"of {name} ({limits})."
        )
    return said


def _bare(value: object) -> str:
    return amount(value, "points").split(" ")[0]
