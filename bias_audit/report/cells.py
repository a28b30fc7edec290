"""Numbers of a table as the page takes them: floats with their interval, None for whatever is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bias_audit.checks.outcomes import number

if TYPE_CHECKING:
    import pandas as pd


def estimate(value: Any, low: Any = None, high: Any = None, reason: str = "") -> dict[str, Any]:
    """A number as {value, low, high, reason}: both ends of the interval or neither; a reason for a missing value."""
    known, ends = number(value), (number(low), number(high))
    whole = known is not None and None not in ends
    return {
        "value": known,
        "low": ends[0] if whole else None,
        "high": ends[1] if whole else None,
        "reason": "" if known is not None else reason or "not computed",
    }


def axis(ends: Iterable[float | None]) -> list[float]:
    """Ends of the axis for a column: 0 and 1, or farther where numbers or intervals lie outside."""
    known = [end for end in ends if end is not None]
    return [min(0.0, *known), max(1.0, *known)] if known else [0.0, 1.0]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as dicts, None for whatever is missing."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(key): item for key, item in row.items()} for row in plain.to_dict("records")]
