"""The statistics of a comparison, worked out by hand, and which images are the same."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from bias_audit import stats
from bias_audit.compare.flips import find_flips
from bias_audit.compare.history_chart import band, line
from bias_audit.compare.measures import BETTER, MEASURES, NO_DIFFERENCE, TOO_FEW, WORSE, Change, apart, judged, paired
from bias_audit.compare.pairing import pair_images


def images(rows: list[tuple[str, str]], **columns: list[object]) -> pd.DataFrame:
    """(image_id, content) per image, label "a" unless given."""
    values: dict[str, list[object]] = {
        "label": ["a"] * len(rows), "status": ["ok"] * len(rows), "predicted": ["a"] * len(rows),
        "correct": [True] * len(rows), "probability_label": [0.9] * len(rows),
        "rests_on_background": [False] * len(rows),
        "background_gap": [0.0] * len(rows), "background_excess_label": [0.5] * len(rows),
    }  # fmt: skip
    frame = pd.DataFrame({"content": [content for _, content in rows], **values, **columns})
    frame.index = pd.Index([name for name, _ in rows], name="image_id")
    return frame


def a_change(measure: str, difference: float, p: float, n: int = 20) -> Change:
    low, high = difference - 0.01, difference + 0.01
    return Change("class", "x", measure, 0.5, 0.5 + difference, difference, low, high, p, p, n, "paired")


def test_accuracy_of_the_same_images_is_tested_by_mcnemar():
    old = np.array([1.0] * 10 + [0.0] * 2)
    new = np.array([0.0] * 6 + [1.0] * 4 + [0.0] * 2)
    change = paired("class", "x", "accuracy", old, new)
    assert (change.old, change.new, change.difference, change.n) == (10 / 12, 4 / 12, -0.5, 12)
    assert change.p == pytest.approx(2 * 0.5**6), "six lost, none gained"
    assert change.low < -0.5 < change.high < 0


def test_gaps_of_the_same_images_are_tested_by_sign_flips():
    change = paired("class", "x", "background_gap", np.zeros(10), np.full(10, 0.4))
    assert change.difference == pytest.approx(0.4)
    assert change.p == pytest.approx(2 / 1024), "all signs alike, in either direction, of 2^10 patterns"
    assert change.low < 0.4 < change.high, "ten equal differences are no certainty"


def test_more_subjects_have_more_random_signs():
    """With 10,000 draws for each, none of a thousand classes could be better or worse: 1000 / 10,001 > .05."""
    one, many = (paired("class", "x", "background_gap", np.zeros(60), np.ones(60), None, n) for n in (1, 1000))
    assert (one.p, many.p) == (1 / 10_001, 1 / 40_001)


def test_images_without_a_value_in_either_run_do_not_count():
    change = paired("class", "x", "background_excess", np.array([1.0, np.nan, 2.0]), np.array([1.0, 5.0, np.nan]))
    assert (change.n, change.difference) == (1, 0.0)
    assert paired("class", "x", "accuracy", np.array([np.nan]), np.array([1.0])).n == 0


def test_patients_and_not_their_photos_are_counted():
    old, new = np.ones(12), np.zeros(12)
    alone = paired("class", "x", "accuracy", old, new)
    one = paired("class", "x", "accuracy", old, new, np.zeros(12, np.intp))
    assert alone.p == pytest.approx(2 * 0.5**12)
    assert one.p == 1.0, "one patient turns either way"
    assert math.isnan(one.low)
    assert judged([one], 10, 0.05)[0].verdict == TOO_FEW


def test_two_samples_have_newcombes_interval():
    """Newcombe 1998, Stat. Med. 17, 873-890, table II (a): 56/70 - 48/80, method 10: .0524 to .3339."""
    rows = []
    for hits, n in ((48, 80), (56, 70)):
        low, high = stats.wilson(hits, n)
        rows.append({"accuracy": hits / n, "low": low, "high": high, "n": n})
    change = apart("class", "x", "accuracy", *rows, ("accuracy", "low", "high", "n"))
    assert change.difference == pytest.approx(0.2)
    assert (round(change.low, 4), round(change.high, 4)) == (0.0524, 0.3339)
    assert change.n == 70
    z = 0.2 / (0.2 - change.low) * 1.959964
    assert change.p == pytest.approx(math.erfc(z / math.sqrt(2)), abs=1e-6)


def test_two_samples_without_intervals_say_nothing():
    row = {"accuracy": 0.5, "low": None, "high": float("nan"), "n": 40}
    change = apart("class", "x", "accuracy", row, {**row, "accuracy": 0.9}, ("accuracy", "low", "high", "n"))
    assert math.isnan(change.p)
    assert judged([change], 10, 0.05)[0].verdict == TOO_FEW


def test_p_values_are_corrected_over_the_subjects_of_one_measure():
    changes = [
        a_change("accuracy", -0.1, 0.01),
        a_change("accuracy", -0.1, 0.04),
        a_change("background_gap", 0.1, 0.04),
    ]
    assert [each.p_fdr for each in judged(changes, 10, 0.05)] == pytest.approx([0.02, 0.04, 0.04])
    assert [each.verdict for each in judged(changes, 10, 0.05)] == [WORSE, WORSE, WORSE]
    assert [each.verdict for each in judged(changes, 10, 0.03)] == [WORSE, NO_DIFFERENCE, NO_DIFFERENCE]


@pytest.mark.parametrize("name", MEASURES)
def test_better_and_worse_go_by_the_measure(name: str):
    worse = MEASURES[name].worse
    rose, fell = a_change(name, 0.1, 0.001), a_change(name, -0.1, 0.001)
    assert judged([rose], 10, 0.05)[0].verdict == (WORSE if worse > 0 else BETTER)
    assert judged([fell], 10, 0.05)[0].verdict == (BETTER if worse > 0 else WORSE)


def test_few_images_give_no_verdict_and_no_test_for_others_to_pay():
    few, many = a_change("accuracy", -0.9, 1e-9, n=9), a_change("accuracy", -0.1, 0.04)
    small, large = judged([few, many], 10, 0.05)
    assert (small.verdict, math.isnan(small.p_fdr)) == (TOO_FEW, True)
    assert large.p_fdr == pytest.approx(0.04)


def test_images_are_known_by_their_content():
    old = images([("a/1.jpg", "c1"), ("a/2.jpg", "c2"), ("a/3.jpg", "c3")])
    new = images([("b/renamed.jpg", "c2"), ("a/1.jpg", "c1"), ("a/3.jpg", "other")])
    pairs = pair_images(old, new)
    assert list(zip(pairs.old["image_id"], pairs.new["image_id"], strict=True)) == [
        ("a/2.jpg", "b/renamed.jpg"),
        ("a/1.jpg", "a/1.jpg"),
    ], "another content under the same name is another image"
    assert (pairs.by_content, pairs.images, pairs.enough) == (2, (3, 3), True)


def test_runs_without_contents_match_by_name():
    pairs = pair_images(images([("a/1.jpg", ""), ("a/2.jpg", "")]), images([("a/2.jpg", "c2")]))
    assert (len(pairs), pairs.by_content) == (1, 0)


def test_copies_match_one_to_one():
    same = [("a/1.jpg", "c"), ("a/2.jpg", "c"), ("a/3.jpg", "c")]
    pairs = pair_images(images(same), images([*reversed(same), ("a/4.jpg", "c")]))
    assert sorted(zip(pairs.old["image_id"], pairs.new["image_id"], strict=True)) == [(name, name) for name, _ in same]


def test_a_new_label_is_no_change_of_the_model():
    old, new = images([("1", "x"), ("2", "y")]), images([("1", "x"), ("2", "y")], label=["a", "b"])
    pairs = pair_images(old, new)
    assert (list(pairs.new["image_id"]), pairs.relabelled) == (["1"], 1)


def test_few_common_images_make_no_pairs():
    old = images([(str(i), f"o{i}") for i in range(10)])
    new = images([(str(i), f"o{i}" if i < 4 else f"n{i}") for i in range(10)])
    assert not pair_images(old, new).enough


def test_images_that_changed_sides():
    rows = [(str(i), f"c{i}") for i in range(4)]
    old = images(rows, correct=[True, True, False, True], probability_label=[0.9, 0.6, 0.2, 0.9])
    new = images(
        rows, correct=[False, False, True, True], probability_label=[0.1, 0.5, 0.8, 0.9],
        rests_on_background=[True, False, None, False], background_excess_label=[0.5, 0.5, 0.5, 1.5],
    )  # fmt: skip
    lists = {each.key: each for each in find_flips(pair_images(old, new))}
    assert [flip.image_id for flip in lists["right to wrong"].images] == ["0", "1"], "the largest fall first"
    assert [flip.image_id for flip in lists["wrong to right"].images] == ["2"]
    assert [flip.image_id for flip in lists["newly resting"].images] == ["0"]
    assert lists["no longer resting"].total == 0
    assert [(flip.image_id, flip.old, flip.new) for flip in lists["attention moved"].images] == [("3", 0.5, 1.5)]


def test_charts_escape_names_and_draw_what_is_there():
    drawn = line([(0.5, 0.4, 0.6, False), None, (0.7, None, None, True)], ["<b>", "x", "y"], (0, 1), "<script>")
    assert drawn.count("<circle") == 2
    assert drawn.count('class="error"') == 1
    assert 'class="line"' not in drawn, "other data continue no line"
    assert "<script>" not in drawn
    assert "<b>" not in drawn
    assert band([[0.1, 0.5, 0.9], []], ["a", "b"], (0, 1), "many").count("<circle") == 1
