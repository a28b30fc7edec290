"""Makes training images that show the objects of a biased class on other backgrounds, from the photos of the run.

Objects of the class are pasted onto other classes' backgrounds, and equally many objects of the other classes onto its
backgrounds. If only one class were pasted, a model could learn the seam instead.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_audit.errors import DataError
from bias_audit.run.atomic import write_atomically
from bias_audit.run.csv_text import csv_of_records
from bias_audit.run.progress import Progress
from bias_audit.run.result import AuditResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUALITY = 95
MOST_PHOTOS = 500
"""Most photos per class whose objects are pasted."""

_HINT = "Free space or choose another folder."
_COLUMNS = ("image", "label", "object_from", "background_from", "background_label")
_ABOUT = """Photos of {classes} on other classes' backgrounds, and other classes on theirs.
labels.csv says of what each was made. {size[0]} x {size[1]} pixels, as the model of the run sees them.

They are made of the photos that were audited. If those are your test set, a model trained on these images must not be
tested on them any more: make the images from an audit of training photos instead, or collect a new test set.
"""


def write_swapped(
    result: AuditResult, folder: Path, classes: Sequence[str], progress: Progress, *, outside: bool = False
) -> list[str]:
    """Write training images in a folder per class, as `image_dataset_from_directory` reads them.

    labels.csv says what each image is made of, README.txt what the images must not be used for.

    Args:
        result: the run. Only photos with masks are used: a box or an estimate would carry surroundings along.
        folder: created when there is something to write.
        classes: names of the classes to paste onto other backgrounds.
        progress: counts the images.
        outside: allow a table of the run to name files outside its folder.

    Returns:
        sentences that say what was written, or why nothing was; [] without classes.

    Raises:
        ResultError: a file cannot be written, or a table of the run is damaged.
    """
    if not classes:
        return []
    from bias_audit.models.decoding import geometry_of
    from bias_audit.pipeline.reopen import config_of, dataset_of

    kinds = result.images["mask_kind"]
    if not (kinds == "mask").any():
        return ["No training images: the photos of this run have no masks."]
    # TensorFlow's decoder differs by a few grey levels, which is not worth loading TensorFlow.
    config = dataclasses.replace(config_of(result.info), decoder="pillow")
    try:
        dataset = dataset_of(result, outside=outside)
    except DataError as error:
        return [f"No training images: {error.message}. {error.hint}".rstrip()]
    from bias_audit.data.batches import load
    from bias_audit.interventions import donors
    from bias_audit.interventions.edits import background_only, paste
    from bias_audit.report.pictures import encode_jpeg

    geometry = geometry_of(config, result.info.input_size)
    areas = {
        place: float(area)
        for place, (area, kind) in enumerate(zip(result.images["foreground_area"], kinds, strict=True))
        if kind == "mask"
    }
    plan = donors.plan(
        dataset, areas, photos=MOST_PHOTOS, donors=config.donors, seed=config.seed, groups=_groups(result)
    )
    pairs = list(_pairs(dataset, plan, classes, config.donors, config.seed))
    if not pairs:
        return ["No training images: too few photos of these classes have a usable mask."]
    folders = _folders(dataset.class_names)
    rows: list[dict[str, Any]] = []

    @lru_cache(maxsize=64)
    def emptied(place: int) -> NDArray[np.float32] | None:
        loaded = load(dataset.samples[place], geometry)
        return None if loaded.pixels is None or loaded.mask is None else background_only(loaded.pixels, loaded.mask)

    with progress.stage("Training images", len(pairs), "images") as advance:
        for number, (place, donor) in enumerate(pairs):
            background, loaded = emptied(donor), load(dataset.samples[place], geometry)
            advance(1)
            if background is None or loaded.pixels is None or loaded.mask is None:
                continue
            label = dataset.class_names[dataset.samples[place].label]
            name = f"{folders[label]}/{number:06d}.jpg"
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, encode_jpeg(paste(loaded.pixels, loaded.mask, background), QUALITY), _HINT)
            lender = dataset.samples[donor]
            made_of = dataset.samples[place].image_id, lender.image_id, dataset.class_names[lender.label]
            rows.append(dict(zip(_COLUMNS, (name, label, *made_of), strict=True)))
    write_atomically(folder / "labels.csv", _csv(rows), _HINT)
    about = _ABOUT.format(classes=", ".join(classes), size=geometry.size)
    write_atomically(folder / "README.txt", about.encode("utf-8", "backslashreplace"), _HINT)
    return [f"{folder}: {len(rows)} training images; do not test on the photos that they are made of (README.txt)"]


def _pairs(dataset: Any, plan: Any, classes: Sequence[str], count: int, seed: int) -> Iterator[tuple[int, int]]:
    """Pairs of positions (photo of the object, photo of the background) to be pasted.

    For each class: its objects on backgrounds of other classes, then equally many objects of other classes on its
    backgrounds.
    """
    from bias_audit.interventions.donors import choose_donors, stream

    made: set[tuple[int, int]] = set()
    for name in classes:
        label = dataset.class_names.index(name)
        own = [
            (place, donor)
            for place in plan.photos.get(label, ())
            for donor in choose_donors(
                plan.donors, label, place, dataset.samples[place].image_id, count, seed, plan.groups
            )[1]
        ]
        guests = [place for other, places in plan.photos.items() if other != label for place in places]
        order = stream(seed, name, "guests").permutation(len(guests))
        lent = plan.donors.get(label, ())
        back = [
            (guests[order[i % len(guests)]], lent[(i + i // max(len(guests), 1)) % len(lent)])
            for i in range(len(own) if guests and lent else 0)
        ]
        for pair in dict.fromkeys([*own, *back]):
            groups = [plan.groups.get(place, place) for place in pair]
            if pair not in made and groups[0] != groups[1]:
                made.add(pair)
                yield pair


def _groups(result: AuditResult) -> dict[int, int] | None:
    column = result.info.config.get("group_by")
    if not column or column not in result.images:
        return None
    from bias_audit.stats import group_codes

    return dict(enumerate(map(int, group_codes(result.images[column]))))


def _folders(class_names: Sequence[str]) -> dict[str, str]:
    """Class name -> folder name without characters that lead out of a folder or that a file system may refuse."""
    folders: dict[str, str] = {}
    for place, name in enumerate(class_names):
        safe = re.sub(r"[^\w .-]", "_", name).strip(" .")[:60]
        taken = not safe or safe.casefold() in {each.casefold() for each in folders.values()}
        folders[name] = f"{safe}_{place}" if taken or safe != name else safe
    return folders


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    return csv_of_records(_COLUMNS, rows).encode("utf-8", "backslashreplace")
