"""The same weights as a PyTorch network and as an ONNX file: predictions and maps; verdicts: test_torch_worlds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_export import exported
from test_torch_model import LABELS, NAMES, by_hand, one, opened, photos
from torch_networks import CLASSES, SIZE, convolutions

from bias_audit.config import AuditConfig
from bias_audit.models.base import Model
from bias_audit.models.doors import load_model


def as_onnx(folder: Path) -> Model:
    net = convolutions().eval()
    (folder / "net.onnx").write_bytes(exported(net, SIZE, CLASSES))
    return load_model(folder / "net.onnx", AuditConfig(batch_size=4), NAMES)


def test_predictions_are_those_of_the_network(tmp_path: Path) -> None:
    images = photos(7)
    ours, theirs = as_onnx(tmp_path).predict(images), opened(convolutions()).predict(images)
    assert np.allclose(ours.probabilities, theirs.probabilities, atol=1e-5)
    assert np.allclose(ours.log_odds, theirs.log_odds, rtol=1e-5, atol=1e-5)


def test_maps_are_those_of_plain_autograd(tmp_path: Path) -> None:
    images = photos(4)
    model = as_onnx(tmp_path)
    made, seen = model.explain(images, LABELS[:4], one("hires_cam")), model.activations(images, LABELS[:4])
    whole = convolutions().eval()
    for i, label in enumerate(LABELS[:4]):
        values, gradients = by_hand(whole[:6], whole[6:], images[i], int(label))
        assert np.allclose(seen.values[i], values, atol=1e-5 * np.abs(values).max())
        assert np.allclose(seen.gradients_label[i], gradients, atol=1e-5 * np.abs(gradients).max())
        expected = (values * gradients).sum(axis=2)
        assert np.allclose(made.maps_label[i], expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("written_out", [False, True])
def test_a_normalisation_behind_the_pooling_is_explained_as_autograd_does(written_out: bool, tmp_path: Path) -> None:
    images = photos(4)
    whole = convolutions(normed=True).eval()
    (tmp_path / "net.onnx").write_bytes(exported(whole, SIZE, CLASSES, written_out=written_out))
    model = load_model(tmp_path / "net.onnx", AuditConfig(batch_size=4), NAMES)
    assert model.differentiable, model.notes
    assert np.allclose(model.predict(images).log_odds, opened(whole).predict(images).log_odds, rtol=1e-5, atol=1e-5)
    made, seen = model.explain(images, LABELS[:4], one("hires_cam")), model.activations(images, LABELS[:4])
    for i, label in enumerate(LABELS[:4]):
        values, gradients = by_hand(whole[:6], whole[6:], images[i], int(label))
        assert np.allclose(seen.gradients_label[i], gradients, atol=1e-5 * np.abs(gradients).max())
        expected = (values * gradients).sum(axis=2)
        assert np.allclose(made.maps_label[i], expected, atol=1e-5 * np.abs(expected).max())


def test_maps_are_those_of_the_door_of_pytorch(tmp_path: Path) -> None:
    images = photos(4)
    ours = as_onnx(tmp_path).explain(images, LABELS[:4], one("grad_cam"))
    theirs = opened(convolutions()).explain(images, LABELS[:4], one("grad_cam"))
    assert np.allclose(ours.maps, theirs.maps, atol=1e-5 * np.abs(theirs.maps).max())
    assert np.allclose(ours.maps_label, theirs.maps_label, atol=1e-5 * np.abs(theirs.maps_label).max())
