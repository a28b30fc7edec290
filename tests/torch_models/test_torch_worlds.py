"""A planted world in PyTorch, as ONNX and as a program: who learned the snow is convicted, the clean twin is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_export import exported
from torch_networks import trained

import bias_audit
from bias_audit.cli import main
from bias_audit.planted import CLASS_NAMES, write_world
from bias_audit.run.result import AuditResult

pytestmark = pytest.mark.slow

SIDE = 64

MODULE = """
import torch
from torch_networks import Trained

def {name}():
    net = Trained({side}, {classes})
    net.load_state_dict(torch.load({weights!r}, weights_only=True))
    return net
"""


@pytest.mark.parametrize("planted", [True, False])
def test_the_snow_convicts_the_wolf_and_nobody_where_it_says_nothing(
    planted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = write_world(tmp_path / "world", per_class={"train": 100, "test": 24}, size=SIDE, planted=planted)
    net = trained(world.images_train, CLASS_NAMES, side=SIDE, epochs=10)
    name = f"snow_{planted}".lower()
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    text = MODULE.format(name=name, side=SIDE, classes=len(CLASS_NAMES), weights=str(tmp_path / "weights.pth"))
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    run = tmp_path / "run"
    given = ["audit", f"{name}:{name}", str(world.images_test), "--masks", str(world.masks_test), "--out", str(run)]
    assert main([*given, "--quiet"]) == 0
    made = bias_audit.load(run)
    assert made.classes["accuracy"].min() > 0.8
    assert made.images["background_excess"].notna().all(), "every photo has a heatmap"
    accused = {row.subject for row in made.outcomes if row.level in ("SUSPICIOUS", "HIDDEN", "CONFIRMED")}
    assert ("wolf" in accused, "fox" in accused or "husky" in accused) == (planted, False)
    assert (main(["gate", str(run)]) == 0) is not planted
    as_onnx, given = tmp_path / "net.onnx", [*given[2:-1], str(tmp_path / "other")]
    as_onnx.write_bytes(exported(net.eval(), (SIDE, SIDE), len(CLASS_NAMES), scale=1 / 127.5, shift=-1.0))
    assert main(["audit", str(as_onnx), *given, "--quiet"]) == 0
    _same_verdict(bias_audit.load(tmp_path / "other"), made)
    assert (main(["gate", str(tmp_path / "other")]) == 0) is not planted
    if planted:
        torch.jit.script(net).save(str(tmp_path / "program.pt"))
        given[-1] = str(tmp_path / "of-program")
        size = ["--image-size", f"{SIDE}x{SIDE}", "--quiet"]
        quick = ["--discovery", "0", "--probes", "0", "--leakage", "0"]
        assert main(["audit", f"torchscript:{tmp_path / 'program.pt'}", *given, *size, *quick]) == 0
        only = bias_audit.load(tmp_path / "of-program")
        assert only.images["probability"].to_numpy() == pytest.approx(made.images["probability"].to_numpy(), abs=1e-5)
        assert {row.subject for row in only.outcomes if row.level == "SUSPICIOUS"} == {"wolf"}
        assert main(["gate", str(tmp_path / "of-program")]) == 1


def _same_verdict(of_onnx: AuditResult, of_torch: AuditResult) -> None:
    """Every rule says the same of every subject; weights are shuffled in another order, to the same effect."""
    told, expected = (
        {(row.code, row.scope, row.subject, row.level, row.status) for row in each.outcomes}
        for each in (of_onnx, of_torch)
    )
    assert told == expected
    shuffled = [row for row in of_onnx.outcomes if (row.code, row.subject) == ("BA908", "randomisation")]
    assert [row.status for row in shuffled] == ["passed"]
    assert of_onnx.images["background_excess"].notna().all()
    assert np.allclose(of_onnx.images["probability"], of_torch.images["probability"], atol=1e-4)
