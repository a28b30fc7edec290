"""The files that the pages take as given: a model, photos with masks, and the same in every form that is read.

Run in the environment that is tried: `python world.py CLONE FOLDER`, where CLONE has a finished demo.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

PER_CLASS = 20
CLASSES = ("fox", "husky", "wolf")

PREDICT = '''
import numpy as np


def predict(images):
    """float32 (N, H, W, 3), 0..255 -> probabilities of fox, husky, wolf: snow is a wolf, what is dark a fox."""
    grey = images[:, -8:].mean(axis=(1, 2, 3))
    scores = np.stack([100 - grey, np.full(len(grey), 10.0), grey - 120], axis=1) / 10
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


predict.input_size = (96, 96, 3)
'''

PREDICT_THERE = """
import csv, sys
import numpy as np
from PIL import Image
from m import predict

folder, out = sys.argv[1:]
rows = list(csv.DictReader(open(f"{folder}/manifest.csv")))
with open(out, "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["image_id", "fox", "husky", "wolf"])
    for row in rows:
        pixels = np.asarray(Image.open(f"{folder}/{row['image_id']}"), np.float32)
        table.writerow([row["image_id"], *map(float, predict(pixels[None])[0])])
"""


def main() -> None:
    clone, folder = Path(sys.argv[1]), Path(sys.argv[2])
    demo = clone / "reports" / "demo"
    shutil.copy(next(demo.glob("*.keras")), folder / "model.keras")
    names: list[str] = []
    for kind, target in (("images", "photos/test"), ("masks", "photos/masks")):
        for name in CLASSES:
            (folder / target / name).mkdir(parents=True)
            for file in sorted((demo / kind / "test" / name).iterdir())[:PER_CLASS]:
                shutil.copy(file, folder / target / name)
                names += [f"{name}/{file.name}"] if kind == "images" else []
    for module in ("m.py", "my_model.py"):
        (folder / module).write_text(PREDICT)
    (folder / "predict_there.py").write_text(PREDICT_THERE)
    photos, masks = folder / "photos" / "test", folder / "photos" / "masks"
    packed(folder, photos, masks)
    boxes = {name: box_of(masks / Path(name).with_suffix(".png")) for name in names}
    hugging_face(folder, photos, names)
    coco(folder, photos, names, boxes)
    voc(folder / "VOCdevkit" / "VOC2012", photos, names, boxes)
    yolo(folder / "yolo", photos, names, boxes)
    scans(folder / "scans", photos, names)


def box_of(mask: Path) -> tuple[int, int, int, int]:
    """x, y, width, height of the object."""
    x, y, width, height = cv2.boundingRect(cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE))
    return int(x), int(y), int(width), int(height)


def packed(folder: Path, photos: Path, masks: Path) -> None:
    """photos.zip, masks.zip, masks.tar, and shards/ of WebDataset."""
    for name, source in (("photos", photos), ("masks", masks)):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for file in sorted(source.rglob("*.*")):
                archive.write(file, file.relative_to(source).as_posix())
    with tarfile.open(folder / "masks.tar", "w") as archive:
        for file in sorted(masks.rglob("*.png")):
            archive.add(file, file.relative_to(masks).as_posix())
    (folder / "shards").mkdir()
    with tarfile.open(folder / "shards" / "test-000000.tar", "w") as shard:
        for file in sorted(photos.rglob("*.jpg")):
            stem = file.relative_to(photos).with_suffix("").as_posix()
            mask = (masks / f"{stem}.png").read_bytes()
            members = {".jpg": file.read_bytes(), ".cls": file.parent.name.encode(), ".mask.png": mask}
            for suffix, content in members.items():
                entry = tarfile.TarInfo(stem + suffix)
                entry.size = len(content)
                shard.addfile(entry, io.BytesIO(content))


def hugging_face(folder: Path, photos: Path, names: list[str]) -> None:
    """hf/, an image folder, and hub/, a Parquet file with the bytes of pictures."""
    shutil.copytree(photos, folder / "hf")
    with open(folder / "hf" / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "label"])
        table.writerows([name, name.partition("/")[0]] for name in names)
    (folder / "hub").mkdir()
    pictures = [{"bytes": (photos / name).read_bytes(), "path": name} for name in names]
    columns = {"image": pictures, "label": [name.partition("/")[0] for name in names]}
    pq.write_table(pa.table(columns), folder / "hub" / "test-00000-of-00001.parquet")


Boxes = dict[str, tuple[int, int, int, int]]


def coco(folder: Path, photos: Path, names: list[str], boxes: Boxes) -> None:
    """annotations/instances.json; its photos lie in photos/, under test/."""
    images, objects = [], []
    for number, name in enumerate(names, 1):
        height, width = cv2.imread(str(photos / name)).shape[:2]
        images.append({"id": number, "file_name": f"test/{name}", "height": height, "width": width})
        x, y, w, h = boxes[name]
        label = CLASSES.index(name.partition("/")[0]) + 1
        objects.append({"id": number, "image_id": number, "category_id": label, "bbox": [x, y, w, h], "area": w * h})
        objects[-1] |= {"iscrowd": 0}
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    (folder / "annotations").mkdir()
    content = {"images": images, "annotations": objects, "categories": categories}
    (folder / "annotations" / "instances.json").write_text(json.dumps(content))


def voc(folder: Path, photos: Path, names: list[str], boxes: Boxes) -> None:
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    for name in names:
        label, _, file = name.partition("/")
        shutil.copy(photos / name, folder / "JPEGImages")
        height, width = cv2.imread(str(photos / name)).shape[:2]
        x, y, w, h = boxes[name]
        box = f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
        (folder / "Annotations" / f"{Path(file).stem}.xml").write_text(
            f"<annotation><filename>{file}</filename><size><width>{width}</width><height>{height}</height>"
            f"<depth>3</depth></size><object><name>{label}</name><bndbox>{box}</bndbox></object></annotation>"
        )
    stems = "\n".join(Path(name).stem for name in names)
    (folder / "ImageSets" / "Main" / "val.txt").write_text(f"{stems}\n")


def yolo(folder: Path, photos: Path, names: list[str], boxes: Boxes) -> None:
    for part in ("images/val", "labels/val"):
        (folder / part).mkdir(parents=True)
    (folder / "data.yaml").write_text(f"path: .\nval: images/val\nnames: [{', '.join(CLASSES)}]\n")
    for name in names:
        label, _, file = name.partition("/")
        shutil.copy(photos / name, folder / "images" / "val")
        height, width = cv2.imread(str(photos / name)).shape[:2]
        x, y, w, h = boxes[name]
        line = (CLASSES.index(label), (x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
        (folder / "labels" / "val" / f"{Path(file).stem}.txt").write_text(" ".join(map(str, line)) + "\n")


def scans(folder: Path, photos: Path, names: list[str]) -> None:
    """Grey PNG files of 12 of 16 bits."""
    for name in names:
        target = folder / Path(name).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        grey = np.asarray(Image.open(photos / name).convert("L"), np.uint16)
        cv2.imwrite(str(target), (grey.astype(np.float64) * 4095 / 255).astype(np.uint16))


if __name__ == "__main__":
    main()
