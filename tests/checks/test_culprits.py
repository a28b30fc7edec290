"""Who is to blame for a gap: levels and culprits, on class tables and pulls set by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bias_audit.checks.background.contradictions import contradiction, unnamed_contradiction
from bias_audit.checks.culprits import significant_pulls, standings
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.reliance import gap_proven
from bias_audit.config import Thresholds

BOUNDS = Thresholds()
GAP = {
    "background_gap": 0.4, "gap_low": 0.2, "p_fdr": 0.01, "background_gap_second_fill": 0.3, "second_fill_low": 0.1,
    "attract": 0.0, "attract_low": 0.0, "n_interventions": 20,
}  # fmt: skip
CULPRIT = {**GAP, "attract": 0.5, "attract_low": 0.2}
NONE = {**GAP, "background_gap": 0.0, "p_fdr": 0.9}


class Row(dict[str, Any]):
    def __missing__(self, column: str) -> None:
        return None


def table(**rows: dict[str, Any]) -> list[tuple[str, Row]]:
    return [(name, Row(row)) for name, row in rows.items()]


def matrix(*pairs: tuple[str, str, float, float]) -> pd.DataFrame:
    """Pairs of object class, background class, pull and uncorrected p."""
    rows = [(victim, culprit, 20, pull, p) for victim, culprit, pull, p in pairs]
    return pd.DataFrame(rows, columns=["object_class", "background_class", "n", "pull", "p_pull"])


def blame(rows: list[tuple[str, Row]], pulls: pd.DataFrame | None) -> dict[str, str]:
    return {name: standing.blame for name, standing in standings(rows, pulls, BOUNDS).items()}


def test_a_victim_stands_beside_a_named_culprit():
    rows = table(fox=GAP, wolf=CULPRIT, cat=NONE)
    found = standings(rows, matrix(("fox", "wolf", 0.4, 0.01), ("fox", "cat", 0.6, 0.01)), BOUNDS)
    assert {name: standing.blame for name, standing in found.items()} == {"fox": "a culprit", "wolf": "itself"}
    assert [(pull.by, pull.size, pull.p) for pull in found["fox"].pulls] == [("wolf", 0.4, 0.01)]  # cat is not found


def test_the_pull_of_the_culprit_is_tested_and_not_the_largest_that_was_seen():
    """Issue 17, row 7: on d24a023 a pull of .4 that is no more than noise named the wolf."""
    rows = table(fox=GAP, wolf=CULPRIT, cat=NONE)
    assert blame(rows, matrix(("fox", "wolf", 0.4, 0.2), ("fox", "cat", 0.1, 0.9)))["fox"] == "nobody"


def test_the_pulls_on_culprits_are_corrected_over_all_pairs_asked():
    rows = table(**{f"fox{i}": GAP for i in range(5)}, wolf=CULPRIT)
    lone = [("fox0", "wolf", 0.4, 0.03)]
    rest = [(f"fox{i}", "wolf", 0.1, 0.9) for i in range(1, 5)]
    assert blame(rows, matrix(*lone))["fox0"] == "a culprit"
    assert blame(rows, matrix(*lone, *rest))["fox0"] == "nobody"  # .03 of five tests


def test_a_pull_of_a_class_that_is_not_found_leaves_it_open():
    found = standings(table(fox=GAP, wolf=CULPRIT, cat=NONE), matrix(("fox", "cat", 0.4, 0.01)), BOUNDS)
    assert (found["fox"].blame, [pull.by for pull in found["fox"].pulls]) == ("unnamed", ["cat"])


def test_a_pull_of_another_victim_leaves_it_open():
    """Two classes share a cue: each falls for the other, and neither pulls all others."""
    rows = table(fox=GAP, cat=GAP, dog=NONE)
    pulls = matrix(("fox", "cat", 0.4, 0.01), ("cat", "fox", 0.4, 0.01))
    assert blame(rows, pulls) == {"fox": "unnamed", "cat": "unnamed"}


@pytest.mark.parametrize("pull", [0.04, -0.4])
def test_a_certain_pull_must_be_large_enough_and_towards_the_culprit(pull):
    assert blame(table(fox=GAP, wolf=CULPRIT), matrix(("fox", "wolf", pull, 0.001)))["fox"] == "nobody"


@pytest.mark.parametrize(("gap", "low", "proven"), [
    (0.09, 0.01, False), (0.09, 0.05, False), (0.09, 0.051, True), (0.149, 0.02, False), (0.15, 0.02, True),
    (0.09, None, False), (0.3, None, True),
])  # fmt: skip
def test_a_small_gap_must_have_a_limit_above_the_floor(gap, low, proven):
    """Issue 17, row 6: on d24a023 a gap of .09, with a true one of .01, was COLLATERAL or convicted."""
    row = {"background_gap": gap, "gap_low": low}
    assert gap_proven(Row(row), BOUNDS) == proven
    for kind, else_ in ((GAP, "a culprit"), (CULPRIT, "itself")):
        rows = table(fox={**kind, **row}, wolf=CULPRIT, cat=NONE)
        assert blame(rows, matrix(("fox", "wolf", 0.4, 0.001)))["fox"] == (else_ if proven else "unproven")


def test_nobody_is_the_victim_of_a_class_whose_gap_is_not_proven():
    weak = {**CULPRIT, "background_gap": 0.09, "gap_low": 0.01}
    assert blame(table(fox=GAP, wolf=weak, cat=NONE), matrix(("fox", "wolf", 0.4, 0.01))) == {
        "fox": "unnamed", "wolf": "unproven",
    }  # fmt: skip


def test_the_victim_of_two_needs_a_culprit_too():
    needs_none = {"neutral_loss": 0.0, "neutral_loss_low": -0.02, "neutral_loss_high": 0.05}
    needs = {"neutral_loss": 0.6, "neutral_loss_low": 0.5, "neutral_loss_high": 0.7}
    pulls = matrix(("cat", "dog", 0.4, 0.01), ("dog", "cat", 0.4, 0.01))
    cat, dog = {**CULPRIT, **needs_none}, {**CULPRIT, **needs}
    assert blame(table(cat=cat, dog=dog), pulls) == {"cat": "a culprit", "dog": "itself"}
    assert blame(table(cat=cat, dog={**dog, "p_fdr": 0.9}), pulls) == {"cat": "unnamed"}
    assert blame(table(cat=cat, dog=dog), matrix(("cat", "dog", 0.4, 0.4)))["cat"] == "nobody"


@pytest.mark.parametrize("pulls", [None, matrix(), matrix(("fox", "wolf", 0.4, 0.001)).drop(columns="p_pull")])
def test_without_tested_pulls_nobody_is_named(pulls):
    """Tables of older versions have pulls without a test."""
    assert blame(table(fox=GAP, wolf=CULPRIT), pulls) == {"fox": "nobody", "wolf": "itself"}


TESTED = {"attract": 0.04, "p_attract_fdr": 0.01}


@pytest.mark.parametrize(("change", "blamed"), [
    ({"p_attract_fdr": 0.05}, "itself"), ({"p_attract_fdr": 0.06}, "nobody"),
    ({**TESTED, "attract": 0.09}, "nobody"), ({**TESTED, "attract": 0.11}, "itself"),
    ({**TESTED, "largest_pull": 0.2, "p_largest_pull_fdr": 0.01}, "itself"),
    ({**TESTED, "largest_pull": 0.14, "p_largest_pull_fdr": 0.01}, "nobody"),
    ({**TESTED, "largest_pull": 0.9, "p_largest_pull_fdr": 0.06}, "nobody"),
    ({"attract": 0.06}, "itself"), ({"attract": 0.04}, "nobody"),  # tables of older versions
])  # fmt: skip
def test_all_other_classes_together_or_one_of_them_name_a_culprit(change, blamed):
    """Issue 18, row 2: a ruler tells wolf from fox and is nothing to the others; the median of their pulls is 0."""
    assert blame(table(wolf={**CULPRIT, **change}, fox=NONE, cat=NONE), matrix())["wolf"] == blamed


def test_a_pull_of_a_class_that_is_not_found_must_be_a_clear_one():
    rows = table(fox=GAP, cat=NONE, wolf=CULPRIT)
    assert blame(rows, matrix(("fox", "cat", 0.14, 0.001)))["fox"] == "nobody"
    assert blame(rows, matrix(("fox", "cat", 0.15, 0.001)))["fox"] == "unnamed"
    assert blame(rows, matrix(("fox", "wolf", 0.06, 0.001)))["fox"] == "a culprit"


def counted(*pairs: tuple[str, str, int, float]) -> pd.DataFrame:
    """Pairs of object class, background class, number of photos and p; no pull is large."""
    columns = ["object_class", "background_class", "n_groups", "p_pull"]
    return pd.DataFrame(pairs, columns=columns).assign(pull=0.0)


def test_where_no_pull_could_have_been_seen_the_class_is_not_known():
    """Five photos per pair cannot give a p below 2 / 2^5 = .06, six give .03."""
    rows = table(fox=GAP, cat=NONE, dog=NONE)
    assert blame(rows, counted(("fox", "cat", 5, 0.5), ("fox", "dog", 5, 0.9)))["fox"] == "unseen"
    assert blame(rows, counted(("fox", "cat", 7, 0.5), ("fox", "dog", 5, 0.9)))["fox"] == "nobody"  # .016 of two
    assert blame(rows, counted(("fox", "cat", 6, 0.5), ("fox", "dog", 5, 0.9)))["fox"] == "unseen"  # .03 of two
    both = table(fox=GAP, cat=GAP, dog=NONE)
    assert blame(both, counted(("fox", "cat", 9, 0.5), ("cat", "dog", 4, 0.9))) == {"fox": "nobody", "cat": "unseen"}


LOST = {"neutral_loss": 0.7, "neutral_loss_low": 0.6}
KEPT = {"neutral_loss": 0.1, "neutral_loss_low": 0.0}


def test_two_classes_that_share_a_cue_need_it_and_others_do_not():
    """On each other's backgrounds they keep it, so neither pulls; on neutral backdrops both are lost."""
    rows = table(fox={**GAP, **LOST}, wolf={**GAP, **LOST}, cat={**NONE, **KEPT}, dog={**NONE, **KEPT})
    assert blame(rows, matrix(("fox", "wolf", 0.0, 1.0))) == {"fox": "itself", "wolf": "itself"}
    plain = table(**{name: {**row, **LOST} for name, row in rows})  # a network that knows nothing on plain backdrops
    assert blame(plain, matrix(("fox", "wolf", 0.0, 1.0))) == {"fox": "nobody", "wolf": "nobody"}
    assert blame(table(fox={**GAP, **LOST}, cat={**NONE, **KEPT}), matrix()) == {"fox": "nobody"}  # two: no usual loss


def test_victims_of_a_missing_cue_are_lost_on_neutral_backdrops_and_not_blamed():
    rows = table(fox={**GAP, **LOST}, wolf=CULPRIT, cat={**NONE, **KEPT}, dog={**NONE, **KEPT})
    assert blame(rows, matrix(("fox", "wolf", 0.6, 0.001)))["fox"] == "a culprit"
    assert blame(rows, matrix(("fox", "cat", 0.6, 0.001)))["fox"] == "unnamed"
    assert blame(rows, matrix(("fox", "cat", 0.6, 0.5)))["fox"] == "itself"


def test_the_strongest_pull_comes_first():
    pulls = matrix(("fox", "a", 0.2, 0.001), ("fox", "b", 0.5, 0.01), ("fox", "c", 0.9, 0.5))
    found = significant_pulls(pulls, ["fox"], ["a", "b", "c"], BOUNDS, least=0.05)
    assert [(pull.by, round(pull.p, 4)) for pull in found["fox"]] == [("b", 0.015), ("a", 0.003)]


def outcome(subject: str, level: str, blame: str = "") -> RuleOutcome:
    numbers = {"measured": 0.4, "p_value": 0.01, "n": 20}
    return RuleOutcome("BA201", "t", "class", subject, "found", "s", level, **numbers, evidence={"blame": blame})


@pytest.mark.parametrize(("rows", "fox", "said"), [
    (table(fox=GAP, wolf=CULPRIT), "COLLATERAL", ""),
    (table(fox=GAP, wolf=CULPRIT), "WATCH", ""),  # whom the gap matrix tells
    (table(fox=GAP, wolf=CULPRIT), "SUSPICIOUS", "COLLATERAL or WATCH"),
    (table(fox=GAP, wolf=NONE), "COLLATERAL", "the class table says WATCH"),  # nobody could be the culprit
    (table(fox={**GAP, "background_gap": 0.4, "gap_low": 0.01}, wolf=CULPRIT), "COLLATERAL", ""),
    (table(fox=CULPRIT, wolf=CULPRIT), "WATCH", "the class table says SUSPICIOUS"),
])  # fmt: skip
def test_levels_that_the_class_table_rules_out(rows, fox, said):
    content = [{"class_name": name, **row} for name, row in rows]
    wrong = contradiction("BA201", [outcome("fox", fox)], content, BOUNDS)
    assert said in wrong
    assert bool(wrong) == bool(said)


@pytest.mark.parametrize(("blame", "status", "agrees"), [
    ("unnamed", "found", True), ("unnamed", "passed", False), ("unnamed", "not applicable", False),
    ("nobody", "found", False), ("nobody", "passed", True), ("unnamed", "ignored", True),
])  # fmt: skip
def test_what_is_said_of_the_whole_agrees_with_the_classes(blame, status, agrees):
    whole = RuleOutcome("BA207", "t", "dataset", "", status, "s", "SUSPICIOUS" if status == "found" else None)
    assert (unnamed_contradiction("BA207", "BA201", [outcome("fox", "WATCH", blame), whole]) == "") == agrees
