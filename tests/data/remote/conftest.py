"""The same photos in a folder, in memory:// of fsspec and on a server of this machine; a cache of each test's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import fsspec
import numpy as np
import pytest
from file_server import Server

from bias_audit.data.remote import failing
from bias_audit.data.remote.cache import folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """images/ and masks/ with two classes of three photos, and a table beside them."""
    root = tmp_path_factory.mktemp("photos")
    rows = ["image,label,mask"]
    for label, ground in (("blue", (200, 60, 60)), ("green", (60, 200, 60))):
        for number in range(3):
            rng = np.random.default_rng((number, len(label)))
            picture = np.clip(np.full((24, 20, 3), ground) + rng.normal(0, 8, (24, 20, 3)), 0, 255).astype(np.uint8)
            mask = np.zeros((24, 20), np.uint8)
            mask[8:16, 6:14] = 255
            for kind, values in (("images", picture), ("masks", mask)):
                (root / kind / label).mkdir(parents=True, exist_ok=True)
                name = f"{label}/{number} é.png"
                (root / kind / name).write_bytes(cv2.imencode(".png", values)[1].tobytes())
            rows.append(f"images/{name},{label},masks/{name}")
    (root / "photos.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIAS_AUDIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(failing, "WAITS", (0.01, 0.01, 0.01))
    return folder()


@pytest.fixture
def bucket(photos: Path) -> Iterator[Any]:
    """The photos in fsspec's memory:// as memory://bucket."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    for file in photos.rglob("*"):
        if file.is_file():
            system.pipe(f"/bucket/{file.relative_to(photos).as_posix()}", file.read_bytes())
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def server(photos: Path, tmp_path: Path) -> Iterator[Server]:
    shutil.copytree(photos, tmp_path / "served")
    served = Server(tmp_path / "served")
    yield served
    served.close()
