"""ONNX classifiers from strangers: other files are read within the folder only, and what is refused says why."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx_files as files
import pytest
from onnx_networks import SIZE, Network

from bias_audit.config import AuditConfig
from bias_audit.errors import BiasAuditError, ModelError
from bias_audit.limits.bounds import Limits
from bias_audit.models.base import Model
from bias_audit.models.doors import load_model
from bias_audit.models.onnx.model import OnnxModel

NETWORK = Network()
WEIGHTS = np.ascontiguousarray(NETWORK.weights["w"].T).tobytes()


def opened(path: Path, **settings: Any) -> Model:
    return load_model(path, AuditConfig(**settings), None)


def written(folder: Path, **elsewhere: Any) -> Path:
    """A model in a folder of its own whose linear layer lies elsewhere."""
    (folder / "model" / "deeper").mkdir(parents=True, exist_ok=True)
    path = folder / "model" / "net.onnx"
    path.write_bytes(NETWORK.onnx(**elsewhere))
    return path


def linked(root: Path, folder: str, kept: str) -> Path:
    """A model in a folder, whose linear layer is a link to a file that is kept elsewhere."""
    for each in (root / folder, (root / kept).parent):
        each.mkdir(parents=True, exist_ok=True)
    (root / kept).write_bytes(WEIGHTS)
    path = root / folder / "net.onnx"
    path.write_bytes(NETWORK.onnx(location="w.bin"))
    (path.parent / "w.bin").symlink_to(root / kept)
    return path


def photos() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, (3, *SIZE, 3)).astype(np.float32)


class TestOtherFiles:
    @pytest.mark.parametrize("location", ["w.bin", "deeper/w.bin", "./w.bin"])
    def test_they_are_read_within_the_folder(self, location: str, tmp_path: Path) -> None:
        path = written(tmp_path, location=location, offset=5, length=len(WEIGHTS))
        (path.parent / location).write_bytes(b"12345" + WEIGHTS + b"after")
        (tmp_path / "whole.onnx").write_bytes(NETWORK.onnx())
        model, whole = opened(path), opened(tmp_path / "whole.onnx")
        assert np.array_equal(model.predict(photos()).log_odds, whole.predict(photos()).log_odds)
        assert model.differentiable
        assert whole.sha256 == hashlib.sha256(NETWORK.onnx()).hexdigest(), "as sha256sum says"

    def test_without_offset_and_length(self, tmp_path: Path) -> None:
        path = written(tmp_path, location="w.bin")
        (path.parent / "w.bin").write_bytes(WEIGHTS)
        assert opened(path).differentiable

    def test_the_hash_counts_every_file_and_its_name(self, tmp_path: Path) -> None:
        hashes = set()
        for location, data in (("w.bin", WEIGHTS), ("v.bin", WEIGHTS), ("w.bin", WEIGHTS[:-1] + b"\0")):
            path = written(tmp_path, location=location)
            (path.parent / location).write_bytes(data)
            hashes |= {opened(path).sha256, opened(path).sha256}
        assert len(hashes) == 3

    @pytest.mark.parametrize(
        ("location", "said"),
        [
            ("../w.bin", "no path within its folder"),
            ("deeper/../../w.bin", "no path within its folder"),
            ("/etc/passwd", "no path within its folder"),
            ("ABSOLUTE", "no path within its folder"),
            ("w\0.bin", "no path within its folder"),
            ("link.bin", "a link that leads out of its folder"),
            ("linked/w.bin", "a link that leads out of its folder"),
            ("circle", "circle|levels of symbolic links"),
            ("pipe", "not a regular file but a pipe"),
            ("deeper", "not a regular file but a folder"),
            ("absent.bin", "No such file"),
            ("*/_ORT_MEM_ADDR_/*", "No such file"),
            ("file:///etc/passwd", "No such file"),
            ("short.bin", "too short"),
        ],
    )
    def test_nothing_else_is_read(self, location: str, said: str, tmp_path: Path) -> None:
        outside = tmp_path / "w.bin"
        outside.write_bytes(WEIGHTS)
        path = written(tmp_path, location=str(outside) if location == "ABSOLUTE" else location, offset=0)
        folder = path.parent
        (folder / "link.bin").symlink_to(outside)
        (folder / "linked").symlink_to(tmp_path)
        (folder / "circle").symlink_to(folder / "circle")
        (folder / "short.bin").write_bytes(WEIGHTS[:-1])
        os.mkfifo(folder / "pipe")
        with pytest.raises(ModelError, match=said) as caught:
            opened(path)
        assert len(str(caught.value.message).splitlines()) == 1
        assert "cannot load the model" in caught.value.message

    def test_a_link_within_the_folder_is_followed(self, tmp_path: Path) -> None:
        path = written(tmp_path, location="link.bin")
        (path.parent / "deeper" / "w.bin").write_bytes(WEIGHTS)
        (path.parent / "link.bin").symlink_to("deeper/w.bin")
        assert opened(path).differentiable

    @pytest.mark.parametrize(
        ("folder", "kept"),
        [("repo/snapshots/abc", "repo/blobs/2"), ("models--a--b/snapshots/abc/onnx", "models--a--b/blobs/2")],
    )
    def test_a_snapshot_of_hugging_faces_cache(self, folder: str, kept: str, tmp_path: Path) -> None:
        assert opened(linked(tmp_path, folder, kept)).differentiable

    @pytest.mark.parametrize(
        ("folder", "kept"),
        [
            ("repo/other/abc", "repo/blobs/2"),
            ("repo/snapshots/abc/onnx", "repo/blobs/2"),
            ("repo/snapshots/abc", "repo/blobs/deeper/2"),
            ("repo/snapshots/abc", "repo/refs/2"),
            ("repo/snapshots/abc", "repo/snapshots/def/2"),
            ("repo/snapshots/abc", "another/blobs/2"),
            ("models--a--b/snapshots/abc/onnx", "models--a--c/blobs/2"),
        ],
    )
    def test_nothing_else_around_a_snapshot(self, folder: str, kept: str, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="a link that leads out of its folder"):
            opened(linked(tmp_path, folder, kept))

    @pytest.mark.parametrize(
        "entries",
        [
            {"location": "w.bin", "offset": "-4"},
            {"location": "w.bin", "offset": "1e3"},
            {"location": "w.bin", "offset": "9" * 30},
            {"location": "w.bin", "length": len(WEIGHTS) - 4},
            {"location": "w.bin", "length": len(WEIGHTS) + 4},
            {"offset": 0},
            {"location": ""},
        ],
    )
    def test_damaged_places_are_one_sentence(self, entries: dict[str, Any], tmp_path: Path) -> None:
        path = written(tmp_path, **entries)
        (path.parent / "w.bin").write_bytes(WEIGHTS * 3)
        with pytest.raises(ModelError, match=r"cannot load the model .* in other files is damaged"):
            opened(path)

    def test_they_count_in_the_limit(self, tmp_path: Path) -> None:
        path = written(tmp_path, location="w.bin")
        (path.parent / "w.bin").write_bytes(WEIGHTS)
        both = path.stat().st_size + len(WEIGHTS)
        assert opened(path, limits=Limits(weights_bytes=both)).differentiable
        with pytest.raises(ModelError, match=rf"{both:,} bytes, beyond the limit weights_bytes of {both - 1:,}"):
            opened(path, limits=Limits(weights_bytes=both - 1))

    def test_only_tensors_of_the_graph_itself_may_lie_there(self, tmp_path: Path) -> None:
        inner = files.tensor("t", (1,), (), elsewhere="w.bin")
        constant = files.node(
            "Constant", (), ("y",), attributes=files.field(5, files.field(1, "value") + files.field(5, inner))
        )
        (tmp_path / "w.bin").write_bytes(WEIGHTS)
        (tmp_path / "net.onnx").write_bytes(files.model(files.graph(constant, made=files.value("y", (1, 2)))))
        with pytest.raises(ModelError, match="keeps numbers in other files"):
            opened(tmp_path / "net.onnx")


MICROSOFT = ("EPContext", "PyOp", "PythonOp", "FusedConv", "QAttention", "MurmurHash3", "ConvTransposeWithDynamicPads")


@pytest.mark.parametrize("op", MICROSOFT)
def test_of_the_runtimes_own_operations_only_quantised_ones_run(op: str, tmp_path: Path) -> None:
    body = files.graph(files.node(op, ("x",), ("y",), domain="com.microsoft"))
    (tmp_path / "net.onnx").write_bytes(files.model(body, domains=["com.microsoft"]))
    with pytest.raises(ModelError, match=f"beyond the ONNX standard.*com.microsoft:{op}"):
        opened(tmp_path / "net.onnx")


def test_quantised_operations_of_the_runtime_run(tmp_path: Path) -> None:
    """Means of 8 bits with QLinearGlobalAveragePool, and their softmax: probabilities in steps of 1/256."""
    steps = [files.array("s", np.float32(1)), files.array("z", np.uint8(0)), files.array("t", np.float32(1 / 256))]
    body = files.graph(
        files.node("QuantizeLinear", ("x", "s", "z"), ("q",)),
        files.node(
            "QLinearGlobalAveragePool", ("q", "s", "z", "s", "z"), ("p",), domain="com.microsoft",
            attributes=files.attribute("channels_last", 0),
        ),
        files.node("Flatten", ("p",), ("f",)),
        files.node(
            "QLinearSoftmax", ("f", "s", "z", "t", "z"), ("o",), domain="com.microsoft",
            attributes=files.attribute("axis", 1) + files.attribute("opset", 13),
        ),
        files.node("DequantizeLinear", ("o", "t", "z"), ("y",)),
        given=files.value("x", ("n", 3, 8, 8)),
        made=files.value("y", ("n", 3)),
        tensors=steps,
    )  # fmt: skip
    path = tmp_path / "net.onnx"
    path.write_bytes(files.model(body, domains=["com.microsoft"]))
    model = opened(path)
    assert (model.head, model.outputs, model.differentiable) == ("softmax", 3, False)
    assert any("steps of 8 bits" in note for note in model.notes)
    images = np.zeros((1, 8, 8, 3), np.float32)
    images[..., 1] = 1
    expected = np.exp([0, 1, 0]) / np.exp([0, 1, 0]).sum()
    assert np.abs(model.predict(images).probabilities[0] - expected).max() <= 1 / 256


def test_every_cut_of_a_file_is_one_sentence_or_whole(tmp_path: Path) -> None:
    content, path = NETWORK.onnx(), tmp_path / "net.onnx"
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        with pytest.raises(BiasAuditError) as caught:
            opened(path)
        assert "Traceback" not in str(caught.value)
    path.write_bytes(content)
    assert opened(path).differentiable


def test_graphs_that_no_runtime_takes(tmp_path: Path) -> None:
    given, made = files.value("x", (1, 3, 8, 8)), files.value("y", (1, 3))
    circle = [files.node("Identity", ("a",), ("y",)), files.node("Identity", ("y",), ("a",))]
    bodies = {
        "circle": files.graph(*circle, given=given, made=made),
        "unknown": files.graph(files.node("NoSuchOperation", ("x",), ("y",)), given=given, made=made),
        "nothing made": files.graph(given=given, made=made),
        "no output": files.graph(files.node("Relu", ("x",), ("y",)), given=given),
        "itself": files.graph(files.node("Softmax", ("y",), ("y",)), given=given, made=made),
        "no inputs": files.graph(files.node("Softmax", (), ("y",)), given=given, made=made),
    }
    for what, body in bodies.items():
        (tmp_path / "net.onnx").write_bytes(files.model(body))
        with pytest.raises(ModelError) as caught:
            opened(tmp_path / "net.onnx")
        assert len(caught.value.message.splitlines()) == 1, what


def test_the_file_is_not_opened_by_the_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the bytes that were checked, without a path, and nothing that lies elsewhere."""
    import onnxruntime

    given: list[Any] = []
    real = onnxruntime.InferenceSession

    def seen(content: Any, *arguments: Any, **named: Any) -> Any:
        given.append(content)
        return real(content, *arguments, **named)

    monkeypatch.setattr(onnxruntime, "InferenceSession", seen)
    path = written(tmp_path, location="w.bin")
    (path.parent / "w.bin").write_bytes(WEIGHTS)
    assert isinstance(opened(path), OnnxModel)
    assert given
    assert all(isinstance(each, bytes) and b"w.bin" not in each for each in given)
