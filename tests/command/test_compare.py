"""compare, history and rescore from the command line, on audits of models whose truth is known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import bias_audit
from bias_audit.review.decisions import Decision, add, read_decisions

HEAVY = {"tensorflow", "keras", "sklearn", "scipy.stats", "cv2", "matplotlib"}


@pytest.fixture(scope="session")
def sound(tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the model that follows the object."""
    out = tmp_path_factory.mktemp("runs") / "sound"
    bias_audit.audit(tiny.follows_object, tiny.images, masks=tiny.masks, out=out, batch_size=4)
    return out


def same_tables(one: Path, other: Path) -> None:
    for file in sorted(one.glob("*.parquet")):
        pd.testing.assert_frame_equal(
            pd.read_parquet(file), pd.read_parquet(other / file.name), check_exact=True, obj=file.name
        )


def test_a_worse_model_is_named(command, finished: Path, sound: Path, tmp_path: Path):
    page, text = tmp_path / "deep" / "compare.html", tmp_path / "compare.md"
    code, out, err = command("compare", sound, finished, "--out", page, "--markdown", text)
    assert (code, err) == (0, "")
    assert out.startswith("Worse in 2 of 2 classes (a, b)")
    assert "background gap" in out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "**worse** (12 images)" in text.read_text(encoding="utf-8")
    code, out, _ = command("compare", finished, sound)
    assert (code, out.startswith("Better in 2 of 2 classes (a, b)")) == (0, True)


def test_bad_input_to_compare_is_one_sentence(command, finished: Path, tmp_path: Path):
    code, out, err = command("compare", tmp_path / "nothing", finished)
    assert (code, out) == (2, "")
    assert "no run folder" in err
    code, _, err = command("compare", finished, finished, "--out", tmp_path)
    assert (code, "is a folder" in err) == (2, True)


@pytest.mark.parametrize("ending", ["html", "md", "csv"])
def test_history_is_written(command, finished: Path, sound: Path, tmp_path: Path, ending: str):
    file = tmp_path / f"past.{ending}"
    code, out, _ = command("history", finished, sound, tmp_path / "nothing", "--out", file)
    assert code == 0
    assert "left out: no run folder" in out
    assert finished.name in file.read_text(encoding="utf-8")


def test_history_of_nothing_is_refused(command, tmp_path: Path):
    code, _, err = command("history", tmp_path / "one", tmp_path / "two")
    assert (code, "none of 2 folders holds a finished run" in err) == (2, True)
    code, _, err = command("history", tmp_path / "one", "--out", tmp_path / "x.pdf")
    assert (code, ".html, .md or .csv" in err) == (2, True)


@pytest.mark.parametrize("given", [False, True])
def test_the_same_masks_give_the_same_run(command, tiny, finished: Path, tmp_path: Path, given: bool):
    out = tmp_path / "again"
    code, _, err = command("rescore", finished, *(("--masks", tiny.masks) if given else ()), "--out", out, "--quiet")
    assert (code, err) == (0, "")
    same_tables(finished, out)
    one, other = (json.loads((run / "audit.json").read_text(encoding="utf-8")) for run in (finished, out))
    assert one["outcomes"] == other["outcomes"]
    assert one["info"]["content"] == other["info"]["content"]
    assert other["info"]["notes"][0].startswith("Scored again without the model")
    assert other["info"]["notes"][1:] == one["info"]["notes"]
    assert (finished / "pictures.json").read_bytes() == (out / "pictures.json").read_bytes()


def test_corrected_masks_renew_attention_and_nothing_else(command, tiny, finished: Path, tmp_path: Path):
    masks = tmp_path / "masks"
    for number in (0, 1):
        mask = cv2.imread(str(tiny.masks / "a" / f"a_{number:02d}.png"), cv2.IMREAD_UNCHANGED)
        (masks / "a").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(masks / "a" / f"a_{number:02d}.png"), np.roll(mask, 24, axis=1))
    out = tmp_path / "corrected"
    assert command("rescore", finished, "--masks", masks, "--out", out, "--quiet")[0] == 0
    before, now = (pd.read_parquet(run / "images.parquet").set_index("image_id") for run in (finished, out))
    changed = before["background_excess_label"] != now["background_excess_label"]
    assert set(before.index[changed]) == {"a/a_00.png", "a/a_01.png"}
    same = ["predicted", "probability", "background_gap", "swap_log_odds", "shapley_background_share", "content"]
    pd.testing.assert_frame_equal(before[same], now[same])
    assert set(now.index[now["intervention_status"] == "done with the mask of before"]) <= {"a/a_00.png", "a/a_01.png"}
    assert (now["intervention_status"] == "done with the mask of before").any()
    gaps = ["background_gap", "gap_low", "gap_high", "n_interventions", "n_eligible"]
    tables = [pd.read_parquet(run / "classes.parquet") for run in (finished, out)]
    pd.testing.assert_frame_equal(tables[0][gaps], tables[1][gaps])
    assert tables[0]["background_excess"][0] != tables[1]["background_excess"][0]
    note = json.loads((out / "audit.json").read_text(encoding="utf-8"))["info"]["notes"][0]
    assert "2 images have a mask" in note
    assert "as measured with the masks of before" in note


def test_a_whole_audit_with_the_new_masks_scores_attention_alike(command, tiny, finished: Path, tmp_path: Path):
    """The independent answer: the model run again with these masks."""
    masks = tmp_path / "masks"
    shutil.copytree(tiny.masks, masks)
    for file in sorted(masks.glob("*/*.png")):
        cv2.imwrite(str(file), np.roll(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), 20, axis=0))
    out, true = tmp_path / "rescored", tmp_path / "audited"
    assert command("rescore", finished, "--masks", masks, "--out", out, "--quiet")[0] == 0
    bias_audit.audit(
        tiny.follows_background, tiny.images, masks=masks, out=true, batch_size=4, interventions=0, discovery=0,
        probes=0, leakage=0,
    )  # fmt: skip
    columns = ["background_share", "background_excess", "background_excess_label", "foreground_area", "tie_z",
               "pointing_game", "mask_status", "attention_status", "excess_robust_z"]  # fmt: skip
    tables = [pd.read_parquet(run / "images.parquet")[columns] for run in (out, true)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_nothing_here_loads_tensorflow(tiny, finished: Path, sound: Path, tmp_path: Path):
    commands = [
        ["rescore", str(finished), "--masks", str(tiny.masks), "--out", str(tmp_path / "out")],
        ["compare", str(finished), str(sound), "--out", str(tmp_path / "page.html")],
        ["history", str(finished), str(sound), "--out", str(tmp_path / "past.html")],
    ]
    heavy = {"rescore": {"tensorflow", "keras"}, "compare": HEAVY, "history": HEAVY}
    for arguments in commands:
        run = f"from bias_audit.cli import main\nassert main({arguments!r}) == 0"
        code = f"{run}\nimport sys\nprint('LOADED', *sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not heavy[arguments[0]] & set(done.stdout.rsplit("LOADED", 1)[1].split())


def test_thresholds_alone_change_findings(command, finished: Path, tmp_path: Path):
    def codes(folder: Path) -> set[str]:
        return {each.code for each in bias_audit.load(folder).found()}

    out = tmp_path / "lenient"
    assert command("rescore", finished, "--threshold", "min_photos=1000", "--out", out, "--quiet")[0] == 0
    assert "BA201" in codes(finished)
    assert "BA201" not in codes(out)
    file = tmp_path / "c.toml"
    file.write_text("[audit]\nbatch_size = 7\n[thresholds]\nmin_gap = 0.25\n")
    assert command("rescore", finished, "--config", file, "--out", tmp_path / "two", "--quiet")[0] == 0
    info = bias_audit.load(tmp_path / "two").info
    assert (info.thresholds["min_gap"], info.config["batch_size"]) == (0.25, 4)


def test_decisions_go_along(command, finished: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    decision = Decision("image", "0123456789abcdef", "wrong mask", "the mask is shifted", "Ada", "", "a/a_00.png")
    add(run, decision)
    assert command("rescore", run, "--quiet")[0] == 0
    assert read_decisions(tmp_path / "run-rescored") == read_decisions(run)
    assert len(read_decisions(run)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "RUN"), "is the run itself"),
        (("--threshold", "nonsense=1"), "no threshold 'nonsense'"),
        (("--threshold", "min_gap=much"), "takes a number"),
        (("--threshold", "min_gap"), "is no threshold"),
        (("--masks", "nowhere"), "no mask folder"),
        (("--ignore", "BA000"), "no rule BA000"),
    ],
)
def test_bad_input_to_rescore_is_one_sentence_and_leaves_nothing(
    command, finished: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
):
    out = tmp_path / "out"
    rest = [str(finished) if each == "RUN" else each for each in arguments]
    where = () if "--out" in rest else ("--out", out)
    code, _, err = command("rescore", finished, *rest, *where)
    assert code == 2
    assert said in err
    assert not out.exists()


def test_a_run_without_shards_is_refused(command, finished: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    shutil.rmtree(run / "shards")
    code, _, err = command("rescore", run, "--out", tmp_path / "out")
    assert (code, "nothing can be scored again" in err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_shard_that_is_gone_or_was_changed_must_not_look_like_one_never_made(command, finished: Path, tmp_path: Path):
    """Without the shard of the recurring cues a CONFIRMED class was SUSPICIOUS, and nothing was said."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for file in sorted((run / "shards").iterdir()):
        whole = file.read_bytes()
        file.unlink()
        code, _, err = command("rescore", run, "--out", tmp_path / "out")
        assert (code, file.name in err, "is missing" in err) == (2, True, True)
        file.write_bytes(whole[:-9] + b"}")
        code, _, err = command("rescore", run, "--out", tmp_path / "out")
        assert (code, file.name in err, "was changed after the run was written" in err) == (2, True, True)
        file.write_bytes(whole)
    assert not (tmp_path / "out").exists()
    (run / "shards" / "strangers.npz").write_bytes(b"of another run")
    code, _, err = command("rescore", run, "--out", tmp_path / "out")
    assert (code, "is no file of the run" in err) == (2, True)


def test_a_finished_run_is_not_overwritten_unasked(command, finished: Path, sound: Path, tmp_path: Path):
    out = tmp_path / "out"
    shutil.copytree(sound, out)
    code, _, err = command("rescore", finished, "--out", out)
    assert (code, "holds a finished run" in err) == (2, True)
    assert command("rescore", finished, "--out", out, "--overwrite", "--quiet")[0] == 0
    same_tables(finished, out)
