"""An ONNX file on the command line, where neither TensorFlow nor PyTorch is installed: every command and every rule."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_any_model import FRAMEWORKS, PHOTOS, SIDE, draw
from without import without

from bias_audit.errors import ModelError
from bias_audit.models.onnx.model import OnnxModel
from bias_audit.pipeline.live_test import LiveModel
from bias_audit.run.progress import QUIET, Progress
from bias_audit.run.result import load

sys.path.append(str(Path(__file__).parents[1] / "models"))
import onnx_files as files

ABSENT = tuple(name for name in FRAMEWORKS if name != "onnxruntime")


def colours(*, softmax: bool = True, hidden: bool = False, bias: float = 0.0) -> bytes:
    """Frogs are green and swans are blue, whatever is in front: means of `ReLU(colour - other colour)`."""
    given = [
        files.array("kernel", np.array([[-0.5, 1, -0.5], [-0.5, -0.5, 1]], np.float32)[:, :, None, None] / 20),
        files.array("weights", np.array([[3, -3], [-3, 3]], np.float32)),
        files.array("bias", np.array([bias, 0], np.float32)),
        files.array("grey", np.float32(128)),
    ]
    nodes = [
        files.node("Sub", ("x", "grey"), ("centred",)),
        files.node("Conv", ("centred", "kernel"), ("sum",)),
        files.node("Relu", ("sum",), ("features",)),
        files.node("AveragePool", ("features",), ("cells",), attributes=_ints(kernel_shape=(4, 4), strides=(4, 4))),
        files.node("GlobalMaxPool" if hidden else "GlobalAveragePool", ("cells",), ("pooled",)),
        files.node("Flatten", ("pooled",), ("flat",)),
        files.node("Gemm", ("flat", "weights", "bias"), ("logits",)),
        files.node("Softmax" if softmax else "Identity", ("logits",), ("y",)),
    ]
    shape: tuple[Any, ...] = ("n", 3, SIDE, SIDE)
    body = files.graph(*nodes, given=files.value("x", shape), made=files.value("y", ("n", 2)), tensors=given)
    return files.model(body)


def _ints(**attributes: tuple[int, ...]) -> bytes:
    return b"".join(files.attribute(name, values) for name, values in attributes.items())


@pytest.fixture
def world(tmp_path: Path) -> Path:
    draw(tmp_path)
    (tmp_path / "net.onnx").write_bytes(colours())
    (tmp_path / "other.onnx").write_bytes(colours(bias=0.5))
    (tmp_path / "hidden.onnx").write_bytes(colours(hidden=True))
    return tmp_path


def test_every_command_runs_without_a_framework(world: Path) -> None:
    audit, photo = ["audit", "net.onnx", "photos", "--masks", "masks", "--out", "a"], "photos/frog/00.png"
    audited, gated, seen, explained, predicted, occluded, refused = without(
        ABSENT,
        [
            audit,
            ["gate", "a"],
            ["inspect", "net.onnx", "--json"],
            ["explain", "net.onnx", photo, "--out", "b"],
            ["audit", "hidden.onnx", "photos", "--masks", "masks", "--out", "c"],
            ["explain", "hidden.onnx", photo, "--out", "d", "--method", "occlusion"],
            ["explain", "net.onnx", photo, "--out", "e", "--method", "integrated_gradients"],
        ],
        world,
    )
    assert audited[0] == 0, audited[2]
    assert gated[0] == 1
    assert (explained[0], predicted[0], occluded[0]) == (0, 0, 0), (explained, predicted, occluded)
    assert (refused[0], "no gradients with respect to the pixels" in refused[2]) == (2, True)
    assert "Traceback" not in "".join(err for _, _, err in (audited, gated, refused))
    told = json.loads(seen[1])
    assert (told["head"], told["layer"], told["map"]) == ("softmax", "cells", [12, 12])
    assert told["inside"] == ["Sub: x - 128"]
    made = load(world / "a")
    rows = {row.subject: row for row in made.outcomes if row.code == "BA201"}
    assert set(rows) == {"frog", "swan"}
    assert all(row.found and row.n == PHOTOS for row in rows.values())
    assert {row.level for row in rows.values()} <= {"SUSPICIOUS", "CONFIRMED", "HIDDEN"}
    assert made.images["background_excess"].notna().all(), "every photo has a heatmap"


def test_an_interrupted_audit_goes_on_with_the_same_file_alone(
    world: Path, monkeypatch: pytest.MonkeyPatch, command: Any
) -> None:
    monkeypatch.chdir(world)
    audit = ["photos", "--masks", "masks", "--out", "a", "--resume"]

    real, calls = OnnxModel.predict, []

    def fails(*given: Any) -> Any:
        calls.append(1)
        if len(calls) > 30:  # the photos are seen, and their experiments begun
            raise ModelError("the power is cut")
        return real(*given)

    with monkeypatch.context() as cut:
        cut.setattr(OnnxModel, "predict", fails)
        code, _, err = command("audit", "net.onnx", *audit)
        assert (code, "the power is cut" in err) == (2, True), err
    assert (world / "a" / "started.json").is_file()
    code, _, err = command("audit", "other.onnx", *audit)
    assert (code, "model changed since" in err) == (2, True), err
    code, _, err = command("audit", "net.onnx", *audit)
    assert code == 0, err


def test_the_maps_are_tried_with_shuffled_weights(world: Path) -> None:
    """All three tests of BA908 are made, without a framework."""
    (answer,) = without(ABSENT, [["audit", "net.onnx", "photos", "--masks", "masks", "--out", "a"]], world)
    assert answer[0] == 0, answer[2]
    tests = {row.subject: row for row in load(world / "a").outcomes if row.code == "BA908"}
    assert tests["randomisation"].status == "passed"
    assert tests["randomisation"].n > 0
    assert len(tests) == 3


def test_a_drawn_region_is_tested_on_it(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (answer,) = without(ABSENT, [["audit", "net.onnx", "photos", "--masks", "masks", "--out", "a"]], world)
    assert answer[0] == 0, answer[2]
    monkeypatch.chdir(world)
    strip = [[0, 0.7], [1, 0.7], [1, 1], [0, 1]]
    live = LiveModel(world / "a", world / "net.onnx", Progress(QUIET))
    told = live.answer("frog/00.png", strip, "green", "Ada")
    assert (told["hypothesis"]["class_name"], told["hypothesis"]["object_share"]) == ("frog", 0)
    with pytest.raises(Exception, match="is not the model of"):
        LiveModel(world / "a", world / "other.onnx", Progress(QUIET))


def test_a_missing_runtime_is_one_sentence(world: Path) -> None:
    (world / "empty.onnx").write_bytes(b"")
    for name in ("net.onnx", "empty.onnx"):
        (answer,) = without(FRAMEWORKS, [["inspect", name]], world)
        assert answer[0] == 2
        assert f"ONNX Runtime is not installed, and '{name}' needs it: pip install 'bias-audit[onnx]'" in answer[2]
