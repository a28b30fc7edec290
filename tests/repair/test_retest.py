"""What convicted is tested again on the same pictures: what that adds to a verdict, and when there is no answer."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from made_run import HUSKY, WOLF, info, made_parts, write_parts

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.compare.compared import compare
from bias_audit.config import AuditConfig, Thresholds
from bias_audit.models.doors import load_model
from bias_audit.pipeline.live_test import LiveModel
from bias_audit.repair import retest as retesting
from bias_audit.repair.proof import IMPROVED, NOT_REPAIRED, REPAIRED, class_table, finding_table, judged, prove
from bias_audit.repair.result import Repair
from bias_audit.repair.retest import AFTER, BEFORE, ERASED, PASTED, Effects, Retest
from bias_audit.run.progress import QUIET, Progress
from bias_audit.run.result import AuditResult, load
from bias_audit.stats import PairedEffect

CUE = RuleOutcome(
    "BA302", "t", "cue", "wolf-1", "found", "s", level="CONFIRMED", measured=0.8, low=0.7, high=0.9,
    evidence={"class_name": WOLF, "title": "cue 1 of wolf"},
)  # fmt: skip
REGION = RuleOutcome(
    "BA303", "t", "cue", "region-1", "found", "s", level="CONFIRMED", measured=0.8, low=0.7, high=0.9,
    evidence={"class_name": WOLF, "name": "snow"},
)  # fmt: skip
NOTHING_RECURS = RuleOutcome("BA302", "t", "dataset", "", "not applicable", "No recurring cue.")


def run(folder: Path, *outcomes: RuleOutcome) -> AuditResult:
    """The made run without findings but these."""
    folder.parent.mkdir(exist_ok=True)
    parts = made_parts()
    parts.info = info(thresholds={"min_photos": 5})
    parts.outcomes = (*(each for each in parts.outcomes if not each.found), *outcomes)
    return load(write_parts(parts, folder))


def effects(mean: float, *, convicts: bool, wide: float = 0.05) -> Effects:
    return Effects({PASTED: PairedEffect(mean, mean - wide, mean + wide, 0.001)}, 0.5, convicts)


def again_of(finding: RuleOutcome, after: Effects | None) -> Retest:
    every = {BEFORE: effects(0.8, convicts=True), "control": effects(0.7, convicts=True)}
    return Retest(finding, every if after is None else every | {AFTER: after})


def verdict(folder: Path, before: RuleOutcome, *now: RuleOutcome, retests: tuple[Retest, ...] = (), **more: Any) -> Any:
    old, new = run(folder / "before", before), run(folder / "after", *now)
    return judged(old, new, compare(old, new), retests, **more)


def test_where_nothing_recurs_any_more_the_same_cue_answers(tmp_path: Path) -> None:
    assert verdict(tmp_path / "a", CUE, NOTHING_RECURS)[0] == NOT_REPAIRED
    made, said = verdict(tmp_path / "b", CUE, NOTHING_RECURS, retests=(again_of(CUE, effects(0.01, convicts=False)),))
    assert made == REPAIRED
    assert (
        f"On the same pictures cue 1 of wolf, pasted onto photos of other classes, raises the probability of {WOLF} by "
        "80 pp [75 to 85] before, 70 pp [65 to 75] in the control and 1 pp [-4 to 6] after."
    ) in said


def test_a_cue_that_still_convicts_is_left_though_the_audit_did_not_find_it(tmp_path: Path) -> None:
    made, said = verdict(tmp_path / "a", CUE, retests=(again_of(CUE, effects(0.4, convicts=True)),))
    assert made == IMPROVED
    assert "BA302 cue 1 of wolf is left" in said
    made, said = verdict(tmp_path / "b", CUE, retests=(again_of(CUE, effects(0.78, convicts=True)),))
    assert made == NOT_REPAIRED
    assert "the features do not know the object" in said


def test_a_cue_that_could_not_be_tested_again_is_no_answer(tmp_path: Path) -> None:
    made, said = verdict(tmp_path / "a", CUE, NOTHING_RECURS, retests=(again_of(CUE, None),))
    assert made == NOT_REPAIRED
    assert "could not judge BA302" in said
    assert "On the same pictures" not in said


def test_a_region_of_which_the_new_audit_does_not_know_is_not_gone(tmp_path: Path) -> None:
    made, said = verdict(tmp_path / "a", REGION)
    assert made == NOT_REPAIRED
    assert "could not judge BA303" in said
    made, said = verdict(tmp_path / "b", REGION, retests=(again_of(REGION, effects(0.0, convicts=False)),))
    assert made == REPAIRED
    assert "On the same pictures snow, pasted" in said


def test_what_a_reviewer_called_legitimate_stands_in_the_way_of_nothing(tmp_path: Path) -> None:
    shape = RuleOutcome("BA301", "t", "class", HUSKY, "found", "s", level="HIDDEN", evidence={"property": "colour"})
    old, new = run(tmp_path / "before", CUE, shape), run(tmp_path / "after", shape)
    again = (again_of(CUE, effects(0.0, convicts=False)),)
    assert judged(old, new, compare(old, new), again)[0] == IMPROVED
    (legitimate,) = (each for each in old.found() if each.code == "BA301")
    assert judged(old, new, compare(old, new), again, [legitimate])[0] == REPAIRED


def test_tables_show_the_three_models_beside_each_other(tmp_path: Path) -> None:
    old, new = run(tmp_path / "before", CUE), run(tmp_path / "after", NOTHING_RECURS)
    proof = prove(old, old, new, (again_of(CUE, effects(0.01, convicts=False)),))
    rows = {row["what"]: row["cells"] for row in class_table(proof) if row["class"] == WOLF}
    assert rows["cue 1 of wolf, pasted"] == ["80 pp [75 to 85]", "70 pp [65 to 75]", "1 pp [-4 to 6]"]
    assert "cue 1 of wolf, erased" not in rows
    (row,) = (each for each in finding_table(proof) if each["code"] == "BA302")
    assert row["state"] == "no longer judged; tested again: gone"


@pytest.mark.parametrize(
    ("effect", "convicts"),
    [
        (PairedEffect(0.5, 0.3, 0.7, 0.001), True),
        (PairedEffect(0.5, 0.3, 0.7, 0.2), False),  # not significant
        (PairedEffect(0.04, 0.03, 0.05, 0.001), False),  # below min_cue
        (PairedEffect(0.5, -0.1, 0.9, 0.001), False),  # its interval holds nothing
        (PairedEffect(0.11, 0.02, 0.2, 0.001), False),  # too small for its uncertainty
    ],
)
def test_an_effect_convicts_by_the_bounds_of_the_rules(effect: PairedEffect, convicts: bool) -> None:
    bounds = Thresholds(min_cue=0.1, clear_cue=0.2, fdr=0.05)
    (made,) = retesting._judged([Effects({ERASED: effect}, math.nan)], bounds)
    assert made is not None
    assert made.convicts is convicts


def test_p_is_corrected_over_all_tests_of_a_model() -> None:
    clear, chance = PairedEffect(0.5, 0.3, 0.7, 0.04), PairedEffect(0.0, -0.1, 0.1, 1.0)
    alone = retesting._judged([Effects({PASTED: clear}, math.nan)], Thresholds(fdr=0.05))
    among = retesting._judged([None, *(Effects({PASTED: each}, math.nan) for each in (clear, chance))], Thresholds())
    assert [each and each.convicts for each in alone] == [True]
    assert [each and each.convicts for each in among] == [None, False, False]


def test_a_drawn_region_is_put_on_the_same_photos_again(world: Path, made: Repair, tmp_path: Path) -> None:
    """Half of an ant's photo, blue behind the object; the repaired network does not go by it."""
    shutil.copytree(world / "net", tmp_path / "net")
    live = LiveModel(tmp_path / "net", world / "net.onnx", Progress(QUIET))
    live.answer("ant/0.png", [[0.5, 0], [1, 0], [1, 1], [0.5, 1]], "blue", "ann")
    run = load(tmp_path / "net")
    (finding,) = (each for each in run.found() if each.code == "BA303")
    repaired = load_model(world / "repaired.onnx", AuditConfig(), ("ant", "bee"))
    models = {BEFORE: live.explainer.predict, AFTER: lambda pixels: repaired.predict(live.explainer.preprocess(pixels))}
    (test,) = retesting.retest(run, [finding, CUE], live.photos, models, Thresholds(), batch=16, seed=0)[:1]
    found, row = test.effects[BEFORE].tests[PASTED], run.hypotheses.loc[finding.subject]
    assert [found.mean, found.low, found.high] == [row[f"paste_{each}"] for each in ("effect", "low", "high")]
    assert test.effects[BEFORE].convicts
    assert test.known
    assert not test.left
    assert test.effects[AFTER].tests[PASTED].mean < 0.5 * found.mean


def test_a_cue_without_its_spots_is_not_tested(world: Path) -> None:
    """The run looked for no cues, so it keeps nothing that it looked at."""
    live = LiveModel(world / "net", world / "net.onnx", Progress(QUIET))
    models = {BEFORE: live.explainer.predict, AFTER: live.explainer.predict}
    (test,) = retesting.retest(load(world / "net"), [CUE], live.photos, models, Thresholds(), batch=16, seed=0)
    assert test.effects == {}
    assert not test.known
    assert not test.left
