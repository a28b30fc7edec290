"""`bias-audit audit --strangers`: pictures of no class that the model knows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import bias_audit

GREY = (120, 120, 120)

QUICK = {"discovery": 0, "probes": 0, "leakage": 0}
"""Settings that leave out what takes long and does not meet the strangers."""


def draw(path: Path, background: tuple[int, int, int]) -> None:
    """A grey square, of neither class, on a background of one of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((48, 48, 3), background, np.uint8)
    pixels[16:32, 16:32] = GREY
    path.write_bytes(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes())


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """Two lynxes on the background of class a and one on that of b, a rat on that of b, and a broken rat."""
    green, blue = (60, 160, 60), (60, 60, 160)
    folder = tmp_path / "strangers"
    for name, background in (("1", green), ("2", green), ("3", blue)):
        draw(folder / "lynx" / f"{name}.png", background)
    draw(folder / "rat" / "1.png", blue)
    (folder / "rat" / "2.png").write_text("no picture")
    return folder


def test_strangers_are_taken_for_what_their_background_says(tiny, strangers, command, tmp_path):
    run = tmp_path / "run"
    code, out, err = command(
        "audit",
        tiny.follows_background,
        tiny.images,
        "--strangers",
        strangers,
        "--masks",
        "none",
        "--out",
        run,
        "--batch-size",
        4,
        *(part for name, value in QUICK.items() for part in (f"--{name}", value)),
    )
    assert code == 0, err
    result = bias_audit.load(run)
    table = result.strangers
    assert list(table.index) == ["lynx/1.png", "lynx/2.png", "lynx/3.png", "rat/1.png", "rat/2.png"]
    assert list(table["group"]) == ["lynx", "lynx", "lynx", "rat", "rat"]
    assert list(table["predicted"]) == ["a", "a", "b", "b", ""]
    assert list(table["second"]) == ["b", "b", "a", "a", ""]
    assert list(table["status"]) == ["ok", "ok", "ok", "ok", "unreadable"]
    read = table[table["status"] == "ok"]
    np.testing.assert_allclose(read["probability"] + read["second_probability"], 1, atol=1e-5)
    odds = np.log(read["probability"]) - np.log(read["second_probability"])
    np.testing.assert_allclose(read["log_odds"], odds, rtol=1e-2)
    assert read["negative_share"].between(0, 1).all()
    assert result.info.strangers == str(strangers)
    assert (result.info.counts["strangers"], result.info.counts["strangers_unreadable"]) == (5, 1)
    assert "1 of 5 strangers could not be read" in " ".join(result.info.notes)
    assert "Strangers: lynx (3): 2 taken for a, 1 for b; median probability" in out
    assert "Strangers: rat (2): 1 taken for b; median probability" in out
    page = (run / "report.html").read_text(encoding="utf-8")
    assert 'id="strangers"' in page
    assert "lynx (3): 2 taken for a, 1 for b" in page
    stored = json.loads((run / "pictures.json").read_text())["strangers"]
    assert set(stored) == set(read.index)
    # The map of lynx/1 lies on the green around the square, which holds none.
    grid = np.array(stored["lynx/1.png"]["grid"])
    assert grid[0, 0] > 0.9
    assert grid[5, 5] < 0.1


def test_without_strangers_nothing_is_said_of_them(finished):
    result = bias_audit.load(finished)
    assert len(result.strangers) == 0
    assert result.info.strangers is None
    assert 'id="strangers"' not in (finished / "report.html").read_text(encoding="utf-8")


def test_strangers_change_no_number_and_no_verdict(tiny, strangers, finished, tmp_path):
    run = bias_audit.audit(
        tiny.follows_background, tiny.images, masks=tiny.masks, strangers=strangers, out=tmp_path / "r", batch_size=4
    )
    before = bias_audit.load(finished)
    assert run.verdict == before.verdict
    assert run.images.equals(before.images)


def test_a_resume_keeps_what_was_seen_and_notices_a_change(tiny, strangers, tmp_path, monkeypatch):
    run = tmp_path / "run"
    arguments = {"strangers": strangers, "masks": "none", "out": run, "batch_size": 4, **QUICK}

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bias_audit.pipeline.summaries.summarise", stop)
        with pytest.raises(KeyboardInterrupt):
            bias_audit.audit(tiny.follows_background, tiny.images, **arguments)
    shard = (run / "shards" / "strangers.npz").read_bytes()
    kept = shutil.copytree(strangers, tmp_path / "kept", copy_function=shutil.copy2)
    draw(strangers / "rat" / "3.png", (60, 60, 160))
    with pytest.raises(bias_audit.ConfigError, match="the strangers changed since"):
        bias_audit.audit(tiny.follows_background, tiny.images, resume=True, **arguments)
    shutil.rmtree(strangers)
    shutil.copytree(kept, strangers, copy_function=shutil.copy2)
    with monkeypatch.context() as patch:
        patch.setattr("bias_audit.checks.strangers.measure.look", stop)
        result = bias_audit.audit(tiny.follows_background, tiny.images, resume=True, **arguments)
    assert (run / "shards" / "strangers.npz").read_bytes() == shard
    assert list(result.strangers["predicted"]) == ["a", "a", "b", "b", ""]


def test_a_missing_or_empty_folder_is_refused_before_anything_runs(tiny, command, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, said in (("missing", "no folder of strangers"), ("empty", "holds no pictures")):
        code, _, err = command(
            "audit", tiny.follows_background, tiny.images, "--strangers", tmp_path / name, "--out", tmp_path / "run"
        )
        assert code == 2
        assert said in err
    assert not (tmp_path / "run").exists()


def test_a_flat_folder_is_one_kind_and_the_surest_are_shown(tmp_path):
    from bias_audit.checks.strangers.measure import choose_strangers, open_strangers

    for number in range(3):
        draw(tmp_path / "wolverine" / f"{number}.png", GREY)
    found = open_strangers(tmp_path / "wolverine")
    assert found.class_names == ("wolverine",)
    assert [sample.image_id for sample in found.samples] == ["0.png", "1.png", "2.png"]
    rows = [{"group": g, "status": "ok", "log_odds": float(n)} for g in ("x", "y") for n in range(20)]
    chosen = choose_strangers([*rows, {"group": "x", "status": "unreadable"}])
    assert chosen == [*range(19, 7, -1), *range(39, 27, -1)]
