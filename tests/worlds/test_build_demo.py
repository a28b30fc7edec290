"""The demo folder: built once, built again only when it must be, and never over somebody's files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bias_audit.errors import DataError
from bias_audit.planted import demo

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {"size": 48, "train": 4, "test": 2, "epochs": 1, "image_size": 32}.items():
        monkeypatch.setitem(demo.SETTINGS, key, value)


def test_builds_then_reuses_then_rebuilds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    folder = tmp_path / "a demo"
    lines: list[str] = []
    paths = demo.build_demo(folder, lines.append)
    assert paths == demo.DemoPaths(folder / "snow_wolf.keras", folder / "images" / "test", folder / "masks" / "test")
    assert sorted(path.name for path in paths.images.iterdir()) == ["fox", "husky", "wolf"]
    assert len(list(paths.images.rglob("*.jpg"))) == len(list(paths.masks.rglob("*.png"))) == 6
    assert keras.saving.load_model(paths.model).output_shape == (None, 3)
    assert sorted(path.name for path in folder.iterdir()) == [
        "demo.json",
        "images",
        "masks",
        "snow_wolf.keras",
        "truth.csv",
    ]
    assert any("epoch 1 of 1" in line for line in lines)

    stamp = paths.model.stat().st_mtime_ns
    lines.clear()
    assert demo.build_demo(folder, lines.append) == paths
    assert paths.model.stat().st_mtime_ns == stamp
    assert lines == [f"using the demo in {folder}"]

    monkeypatch.setitem(demo.SETTINGS, "test", 1)
    demo.build_demo(folder, lines.append)
    assert paths.model.stat().st_mtime_ns > stamp
    assert len(list(paths.images.rglob("*.jpg"))) == 3, "photos of the earlier demo are gone"


def test_an_interrupted_build_is_not_taken_for_a_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(line: str) -> None:
        if line.startswith("starting TensorFlow"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo.build_demo(tmp_path, interrupted)
    assert json.loads((tmp_path / "demo.json").read_text())["finished"] is False
    paths = demo.build_demo(tmp_path, lambda line: None)
    assert paths.model.is_file()


def test_other_peoples_files_are_left_alone(tmp_path: Path) -> None:
    holiday = tmp_path / "images" / "holiday.jpg"
    holiday.parent.mkdir()
    holiday.write_bytes(b"mine")
    with pytest.raises(DataError, match="is not empty and holds no demo"):
        demo.build_demo(tmp_path, lambda line: None)
    assert holiday.read_bytes() == b"mine"


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("")
    with pytest.raises(DataError, match="is a file, the demo needs a folder"):
        demo.build_demo(tmp_path / "demo", lambda line: None)
