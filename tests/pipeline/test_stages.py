"""Audits in stages against the whole design: the same verdict of the same photos, fewer passes, and no number without
a reason where composites were not made."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from staged import NAMES, TWINS, Seen, honest, told_apart_by_the_ground, write_world

import bias_audit
from bias_audit.checks.background import needs, shards, staged
from bias_audit.checks.background.measure import recall
from bias_audit.checks.background.screening import Screen
from bias_audit.checks.outcomes import NOT_APPLICABLE, RuleOutcome
from bias_audit.checks.reasons import SCREENED
from bias_audit.checks.thresholds import Thresholds
from bias_audit.errors import ConfigError
from bias_audit.gate.running import gate_run
from bias_audit.run.folder import Run
from bias_audit.run.result import AuditResult, load

ONLY = {"discovery": 0, "probes": 0, "leakage": 0, "donors": 3}
"""Composites alone."""


def audited(model: Seen, world: Path, out: Path, **options: Any) -> AuditResult:
    return bias_audit.audit(model, world / "images", masks=world / "masks", out=out, **{**ONLY, **options})


def levels(result: AuditResult, code: str = "BA201") -> dict[str, str | None]:
    return {each.subject: each.level or each.status for each in result.outcomes if each.code == code}


def of(result: AuditResult, code: str, subject: str) -> RuleOutcome:
    return next(each for each in result.outcomes if (each.code, each.subject) == (code, subject))


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of 60 photos; the first two look alike."""
    return write_world(tmp_path_factory.mktemp("twins"), [60] * 4, TWINS)


@pytest.fixture(scope="module")
def thorough(twins: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditResult, int]:
    model = told_apart_by_the_ground(4)
    result = audited(model, twins, tmp_path_factory.mktemp("thorough") / "run", thorough=True)
    return result, model.shown


@pytest.fixture(scope="module")
def in_stages(twins: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditResult, int]:
    model = told_apart_by_the_ground(4)
    return audited(model, twins, tmp_path_factory.mktemp("staged") / "run"), model.shown


def test_the_same_levels_from_fewer_passes(
    thorough: tuple[AuditResult, int], in_stages: tuple[AuditResult, int]
) -> None:
    """Two classes are suspected and got everything; the two others were given up after 45 of 60 photos."""
    (whole, many), (result, few) = thorough, in_stages
    assert levels(result) == levels(whole)
    assert levels(result)["blue"] == "SUSPICIOUS"
    assert levels(result)["green"] == "COLLATERAL"
    assert whole.info.config["thorough"] is True
    assert "thorough" not in result.info.config
    assert list(result.classes["screening"]) == ["full", "full", "stopped", "stopped"]
    assert list(result.classes["n_interventions"]) == [60, 60, 45, 45]
    assert set(result.classes["n_planned"]) == {60}
    assert few < 0.75 * many


def test_a_suspected_class_has_the_numbers_of_the_whole_design(
    thorough: tuple[AuditResult, int], in_stages: tuple[AuditResult, int]
) -> None:
    (whole, _), (result, _) = thorough, in_stages
    own = ["blue", "green"]
    for table in ("images", "classes"):
        one, two = (getattr(each, table) for each in (result, whole))
        if table == "images":
            one, two = (each[each["label"].isin(own)].drop(columns="reliance_rank") for each in (one, two))
            pd.testing.assert_frame_equal(one, two, check_exact=True)
        else:
            # What compares the class with others rests on fewer of their photos.
            compared = [name for name in needs.OTHERS_NEED if name != "pulls_most"] + ["background_gap_shrunken"]
            one, two = (each.loc[own].drop(columns=[*compared, "p_fdr"]) for each in (one, two))
            pd.testing.assert_frame_equal(one, two, check_exact=True)
            assert (result.classes.loc[own, "p_fdr"] <= 0.05).all()
    for label in range(2):
        kept = [shards.joined(*(read(Run(each.path), label) for read in (shards.read_first, shards.read_second)))
                for each in (result, whole)]  # fmt: skip
        assert kept[0].composites == kept[1].composites
        assert kept[0].examples == kept[1].examples
        assert kept[0].emptied == kept[1].emptied


def test_what_rules_on_suspected_classes_read_of_the_others_is_made(in_stages: tuple[AuditResult, int]) -> None:
    result, _ = in_stages
    classes = result.classes
    for column in (
        "background_only_accuracy",
        "background_only_second_fill",
        "neutral_loss",
        "foreground_only_accuracy",
    ):
        assert classes[column].notna().all(), column
    for column in ("attract", "attract_grown_holes", "background_only_elsewhere"):
        assert classes.loc[["blue", "green"], column].notna().all(), column
    for column in ("background_gap_second_fill", "removal_effect", "noisy_object_accuracy", "attract_grown_holes"):
        assert classes.loc[["violet", "yellow"], column].isna().all(), column
    images = result.images
    unseen = images[images["intervention_status"] == SCREENED]
    assert len(unseen) == 30
    assert unseen["background_gap"].isna().all()
    assert set(unseen["label"]) == {"violet", "yellow"}


def test_a_clean_model_is_given_up_and_says_how_far_it_was_tested(tmp_path: Path) -> None:
    world = write_world(tmp_path, [100, 100])
    model = honest(2)
    result = audited(model, world, tmp_path / "run")
    assert levels(result) == {"blue": "passed", "green": "passed"}
    assert list(result.classes["n_interventions"]) == [45, 45]
    composites = 2 * 45 * 6
    assert model.shown <= composites + 500  # the pass over the photos, and what tries the inputs
    sentence = of(result, "BA201", "blue").sentence
    assert "Stopped after 45 of 100 photos: a gap of more than 8 pp is excluded; --thorough tests all." in sentence
    assert any("2 of 2 classes were cleared by their gap alone, 2 of them" in note for note in result.info.notes)
    assert set(result.table("gap_matrix")["object_class"]) == set()


def test_every_missing_number_of_a_screened_class_has_a_reason(tmp_path: Path) -> None:
    world = write_world(tmp_path, [40, 40])
    result = audited(honest(2), world, tmp_path / "run")
    assert set(result.classes["screening"]) == {"cleared"}
    outcome = of(result, "BA202", "blue")
    assert (outcome.status, outcome.reason_code) == (NOT_APPLICABLE, SCREENED)
    assert outcome.sentence.startswith("Screened")
    page = (result.path / "report.html").read_text(encoding="utf-8")
    assert ">screened<" in page
    assert "nan" not in result._repr_html_()
    gate = tmp_path / "gate.toml"
    gate.write_text(
        "[class]\nmax_background_only_accuracy = 0.9\n[image]\nmax_flagged_share = 0.5\n"
        '[[metric]]\ntable = "class"\nname = "noisy_object_accuracy"\nmin = 0.1\njudge = "estimate"\n'
        '[[metric]]\ntable = "image"\nname = "background_only_probability"\nmax = 2\n'
        '[[metric]]\ntable = "class"\nname = "background_gap"\nmax = 0.5\n'
    )
    judged = gate_run(result, gate)
    assert not judged.passed
    rows = {row.check: row for row in judged.rows if row.subject == "blue"}
    for name, row in rows.items():
        if "gap" in name or name.startswith("BA"):
            assert row.status != "failed", row
        else:
            assert row.status == "failed", row
            assert row.state == SCREENED
            assert "screened: name the column in the gate file when auditing, or use --thorough" in row.sentence
    assert len(rows) >= 5


@pytest.mark.parametrize(
    ("columns", "there", "photos"),
    [
        (("shapley_background_share",), ("shapley_background_share", "foreground_only_accuracy"), 60),
        (("cue_removal_effect", "no_column_of_ours"), (), 60),
        (("attract",), ("attract", "neutral_loss"), 60),
        (("accuracy",), (), 45),
        (("background_gap",), (), 60),
    ],
)
def test_columns_that_are_named_are_measured_on_all_photos(
    tmp_path: Path, columns: Sequence[str], there: Sequence[str], photos: int
) -> None:
    world = write_world(tmp_path, [60, 60, 60])
    result = audited(honest(3), world, tmp_path / "run", measured=columns)
    assert set(result.classes["n_interventions"]) == {photos}
    assert result.classes[list(there)].notna().all().all()
    assert result.classes["noisy_object_accuracy"].isna().all()
    assert tuple(result.info.config.get("measured", ())) == tuple(sorted(columns))


class Killed(Exception):
    pass


@pytest.mark.parametrize("write", [2, 5, 6])
def test_a_killed_audit_goes_on_in_the_same_way(
    twins: Path, in_stages: tuple[AuditResult, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    """Killed while the first or second shard of some class is written."""
    expected, _ = in_stages
    written, keep = [], Run.write_json

    def killed(run: Run, name: str, content: Any) -> None:
        if "interventions" in name:
            written.append(name)
            if len(written) == write:
                raise Killed
        keep(run, name, content)

    monkeypatch.setattr(Run, "write_json", killed)
    with pytest.raises(Killed):
        audited(told_apart_by_the_ground(4), twins, tmp_path / "run")
    monkeypatch.setattr(Run, "write_json", keep)
    result = audited(told_apart_by_the_ground(4), twins, tmp_path / "run", resume=True)
    assert result.outcomes == expected.outcomes
    for name in ("images", "classes", "gap_matrix"):
        pd.testing.assert_frame_equal(result.table(name), expected.table(name), check_exact=True)
    assert (result.path / "pictures.json").read_bytes() == (expected.path / "pictures.json").read_bytes()


def test_an_audit_in_stages_goes_on_by_the_same_bounds_only(
    twins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(staged, "_second_stage", killed)
    with pytest.raises(Killed):
        audited(told_apart_by_the_ground(4), twins, tmp_path / "run")
    with pytest.raises(ConfigError, match="the thresholds changed"):
        audited(told_apart_by_the_ground(4), twins, tmp_path / "run", resume=True, thresholds=Thresholds(min_gap=0.2))


def test_judged_again_by_laxer_bounds_a_cleared_class_is_not_accused(
    in_stages: tuple[AuditResult, int], tmp_path: Path
) -> None:
    """A class whose gap counts by new bounds lacks what accuses or acquits: it is not judged, and not passed."""
    from bias_audit.pipeline.rescore import rescore

    result, _ = in_stages
    assert levels(rescore(result.path, out=tmp_path / "same")) == levels(result)
    classes = result.classes.copy()
    classes.loc["violet", ["screening", "background_gap", "p_fdr", "p_gap"]] = ["cleared", 0.2, 0.01, 0.01]
    from bias_audit.checks.evidence import Evidence
    from bias_audit.pipeline.judge import judge_rule

    evidence = Evidence(result.images, classes, Thresholds(), tables={"gap_matrix": result.gap_matrix})
    outcome = next(each for each in judge_rule("BA201", evidence) if each.subject == "violet")
    assert (outcome.status, outcome.reason_code) == (NOT_APPLICABLE, SCREENED)


def test_a_small_class_is_never_given_up_and_may_be_cleared(tmp_path: Path) -> None:
    world = write_world(tmp_path, [34, 100])
    result = audited(honest(2), world, tmp_path / "run")
    assert dict(result.classes["screening"]) == {"blue": "cleared", "green": "stopped"}
    assert dict(result.classes["n_interventions"]) == {"blue": 34, "green": 45}


def test_scenes_of_the_classes_take_the_place_of_emptied_photos(tmp_path: Path) -> None:
    """On real scenes there is no second fill: of the others nothing is emptied by it."""
    world = write_world(tmp_path, [60] * 3, TWINS[:3])
    scenes = tmp_path / "scenes"
    for name in NAMES[:3]:
        (scenes / name).mkdir(parents=True)
    import cv2
    from staged import GROUNDS, SIDE

    for label, name in enumerate(NAMES[:3]):
        for place in range(25):
            picture = np.full((SIDE, SIDE, 3), GROUNDS[label], np.uint8) + np.uint8(place % 5)
            cv2.imwrite(str(scenes / name / f"{place}.png"), picture[..., ::-1])
    made = [
        audited(told_apart_by_the_ground(3), world, tmp_path / f"run{whole}", backgrounds=scenes, thorough=whole)
        for whole in (True, False)
    ]
    assert levels(made[0]) == levels(made[1])
    assert levels(made[1])["blue"] == "SUSPICIOUS"
    assert dict(made[1].classes["screening"]) == {"blue": "full", "green": "full", "violet": "stopped"}
    assert made[1].classes["n_scenes"].tolist() == [25, 25, 25]
    full = made[1].classes.loc[["blue", "green"]]
    assert full["background_only_second_fill"].isna().all()
    assert full["passes_alone" if "passes_alone" in full else "background_only_accuracy"].equals(
        made[0].classes.loc[["blue", "green"], "background_only_accuracy"]
    )


def test_groups_are_the_units(tmp_path: Path) -> None:
    """Ninety photos of thirty patients: fewer than 35 units, so that nothing is given up."""
    world = write_world(tmp_path, [90, 90])
    rows = [f"{name}/{place:03d}.png,{name},{name}{place // 3}" for name in NAMES[:2] for place in range(90)]
    (world / "images" / "photos.csv").write_text("\n".join(["image,label,patient", *rows]))
    result = bias_audit.audit(
        honest(2),
        world / "images" / "photos.csv",
        masks=world / "masks",
        out=tmp_path / "run",
        group_by="patient",
        **ONLY,
    )
    assert set(result.classes["screening"]) == {"cleared"}
    assert set(result.classes["n_interventions"]) == {90}


def test_the_kinds_are_those_of_the_columns() -> None:
    """Every kind feeds a column, and every column that is listed exists."""
    named = {*needs.NEEDS, *needs.OTHERS_NEED}
    assert named <= needs.TABLES
    feeding = frozenset().union(needs.EXCHANGED, *needs.NEEDS.values(), *needs.OTHERS_NEED.values())
    assert feeding == needs.KINDS
    everything = dict.fromkeys("ab", needs.Screening())
    assert needs.missing_of_classes("ab", everything) == {"a": frozenset(), "b": frozenset()}
    assert needs.tells_pulls(everything)
    cleared = needs.Screening("cleared", 50, needs.EXCHANGED)
    missing = needs.missing_of_classes("ab", {"a": cleared, "b": cleared})
    assert missing["a"] == named
    helped = dataclasses.replace(cleared, kinds=needs.EXCHANGED | needs.OF_OTHERS)
    missing = needs.missing_of_classes("abc", {"a": needs.Screening(), "b": helped, "c": helped})
    assert missing["a"] == frozenset()
    assert {"attract_grown_holes", "cue_lent_effect", "removal_effect"} <= missing["b"]
    assert not {"attract", "background_only_elsewhere", "shapley_background_share"} & missing["b"]


def test_older_runs_and_the_whole_design_have_one_shard_of_a_class(
    thorough: tuple[AuditResult, int], tmp_path: Path
) -> None:
    result, _ = thorough
    copy = tmp_path / "run"
    shutil.copytree(result.path, copy)
    assert set(load(copy).classes["screening"]) == {"full"}
    assert not list((copy / "shards").glob("*-more.json"))


@pytest.fixture(scope="module")
def properties(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[AuditResult, int]]:
    """A model that takes whatever is blue for the first class: with stages, and with the whole design."""
    folder = tmp_path_factory.mktemp("properties")
    world = write_world(folder, [64, 64, 64], TWINS[:3])
    made = []
    for whole in (False, True):
        model = told_apart_by_the_ground(3)
        options = {**ONLY, "interventions": 0, "probes": 64, "thorough": whole}
        made.append((audited(model, world, folder / f"run{whole}", **options), model.shown))
    return made


def test_a_property_is_given_up_when_it_pulls_no_class(properties: list[tuple[AuditResult, int]]) -> None:
    (result, few), (whole, many) = properties
    assert levels(result, "BA301") == levels(whole, "BA301")
    rows, all_rows = (each.whole_photo.set_index(["property", "class_name"]) for each in (result, whole))
    stopped = rows[rows["screening"] == "stopped"]
    assert few < many
    assert len(stopped)
    assert (all_rows["screening"] == "full").all()
    assert (stopped["n_pulled"] < stopped["n_planned"]).all()
    assert (stopped["p_fdr"] == 1).all()
    assert (stopped["pulled_high"] <= 0.1).all()
    assert (rows["n_planned"] == all_rows["n_pulled"]).all()
    gone_on = rows.index[rows["screening"] == "full"]
    pd.testing.assert_frame_equal(
        rows.loc[gone_on].drop(columns="p_fdr"), all_rows.loc[gone_on].drop(columns="p_fdr"), check_exact=True
    )
    given_up = set(stopped.index.get_level_values(0))
    sentence = of(result, "BA301", "violet").sentence
    assert all(f"{name} (" in sentence for name in given_up)
    assert "; --thorough tests all." in sentence


def test_the_benchmark_cuts_out_what_an_audit_in_stages_makes(
    thorough: tuple[AuditResult, int], in_stages: tuple[AuditResult, int]
) -> None:
    from bias_audit.planted.benchmark.stages import Compared, cut, told

    (whole, _), (result, _) = thorough, in_stages
    expected = recall(result)
    made = cut(recall(whole), whole.info.class_names, Screen(4, 0.05, 0.05, 0))
    assert made.screened == expected.screened
    pd.testing.assert_frame_equal(made.composites, expected.composites, check_exact=True)
    pd.testing.assert_frame_equal(made.photos, expected.photos, check_exact=True)
    same = Compared("one", {"a": "passed"}, {"a": "passed"}, 100, 30)
    other = Compared("two", {"a": "WATCH", "b": "passed"}, {"a": "SUSPICIOUS", "b": "passed"}, 100, 50)
    text = told([same, other], ["three"])
    assert "2 of 3 classes of 2 audits have the same level, from 40% of the composites." in text
    assert "only the stages accuse: 1." in text
    assert "two: a: WATCH by the whole design, SUSPICIOUS with stages" in text
    assert "No audit is kept of 1 cases, for instance three." in text
