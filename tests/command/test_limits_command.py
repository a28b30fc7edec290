"""`--limit NAME=NUMBER`: what it refuses, what it lets through, and what a run says of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import bias_audit
from bias_audit.errors import ConfigError, DataError
from bias_audit.pipeline.rescore import rescore

CHEAP = {"interventions": 0, "discovery": 0, "probes": 0, "leakage": 0}
SIDE = 130
"""Side of a picture that is beyond a limit of 10,000 pixels, as the other photos are not."""


@pytest.fixture
def photos(tiny, tmp_path) -> Path:
    folder = tmp_path / "photos"
    shutil.copytree(tiny.images, folder)
    Image.fromarray(np.full((SIDE, SIDE, 3), (60, 160, 60), np.uint8)).save(folder / "a" / "large.png")
    return folder


def test_a_photo_beyond_is_a_row_and_the_run_says_so(tiny, photos, command, tmp_path):
    options = [part for name, value in CHEAP.items() for part in (f"--{name}", str(value))]
    run = tmp_path / "run"
    code, _, err = command(
        "audit", tiny.follows_object, photos, "--out", run, "--limit", "pixels=1e4", "--limit", "columns=50", *options
    )
    assert code == 0, err
    rows = pd.read_csv(run / "images.csv").set_index("image_id")
    assert rows.loc["a/large.png", "status"] == "unreadable"
    assert (
        "beyond the limit pixels of 10,000 (raise it with --limit pixels=16900)"
        in (rows.loc["a/large.png", "status_reason"])
    )
    assert (rows["status"] == "ok").sum() == len(rows) - 1
    notes = json.loads((run / "audit.json").read_text())["info"]["notes"]
    said = "pixels 10,000 instead of 100,000,000; columns 50 instead of 1,000."
    said = f"Limits on what a file may cost were changed: {said}"
    assert said in notes
    again = rescore(run, out=tmp_path / "again")
    assert said in again.info.notes
    raised = rescore(run, out=tmp_path / "raised", limits={"pixels": 2e8})
    assert sum("Limits on what" in note for note in raised.info.notes) == 2


def test_limits_from_python(tiny, photos, tmp_path):
    result = bias_audit.audit(
        tiny.follows_object, photos, out=tmp_path / "run", **CHEAP, limits={"pixels": SIDE * SIDE}
    )
    assert (result.images["status"] == "ok").all()
    with pytest.raises(ConfigError, match="no limit 'pixel'"):
        bias_audit.audit(tiny.follows_object, photos, limits={"pixel": 1})
    with pytest.raises(DataError, match=r"none of the 1 pictures .*--limit pixels=16900"):
        bias_audit.explain(tiny.follows_object, photos / "a" / "large.png", limits={"pixels": 100})


@pytest.mark.parametrize("name", ["audit", "explain", "inspect", "review", "rescore"])
def test_a_wrong_limit_is_one_sentence(command, tmp_path, name):
    given = {"audit": ("m.keras", "d"), "explain": ("m.keras", "p.png"), "inspect": ("m.keras",)}
    code, _, err = command(name, *given.get(name, (tmp_path,)), "--limit", "pixel=1e9")
    assert (code, err) == (2, "bias-audit: no limit 'pixel'\n\nDid you mean 'pixels'?\n")


def test_a_batch_that_does_not_fit(tiny, command):
    code, _, err = command("inspect", tiny.follows_object, "--batch-size", "100000000")
    assert code == 2
    first, _, hint = err.strip().rpartition("\n\n")
    assert "--batch-size 100000000 is too large" in first
    fits = int(hint.split()[-1].rstrip("."))
    code, _, err = command("inspect", tiny.follows_object, "--batch-size", fits + 1, "--limit", "seconds_per_call=1e6")
    assert code == 2
    assert f"--batch-size {fits}." in err


def test_a_model_that_never_returns(tiny, tmp_path):
    """Its loop has no end on purpose; nothing is left behind, and the exit code is not that of a failed gate."""
    import tensorflow as tf

    class Endless(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 48, 48, 3])])
        def __call__(self, images):
            def step(i, x):
                return i * 0.5, tf.nn.relu(x)

            _, x = tf.while_loop(lambda i, x: i < 2.0, step, [tf.reduce_mean(images) * 0, images])
            return tf.nn.softmax(tf.reduce_mean(x, [1, 2])[:, :2])

    model = Endless()
    tf.saved_model.save(model, str(tmp_path / "endless"), signatures=model.__call__)
    run = tmp_path / "run"
    arguments = ["audit", tmp_path / "endless", tiny.images, "--out", run, "--limit", "seconds_per_call=2"]
    done = subprocess.run(
        [sys.executable, "-m", "bias_audit", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "has not returned within 2 seconds, the limit seconds_per_call (raise it with" in done.stderr
    assert "Traceback" not in done.stderr
    assert not run.exists()
