"""What the rules say of a class that did not get all composites (docs/science.md#stages). Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.outcomes import as_float
from bias_audit.run.quantities import quantity

if TYPE_CHECKING:
    from bias_audit.checks.outcomes import ClassRow

NOT_MADE = (
    "Screened: by its gap no class is suspected of following its background, so no other composites were made. "
    "--thorough makes them."
)
"""Why a question about a class was not asked that the gap alone does not answer."""


def stopped(row: ClassRow) -> str:
    """Sentence on a class that was given up early, with what is excluded.

    Args:
        row: the class's row of the class table.
    """
    return (
        f"Stopped after {int(row['n_interventions'])} of {int(row['n_planned'])} photos: a gap of more than "
        f"{quantity(as_float(row['gap_high']), 'points')} is excluded; --thorough tests all."
    )


def laxer(name: str, row: ClassRow) -> str:
    """Sentence on a class whose gap counts by other bounds than those by which the audit spared it the rest.

    Args:
        name: the class.
        row: its row of the class table.
    """
    gap = quantity(as_float(row["background_gap"]), "points")
    return (
        f"Not judged: by these thresholds the gap of {name} counts ({gap}), but the audit cleared it by others and did "
        "not make the composites that accuse or acquit. Audit again, with --thorough or with these thresholds."
    )
