"""`bias-audit audit` from a model and a folder to tables, a verdict and an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bias_audit
from bias_audit.run.schema import TABLES, index_of

QUICK = {"discovery": 0, "probes": 0, "leakage": 0}
"""Settings that leave out what takes long and says nothing about exchanged backgrounds."""

FLAGS = [part for name, value in QUICK.items() for part in (f"--{name}", value)]


def outcomes(run: Path, code: str) -> dict[str, dict]:
    content = json.loads((run / "audit.json").read_text())
    return {outcome["subject"]: outcome for outcome in content["outcomes"] if outcome["code"] == code}


def test_a_model_that_follows_the_background_is_convicted(tiny, command, tmp_path):
    run = tmp_path / "run"
    code, out, err = command("audit", tiny.follows_background, tiny.images, "--masks", tiny.masks, "--out", run)
    assert code == 0, err
    assert "SUSPICIOUS" in out
    assert "".join(str(run / "report.html").split()) in "".join(out.split()), "a long path goes on in the next line"
    for subject, outcome in outcomes(run, "BA201").items():
        assert (outcome["status"], outcome["level"]) == ("found", "SUSPICIOUS"), subject
        assert outcome["measured"] == 1.0  # every composite follows the background, by construction
        assert outcome["evidence"]["accuracy"] == 1.0
        assert outcome["low"] < 1.0
        assert outcome["n"] == 12
        assert outcome["image_ids"]
        assert subject in outcome["sentence"]
    assert not (run / "started.json").exists()


def test_a_model_that_follows_the_object_is_not(tiny, command, tmp_path):
    run = tmp_path / "run"
    code, out, err = command("audit", tiny.follows_object, tiny.images, "--masks", tiny.masks, "--out", run)
    assert code == 0, err
    assert {outcome["status"] for outcome in outcomes(run, "BA201").values()} == {"passed"}
    assert "\n NO RELIANCE SHOWN  " in out


def test_tables_follow_the_schema_and_csv_equals_parquet(finished):
    result = bias_audit.load(finished)
    for name, columns in TABLES.items():
        frame = getattr(result, name)
        expected = [column.name for column in columns if column.name != index_of(name)]
        assert list(frame.columns) == expected
        text = pd.read_csv(finished / f"{name}.csv", index_col=index_of(name), keep_default_na=False)
        assert list(text.index) == list(frame.index)
    assert list(result.images.index) == sorted(result.images.index)
    assert result.classes.loc["a", "accuracy"] == 1
    assert dict(zip(result.confusion["label"], result.confusion["n"], strict=True)) == {"a": 12, "b": 12}


def test_every_missing_number_has_a_reason(tiny, command, tmp_path):
    run = tmp_path / "run"
    code, out, _ = command("audit", tiny.follows_object, tiny.images, "--masks", "none", "--out", run, *FLAGS)
    assert code == 0
    assert " NOT JUDGED  " in out
    classes = bias_audit.load(run).classes
    assert classes["background_gap"].isna().all()
    assert set(classes["reliance_reason"]) == {"no usable mask"}
    assert set(classes["attention_reason"]) == {"no mask"}
    assert {outcome["status"] for outcome in outcomes(run, "BA201").values()} == {"not applicable"}
    assert all(outcome["sentence"] for outcome in outcomes(run, "BA201").values())


def test_attention_columns_against_the_pictures(finished):
    """The model sees only the background: all positive evidence lies there, so X is above that of a uniform map."""
    images = bias_audit.load(finished).images
    assert (images["attention_status"] == "ok").all()
    assert (images["background_share"] > images["background_share_perfect"]).all()
    assert (images["background_excess"] > 1).all()
    np.testing.assert_allclose(images["relevance_mass_accuracy"], 1 - images["background_share"])
    assert (images["background_excess_label"] == images["background_excess"]).all()  # all predictions are right
    assert images["rests_on_background"].all()


def test_python_api_takes_a_model_in_memory_and_shows_itself_in_a_notebook(tiny, tmp_path):
    import keras

    model = keras.saving.load_model(tiny.follows_background)
    run = bias_audit.audit(model, str(tiny.images), masks=str(tiny.masks), interventions=3, donors=1, **QUICK)
    assert run.path.is_dir()
    assert run.info.counts["interventions_done"] == 6
    assert run.info.counts["interventions_eligible"] == 24
    assert any("6 of 24" in note for note in run.info.notes)
    assert set(run.classes["reliance_reason"]) == {"only 3 photos, 10 needed for a test"}
    html = run._repr_html_()
    assert "<table" in html
    assert "report.html" in html
    assert not any("call" in layer.__dict__ for layer in model.layers)


def test_wrong_option_in_python_names_the_options(tiny):
    with pytest.raises(bias_audit.ConfigError, match="unknown option prepocess"):
        bias_audit.audit(tiny.follows_object, tiny.images, prepocess="unit")


def test_the_order_of_files_and_the_batch_size_change_nothing(tiny, tmp_path):
    """A shuffled table of the same photos gives the same numbers, whatever the batches are."""
    rows = [(f"../images/{p.parent.name}/{p.name}", p.parent.name) for p in sorted(tiny.images.rglob("*.png"))]
    order = np.random.default_rng(3).permutation(len(rows))
    folder = tiny.images.parent / "table"
    folder.mkdir(exist_ok=True)
    frames = []
    for name, places in (("straight", range(len(rows))), ("shuffled", order)):
        table = folder / f"{name}.csv"
        lines = [
            f"{image},{label},../masks/{label}/{Path(image).name},{label}-clinic"
            for image, label in (rows[i] for i in places)
        ]
        table.write_text("\n".join(["image,label,mask,hospital", *lines]))
        out = tmp_path / name
        run = bias_audit.audit(
            tiny.follows_background, table, out=out, allow_outside=True, batch_size=8 if name == "straight" else 5
        )
        assert set(run.images["hospital"]) == {"a-clinic", "b-clinic"}
        assert run.slices[["column", "value", "n"]].values.tolist() == [
            ["hospital", "a-clinic", 12],
            ["hospital", "b-clinic", 12],
        ]
        frames.append((run.images, run.classes))
    for straight, shuffled in zip(*frames, strict=True):
        pd.testing.assert_frame_equal(straight, shuffled, rtol=1e-5)


def test_photos_of_one_patient_count_as_one(tiny, tmp_path):
    """Twelve photos a class, of six patients: no patient lends itself a background, and six are too few to test."""
    table = tiny.images.parent / "patients.csv"
    lines = ["image,label,mask,patient"]
    for path in sorted(tiny.images.rglob("*.png")):
        label, number = path.parent.name, int(path.stem.split("_")[1])
        lines.append(f"images/{label}/{path.name},{label},masks/{label}/{path.name},{label}{number // 2}")
    table.write_text("\n".join(lines))
    run = bias_audit.audit(tiny.follows_background, table, out=tmp_path / "run", group_by="patient")
    assert run.classes["n_units"].tolist() == [6, 6]
    assert set(run.classes["reliance_reason"]) == {"only 6 groups of photos, 10 needed for a test"}
    assert run.level == "NOT JUDGED"
    assert run.classes["background_gap"].min() > 0.9  # what was measured is shown all the same
    alone = bias_audit.audit(tiny.follows_background, table, out=tmp_path / "alone", **QUICK)
    assert alone.level in ("SUSPICIOUS", "CONFIRMED")


@pytest.mark.parametrize("seed", [1, 2])
def test_another_seed_gives_the_same_verdict(tiny, finished, tmp_path, seed):
    first = bias_audit.load(finished)
    run = bias_audit.audit(
        tiny.follows_background, tiny.images, masks=tiny.masks, out=tmp_path / "run", seed=seed, donors=3
    )
    assert [(o.code, o.subject, o.status, o.level) for o in run.outcomes] == [
        (o.code, o.subject, o.status, o.level) for o in first.outcomes
    ]
    clean = bias_audit.audit(tiny.follows_object, tiny.images, masks=tiny.masks, seed=seed, **QUICK)
    assert not [outcome for outcome in clean.found() if outcome.code.startswith("BA2")]


def test_boxes_stand_in_for_masks_and_that_is_said(tiny, tmp_path):
    import cv2

    lines = ["image,x_min,y_min,x_max,y_max"]
    for mask in sorted(tiny.masks.rglob("*.png")):
        x, y, width, height = cv2.boundingRect(cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE))
        lines.append(f"{mask.parent.name}/{mask.name},{x},{y},{x + width},{y + height}")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("\n".join(lines))
    run = bias_audit.audit(tiny.follows_background, tiny.images, boxes=boxes, out=tmp_path / "run", **QUICK)
    assert run.info.mask_kind == "box"
    assert any("lower bound" in note for note in run.info.notes)
    assert run.verdict.startswith("SUSPICIOUS")


def test_class_map_groups_outputs(tiny, command, tmp_path):
    mapping = tmp_path / "map.json"
    mapping.write_text('{"b": [1], "a": [0]}')
    run = tmp_path / "run"
    arguments = ("audit", tiny.follows_object, tiny.images, "--masks", tiny.masks, "--out", run)
    code, _, err = command(*arguments, "--class-map", mapping, "--interventions", 0, *FLAGS)
    assert code == 0, err
    result = bias_audit.load(run)
    assert result.info.class_names == ("b", "a")
    assert result.images["correct"].all()
    assert set(result.images["intervention_status"]) == {"switched off"}


def test_quiet_prints_the_verdict_alone(tiny, command, tmp_path):
    arguments = ("audit", tiny.follows_object, tiny.images, "--masks", tiny.masks, "--interventions", 2, *FLAGS)
    code, out, err = command(*arguments, "--out", tmp_path / "quiet", "--quiet")
    assert (code, out.count("\n"), err) == (0, 1, "")
    code, out, err = command(*arguments, "--out", tmp_path / "verbose", "--verbose")
    assert code == 0
    assert "explained layer cells" in err
    assert "Predictions and heatmaps" in err


def test_gate_turns_findings_into_exit_code_1(finished, command, tmp_path):
    code, out, _ = command("gate", finished)
    assert code == 1
    assert "SUSPICIOUS" in out or "failed" in out
    lenient = tmp_path / "gate.toml"
    lenient.write_text('[dataset]\nfail_on = "none"\n[class]\nfail_on = "none"\n')
    code, _, _ = command("gate", finished, "--gate", lenient)
    assert code == 0
    assert json.loads((finished / "gate.json").read_text())["passed"] is True


def test_report_is_written_again_without_the_model(finished, command):
    page = finished / "report.html"
    before = page.read_bytes()
    page.unlink()
    code, out, _ = command("report", finished)
    assert (code, out.strip()) == (0, str(page))
    assert page.read_bytes() == before


def test_an_audit_is_judged_beside_a_baseline(tiny, finished, command, tmp_path):
    given = (tiny.follows_background, tiny.images, "--masks", tiny.masks, "--out", tmp_path / "run", "--batch-size", 4)
    code, out, _ = command("audit", *given, "--baseline", finished)
    assert code == 0
    assert "Gate passed" in out
    assert "known" in out
