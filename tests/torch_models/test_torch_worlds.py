"""A planted world in PyTorch, on the command line: who learned the snow is convicted, the clean twin is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch_networks import trained

import bias_audit
from bias_audit.cli import main
from bias_audit.planted import CLASS_NAMES, write_world

pytestmark = pytest.mark.slow

SIDE = 96

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
    world = write_world(tmp_path / "world", per_class={"train": 100, "test": 40}, planted=planted)
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
    if planted:
        torch.jit.script(net.eval()).save(str(tmp_path / "program.pt"))
        given[1], given[-1] = f"torchscript:{tmp_path / 'program.pt'}", str(tmp_path / "of-program")
        assert main([*given, "--image-size", f"{SIDE}x{SIDE}", "--quiet"]) == 0
        only = bias_audit.load(tmp_path / "of-program")
        assert only.images["probability"].to_numpy() == pytest.approx(made.images["probability"].to_numpy(), abs=1e-5)
        assert {row.subject for row in only.outcomes if row.level == "SUSPICIOUS"} == {"wolf"}
        assert main(["gate", str(tmp_path / "of-program")]) == 1
