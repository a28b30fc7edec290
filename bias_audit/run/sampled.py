"""Says of a run that it saw a sample of its data only, wherever its numbers stand. Imports nothing."""

from __future__ import annotations

from collections.abc import Mapping

SAMPLED_FROM = "sampled_from"
"""Name in the counts of a run: photos of the data of which it saw a sample (`--sample`); not there = it saw all."""


def told(photos: int, of: int) -> str:
    """A sample in words, "a sample of 500 of 12,000 photos"; "" where it is none.

    Args:
        photos: photos that were seen.
        of: photos of which they are a sample; 0 = they are all.
    """
    return f"a sample of {photos:,} of {of:,} photos" if of else ""


def told_of(counts: Mapping[str, int]) -> str:
    """The same of a run, from its counts (`RunInfo.counts`)."""
    return told(counts.get("images", 0), counts.get(SAMPLED_FROM, 0))
