"""The same weights as a PyTorch network and as an ONNX file: predictions, maps, and verdicts on a planted world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_export import exported
from test_torch_model import LABELS, NAMES, by_hand, one, opened, photos
from torch_networks import CLASSES, SIZE, convolutions, trained

import bias_audit
from bias_audit.cli import main
from bias_audit.config import AuditConfig
from bias_audit.models.base import Model
from bias_audit.models.doors import load_model
from bias_audit.planted import CLASS_NAMES, write_world

SIDE = 96


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


def test_maps_are_those_of_the_door_of_pytorch(tmp_path: Path) -> None:
    images = photos(4)
    ours = as_onnx(tmp_path).explain(images, LABELS[:4], one("grad_cam"))
    theirs = opened(convolutions()).explain(images, LABELS[:4], one("grad_cam"))
    assert np.allclose(ours.maps, theirs.maps, atol=1e-5 * np.abs(theirs.maps).max())
    assert np.allclose(ours.maps_label, theirs.maps_label, atol=1e-5 * np.abs(theirs.maps_label).max())


@pytest.mark.slow
@pytest.mark.parametrize("planted", [True, False])
def test_the_verdict_is_that_of_the_network(planted: bool, tmp_path: Path) -> None:
    """Who learned the snow is convicted, the clean twin is not, and both doors say the same of every subject."""
    world = write_world(tmp_path / "world", per_class={"train": 100, "test": 40}, planted=planted)
    net = trained(world.images_train, CLASS_NAMES, side=SIDE, epochs=10).eval()
    (tmp_path / "net.onnx").write_bytes(exported(net, (SIDE, SIDE), len(CLASS_NAMES), scale=1 / 127.5, shift=-1.0))
    run = tmp_path / "run"
    given = [str(tmp_path / "net.onnx"), str(world.images_test), "--masks", str(world.masks_test), "--out", str(run)]
    assert main(["audit", *given, "--quiet"]) == 0
    made = bias_audit.load(run)
    assert made.images["background_excess"].notna().all(), "every photo has a heatmap"
    accused = {row.subject for row in made.outcomes if row.level in ("SUSPICIOUS", "HIDDEN", "CONFIRMED")}
    assert ("wolf" in accused, "fox" in accused or "husky" in accused) == (planted, False)
    assert (main(["gate", str(run)]) == 0) is not planted
    same = bias_audit.audit(net, world.images_test, masks=world.masks_test, out=tmp_path / "same")

    def told(outcomes: object) -> set[tuple[str, str, str, str]]:
        return {
            (row.code, row.scope, row.subject, row.level)
            for row in outcomes
            if (row.code, row.subject) != ("BA908", "randomisation")
        }

    assert told(made.outcomes) == told(same.outcomes)
    (shuffled,) = [row for row in made.outcomes if (row.code, row.subject) == ("BA908", "randomisation")]
    assert shuffled.status == "not applicable"
    assert "frozen" in shuffled.sentence
    assert np.allclose(made.images["probability"], same.images["probability"], atol=1e-4)
