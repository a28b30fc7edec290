"""COCO files: damaged, contradicting themselves, or asking for much with little."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .changing import as_json, changed_bytes, changed_text, changed_value, deep
from .pictures import base_pictures
from .trying import HARMLESS, WRONG, Attempt, Kind, in_child, sentence

HEIGHT, WIDTH = 20, 24


def content() -> dict[str, Any]:
    """Three photos, one of which is missing, with polygons, run lengths of both kinds, a box and a crowd region."""
    outline = [[2.5, 2, 20, 3.25, 18, 17, 4, 15]]
    counts = [50, 6, 14, 6, HEIGHT * WIDTH - 76]
    about = ((1, 1, 5, outline), (2, 1, 9, {"size": [HEIGHT, WIDTH], "counts": counts}), (3, 2, 9, outline * 2))
    annotations: list[dict[str, Any]] = [
        {"id": number, "image_id": of, "category_id": kind, "segmentation": shape, "area": 99.5, "iscrowd": 0}
        for number, of, kind, shape in about
    ]
    packed = {"size": [HEIGHT, WIDTH], "counts": "b16>0V<"}  # 50, 6, 14, 6, 404
    annotations.append({**annotations[1], "id": 4, "image_id": 2, "segmentation": packed, "iscrowd": 1})
    annotations.append({**annotations[0], "id": 5, "image_id": 3, "segmentation": [], "bbox": [3, 4, 9.5, 10]})
    names = ("rgb.png", "rgb.jpg", "gone.png")
    images = [{"id": 1 + at, "file_name": name, "height": HEIGHT, "width": WIDTH} for at, name in enumerate(names)]
    categories = [{"id": 5, "name": "dog"}, {"id": 9, "name": "cat"}]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def coco_bytes(attempt: Attempt) -> str:
    """A COCO file with one to three changes of its text or bytes."""
    rng = attempt.rng
    data, done = as_json(content()), []
    for _ in range(rng.choice((1, 1, 2, 3))):
        if rng.random() < 0.5:
            text, said = changed_text(data.decode("utf-8", "surrogateescape"), rng)
            data = text.encode("utf-8", "surrogateescape")
        else:
            data, said = changed_bytes(data, rng)
        done.append(said)
    attempt.what = "; ".join(done)
    return _read(attempt, data)


def coco_values(attempt: Attempt) -> str:
    """A COCO file with one to three changed values, anywhere or in what shapes are made of."""
    rng = attempt.rng
    changed = content()
    done = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        where = changed if rng.random() < 0.5 else changed.get("annotations")
        try:
            done.append(changed_value(where, rng))
        except (IndexError, TypeError):  # nothing is left to change
            break
    attempt.what = "; ".join(done)
    return _read(attempt, as_json(changed))


def coco_bombs(attempt: Attempt) -> str:
    """A small COCO file that asks for very much memory or time."""
    rng = attempt.rng
    changed = content()
    first = changed["annotations"][0]
    side = rng.choice((65_535, 10**6, 10**9, 2**31, 2**62))
    how = rng.choice(
        ("run lengths", "picture", "both", "zigzag", "points", "annotations", "deep", "text", "everywhere")
    )
    attempt.what = f"{how} {side}"
    data = None
    if how in ("run lengths", "both"):
        counts = rng.choice(([side * side], "o" * 50_000 + "0", "o0" * 200_000, [1] * 500_000, [0, side * side]))
        first["segmentation"] = {"size": [side, side], "counts": counts}
    if how in ("picture", "both"):
        for each in changed["images"]:
            each["height"] = each["width"] = side
    if how == "zigzag":
        first["segmentation"] = [[0, 0, 1e6, rng.choice((0, 1e6))] * 50_000] * rng.choice((1, 20))
    if how == "points":
        first["segmentation"] = [[number % 7 for number in range(2_200_000)]]
    if how == "annotations":
        changed["annotations"] = [{**first, "id": number} for number in range(20_000)]
    if how == "everywhere":
        first["segmentation"] = [[0, 0, 24, 0, 24, 20, 0, 20]] * 50_000
    if how == "deep":
        text, _ = deep(rng)
        data = b'{"images": [' + text.encode()
    if how == "text":
        data = b'{"images": ["' + b"x" * 60_000_000
    return in_child(lambda: _read(attempt, as_json(changed) if data is None else data), 60)


def _read(attempt: Attempt, data: bytes) -> str:
    """List the samples as an audit does and load each: rows or a sentence, masks that fit, no photo from outside."""
    from bias_audit.data.batches import Geometry, load
    from bias_audit.data.crops import Crop
    from bias_audit.data.masks import MaskReading
    from bias_audit.data.sources import open_dataset
    from bias_audit.data.sources.options import SourceOptions

    rng = attempt.rng
    for name in ("rgb.png", "rgb.jpg"):
        (attempt.folder / name).write_bytes((attempt.world / name).read_bytes())
    (attempt.folder / "i.json").write_bytes(data)
    options = SourceOptions(objects=rng.choice(("photo", "each")), object_size=2)
    names = rng.choice((None, ("dog", "cat"), ("cat", "fox")))
    found: list[Any] = []
    answer = sentence(lambda: found.append(open_dataset(attempt.folder / "i.json", names, options)))
    if answer != HARMLESS:
        return answer
    dataset = found[0]
    dataset.fingerprint()
    ids = [sample.image_id for sample in dataset.samples]
    if len(set(ids)) != len(ids) or not all(dataset.left_out.values()):
        attempt.bad(WRONG, f"ids {ids[:5]}, left out {dict(dataset.left_out)}")
    geometry = Geometry((8, 8), 3, "stretch", "nearest", MaskReading())
    for sample in dataset.samples[:50]:
        photo = sample.path.photo if isinstance(sample.path, Crop) else sample.path
        if not photo.resolve().is_relative_to(attempt.folder.resolve()):
            attempt.bad(WRONG, f"{photo} lies outside of the folder")
        loaded = load(sample, geometry)
        if loaded.status != "ok" and (not loaded.reason or "\n" in loaded.reason):
            attempt.bad(WRONG, f"status {loaded.status!r}, reason {loaded.reason!r}")
        if loaded.mask is not None and (loaded.mask.shape != (8, 8) or loaded.mask.max() > 2):
            attempt.bad(WRONG, "the mask's shape or values")
        if sample.mask is not None:
            mask, status = sample.mask.draw((HEIGHT, WIDTH))
            if mask is not None and (mask.shape != (HEIGHT, WIDTH) or mask.dtype != np.uint8 or status != "ok"):
                attempt.bad(WRONG, f"a mask of {mask.shape}, {status}")
    return HARMLESS


def prepare(world: Path) -> None:
    """The photos, and what a file without a change holds."""
    pictures = base_pictures()
    for name in ("rgb.png", "rgb.jpg"):
        (world / name).write_bytes(pictures[name])
    (world / "content.json").write_text(json.dumps(content()))


KINDS = {
    "COCO: text and bytes": Kind(coco_bytes, prepare, 20, 25),
    "COCO: values": Kind(coco_values, prepare, 30, 40),
    "COCO: bombs": Kind(coco_bombs, prepare, 2, 2, seconds=60),
}
