"""ONNX segmenters: what is refused before anything runs, and what a network is shown and answers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from onnx_files import colours, field, graph, model, node, tensor, value

from bias_audit.errors import ModelError, PackageError
from bias_audit.limits.bounds import Limits
from bias_audit.models.onnx.safety import check_onnx
from bias_audit.models.segmenters.loading import find_estimate, load_segmenter, segmenter_hash

OUTSIDE = node("Run", ("x",), ("y",), domain="my.library")


def attribute(number: int, piece: bytes) -> bytes:
    return field(5, field(1, "body") + field(number, piece))


def red_left(height: int, width: int) -> np.ndarray:
    """Red on the left half, green on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 1] = 255
    return pixels


REFUSED = {
    "an operation of a library": (model(graph(OUTSIDE)), "my.library:Run"),
    "one in a branch": (
        model(graph(node("If", ("c",), ("y",), attributes=attribute(6, graph(OUTSIDE))))),
        "my.library",
    ),
    "one in one of several graphs": (model(graph(node("X", (), (), attributes=attribute(11, graph(OUTSIDE))))), "Run"),
    "one in a function": (model(graph(), functions=[field(1, "f") + field(10, "own") + field(7, OUTSIDE)]), "Run"),
    "python code of onnxruntime": (model(graph(node("PythonOp", (), (), domain="com.microsoft"))), "com.microsoft"),
    "tensors of another file": (colours(elsewhere="/etc/passwd"), "other files"),
    "tensors beside it": (colours(elsewhere="weights.bin"), "other files"),
    "a constant of another file": (
        model(graph(node("Constant", (), ("y",), attributes=attribute(5, tensor("t", (1,), (), elsewhere="a"))))),
        "other files",
    ),
    "a sparse tensor of another file": (
        model(graph() + field(15, field(1, tensor("t", (1,), (), elsewhere="a")))),
        "other files",
    ),
    "a training graph": (model(graph()) + field(20, graph()), "training"),
    "no graph": (field(8, field(2, 13)), "no ONNX model"),
    "two graphs": (model(graph()) + field(7, graph()), "no ONNX model"),
    "no operations of the standard": (field(7, graph()) + field(8, field(1, "other")), "no ONNX model"),
    "text": (b"a" * 50, "no ONNX model"),
    "nothing": (b"", "no ONNX model"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what: str, tmp_path: Path) -> None:
    content, said = REFUSED[what]
    with pytest.raises(ModelError, match="cannot load the segmenter") as caught:
        check_onnx(tmp_path / "net.onnx", content)
    assert said in str(caught.value)


def test_every_cut_of_a_file_is_refused_or_whole(tmp_path: Path) -> None:
    whole = colours(notes={"mean": "0.5,0.5,0.5"})
    assert check_onnx(tmp_path / "net.onnx", whole).metadata == {"mean": "0.5,0.5,0.5"}
    passed = 0
    for end in range(len(whole)):
        try:
            check_onnx(tmp_path / "net.onnx", whole[:end])
        except ModelError:
            continue
        passed += 1
    assert passed == 1, "without its notes, which come last, a file is whole"


def test_a_graph_nested_without_end_ends_in_a_sentence(tmp_path: Path) -> None:
    body = graph()
    for _ in range(400):
        body = graph(node("If", ("c",), ("y",), attributes=attribute(6, body)))
    with pytest.raises(ModelError, match="no ONNX model"):
        check_onnx(tmp_path / "net.onnx", model(body))


def test_a_function_of_the_file_itself_may_have_any_domain(tmp_path: Path) -> None:
    own = field(1, "Run") + field(10, "my.library") + field(7, node("Relu", ("x",), ("y",)))
    check_onnx(tmp_path / "net.onnx", model(graph(OUTSIDE), functions=[own]))


def test_without_onnxruntime_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "net.onnx").write_bytes(colours())
    with pytest.raises(PackageError, match="ONNX Runtime is not installed") as caught:
        find_estimate(str(tmp_path / "net.onnx"))
    assert "pip install 'bias-audit[onnx]'" in str(caught.value)
    assert len(segmenter_hash(str(tmp_path / "net.onnx"))) == 64


def load(path: Path, content: bytes, **limits: float):
    path.write_bytes(content)
    return load_segmenter(path, limits=Limits.of(limits))


@pytest.mark.parametrize("sides", [(32, 32), ("h", "w")])
@pytest.mark.parametrize("sigmoid", [True, False])
def test_probabilities_and_logits_find_the_red_half(tmp_path: Path, sides: tuple, sigmoid: bool) -> None:
    mask = load(tmp_path / "net.onnx", colours(sides=sides, sigmoid=sigmoid))(red_left(64, 96))
    assert mask.shape == (64, 96)
    assert mask[:, :44].all()
    assert not mask[:, 52:].any()


@pytest.mark.parametrize(
    ("notes", "bright"),
    [
        ({}, (0.5 - 0.485) / 0.229 > 0),  # grey of .5 is just above the mean of red in ImageNet
        ({"mean": "0.6,0.6,0.6", "std": "1,1,1"}, False),
        ({"mean": "0.4,0.4,0.4", "std": "1,1,1"}, True),
    ],
)
def test_the_notes_of_a_file_say_how_pixels_are_scaled(tmp_path: Path, notes: dict[str, str], bright: bool) -> None:
    grey = np.full((32, 32, 3), 128, np.uint8)
    mask = load(tmp_path / "net.onnx", colours((99, 0, 0), sigmoid=True, notes=notes))(grey)
    assert mask.all() if bright else not mask.any()


def test_channels_last_get_the_pixels_as_they_are(tmp_path: Path) -> None:
    """A threshold of 100 on the mean of a (1, h, w, 3) input: 99 is below, 101 above."""
    nodes = [
        node("ReduceMean", ("x",), ("mean",), attributes=field(5, field(1, "axes") + field(8, 3) + field(20, 7))),
        node("Sub", ("mean", "bound"), ("y",)),
    ]
    body = graph(
        *nodes, given=value("x", (1, 8, 8, 3)), made=value("y", (1, 8, 8, 1)), tensors=[tensor("bound", (1,), (100,))]
    )
    segment = load(tmp_path / "net.onnx", model(body))
    assert segment(np.full((8, 8, 3), 101, np.uint8)).all()
    assert not segment(np.full((8, 8, 3), 99, np.uint8)).any()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (colours(notes={"std": "1,0,1"}), "which is not three numbers"),
        (colours(notes={"mean": "grey"}), "which is not three numbers"),
        (model(graph(node("Relu", ("x",), ("y",)), given=value("x", (1, 4, 8, 8)), made=value("y", (1, 4, 8, 8)))),
         "takes input of shape"),
        (model(graph(node("Relu", ("x",), ("y",)), given=value("x", (1, 3)), made=value("y", (1, 3)))), "takes tensor"),
        (model(graph(node("NoSuchThing", ("x",), ("y",)), given=value("x", (1, 3, 8, 8)), made=value("y", (1,)))),
         "cannot load the segmenter"),
        (model(graph(node("Relu", ("x",), ("y",)), given=value("x", (1, 3, 8, 8)), made=b"")), "declares no output"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_ends_in_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load(tmp_path / "net.onnx", content)


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="weights_bytes"):
        load(tmp_path / "net.onnx", colours(), weights_bytes=50)
