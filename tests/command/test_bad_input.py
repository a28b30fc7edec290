"""Each wrong call ends with exit code 2, one clear sentence, no traceback, and leaves nothing behind."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bias_audit
from bias_audit.run.folder import Run


def test_wrong_calls(tiny, command, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    flat = tmp_path / "flat"
    flat.mkdir()
    photo = next(tiny.images.rglob("*.png"))
    shutil.copy(photo, flat)
    hollow = tmp_path / "hollow"
    (hollow / "a").mkdir(parents=True)
    (hollow / "b").mkdir()
    three = tmp_path / "three"
    shutil.copytree(tiny.images, three)
    shutil.copytree(tiny.images / "a", three / "c")
    broken = tmp_path / "broken.keras"
    broken.write_bytes(b"PK\x03\x04 no model")
    text = tmp_path / "model.txt"
    text.write_text("hello")
    ruined = tmp_path / "ruined"
    for label in "ab":
        (ruined / label).mkdir(parents=True)
        (ruined / label / "x.jpg").write_text("no picture")
    good, photos = tiny.follows_object, tiny.images
    import keras

    flattened = tmp_path / "flattened.keras"
    layers = [keras.layers.Conv2D(2, 3), keras.layers.Flatten(), keras.layers.Dense(2)]
    keras.Sequential([keras.Input((48, 48, 3)), *layers]).save(flattened)
    calls = [
        ((tmp_path / "none.keras", photos), "no model at"),
        ((broken, photos), "cannot load the model"),
        ((text, photos), "is no model"),
        ((tmp_path, photos), "is a folder"),
        ((good, tmp_path / "nowhere"), "no data at"),
        ((good, empty), "no class folders"),
        ((good, flat), "no class folders, but 1 images"),
        ((good, hollow), "no images in them"),
        ((good, photos / "a"), "no class folders"),
        ((good, ruined), "none of the 2 images could be read"),
        ((good, three), "2 outputs, the data have 3 classes"),
        ((good, photos, "--masks", tmp_path / "nowhere"), "no mask folder"),
        ((good, photos, "--masks", empty), "holds no masks"),
        ((good, photos, "--masks", flat), "matches an image"),
        ((good, photos, "--layer", "no_such_layer"), "does not exist in the model"),
        ((good, photos, "--cluster", "patient"), "no column 'patient' to group photos by"),
        ((good, photos, "--group-by", "patient"), "no column 'patient' to group photos by"),
        ((good, photos, "--layer", "head"), "no spatial grid"),
        ((good, photos, "--preprocess", "no_such_thing"), "preprocess must be one of"),
        ((good, photos, "--preprocess", "no_module:f"), "cannot import"),
        ((good, photos, "--method", "magic"), "method must be one of"),
        ((flattened, photos, "--method", "cam"), "CAM needs global average pooling"),
        ((good, photos, "--resize", "squash"), "resize must be one of"),
        ((good, photos, "--batch-size", "0"), "batch_size must be at least 1"),
        ((good, photos, "--image-size", "64"), "the model takes 48x48 pixels"),
        ((good, photos, "--ignore", "BA999"), "no rule BA999"),
        ((good, photos, "--split", "test"), "--split is for"),
        ((good, photos, "--class-map", text), "is not valid JSON"),
        ((good, photos, "--config", tmp_path / "none.toml"), "cannot read the configuration"),
        ((good, photos, "--resume", "--overwrite"), "contradict"),
        ((good, photos, "--nonsense"), "no option '--nonsense'"),
        ((good,), "required"),
    ]
    for number, (arguments, sentence) in enumerate(calls):
        run = tmp_path / f"run-{number}"
        code, out, err = command("audit", *arguments, "--out", run)
        assert code == 2, (arguments, out, err)
        assert sentence in err, (arguments, err)
        assert "Traceback" not in err
        assert not run.exists(), arguments


def test_gate_of_nothing(command, tmp_path):
    code, _, err = command("gate", tmp_path / "nowhere")
    assert (code, "no run folder" in err) == (2, True)
    code, _, err = command("gate", tmp_path)
    assert (code, "holds no audit.json" in err) == (2, True)
    (tmp_path / "audit.json").write_text("{}")
    code, _, err = command("gate", tmp_path)
    assert (code, "damaged" in err) == (2, True)
    (tmp_path / "audit.json").write_text('{"format_version": 99}')
    code, _, err = command("gate", tmp_path)
    assert (code, "format version 99" in err) == (2, True)


def test_a_missing_baseline_is_refused_before_the_audit(tiny, command, tmp_path):
    out = tmp_path / "run"
    code, _, err = command("audit", tiny.follows_object, tiny.images, "--out", out, "--baseline", tmp_path / "nowhere")
    assert (code, out.exists()) == (2, False)
    assert "nowhere" in err


def test_a_wrong_gate_file_is_refused_before_the_audit(tiny, command, tmp_path):
    gate = tmp_path / "gate.toml"
    gate.write_text("[class]\nmax_gap = 1\n")
    run = tmp_path / "run"
    code, _, err = command("audit", tiny.follows_object, tiny.images, "--out", run, "--gate", gate)
    assert code == 2
    assert "max_gap" in err
    assert not run.exists()


def test_hostile_names_and_odd_files_become_rows(tiny, command, tmp_path):
    data = tmp_path / "odd"
    shutil.copytree(tiny.images, data)
    picture = next((data / "a").iterdir()).read_bytes()
    for name in (
        "<img src=x onerror=alert(1)>.png",
        "with space.png",
        'quote\'s "double".png',
        "ünï-🐺.png",
        "new\nline.png",
    ):
        (data / "a" / name).write_bytes(picture)
    (data / "a" / "empty.png").write_bytes(b"")
    (data / "a" / "half.png").write_bytes(picture[: len(picture) // 2])
    (data / "a" / "scan.tiff").write_bytes(picture)
    (data / "a" / "notes.txt").write_text("no picture")
    (data / "c").mkdir()  # a class without images needs an output, which this model has not
    run = tmp_path / "run"
    code, _, err = command("audit", tiny.follows_object, data, "--masks", tiny.masks, "--out", run)
    assert (code, "3 classes: a, b, c" in err) == (2, True)
    (data / "c").rmdir()
    code, _, err = command("audit", tiny.follows_object, data, "--masks", tiny.masks, "--out", run)
    assert code == 0, err
    result = bias_audit.load(run)
    status = result.images["status"]
    assert len(status) == 24 + 8
    assert status["a/empty.png"] == status["a/half.png"] == "unreadable"
    assert status["a/scan.tiff"] == "skipped"
    assert (status[["a/new\nline.png", "a/ünï-🐺.png", 'a/quote\'s "double".png']] == "ok").all()
    assert result.images.loc["a/empty.png", "status_reason"]
    assert result.info.counts["ignored_files"] == 1
    assert "<img src=x onerror" not in (run / "report.html").read_text(encoding="utf-8")
    assert "<img src=x onerror" not in result._repr_html_()


def test_a_finished_run_is_kept(finished, tiny, command):
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    arguments = ("audit", tiny.follows_background, tiny.images, "--masks", tiny.masks, "--out", finished)
    code, _, err = command(*arguments)
    assert (code, "holds a finished run" in err) == (2, True)
    code, _, err = command(*arguments, "--resume")
    assert code == 2
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


def test_a_folder_of_something_else_is_never_overwritten(tiny, command, tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_text("keep me")
    code, _, err = command("audit", tiny.follows_object, tiny.images, "--out", tmp_path, "--overwrite")
    assert (code, "holds no run" in err) == (2, True)
    assert letter.read_text() == "keep me"


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the audit may catch it."""


def dying(victim: str, write: Callable[..., Any]) -> Callable[..., Any]:
    """A way to write a file of a run, on which the process is killed at the file `victim`."""

    def written(self: Run, name: str, content: Any) -> Any:
        if name == victim:
            raise Killed
        return write(self, name, content)

    return written


@pytest.mark.parametrize("victim", ["shards/maps-00001.npz", "shards/interventions-00001.json", "classes.parquet"])
def test_killed_anywhere_and_resumed_ends_with_the_same_tables(tiny, finished, tmp_path, monkeypatch, victim):
    out = tmp_path / "run"
    options = {"masks": tiny.masks, "out": out, "batch_size": 4}
    with monkeypatch.context() as patch:
        for way in ("write", "fill"):  # a file at once, and piece by piece
            patch.setattr(Run, way, dying(victim, getattr(Run, way)))
        with pytest.raises(Killed):
            bias_audit.audit(tiny.follows_background, tiny.images, **options)
    assert (out / "shards/maps-00000.npz").exists()
    assert not (out / "audit.json").exists()
    with pytest.raises(bias_audit.ResultError, match="did not finish"):
        bias_audit.load(out)
    with pytest.raises(bias_audit.ConfigError, match="unfinished run"):
        bias_audit.audit(tiny.follows_background, tiny.images, **options)
    with pytest.raises(bias_audit.ConfigError, match="the options changed"):
        bias_audit.audit(tiny.follows_background, tiny.images, **options, seed=1, resume=True)
    with pytest.raises(bias_audit.ConfigError, match="the model changed"):
        bias_audit.audit(tiny.follows_object, tiny.images, **options, resume=True)
    bias_audit.audit(tiny.follows_background, tiny.images, **options, resume=True)
    for name in ("images.csv", "classes.csv", "confusion.csv"):
        assert (out / name).read_bytes() == (finished / name).read_bytes(), name


def test_a_full_disk_ends_in_a_sentence_and_can_be_resumed(tiny, command, tmp_path, monkeypatch):
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target).name == "images.parquet":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    run = tmp_path / "run"
    quick = ("--discovery", 0, "--probes", 0, "--leakage", 0)
    arguments = ("audit", tiny.follows_object, tiny.images, "--masks", tiny.masks, "--out", run, *quick)
    monkeypatch.setattr(Path, "replace", full)
    code, _, err = command(*arguments)
    assert code == 2
    assert "images.parquet" in err
    assert "No space left" in err
    assert "--resume" in err
    monkeypatch.setattr(Path, "replace", replace)
    assert not list(run.rglob("*.tmp"))
    assert command(*arguments, "--resume")[0] == 0


def test_opencv_without_libgl_names_the_headless_wheel(tmp_path):
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    code = "import sys; from bias_audit.cli import main; sys.exit(main(['audit', 'm.keras', 'd']))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path), "PATH": ""}, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "libGL" in done.stderr
    assert "opencv-python-headless" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bug_of_ours_is_no_finding(command, monkeypatch, tmp_path):
    """An uncaught exception would exit 1, which CI reads as "biased"."""
    monkeypatch.setattr("bias_audit.run.result.load", lambda path: 1 / 0)
    code, _, err = command("gate", tmp_path)
    assert code == 101
    assert "bug in bias-audit" in err
