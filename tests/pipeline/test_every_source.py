"""The same photos and masks in every form that is read give the same audit: tables, verdict, outcomes.

Left out is what differs by the form alone: the content of pictures and masks where they are coded anew.
"""

from __future__ import annotations

import json
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import fsspec
import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from bias_audit import audit
from bias_audit.run.result import AuditResult

sys.path.append(str(Path(__file__).parents[1] / "data"))
from coco_files import of_masks
from discs import GROUNDS, PHOTOS, QUICK, SIDE, by_ground
from voc_form import voc_object

TOP, LEFT, BOTTOM, RIGHT = 12, 16, 32, 36
"""The object: rows and columns of a rectangle, which boxes, polygons and pictures draw alike."""

CODED_ANEW = ["content", "mask_content", "mask_kind"]


def _pixels(name: str, place: int) -> np.ndarray:
    """(48, 48, 3) RGB: a rectangle on the ground of its class, with noise."""
    ground, colour = GROUNDS[name]
    picture = np.full((SIDE, SIDE, 3), ground, np.float32)
    picture[TOP:BOTTOM, LEFT:RIGHT] = colour
    return (
        (picture + np.random.default_rng((place, len(name))).normal(0, 8, picture.shape)).clip(0, 255).astype(np.uint8)
    )


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1].tobytes()


class World:
    """Photos and masks as a folder, `photos` and `masks`, and as lists in the order of their ids."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.photos, self.masks = folder, folder / "photos", folder / "masks"
        self.ids = [f"{name}/{place:02d}.png" for name in sorted(GROUNDS) for place in range(PHOTOS)]
        self.labels = [each.partition("/")[0] for each in self.ids]
        self.images = [_pixels(name, int(each[-6:-4])) for name, each in zip(self.labels, self.ids, strict=True)]
        self.mask = np.zeros((SIDE, SIDE), np.uint8)
        self.mask[TOP:BOTTOM, LEFT:RIGHT] = 255
        for each, pixels in zip(self.ids, self.images, strict=True):
            self.write(f"photos/{each}", _png(pixels))
            self.write(f"masks/{each}", _png(self.mask))

    def write(self, name: str, data: bytes | str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def bytes_of(self, name: str) -> bytes:
        return (self.photos / name).read_bytes()


Given = tuple[Any, dict[str, Any]]
"""(data, further arguments of `audit`)."""


def folder(world: World) -> Given:
    return world.photos, {"masks": world.masks}


def table(world: World) -> Given:
    rows = (f"{each},{label},../masks/{each}\n" for each, label in zip(world.ids, world.labels, strict=True))
    return world.write("photos/photos.csv", "image,label,mask\n" + "".join(rows)), {"allow_outside": True}


def coco(world: World) -> Given:
    return of_masks(world.photos, world.masks, world.folder / "instances.json"), {"images": world.photos}


def voc(world: World) -> Given:
    for each, label in zip(world.ids, world.labels, strict=True):
        stem = each[:-4]
        world.write(f"voc/JPEGImages/{each}", world.bytes_of(each))
        box = voc_object(label, (LEFT + 1, TOP + 1, RIGHT, BOTTOM))
        size = f"<size><width>{SIDE}</width><height>{SIDE}</height><depth>3</depth></size>"
        world.write(f"voc/Annotations/{stem}.xml", f"<annotation>{size}{box}</annotation>")
        palette = Image.fromarray((world.mask > 0).astype(np.uint8), "L")
        palette.putpalette([0, 0, 0, 128, 0, 0] + [0] * 762)
        (world.folder / "voc/SegmentationObject" / each).parent.mkdir(parents=True, exist_ok=True)
        palette.save(world.folder / "voc/SegmentationObject" / each)
    return world.folder / "voc", {}


def yolo(world: World) -> Given:
    corners = [(LEFT, TOP), (RIGHT, TOP), (RIGHT, BOTTOM), (LEFT, BOTTOM)]
    polygon = " ".join(f"{value / SIDE:.12f}" for corner in corners for value in corner)
    for each, label in zip(world.ids, world.labels, strict=True):
        world.write(f"yolo/images/{each}", world.bytes_of(each))
        world.write(f"yolo/labels/{each[:-4]}.txt", f"{sorted(GROUNDS).index(label)} {polygon}\n")
    data = f"path: images\ntest: .\nnames: {json.dumps(sorted(GROUNDS))}\n"
    return world.write("yolo/data.yaml", data), {}


def image_folder(world: World) -> Given:
    rows = []
    for each, label in zip(world.ids, world.labels, strict=True):
        world.write(f"hub/{each}", world.bytes_of(each))
        world.write(f"hub/masks/{each}", (world.masks / each).read_bytes())
        rows.append(json.dumps({"file_name": each, "label": label, "mask_file_name": f"masks/{each}"}) + "\n")
    world.write("hub/metadata.jsonl", "".join(rows))
    return world.folder / "hub", {}


def parquet_bytes(world: World) -> Given:
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    columns = {
        "image": pyarrow.array([{"bytes": world.bytes_of(each), "path": each} for each in world.ids], kind),
        "mask": pyarrow.array([{"bytes": (world.masks / each).read_bytes(), "path": each} for each in world.ids], kind),
        "label": pyarrow.array(world.labels),
    }
    file = world.folder / "pictures.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), file, row_group_size=7)
    return file, {}


def webdataset(world: World) -> Given:
    file = world.folder / "shard.tar"
    with tarfile.open(file, "w") as packed:
        for each, label in zip(world.ids, world.labels, strict=True):
            world.write(f"parts/{each[:-4]}.cls", label)
            packed.add(world.photos / each, each)
            packed.add(world.folder / f"parts/{each[:-4]}.cls", f"{each[:-4]}.cls")
            packed.add(world.masks / each, f"{each[:-4]}.mask.png")
    return file, {}


def archives(world: World) -> Given:
    for name in ("photos", "masks"):
        with zipfile.ZipFile(world.folder / f"{name}.zip", "w") as packed:
            for each in world.ids:
                packed.write(world.folder / name / each, f"{name}/{each}")
    return world.folder / "photos.zip", {"masks": world.folder / "masks.zip"}


def data_frame(world: World) -> Given:
    paths = [[str(root / each) for each in world.ids] for root in (world.photos, world.masks)]
    return pd.DataFrame({"image": paths[0], "label": world.labels, "mask": paths[1]}), {}


def arrays(world: World) -> Given:
    masks = np.stack([world.mask] * len(world.ids))
    return (np.stack(world.images), world.labels), {"ids": world.ids, "masks": masks}


def bucket(world: World) -> Given:
    memory = fsspec.filesystem("memory")
    for name in ("photos", "masks"):
        for each in world.ids:
            memory.pipe_file(f"/every-source/{name}/{each}", (world.folder / name / each).read_bytes())
    return "memory://every-source/photos", {"masks": "memory://every-source/masks"}


FORMS: dict[str, Callable[[World], Given]] = {
    each.__name__: each
    for each in (
        table, coco, voc, yolo, image_folder, parquet_bytes, webdataset, archives, data_frame, arrays, bucket,
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def audited(given: Given, out: Path) -> AuditResult:
    data, further = given
    return audit(by_ground, data, out=out, **further, **QUICK)


@pytest.fixture(scope="module")
def of_folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    result = audited(folder(world), tmp_path_factory.mktemp("runs") / "folder")
    assert any(each.code == "BA201" and each.level for each in result.outcomes)
    return result


@pytest.mark.parametrize("form", FORMS)
def test_the_form_changes_nothing(
    world: World, of_folder: AuditResult, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIAS_AUDIT_CACHE", str(tmp_path / "cache"))
    found = audited(FORMS[form](world), tmp_path / "run")
    own = found.images[[name for name in of_folder.images.columns if name not in CODED_ANEW]]
    pd.testing.assert_frame_equal(own, of_folder.images.drop(columns=CODED_ANEW))
    pd.testing.assert_frame_equal(found.classes, of_folder.classes)
    assert found.verdict == of_folder.verdict
    assert [(each.code, each.subject, each.level) for each in found.outcomes] == [
        (each.code, each.subject, each.level) for each in of_folder.outcomes
    ]
