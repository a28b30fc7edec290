"""What BA201 says a gap is, beside what was measured on real scenes and photos. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.outcomes import as_float, number
from bias_audit.checks.reasons import FEW
from bias_audit.checks.reliance import unfilled
from bias_audit.run.quantities import interval, quantity

if TYPE_CHECKING:
    from bias_audit.checks.outcomes import ClassRow

BOUND = (
    "A gap is what is lost when an object is moved to another class's background: an upper bound of the loss on real "
    "photos of other scenes."
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
    known = low is not None and high is not None
    bare = "" if known else " (without an interval: there are too few groups of them)"
    return (
        f"{BOUND} On real photos, by the column {row['conflict_column']}: of the {int(row['n_conflicting'])} photos of "
        f"{name} whose {row['conflict_column']} is more common in another class "
        f"{quantity(float(row['conflicting_accuracy']), 'share')} are recognised, of the other "
        f"{int(row['n_conforming'])} {quantity(float(row['conforming_accuracy']), 'share')}: a loss of "
        f"{interval(loss, low, high, 'points')}{bare}."
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
            f"No hole had to be filled in these backgrounds ({int(as_float(row['n_scenes']))} scenes of {name}), so no "
            "fill can make a gap."
        )
    share = number(row["scene_background_accuracy"])
    if share is not None:
        loss, loss_low, loss_high = (number(row[f"scene_loss{end}"]) for end in ("", "_low", "_high"))
        known = interval(share, number(row["scene_low"]), number(row["scene_high"]), "share")
        said.append(
            f"On real scenes of no class {known} are recognised: a loss of "
            f"{interval(loss, loss_low, loss_high, 'points')} against backgrounds of {name}."
        )
    return said
