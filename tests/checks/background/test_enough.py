"""Where a test over few photos cannot pass the correction, a class has not passed but is not applicable."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from summed import summed, with_interventions

from bias_audit import stats
from bias_audit.checks.background.enough import mark_too_few
from bias_audit.checks.background.rule import follows_background
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.levels import overall_level
from bias_audit.checks.outcomes import FOUND, NOT_APPLICABLE, PASSED
from bias_audit.checks.reasons import FEW, NOT_TESTED, OK, TOO_FEW, TOO_FEW_GROUPS
from bias_audit.config import Thresholds
from bias_audit.pipeline.judge import judge
from bias_audit.pipeline.verdict import verdict
from bias_audit.run.schema import TABLES
from bias_audit.run.tables import table

LEAST, RATE = 10, 0.05


def class_table(p: list[float], n: list[int], *, rate: float = RATE, grouped: bool = False) -> pd.DataFrame:
    """What the class table says of classes with these p-values and photos, in classes of which all were looked at."""
    values, units = np.array(p, float), np.array(n)
    small = units < LEAST
    values[small] = np.nan
    code = np.where(small, TOO_FEW_GROUPS if grouped else TOO_FEW, OK).astype(object)
    table = pd.DataFrame(
        {
            "p_gap": values,
            "p_fdr": stats.benjamini_hochberg(values),
            "n_units": pd.Series(units, dtype="Int64"),
            "n_needed": pd.Series(pd.NA, index=range(len(values)), dtype="Int64"),
            "reliance_reason": pd.Series(code, dtype="str"),
            "reliance_reason_code": pd.Series(code, dtype="str"),
        }
    )
    draws = stats.draws_for(len(p), rate=rate)
    return mark_too_few(table, least=LEAST, rate=rate, draws=draws, grouped=grouped)


def p_of(n: int, classes: int) -> float:
    """p of a class whose photos all change sides."""
    return stats.sign_flip(np.ones(n), seed=classes, permutations=stats.draws_for(classes))


@pytest.mark.parametrize(("classes", "n", "needed"), [(25, 10, None), (26, 10, 11), (51, 10, 11), (52, 10, 12)])
def test_ten_photos_serve_25_classes_by_hand(classes, n, needed):
    """2 / 1024 * 25 = .0488, times 26 = .0508; eleven photos, 2 / 2048, serve 51."""
    table = class_table([2 / 2**n] + [1.0] * (classes - 1), [n] * classes)
    assert table["n_needed"].isna().all() == (needed is None)
    assert set(table["reliance_reason_code"]) == {OK if needed is None else TOO_FEW}
    if needed:
        assert set(table["n_needed"]) == {needed}
        said = f"only {n} photos, {needed} needed for a test that is corrected over {classes} classes"
        assert set(table["reliance_reason"]) == {said}


def test_what_other_classes_show_lowers_what_is_needed():
    """Of 40 classes three are convicted: a fourth needs 4 / 40 * .05 = .005, which ten photos (.002) reach."""
    assert set(class_table([1e-4] * 3 + [1.0] * 37, [50] * 3 + [10] * 37)["reliance_reason_code"]) == {OK}
    alone = class_table([1e-4] + [1.0] * 39, [50] + [10] * 39)  # 2 / 40 * .05 = .0025
    assert set(alone["reliance_reason_code"]) == {OK}
    none = class_table([1.0] * 40, [50] + [10] * 39)
    assert list(none["reliance_reason_code"]) == [OK] + [TOO_FEW] * 39


def test_a_class_with_too_few_photos_acquits_no_other():
    """Two of 26 with .002 would pass together, .002 <= 2 / 26 * .05: but it is the first that needs more photos."""
    p = np.array([2 / 1024, *[1.0] * 25])
    assert stats.rejection_bounds(p, RATE)[1] == pytest.approx(0.05 * 2 / 26)
    assert set(class_table(list(p), [10] * 26)["reliance_reason_code"]) == {TOO_FEW}
    # A class that has enough, and a p of .003 by chance, does count: as it is today.
    table = class_table([0.003, *[1.0] * 25], [50] + [10] * 25)
    assert set(table["reliance_reason_code"]) == {OK}


def test_one_number_for_classes_that_were_tested_and_for_those_that_were_not():
    """If the twenty classes with three photos are tested too, 46 p-values are corrected: .05 / 46 needs eleven."""
    table = class_table([1.0] * 46, [10] * 26 + [3] * 20)
    assert set(table["n_needed"]) == {11}
    assert table["reliance_reason"].iloc[45] == "only 3 photos, 11 needed for a test that is corrected over 46 classes"
    # 26 tested classes alone: ten photos do not serve them, and the one with three needs as many as they.
    assert set(class_table([1.0] * 27, [10] * 26 + [3])["n_needed"]) == {11}
    few = class_table([1.0] * 3, [3, 50, 50])
    assert list(few["reliance_reason"]) == ["only 3 photos, 10 needed for a test", OK, OK]
    groups = class_table([1.0] * 26, [10] * 26, grouped=True)
    assert set(groups["reliance_reason_code"]) == {TOO_FEW_GROUPS}
    assert groups["reliance_reason"].iloc[0].startswith("only 10 groups of photos, 11 needed")


def test_a_rate_that_no_draws_can_reach_is_no_pass():
    """Up to 24 photos the patterns are enumerated; beyond, ten million draws cannot reach a corrected p of 1e-9."""
    table = class_table([1e-7] + [1.0] * 2, [50, 50, 12], rate=1e-9)
    assert list(table["reliance_reason_code"]) == [NOT_TESTED, NOT_TESTED, TOO_FEW]
    assert table["reliance_reason"].iloc[0] == "no p of a test of 50 photos can reach 1e-09 after the correction"


def judged(table: pd.DataFrame, gap: list[float], rows: int) -> list[str]:
    """Status of BA201 for the first classes of such a table."""
    blank = {column.name: np.nan for column in TABLES["classes"] if column.name != "class_name"}
    table = table.assign(background_gap=gap).iloc[:rows]
    full = table.reindex(columns=list(blank)).assign(
        same_background_accuracy=1.0, other_background_accuracy=0.5, background_only_accuracy=0.0, p_second_fill=0.001,
        background_gap_second_fill=table["background_gap"], flipped=0, becomes="", n_eligible=table["n_units"],
        n_interventions=table["n_units"], neutral_background_accuracy=0.5,
    )  # fmt: skip
    full.index = pd.Index([f"class {i}" for i in range(len(full))], name="class_name")
    images = pd.DataFrame({"label": full.index, "background_gap": 0.0, "background_excess_label": np.nan})
    rule = next(rule for rule in judge_rules() if rule.code == "BA201")
    return [outcome.status for outcome in follows_background(rule, Evidence(images, full, Thresholds()))]


def judge_rules():
    from bias_audit.checks.background.check import JUDGES

    return JUDGES


@pytest.mark.parametrize("classes", [2, 3, 10, 25, 26, 60, 100, 250, 251, 500, 501, 1000])
@pytest.mark.parametrize("n", [5, 9, 10, 11, 12, 13, 15, 16, 17, 24, 25, 26, 50, 200])
def test_a_fully_reliant_class_is_found_or_not_applicable_and_never_passed(classes, n):
    rng = np.random.default_rng((classes, n))
    honest = rng.random(classes - 1).clip(0.001)
    table = class_table([p_of(n, classes), *honest], [n] * classes)
    reliant, *rest = judged(table, [1.0] + [0.0] * (classes - 1), 3)
    assert reliant != PASSED
    assert reliant == (FOUND if p_of(n, classes) * classes <= RATE and n >= LEAST else reliant)
    assert (reliant == FOUND) or table["n_needed"].iloc[0] > n
    # With the photos that are named it is found.
    needed = table["n_needed"].iloc[0] if reliant == NOT_APPLICABLE else n
    p = [stats.least_sign_flip_p(int(needed), stats.draws_for(classes)), *honest]
    assert stats.benjamini_hochberg(p)[0] <= RATE
    assert PASSED in rest or reliant == NOT_APPLICABLE


@pytest.mark.parametrize(
    ("classes", "n"), [(2, 10), (25, 10), (26, 11), (100, 12), (1000, 16), (1000, 25), (1000, 200)]
)
def test_an_honest_audit_with_enough_photos_passes(classes, n):
    table = class_table([1.0] * classes, [n] * classes)
    assert table["n_needed"].isna().all()
    assert set(judged(table, [0.0] * classes, 3)) == {PASSED}


@pytest.mark.parametrize(("classes", "n"), [(26, 10), (100, 11), (1000, 15)])
def test_an_audit_that_could_convict_nobody_acquits_nobody(classes, n):
    table = class_table([1.0] * classes, [n] * classes)
    assert set(table["reliance_reason_code"]) <= FEW
    assert set(judged(table, [0.0] * classes, 3)) == {NOT_APPLICABLE}


# -- from composites to the verdict ---------------------------------------------------------


def audit_of(classes: int, photos: int, reliant: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of an audit in which all photos of the first classes are lost on every other background, and no others."""
    names = tuple(f"c{i:02d}" for i in range(classes))
    records, composites = [], []
    for photo in range(classes * photos):
        label = photo // photos
        lost = (label + 1) % classes if label < reliant else label
        records.append(
            {
                "image_id": f"{names[label]}/{photo}.jpg", "label": names[label], "status": "ok",
                "predicted": names[label], "correct": True, "intervention_status": "done", "mask_status": "ok",
                "attention_status": "ok", "probability_label": 0.9, "log_odds_label": 3.0,
            }
        )  # fmt: skip
        for fill in ("inpaint", "blur_noise"):
            for arm, donor, predicted in (("same", label, label), ("other", (label + 1) % classes, lost)):
                composites.append((photo, label, arm, fill, 0, donor, predicted))
            composites.append((photo, label, "background_only", fill, -1, -1, 0))
        composites.append((photo, label, "foreground_only", "black", -1, -1, label))
    columns = ["photo", "label", "arm", "fill", "donor", "donor_label", "predicted"]
    frame = pd.DataFrame(composites, columns=columns).assign(
        probability=0.9, probability_predicted=0.9, log_odds=1.0, donor_probability=np.nan
    )
    blank = np.zeros(classes)
    return summed(with_interventions(records, frame, names, blank), frame, names)


def test_the_reliant_class_among_26_that_passed_with_ten_photos():
    images, classes = audit_of(26, 10)
    assert classes["background_gap"].iloc[0] == 1
    outcomes = judge(Evidence(images, classes, Thresholds(), tables={"slices": table("slices", [])}))
    reliance = [each for each in outcomes if each.code == "BA201"]
    assert {each.status for each in reliance} == {NOT_APPLICABLE}
    assert "only 10 photos, 11 needed for a test" in reliance[0].sentence
    health = next(each for each in outcomes if each.code == "BA905")
    assert (health.status, health.measured) == (FOUND, 1.0)
    assert "26 of 26 classes have too few usable photos" in health.sentence
    assert "11 are needed with 26 classes to test." in health.sentence
    assert overall_level(outcomes) == "NOT JUDGED"
    assert "No reliance on the background was shown" not in verdict(outcomes, classes)


def test_with_the_photos_that_were_named_it_is_found():
    images, classes = audit_of(26, 11)
    outcomes = judge(Evidence(images, classes, Thresholds(), tables={"slices": table("slices", [])}))
    reliance = [each for each in outcomes if each.code == "BA201"]
    assert [each.status for each in reliance] == [FOUND] + [PASSED] * 25
    health = next(each for each in outcomes if each.code == "BA905")
    assert health.sentence == "All 26 classes with usable photos have enough of them for a test."
