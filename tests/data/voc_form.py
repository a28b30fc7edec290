"""Writes data sets in the form of Pascal VOC, as its development kit describes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SIZE = (40, 60)
"""(H, W) of the pictures."""


def voc_object(name: str, box: Sequence[object], *, difficult: int = 0, more: str = "") -> str:
    """An <object> with the box xmin, ymin, xmax, ymax: pixels in it, counted from 1."""
    corners = "".join(
        f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return (
        f"<object><name>{name}</name><pose>Left</pose><difficult>{difficult}</difficult>"
        f"<bndbox>{corners}</bndbox>{more}</object>"
    )


def write_voc(
    root: Path,
    stem: str,
    objects: Sequence[str],
    *,
    size: tuple[int, int] | None = SIZE,
    photo: str | None = ".png",
    values: np.ndarray | None = None,
    masks: str = "SegmentationObject",
) -> None:
    """Write the XML file, the photo and the mask of one picture.

    Args:
        root: folder of the data set.
        stem: name of the picture up to the suffix.
        objects: its objects, see `voc_object`.
        size: (H, W) that the XML file says; None = it does not say.
        photo: suffix of the photo; None = there is none.
        values: palette indices (H, W) of its mask; None = it has none.
        masks: folder of the mask.
    """
    told = "" if size is None else f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>"
    text = (
        f"<annotation><filename>{stem}{photo}</filename>{told}<segmented>1</segmented>{''.join(objects)}</annotation>"
    )
    note = root / "Annotations" / f"{stem}.xml"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(text)
    if photo is not None:
        file = root / "JPEGImages" / f"{stem}{photo}"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(len(stem)).integers(0, 256, (*SIZE, 3), np.uint8)
        assert cv2.imwrite(str(file), pixels)
    if values is not None:
        file = root / masks / f"{stem}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        palette = Image.fromarray(values.astype(np.uint8), "L")
        palette.putpalette([value for index in range(256) for value in (index, 255 - index, index // 2)])
        palette.save(file)
