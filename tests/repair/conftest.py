"""The world of colours, audited and repaired once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from colour_world import TEST, TRAIN, draw, network

import bias_audit
from bias_audit.repair.result import Repair
from bias_audit.run.result import load


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos for test and training, with masks, and a network that follows the background, audited."""
    root = tmp_path_factory.mktemp("world")
    draw(root / "test", root / "test masks", TEST, 1)
    draw(root / "train", root / "train masks", TRAIN, 2)
    (root / "net.onnx").write_bytes(network())
    (root / "honest.onnx").write_bytes(network(red=0.3, blue=0.0))
    for name in ("net", "honest"):
        bias_audit.audit(
            root / f"{name}.onnx", root / "test", masks=root / "test masks", out=root / name, discovery=0, probes=0,
            leakage=0, batch_size=16,
        )  # fmt: skip
    return root


@pytest.fixture(scope="session")
def made(world: Path) -> Repair:
    run = load(world / "net")
    return run.repair(world / "net.onnx", world / "train", world / "train masks", out=world / "repaired.onnx")
