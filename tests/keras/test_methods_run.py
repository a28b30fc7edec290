"""`method = "auto"` through a whole audit: chosen once, recorded, and taken up again by a resumed run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from networks import SIZE, layers
from PIL import Image

from bias_audit.errors import ConfigError
from bias_audit.heatmaps import attention, faithfulness
from bias_audit.pipeline.audit import audit
from bias_audit.pipeline.prepare import CHOICE
from bias_audit.run.progress import Progress


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        (folder / name).mkdir()
        for i in range(3):
            Image.fromarray(rng.integers(0, 255, SIZE, np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SIZE)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="fine")(inputs)
    x = layers.Conv2D(5, 3, strides=2, padding="same", activation="relu", name="coarse")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Flatten()(x)), name="net")


def audited(model: Any, photos: Path, out: Path, **options: Any) -> Any:
    return audit(
        model, photos, out=out, preprocess="signed", batch_size=8, interventions=0, discovery=0, probes=0, leakage=0,
        **{"method": "auto", **options},
    )  # fmt: skip


def test_auto_is_recorded(model: Any, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info = audited(model, photos, tmp_path / "run", progress=Progress(2)).info
    choice = json.loads((tmp_path / "run" / CHOICE).read_text())
    assert (info.method, info.layer) == (choice["method"], choice["layer"])
    assert info.config["method"] == "auto"
    assert choice["images"] == 9
    assert {row["layer"] for row in choice["table"]} == {"fine", "coarse", ""}
    assert any(note.startswith("Method and layer were chosen on 9 images") for note in info.notes)
    shown = capsys.readouterr().err
    assert f"explained by {info.method} at {info.layer}" in shown
    assert f"  {faithfulness.RANDOM}" in shown


def test_a_resumed_run_keeps_the_choice(
    model: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(faithfulness, "CANDIDATES", ("hires_cam",))  # what is chosen is exchanged below
        patch.setattr(attention, "attend", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            audited(model, photos, tmp_path / "run")
    stored = tmp_path / "run" / CHOICE
    choice = json.loads(stored.read_text())
    choice["method"], choice["layer"] = "xgrad_cam", "fine"  # what this run would hardly choose by itself
    stored.write_text(json.dumps(choice))
    monkeypatch.setattr(faithfulness, "most_faithful", None)
    info = audited(model, photos, tmp_path / "run", resume=True).info
    assert (info.method, info.layer, info.grid) == ("xgrad_cam", "fine", (12, 16))


def test_pixel_methods_give_an_audit_of_their_own_grid(model: Any, photos: Path, tmp_path: Path) -> None:
    info = audited(model, photos, tmp_path / "run", method="occlusion").info
    assert (info.method, info.grid) == ("occlusion", (12, 14))
    shard = np.load(tmp_path / "run" / "shards" / "maps-00000.npz")
    assert shard["maps"].shape == (9, 12, 14)


def test_several_layers_and_the_default(model: Any, photos: Path, tmp_path: Path) -> None:
    info = audited(model, photos, tmp_path / "run", method="default", layer="fine,coarse").info
    assert (info.method, info.layer) == ("layer_cam", "fine,coarse")
    assert "Several layers are explained: their maps are fused as LayerCAM does." in info.notes
    with pytest.raises(ConfigError, match="names several"):
        audited(model, photos, tmp_path / "other", method="hires_cam", layer="fine,coarse")
    assert not (tmp_path / "other").exists()
