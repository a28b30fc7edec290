"""Strangers per kind, counted by hand."""

from __future__ import annotations

import pandas as pd

from bias_audit.checks.strangers.encounters import encounters

IMAGES = pd.DataFrame({"correct": pd.array([True, True, True, False, None], "boolean"),
                       "probability": [0.9, 0.97, 0.99, 0.2, None]})  # fmt: skip


def strangers(*rows: tuple[str, str, str, float | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["group", "status", "predicted", "probability"])


def test_counts_and_medians_of_a_kind():
    table = strangers(
        ("rat", "ok", "husky", 0.5), ("lynx", "ok", "wolf", 0.98), ("lynx", "ok", "husky", 0.6),
        ("lynx", "ok", "wolf", 0.999), ("lynx", "unreadable", "", None), ("lynx", "ok", "wolf", 0.98),
    )  # fmt: skip
    lynx, rat = encounters(table, IMAGES)
    assert (lynx.group, lynx.n, lynx.unread) == ("lynx", 5, 1)
    assert lynx.taken_for == (("wolf", 3), ("husky", 1))
    assert (lynx.probability, lynx.own_probability) == (0.98, 0.97)  # the wrong test photo does not count
    assert lynx.sentence == (
        "lynx (5): 3 taken for wolf, 1 for husky; median probability 98% (own test photos: 97%); 1 could not be read."
    )
    assert rat.sentence == "rat (1): 1 taken for husky; median probability 50% (own test photos: 97%)."


def test_nothing_read_nothing_right_and_many_classes():
    (none,) = encounters(strangers(("rat", "unreadable", "", None)), IMAGES)
    assert none.sentence == "rat (1): none could be read."
    wrong = IMAGES.assign(correct=pd.array([False] * 5, "boolean"))
    (many,) = encounters(strangers(*(("x", "ok", f"c{i}", 0.9999) for i in range(7))), wrong)
    assert many.own_probability is None
    assert many.sentence == (
        "x (7): 1 taken for c0, 1 for c1, 1 for c2, 1 for c3, 1 for c4, 2 for 2 other classes; "
        "median probability > 99.9%."
    )
