"""Examples in the proportion of what they illustrate."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bias_audit.checks.examples import in_proportion


def test_three_photos_of_thirty_per_cent_show_one():
    """Issue 14, item 8: "object only 30 %", and all three examples were recognised."""
    seen = {n: {"object only": n < 3, "same": True, "other": n % 2 == 0} for n in range(10)}
    rates = {"object only": 0.3, "same": 1.0, "other": 0.5}
    three = in_proportion(seen, rates, 3)
    assert [sum(seen[n][name] for n in three) for name in rates] in ([1, 3, 1], [1, 3, 2])
    six = in_proportion(seen, rates, 3, rounds=2)
    assert six[:3] == three
    assert [sum(seen[n][name] for n in six) for name in rates] == [2, 6, 3]


def test_what_differs_comes_first_and_missing_experiments_last():
    seen = {"flat": {"same": True, "other": True}, "turned": {"same": True, "other": False}}
    assert in_proportion(seen, {"same": 1.0, "other": 0.5}, 2) == ["turned", "flat"]
    assert in_proportion({"half": {"same": True}, **seen}, {"same": 1.0, "other": 1.0}, 1) == ["flat"]
    assert in_proportion({}, {"same": 1.0}, 3) == []


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 4))
def test_no_three_photos_would_be_nearer(told: list[bool], size: int):
    rate = sum(told) / len(told)
    chosen = in_proportion({n: {"arm": each} for n, each in enumerate(told)}, {"arm": rate}, size)
    count = min(size, len(told))
    assert len(set(chosen)) == count
    shown = sum(told[n] for n in chosen)
    possible = [k for k in range(count + 1) if k <= sum(told) and count - k <= len(told) - sum(told)]
    assert abs(shown - rate * count) <= min(abs(k - rate * count) for k in possible) + 1e-9
