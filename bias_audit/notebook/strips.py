"""Strips of a run: a photo, its object on other backgrounds, and what the model says of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bias_audit.checks.levels import class_levels
from bias_audit.checks.outcomes import number
from bias_audit.errors import ResultError
from bias_audit.report.first_screen import leading_class
from bias_audit.report.gallery import ARMS, arrange_pictures
from bias_audit.report.page import read_pictures
from bias_audit.run.quantities import quantity
from bias_audit.run.result import AuditResult

NO_PICTURES = "The run holds no pictures of pasted objects."

EVERYTHING = 10**12
"""Budget of bytes for pictures that are not limited: the run keeps few photos of a class."""


@dataclass(frozen=True)
class Tile:
    """A picture of a strip.

    Attributes:
        jpeg: the picture as base64 of a JPEG.
        text: what it shows: "the photo", "on the background of a husky photo".
        predicted: class that the model says.
        probability: probability of that class, 0..1; None where it was not kept.
        right: whether that is the class of the object; None where the object is not in the picture.
    """

    jpeg: str
    text: str
    predicted: str
    probability: float | None
    right: bool | None

    @property
    def said(self) -> str:
        """What the model says: "husky 93%"."""
        return self.predicted if self.probability is None else f"{self.predicted} {quantity(self.probability, 'share')}"


@dataclass(frozen=True)
class Strip:
    """A photo and its composites, in the order of the experiment.

    Attributes:
        subject: class of the photo.
        image_id: the photo.
        tiles: the photo itself, where the run keeps it, and its composites.
    """

    subject: str
    image_id: str
    tiles: tuple[Tile, ...]


def strips(result: AuditResult, subject: str | None = None) -> list[Strip]:
    """Strips of a class, the photos that another background turns first.

    Args:
        result: a finished run.
        subject: name of the class; None = the class that the first screen of the page is about, else the worst that has
            pictures.

    Returns:
        one strip per photo whose composites the run keeps; [] where it keeps none of the class.

    Raises:
        ResultError: the pictures or the table of the images cannot be read, or the run has no such class.
    """
    names = [str(row["class_name"]) for row in result.class_rows]
    if subject is not None and subject not in names:
        raise ResultError(f"the run has no class {subject!r}", f"Its classes: {', '.join(names[:12])}.")
    pictures = read_pictures(result.path)
    composites = _mapping(pictures.get("composites"))
    if subject is None:
        worst = (leading_class(result), *class_levels(result.found()), *composites)
        subject = next((name for name in worst if composites.get(name)), None)
    rows = composites.get(subject) if subject is not None else None
    if subject is None or not isinstance(rows, list):
        return []
    ids = {str(_mapping(row).get("image_id")) for row in rows}
    photos = {name: value for name, value in _mapping(pictures.get("images")).items() if name in ids}
    kept = {"images": photos, "composites": {subject: rows}}
    chosen = arrange_pictures(result.images, (), (subject,), kept, EVERYTHING)
    jpegs = {picture["key"]: str(picture["jpeg"]) for picture in chosen["pictures"]}
    made = (_strip(subject, photo, jpegs) for photo in chosen["composites"].get(subject, ()))
    return [strip for strip in made if strip.tiles]


def _strip(subject: str, photo: Mapping[str, Any], jpegs: Mapping[str, str]) -> Strip:
    tiles = []
    if (entry := photo["original"]) is not None:
        tiles.append(_tile(entry, jpegs, "the photo", entry["correct"]))
    ordered: Sequence[Mapping[str, Any]] = sorted(photo["tiles"], key=lambda tile: ARMS.index(tile["arm"]))
    tiles += [_tile(tile, jpegs, tile["text"], tile["right"]) for tile in ordered]
    return Strip(subject, str(photo["image_id"]), tuple(tiles))


def _tile(entry: Mapping[str, Any], jpegs: Mapping[str, str], text: str, right: bool | None) -> Tile:
    return Tile(jpegs[entry["key"]], text, str(entry["predicted"]), number(entry["probability"]), right)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
