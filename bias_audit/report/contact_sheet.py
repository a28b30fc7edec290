"""Writes a page that shows pictures of each class with their masks drawn in: no model, one file, no network."""

from __future__ import annotations

import base64
import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import bias_audit
from bias_audit.data.batches import Geometry, load
from bias_audit.data.dataset import Dataset
from bias_audit.data.masks import FOREGROUND, VOID
from bias_audit.data.sampling import rank
from bias_audit.data.seen import Copy, Seen
from bias_audit.errors import ConfigError
from bias_audit.interventions.donors import MAX_AREA, MIN_AREA
from bias_audit.report.pictures import encode_jpeg
from bias_audit.report.rendering import render_static
from bias_audit.run.atomic import write_atomically
from bias_audit.run.progress import Progress
from bias_audit.run.quantities import quantity
from bias_audit.run.statuses import NO_MASK, OK

SIDE = 180
"""Longest side of a picture on the page, in pixels."""

OF_A_CLASS, IN_ALL = 12, 480
"""Most pictures of a class, and of all classes together: a page of 5 MB."""

DOUBTFUL, CONTRADICTIONS = 24, 8
"""Most pictures whose mask is to be looked at, and most pairs of copies with different labels."""

OUTLINE, EDGE, TINT = (255, 176, 0), (16, 18, 22), (148, 64, 255)
"""Colours of an object's outline, of the line around it, and of pixels that are neither object nor background."""

Told = tuple[str, Sequence[str], Mapping[str, str]]
"""(headline, remarks, class name -> what an audit could find in it)."""


def check_name(file: Path) -> None:
    """Refuse a name that is no page's, before pictures are read.

    Raises:
        ConfigError: it does not end in .html.
    """
    if file.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out names a page, so {str(file)!r} must end in .html")


def write_contact_sheet(
    file: Path,
    told: Told,
    dataset: Dataset,
    seen: Sequence[Seen],
    copies: Sequence[Copy],
    geometry: Geometry,
    seed: int,
    progress: Progress,
) -> None:
    """Write the page: masks to look at, contradicting copies, and a row of pictures of each class.

    Args:
        file: the page; one that is there is replaced.
        told: what is said of the data.
        dataset: all samples.
        seen: what was seen of each, in the same order.
        copies: copies among them, those with different labels first.
        geometry: how pictures and masks are read.
        seed: seed of the choice of pictures.
        progress: display of the progress.

    Raises:
        ResultError: the page cannot be written.
    """
    headline, remarks, lines = told
    rows = _rows(dataset, seen, copies, lines, seed)
    wanted = list(dict.fromkeys(position for row in rows for position in row["positions"]))
    with progress.stage("Drawing pictures", len(wanted), "images") as advance:

        def drawn(position: int) -> dict[str, Any]:
            made = _picture(dataset, seen[position], position, geometry)
            advance(1)
            return made

        with ThreadPoolExecutor(2, "draw") as pool:
            pictures = dict(zip(wanted, pool.map(drawn, wanted), strict=True))
    values = {
        "version": bias_audit.__version__,
        "headline": headline,
        "remarks": remarks,
        "rows": [{**row, "pictures": [pictures[position] for position in row["positions"]]} for row in rows],
        "more": max(0, len(lines) - IN_ALL),
    }
    page = render_static("contact_sheet.html", values, ("page.css", "contact_sheet.css"))
    write_atomically(file, page, "Choose another place with --out.")


def _rows(
    dataset: Dataset, seen: Sequence[Seen], copies: Sequence[Copy], lines: Mapping[str, str], seed: int
) -> list[dict[str, Any]]:
    """Rows of pictures, as {title, about, positions, mixed}; mixed = they are of several classes."""
    order = sorted(range(len(seen)), key=lambda position: rank(seed, dataset.samples[position].image_id))
    doubtful = [position for position in order if _doubt(seen[position])]
    rows = []
    if doubtful:
        about = f"{len(doubtful):,}: they cannot be used, or the object is tiny or fills the picture"
        rows.append({"title": "Masks to look at", "about": about, "positions": doubtful[:DOUBTFUL], "mixed": True})
    places = {sample.image_id: position for position, sample in enumerate(dataset.samples)}
    other = [copy for copy in copies if copy.contradicts]
    if other:
        pairs = [places[name] for copy in other[:CONTRADICTIONS] for name in (copy.first, copy.second)]
        about = f"{len(other):,}: one label of each pair is wrong"
        rows.append({"title": "Copies with different labels", "about": about, "positions": pairs, "mixed": True})
    of: defaultdict[int, list[int]] = defaultdict(list)
    each = max(1, min(OF_A_CLASS, IN_ALL // max(1, len(lines))))
    for position in order:
        label = dataset.samples[position].label
        if seen[position].status == OK and len(of[label]) < each:
            of[label].append(position)
    shown = [label for label, name in enumerate(dataset.class_names) if name in lines][:IN_ALL]
    for label in shown:
        name = dataset.class_names[label]
        rows.append({"title": name, "about": lines[name], "positions": of[label], "mixed": False})
    return rows


def _doubt(seen: Seen) -> str:
    """What is wrong with a mask, in words; "" where nothing is, or there is none."""
    if seen.status != OK or seen.mask_status == NO_MASK:
        return ""
    if seen.mask_status != OK:
        return seen.mask_status
    area = seen.area or 0.0
    return "object is tiny" if area < MIN_AREA else "object fills the picture" if area > MAX_AREA else ""


def _picture(dataset: Dataset, seen: Seen, position: int, geometry: Geometry) -> dict[str, Any]:
    """A picture of the page, as {name, note, src, width, height}; src is "" where it cannot be read."""
    sample = dataset.samples[position]
    kind = "box" if seen.mask_kind == "box" else "object"
    area = "" if seen.area is None else f"{kind}: {quantity(seen.area, 'share')}"
    note = _doubt(seen) or area or seen.mask_status or seen.reason
    made = {"name": sample.image_id, "label": dataset.class_names[sample.label], "note": note, "doubt": _doubt(seen)}
    height, width = seen.shape or (0, 0)
    scale = SIDE / max(height, width, 1)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = dataclasses.replace(geometry, size=size, resize="stretch", interpolation="area", contents=None)
    loaded = load(sample, small) if seen.status == OK else None
    if loaded is None or loaded.pixels is None or loaded.mask is None:
        return {**made, "src": "", "width": SIDE, "height": SIDE}
    jpeg = encode_jpeg(draw_mask(loaded.pixels, loaded.mask), 80)
    src = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return {**made, "src": src, "width": size[1], "height": size[0]}


def draw_mask(pixels: NDArray[np.float32], mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture with the outline of its object, and void pixels tinted.

    Args:
        pixels: (H, W, 3) in [0, 255].
        mask: (H, W) of BACKGROUND, FOREGROUND and VOID.

    Returns:
        (H, W, 3): the outermost pixels of the object in OUTLINE, those around them in EDGE.
    """
    drawn = pixels.copy()
    void = mask == VOID
    drawn[void] = 0.4 * drawn[void] + 0.6 * np.array(TINT, np.float32)
    inside = np.pad((mask == FOREGROUND).astype(np.uint8), 1)  # an object ends where the picture does
    kernel = np.ones((3, 3), np.uint8)
    within, around = (change(inside, kernel)[1:-1, 1:-1] for change in (cv2.erode, cv2.dilate))
    inside = inside[1:-1, 1:-1]
    drawn[(around > 0) & (inside == 0)] = EDGE
    drawn[(inside > 0) & (within == 0)] = OUTLINE
    return drawn
