"""[[metric]]: bounds of intervals, sizes, overrides, tables of slices, cues and images, change since a baseline."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from gate_runs import HUSKY, WOLF, judged, outcome, row_of, run_of, stored
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bias_audit import stats
from bias_audit.gate import FAILED, NOT_JUDGED, PASSED, WARNED
from bias_audit.gate.metrics import parsed, wilson
from bias_audit.gate.paired import paired_interval
from bias_audit.run.number_pairs import Pairs

HEAD = '[[metric]]\ntable = "class"\nname = "background_gap"\n'
GAP = "max_background_gap"


# -- bounds ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "value", "high", "status", "state"),
    [
        (0.0, 0.1, 0.2, PASSED, ""),  # the upper end keeps the bound, which is allowed itself
        (0.0, 0.1, 0.21, FAILED, "near the threshold"),
        (0.1, 0.3, 0.5, FAILED, "near the threshold"),
        (0.21, 0.3, 0.5, FAILED, ""),
        (None, 0.1, None, FAILED, "no interval"),
    ],
)
def test_a_maximum_is_judged_by_the_upper_end(
    tmp_path: Path, low: float | None, value: float, high: float | None, status: str, state: str
) -> None:
    run = run_of(classes=({**WOLF, "background_gap": value, "gap_low": low, "gap_high": high},))
    row = row_of(judged(tmp_path, run, f"{HEAD}max = 0.2\n"), GAP)
    assert (row.status, row.state) == (status, state)
    assert ("near the threshold" in row.sentence) is (state == "near the threshold")
    if state == "near the threshold":
        for where in ("", "allowed by the file"):
            head = 'allow = ["near the threshold"]\n' if where else ""
            tail = "" if where else 'allow = ["near the threshold"]\n'
            row = row_of(judged(tmp_path, run, f"{head}{HEAD}max = 0.2\n{tail}"), GAP)
            assert row.status == (FAILED if value > 0.2 else NOT_JUDGED), "the estimate decides"


@pytest.mark.parametrize(
    ("low", "high", "status", "state"),
    [(0.6, 0.9, PASSED, ""), (0.59, 0.9, FAILED, "near the threshold"), (0.2, 0.59, FAILED, "")],
)
def test_a_minimum_is_judged_by_the_lower_end(tmp_path: Path, low: float, high: float, status: str, state: str) -> None:
    run = run_of(classes=({**WOLF, "background_gap": (low + high) / 2, "gap_low": low, "gap_high": high},))
    row = row_of(judged(tmp_path, run, f"{HEAD}min = 0.6\n"), "min_background_gap")
    assert (row.status, row.state) == (status, state)


def test_the_same_rate_of_few_images_is_not_green(tmp_path: Path) -> None:
    for n, status in ((1000, PASSED), (10, FAILED)):
        low, high = wilson(0.05, n)
        run = run_of(classes=({**WOLF, "background_gap": 0.05, "gap_low": low, "gap_high": high},))
        assert row_of(judged(tmp_path, run, f"{HEAD}max = 0.1\n"), GAP).status == status
        assert row_of(judged(tmp_path, run, f'{HEAD}max = 0.1\njudge = "estimate"\n'), GAP).status == PASSED


def test_min_n_severity_and_the_line(tmp_path: Path) -> None:
    row = row_of(judged(tmp_path, run_of(), f"\n{HEAD}max = 1\nmin_n = 11\n"), GAP)
    assert (row.status, row.state, row.n, row.line) == (FAILED, "not enough images", 10, 2)
    assert "10 images, 11 are needed" in row.sentence
    assert row_of(judged(tmp_path, run_of(), f"{HEAD}max = 1\nmin_n = 10\n"), GAP).status == PASSED
    gate = judged(tmp_path, run_of(), f'{HEAD}max = 0.1\nseverity = "warn"\n')
    assert (row_of(gate, GAP).status, row_of(gate, GAP).severity, gate.passed) == (WARNED, "warn", True)


def test_classes_have_their_own_bounds(tmp_path: Path) -> None:
    text = f"{HEAD}max = 0.1\nmin_n = 5\n[metric.classes.wolf]\nmax = 1.0\n"
    gate = judged(tmp_path, run_of(classes=(WOLF, HUSKY)), text)
    rows = {row.subject: (row.status, row.threshold, row.line) for row in gate.rows if row.check == GAP}
    assert rows == {"wolf": (PASSED, 1.0, 6), "husky": (FAILED, 0.1, 1)}
    only = judged(tmp_path, run_of(classes=(WOLF, HUSKY)), f"{HEAD}[metric.classes.wolf]\nmax = 1.0\n")
    assert [row.subject for row in only.rows if row.check == GAP] == ["wolf"]
    gone = judged(tmp_path, run_of(classes=(HUSKY,)), text.replace("0.1", "1.0"))
    assert [(row.subject, row.state, row.line) for row in gone.rows if row.status == FAILED] == [
        ("wolf", "missing class", 6)
    ]


def test_numbers_of_the_data_set(tmp_path: Path) -> None:
    counts = {"images": 50, "read": 40, "with_mask": 40, "attention_scored": 10, "interventions_done": 7}
    text = "".join(
        f'[[metric]]\ntable = "dataset"\nname = "{name}"\n{bound}\n'
        for name, bound in (("unscorable_share", "max = 0.5"), ("interventions_done", "min = 8"), ("read", "min = 40"))
    )
    rows = {row.check: row for row in judged(tmp_path, run_of(counts=counts), text).rows}
    assert (rows["max_unscorable_share"].status, rows["max_unscorable_share"].measured) == (FAILED, 0.75)
    assert (rows["min_interventions_done"].status, rows["min_interventions_done"].state) == (FAILED, "")
    assert rows["min_read"].status == PASSED


def test_counts_need_no_interval(tmp_path: Path) -> None:
    for least, status in ((20, PASSED), (21, FAILED)):
        gate = judged(tmp_path, run_of(), f'[[metric]]\ntable = "class"\nname = "n_read"\nmin = {least}\n')
        assert (row_of(gate, "min_n_read").status, row_of(gate, "min_n_read").state) == (status, "")


@pytest.mark.parametrize("name", ["background_excess", "pointing_game"])
def test_attention_is_not_judged_where_the_maps_failed(tmp_path: Path, name: str) -> None:
    failed = outcome("found", "MODEL WARNING", code="BA908", scope="dataset", subject="stability")
    text = (
        f'allow = ["maps failed: BA908"]\n[[metric]]\ntable = "class"\nname = "{name}"\nmax = 9\njudge = "estimate"\n'
    )
    assert row_of(judged(tmp_path, run_of(), text), f"max_{name}").status == PASSED
    row = row_of(judged(tmp_path, run_of(failed), text), f"max_{name}")
    assert (row.status, row.state) == (FAILED, "maps failed")


# -- tables ---------------------------------------------------------------------------------

SLICES = [
    {"column": "site", "value": "A", "n": 90, "accuracy": "0.9", "accuracy_low": 0.82, "accuracy_high": 0.95},
    {"column": "site", "value": "B", "n": 5, "accuracy": "0.6", "accuracy_low": 0.23, "accuracy_high": 0.88},
    {"column": "site", "value": "C", "n": 0, "accuracy": "", "accuracy_low": "", "accuracy_high": ""},
]
SLICE = '[[metric]]\ntable = "slice"\nname = "accuracy"\nmin = 0.8\nmin_n = 10\n'


def test_slices(tmp_path: Path) -> None:
    run = stored(tmp_path / "run", run_of(), slices=SLICES)
    rows = {row.subject: row for row in judged(tmp_path, run, SLICE).rows if row.check == "min_accuracy"}
    assert (rows["site=A"].status, rows["site=A"].scope) == (PASSED, "slice")
    assert [rows[f"site={name}"].state for name in "BC"] == ["not enough images"] * 2


@pytest.mark.parametrize("tables", [{}, {"slices": []}])
def test_a_table_without_rows_is_not_green(tmp_path: Path, tables: dict[str, Any]) -> None:
    run = stored(tmp_path / "run", run_of(), **tables)
    gate = judged(tmp_path, run, SLICE)
    assert (row_of(gate, "min_accuracy").state, gate.passed) == ("no rows", False)
    assert judged(tmp_path, run, f'allow = ["no rows: accuracy"]\n{SLICE}').passed


def test_cues(tmp_path: Path) -> None:
    cues = [{"cue_id": "w-1", "class_name": "wolf", "n": 9, "odds_ratio": 30, "odds_ratio_low": 3, "x": 1}]
    run = stored(tmp_path / "run", run_of(), cues=[{**cues[0], "odds_ratio_high": 300}])
    gate = judged(tmp_path, run, '[[metric]]\ntable = "cue"\nname = "odds_ratio"\nmax = 2\n')
    row = row_of(gate, "max_odds_ratio")
    assert (row.subject, row.title, row.status) == ("w-1", "cue 1 of wolf", FAILED)
    assert row.sentence == "Odds ratio of cue 1 of wolf is 30.0 [3.0 to 300]; at most 2.0 is allowed."


def images_of(*values: object, label: str = "wolf", column: str = "background_excess") -> list[dict[str, object]]:
    return [{"image_id": f"{label}/{i}.jpg", "label": label, column: value} for i, value in enumerate(values)]


IMAGE = '[[metric]]\ntable = "image"\nname = "background_excess"\nmax = 1.0\n'
EXCESS = "max_background_excess"


def test_images_are_counted_per_class(tmp_path: Path) -> None:
    images = images_of(0.5, 1.0, 1.2, 1.5, "") + images_of(0.1, 0.2, label="husky") + images_of("", label="fox")
    run = stored(tmp_path / "run", run_of(), images=images)
    rows = {row.subject: row for row in judged(tmp_path, run, f"{IMAGE}max_share = 0.4\n").rows if row.check == EXCESS}
    assert (rows["wolf"].status, rows["wolf"].measured, rows["wolf"].threshold, rows["wolf"].n) == (FAILED, 0.5, 0.4, 4)
    assert "2 of 4 images of 'wolf' have a background excess above 1.00 (wolf/3.jpg: 1.50, wolf/2.jpg: 1.20)" in (
        rows["wolf"].sentence
    )
    assert (rows["husky"].status, rows["fox"].status, rows["fox"].state) == (PASSED, FAILED, "missing metric")
    rows = {row.subject: row for row in judged(tmp_path, run, f"{IMAGE}max_share = 0.5\nmin_n = 3\n").rows}
    assert (rows["wolf"].status, rows["husky"].state) == (PASSED, "not enough images")


def test_minimum_of_images_and_truth_values(tmp_path: Path) -> None:
    run = stored(tmp_path / "run", run_of(), images=images_of(True, False, True, column="correct"))
    gate = judged(tmp_path, run, '[[metric]]\ntable = "image"\nname = "correct"\nmin = 1\nmax_share = 0.3\n')
    assert (row_of(gate, "min_correct").status, row_of(gate, "min_correct").measured) == (FAILED, pytest.approx(1 / 3))


@pytest.mark.parametrize("text", ["", None, "nan", "inf", "abc", "None"])
def test_cells_that_are_no_numbers(text: str | None) -> None:
    assert parsed(text) is None
    assert (parsed("True"), parsed("False"), parsed("1e-3")) == (1.0, 0.0, 0.001)


# -- against a baseline ---------------------------------------------------------------------

RISE = f"{HEAD}max_increase = 0.1\n"
ROSE = "max_increase_background_gap"


def gap(value: float, half: float = 0.05, **row: Any) -> dict[str, Any]:
    return {**WOLF, "background_gap": value, "gap_low": value - half, "gap_high": value + half, **row}


def test_the_intervals_of_both_runs_are_added_where_the_data_differ(tmp_path: Path) -> None:
    old, new = run_of(classes=(gap(0.2),), content="other"), run_of(classes=(gap(0.25),))
    text = f"{RISE}[provenance]\nrequire_same_data = false\n"
    row = row_of(judged(tmp_path, new, text, baseline=old), ROSE)
    assert row.measured == pytest.approx(0.05)
    assert row.high == pytest.approx(0.05 + math.hypot(0.05, 0.05))
    assert row.low == pytest.approx(0.05 - math.hypot(0.05, 0.05))
    assert (row.status, row.state, row.baseline) == (FAILED, "near the threshold", 0.2)
    assert "Zou & Donner" in row.sentence
    for rise, status in ((0.02, PASSED), (0.2, FAILED)):
        new = run_of(classes=(gap(0.2 + rise),))
        row = row_of(judged(tmp_path, new, text, baseline=old), ROSE)
        assert (row.status, row.state) == (status, "")


def test_a_fall_is_the_mirror_image(tmp_path: Path) -> None:
    old, new = run_of(classes=(gap(0.5),)), run_of(classes=(gap(0.2),), model_sha256="1")
    row = row_of(judged(tmp_path, new, f"{HEAD}max_decrease = 0.1\n", baseline=old), "max_decrease_background_gap")
    assert (row.status, row.measured) == (FAILED, pytest.approx(0.3))
    assert (row.low, row.high) == (pytest.approx(0.3 - 0.0707, abs=1e-4), pytest.approx(0.3 + 0.0707, abs=1e-4))
    assert "fell by 30 pp [" in row.sentence
    assert row_of(judged(tmp_path, new, RISE, baseline=old), ROSE).status == PASSED


def test_the_same_model_on_the_same_data_did_not_rise(tmp_path: Path) -> None:
    row = row_of(
        judged(tmp_path, run_of(classes=(gap(0.2, 0.5),)), RISE, baseline=run_of(classes=(gap(0.2, 0.5),))), ROSE
    )
    assert (row.status, row.low, row.high) == (PASSED, 0.0, 0.0)


def test_the_same_model_may_differ_from_itself(tmp_path: Path) -> None:
    """Another seed or another draw of backgrounds: the difference is judged as any other is."""
    row = row_of(judged(tmp_path, run_of(classes=(gap(0.3),)), RISE, baseline=run_of(classes=(gap(0.1),))), ROSE)
    assert (row.status, row.measured, row.high) == (
        FAILED,
        pytest.approx(0.2),
        pytest.approx(0.2 + math.hypot(0.05, 0.05)),
    )


def test_images_are_paired_where_the_data_are_the_same(tmp_path: Path) -> None:
    before = [0.0] * 90 + [1.0] * 10
    after = [0.0] * 86 + [1.0] * 14
    old = stored(
        tmp_path / "old", run_of(classes=(gap(0.1, 0.08),)), images=images_of(*before, column="background_gap")
    )
    new = stored(
        tmp_path / "new", run_of(classes=(gap(0.14, 0.08),), model_sha256="1"),
        images=images_of(*after, column="background_gap"),
    )  # fmt: skip
    row = row_of(judged(tmp_path, new, RISE, baseline=old), ROSE)
    shares = [[(value + 1) / 2 for value in values] for values in (after, before)]
    low, high = stats.paired_difference_interval(*shares)
    assert (row.low, row.high) == (pytest.approx(2 * low), pytest.approx(2 * high))
    assert "(interval: paired over the same images, Newcombe 1998)" in row.sentence
    patients = type(new)(
        **{**vars(new), "info": type(new.info)(**{**vars(new.info), "config": {"group_by": "patient"}})}
    )
    row = row_of(judged(tmp_path, patients, RISE, baseline=old), ROSE)
    assert "Zou & Donner" in row.sentence, "photos of one patient are not independent"


fifths = st.integers(0, 5).map(lambda right: right / 5)


@settings(deadline=None)
@given(st.lists(st.tuples(fifths, fifths), min_size=1, max_size=30))
@example([(0.5, 0.5)] * 4)
@example([(0.8, 0.2)] * 12)
@example([(1.0, 0.6)] * 9 + [(0.8, 1 / 3)] * 3)
@example([(1.0, 0.0)])
@example([(0.1 + 0.2, 0.9), (0.9, 0.1)] * 20)
@example([(i / 1000, 0.5) for i in range(100)])
def test_the_paired_interval_is_that_of_the_audit(pairs: list[tuple[float, float]]) -> None:
    first, second = zip(*pairs, strict=True)
    assert paired_interval(Pairs.of(Counter(pairs))) == pytest.approx(
        stats.paired_difference_interval(first, second), abs=1e-7
    )


def test_the_wilson_interval_is_that_of_the_audit() -> None:
    assert wilson(0.3, 10) == pytest.approx(stats.wilson(3, 10))


def test_without_a_baseline_nothing_is_green(tmp_path: Path) -> None:
    row = row_of(judged(tmp_path, run_of(), RISE), ROSE)
    assert (row.status, row.state) == (FAILED, "missing baseline")
    row = row_of(judged(tmp_path, run_of(), f'allow = ["missing baseline"]\n{RISE}'), ROSE)
    assert row.status == NOT_JUDGED
    for old in (run_of(classes=(HUSKY,)), run_of(classes=({**WOLF, "background_gap": None},))):
        row = row_of(judged(tmp_path, run_of(classes=(WOLF, HUSKY)), RISE, baseline=old), ROSE, "wolf")
        assert (row.status, row.state) == (FAILED, "missing metric")
