"""Shuffled weights of ONNX files: every tensor of floating point within itself, in a copy, while it is asked for."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx_files as files
import pytest
from onnx_networks import Network, log_odds
from test_onnx_model import close, hires, maps_by_hand, opened, photos

from bias_audit.errors import ModelError

SEED = 4
WEIGHTS = np.arange(1, 13).reshape(3, 4)
"""Of a linear layer on the means of three colours, so that a picture of one colour shows a row of it."""


def by_hand(network: Network, stored: dict[str, np.ndarray], seed: int) -> Network:
    """The network with its tensors, in the order and form of the file, permuted by one generator."""
    rng = np.random.default_rng(seed)
    made = {name: values.ravel()[rng.permutation(values.size)].reshape(values.shape) for name, values in stored.items()}
    made["w"] = made["w"] * 2 if network.linear == "Gemm rows" else made["w"].T
    return Network(scaled=False, final=network.final, linear=network.linear, weights={**made, "h": np.zeros((8, 8))})


@pytest.mark.parametrize("linear", ["Gemm", "Gemm rows", "MatMul", "Conv"])
def test_predictions_and_maps_are_those_of_permuted_weights(linear: str, tmp_path: Path) -> None:
    network, images = Network(linear=linear, scaled=False, final="Softmax"), photos() / 255
    order = ("k1", "k2", "b", "w") if linear == "MatMul" else ("k1", "k2", "w", "b")
    stored = {name: network.weights[name] for name in order}
    stored["w"] = stored["w"] / 2 if linear == "Gemm rows" else stored["w"].T
    other = by_hand(network, stored, SEED)
    model = opened(network, tmp_path)
    labels = np.array([0, 1, 2, 0, 1])
    before, maps = model.predict(images), model.explain(images, labels, hires).maps_label
    with model.randomised(SEED):
        said, made = model.predict(images), model.explain(images, labels, hires)
    assert close(said.log_odds, log_odds(other.logits(other.features(images))))
    assert close(made.maps_label, maps_by_hand(other, images, labels))
    assert not close(made.maps_label, maps, 0.05)
    after = model.predict(images)
    assert np.array_equal(before.log_odds, after.log_odds)
    assert np.array_equal(maps, model.explain(images, labels, hires).maps_label)


def test_each_seed_is_another_order_and_the_same_one_again(tmp_path: Path) -> None:
    model, images = opened(Network(), tmp_path), photos(2)
    made = []
    for seed in (0, 1, 0):
        with model.randomised(seed):
            made.append(model.predict(images).log_odds)
    assert np.array_equal(made[0], made[2])
    assert not close(made[0], made[1], 0.01)


def test_the_weights_come_back_after_an_error(tmp_path: Path) -> None:
    model, images = opened(Network(), tmp_path), photos(2)
    before = model.explain(images, np.array([0, 1]), hires)
    with pytest.raises(RuntimeError, match="stop"), model.randomised(SEED):
        raise RuntimeError("stop")
    after = model.explain(images, np.array([0, 1]), hires)
    assert np.array_equal(before.predictions.log_odds, after.predictions.log_odds)
    assert np.array_equal(before.maps, after.maps)


def head(kind: int, numbers: bytes) -> bytes:
    """The tensor `w` of WEIGHTS, whose numbers stand in the field that is given."""
    return files.field(1, 3) + files.field(1, 4) + files.field(2, kind) + files.field(8, "w") + numbers


VALUES = WEIGHTS.ravel().astype(np.float32)
HALVES = WEIGHTS.ravel().astype(np.float16).view(np.uint16)
FORMS: dict[str, tuple[bytes, str]] = {
    "bytes": (head(1, files.field(9, VALUES.tobytes())), "float32"),
    "floats in one piece": (head(1, files.field(4, VALUES.tobytes())), "float32"),
    "floats one by one": (head(1, b"".join(b"\x25" + struct.pack("<f", v) for v in VALUES)), "float32"),
    "halves": (head(10, files.field(9, HALVES.tobytes())), "float16"),
    "halves as whole numbers": (head(10, b"".join(files.field(5, int(v)) for v in HALVES)), "float16"),
    "halves, packed": (head(10, files.field(5, b"".join(map(files.varint, HALVES.tolist())))), "float16"),
    "doubles in one piece": (head(11, files.field(10, VALUES.astype(np.float64).tobytes())), "float64"),
}  # fmt: skip
"""Ways to keep numbers in a tensor (onnx.proto3) -> (the tensor, their type)."""


def on_means(tensor: bytes, kind: str = "float32", *nodes: bytes, constant: bool = False) -> bytes:
    """A linear layer on the means of the input, or of what `nodes` make of it under the name "seen"."""
    made = [
        *nodes,
        files.node("GlobalAveragePool", ("seen" if nodes else "x",), ("p",)),
        files.node("Flatten", ("p",), ("f",)),
        files.node("Cast", ("f",), ("c",), attributes=files.attribute("to", files.KINDS[kind])),
        files.node("MatMul", ("c", "w"), ("m",)),
        files.node("Cast", ("m",), ("y",), attributes=files.attribute("to", 1)),
    ]
    if constant:
        value = files.field(5, files.field(1, "value") + files.field(5, tensor) + files.field(20, 4))
        made.insert(0, files.node("Constant", (), ("w",), attributes=value))
    scales = files.array("scales", np.array([1, 1, 2, 3], np.float32))
    return files.model(
        files.graph(
            *made,
            given=files.value("x", ("n", 3, 6, 6)),
            made=files.value("y", ("n", 4)),
            tensors=[*([] if constant else [tensor]), *([scales] if nodes else [])],
        )
    )


def rows(model: Any) -> np.ndarray:
    """The weights (3, 4), as pictures of one colour show them: logits are log-odds but for a constant of each."""
    images = np.zeros((3, 6, 6, 3), np.float32)
    images[[0, 1, 2], :, :, [0, 1, 2]] = 1
    active = model.activations(images, np.zeros(3, int))
    logits = model._run(images)[1]
    assert close(active.values.mean(axis=(1, 2)), np.eye(3))
    return np.asarray(logits, np.float64)


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_wherever_the_numbers_stand(form: str, constant: bool, tmp_path: Path) -> None:
    model = opened(on_means(*FORMS[form], constant=constant), tmp_path, head="logits")
    assert np.array_equal(rows(model), WEIGHTS)
    expected = WEIGHTS.ravel()[np.random.default_rng(SEED).permutation(12)].reshape(3, 4)
    with model.randomised(SEED):
        assert np.array_equal(rows(model), expected)
    assert np.array_equal(rows(model), WEIGHTS)


@pytest.mark.parametrize("seed", range(5))
def test_numbers_that_say_a_size_are_no_weights(seed: int, tmp_path: Path) -> None:
    """A picture that is enlarged by 2 and 3: with its scales in another order it would have another shape."""
    larger = files.node("Resize", ("x", "", "scales"), ("seen",))
    model = opened(on_means(*FORMS["bytes"], larger), tmp_path, head="logits")
    assert model.grid == (12, 18)
    with model.randomised(seed):
        assert sorted(rows(model).ravel()) == sorted(WEIGHTS.ravel())
        assert not np.array_equal(rows(model), WEIGHTS)
        assert model.activations(np.zeros((1, 6, 6, 3), np.float32), np.array([0])).values.shape == (1, 12, 18, 3)


def test_numbers_of_other_files_are_shuffled(tmp_path: Path) -> None:
    network = Network()
    data = np.ascontiguousarray(network.weights["w"].T).tobytes()
    (tmp_path / "w.bin").write_bytes(data)
    (tmp_path / "one").mkdir()
    model, whole = opened(network.onnx(location="w.bin"), tmp_path), opened(network, tmp_path / "one")
    images = photos(2)
    assert np.array_equal(model.predict(images).log_odds, whole.predict(images).log_odds)
    with model.randomised(SEED):
        assert not close(model.predict(images).log_odds, whole.predict(images).log_odds, 0.01)
    assert (tmp_path / "w.bin").read_bytes() == data


def test_what_only_predicts_is_shuffled_for_maps_made_of_predictions(tmp_path: Path) -> None:
    network = Network(hidden=True)
    model, images = opened(network, tmp_path), photos(2)
    before = model.predict(images).log_odds
    with model.randomised(SEED):
        assert not close(model.predict(images).log_odds, before, 0.01)
    assert np.array_equal(model.predict(images).log_odds, before)


def test_what_has_none_to_shuffle_says_so(tmp_path: Path) -> None:
    means = files.model(
        files.graph(
            files.node("GlobalAveragePool", ("x",), ("p",)),
            files.node("Flatten", ("p",), ("y",)),
            given=files.value("x", ("n", 3, 6, 6)),
            made=files.value("y", ("n", 3)),
        )
    )
    model = opened(means, tmp_path, head="logits")
    with pytest.raises(ModelError, match="holds no weights"), model.randomised(SEED):
        pass
    assert model.predict(photos(2, size=(6, 6))).valid.all()


def test_quantised_weights_stay(tmp_path: Path) -> None:
    model = opened(Network(quantised=True), tmp_path)
    with pytest.raises(ModelError, match="of a quantised ONNX file are frozen"), model.randomised(SEED):
        pass
    assert model.predict(photos(2)).valid.all()
