"""The status that stands for the images of a class."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.checks.reasons import NO_READABLE, most_frequent


@pytest.mark.parametrize(
    ("statuses", "but", "expected"),
    [
        (["no mask", "unreadable", "no mask"], ("",), "no mask"),
        (["unreadable", "no mask"], ("",), "no mask"),
        (["", "", "unreadable"], ("",), "unreadable"),
        (["no outline", "no outline", "skipped"], ("", "no outline"), "skipped"),
        (["", ""], ("",), NO_READABLE),
        ([], ("",), NO_READABLE),
    ],
)
def test_by_hand(statuses: list[str], but: tuple[str, ...], expected: str) -> None:
    assert most_frequent(statuses, but) == expected


@given(st.lists(st.sampled_from(["a", "b", "c", "no mask"]), min_size=1))
def test_it_is_the_first_mode(statuses: list[str]) -> None:
    assert most_frequent(statuses) == pd.Series(statuses).mode().iloc[0]
