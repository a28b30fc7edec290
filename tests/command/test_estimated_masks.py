"""Audits without drawn masks: objects are estimated by default, by `--masks auto` and `--segmenter`, or not at all."""

from __future__ import annotations

import shutil

import pytest

import bias_audit

QUICK = {"discovery": 0, "probes": 0, "leakage": 0}
"""Settings that leave out what takes long and asks for no masks."""

RED_OR_WHITE = """
def segment(pixels):
    '''Discs of the tiny world are red or white, its grounds are neither.'''
    return pixels[..., 0] > 130

def half(pixels):
    return pixels[: pixels.shape[0] // 2, :, 0]

def broken(pixels):
    raise RuntimeError("no weights here")
"""


@pytest.fixture
def functions(tmp_path, monkeypatch):
    (tmp_path / "my_masks.py").write_text(RED_OR_WHITE)
    monkeypatch.syspath_prepend(tmp_path)


def outcome(result, code, subject):
    (found,) = [each for each in result.outcomes if (each.code, each.subject) == (code, subject)]
    return found


def test_masks_auto_convicts_and_says_on_what_grounds(tiny, command, tmp_path):
    code, out, err = command(
        "audit", tiny.follows_background, tiny.images, "--masks", "auto", "--out", tmp_path / "run"
    )
    assert code == 0, err
    assert "\n SUSPICIOUS  " in out
    assert "estimated masks" in out
    result = bias_audit.load(tmp_path / "run")
    assert result.info.mask_kind == "estimated"
    assert result.info.config["segmenter"] == "auto"
    assert result.verdict.endswith("All masks are estimated.")
    assert (result.classes["estimated_masks"] == 1).all()
    for name in "ab":
        assert outcome(result, "BA201", name).sentence.endswith("Estimated masks.")
    unchecked = outcome(result, "BA909", "")
    assert (unchecked.status, unchecked.level, unchecked.n) == ("found", "MODEL WARNING", 0)
    assert outcome(result, "BA201", "a").evidence["estimated_masks"] == 1
    page = (tmp_path / "run" / "report.html").read_text()
    assert "24 of 24 outlines" in page
    assert "against estimated masks" in page
    assert result.info.counts["attention_scored"] == 0, "heatmaps are scored against drawn masks alone"
    assert set(result.images["attention_status"]) == {"no mask"}


def test_without_masks_and_boxes_objects_are_estimated(tiny, command, tmp_path):
    code, out, err = command("audit", tiny.follows_object, tiny.images, "--out", tmp_path / "run")
    assert code == 0, err
    assert "\n  estimated masks\n" in out, "below the classes"
    result = bias_audit.load(tmp_path / "run")
    assert result.info.config["segmenter"] == "auto"
    same = bias_audit.audit(tiny.follows_object, tiny.images, masks="auto", out=tmp_path / "named")
    assert [one.sentence for one in result.outcomes] == [one.sentence for one in same.outcomes]

    code, out, _ = command("gate", tmp_path / "run")
    assert code == 1
    assert {row.state for row in result.gate().rows if row.status == "failed"} == {"estimated masks"}
    (tmp_path / "gate.toml").write_text('allow = ["estimated masks"]\n')
    code, out, _ = command("gate", tmp_path / "run", "--gate", tmp_path / "gate.toml")
    assert code == 0, out

    again = tmp_path / "again"
    code, _, err = command("rescore", tmp_path / "run", "--masks", tiny.masks, "--out", again)
    assert code == 0, err
    later = bias_audit.load(again)
    assert set(later.images["mask_kind"]) == {"mask"}
    assert later.images["on_estimate"].all(), "its composites are those of the estimates"
    assert {row.state for row in later.gate().rows if row.check == "BA201"} == {"estimated masks"}
    command("rescore", tmp_path / "run", "--out", tmp_path / "plain")
    assert (bias_audit.load(tmp_path / "plain").classes["estimated_masks"] == 1).all()


@pytest.mark.parametrize("more", [{"masks": "none"}, {"segmenter": "none"}, {"interventions": 0}])
def test_nothing_is_estimated_where_nobody_asks_for_it(tiny, tmp_path, more):
    quick = {} if "interventions" in more else QUICK
    result = bias_audit.audit(tiny.follows_object, tiny.images, out=tmp_path / "run", **quick, **more)
    assert result.info.mask_kind == "none"
    assert not (tmp_path / "run" / "shards" / "outlines.json").exists()
    assert result.info.config["segmenter"] == (None if "interventions" not in more else "auto")


def test_a_folder_of_masks_alone_estimates_nothing(tiny, tmp_path):
    masks = tmp_path / "masks"
    shutil.copytree(tiny.masks / "a", masks / "a")
    result = bias_audit.audit(
        tiny.follows_object, tiny.images, masks=masks, out=tmp_path / "run", **QUICK, interventions=0
    )
    assert (result.info.mask_kind, result.info.config["segmenter"]) == ("mask", None)


@pytest.mark.parametrize(("masks", "segmenter"), [("none", "auto"), ("auto", "none")])
def test_words_that_contradict_each_other_are_refused(tiny, command, tmp_path, masks, segmenter):
    run = tmp_path / "run"
    code, _, err = command(
        "audit", tiny.follows_object, tiny.images, "--masks", masks, "--segmenter", segmenter, "--out", run
    )
    assert code == 2
    assert "contradict" in err
    assert not run.exists()


def test_a_model_that_follows_the_object_stays_unaccused(tiny, tmp_path):
    result = bias_audit.audit(tiny.follows_object, tiny.images, masks="auto", out=tmp_path / "run", **QUICK)
    assert not [each for each in result.found() if each.code.startswith("BA2")]


def test_a_segmenter_fills_gaps_and_is_held_against_drawn_masks(tiny, functions, tmp_path):
    masks = tmp_path / "masks"
    shutil.copytree(tiny.masks / "a", masks / "a")
    result = bias_audit.audit(
        tiny.follows_background, tiny.images, masks=masks, segmenter="my_masks:segment", out=tmp_path / "run", **QUICK
    )
    assert result.info.mask_kind == "mixed"
    assert result.info.counts["estimated_masks"] == 12
    assert dict(result.classes["estimated_masks"]) == {"a": 0, "b": 1}
    checked = outcome(result, "BA909", "")
    assert (checked.status, checked.n) == ("passed", 12)
    assert checked.low > 0.9
    assert "Estimated" not in outcome(result, "BA201", "a").sentence
    assert outcome(result, "BA201", "b").sentence.endswith("Estimated masks.")
    assert (tmp_path / "run" / "shards" / "masks.json").exists()


@pytest.mark.parametrize(
    ("segmenter", "said"),
    [
        ("my_masks:broken", "no weights here"),
        ("my_masks:half", "(24, 48)"),
        ("my_masks:nothing", "cannot import the segmenter"),
        ("watershed", "segmenter must be auto"),
        ("unet.tflite", "no segmentation model at"),
    ],
)
def test_a_segmenter_that_does_not_work_ends_in_a_sentence(tiny, functions, command, tmp_path, segmenter, said):
    run = tmp_path / "run"
    code, _, err = command("audit", tiny.follows_object, tiny.images, "--segmenter", segmenter, "--out", run)
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert not run.exists()
