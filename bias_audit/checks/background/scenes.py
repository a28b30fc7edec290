"""Real scenes without an object, whose backgrounds need no fill: listed, read, and kept as a table.

A folder per class lends the backgrounds of the classes, in the place of emptied photos. Scenes of no class are a set of
composites of their own. See docs/science.md#real-scenes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.config import NO_FILL
from bias_audit.data.addresses import Url
from bias_audit.data.batches import Geometry, load
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.samples import Samples
from bias_audit.data.sampling import rank
from bias_audit.data.sources.loose import pictures_at
from bias_audit.errors import DataError
from bias_audit.interventions.donors import NO_LABEL, donors_per_class
from bias_audit.limits.memory import bytes_array
from bias_audit.run.statuses import NOT_SAMPLED, OK

if TYPE_CHECKING:
    from bias_audit.data.remote.reach import Reach

FEW = 20
"""Scenes per class below which a note says that what they have in common by chance may count
(docs/science.md#real-scenes)."""

_HINT = (
    "Give a folder per class, called as the classes, with scenes that show no object of any class; or scenes of no "
    "class, in one folder or in sub-folders that are called otherwise."
)


@dataclasses.dataclass(frozen=True)
class Scenes:
    """The scenes of an audit, as read.

    Attributes:
        whole: the data set with the scenes behind its photos: their label is their class, NO_LABEL for none.
        usable: label -> positions of the scenes that can be pasted on, in the order of their rank.
        pictures: (position, NO_FILL) -> the scene in the model's input size, (H, W, C) uint8.
        records: one per scene, its keys columns of `columns.SCENES`.
    """

    whole: Dataset
    usable: Mapping[int, tuple[int, ...]]
    pictures: Mapping[tuple[int, str], NDArray[np.uint8]]
    records: Sequence[Mapping[str, Any]]


def open_scenes(folder: Path | Url, dataset: Dataset, reach: Reach | None = None) -> Dataset:
    """List the scenes of a folder; links to folders are not followed, and hidden files are left out.

    Args:
        folder: folder or archive with a folder of scenes per class, or with scenes of no class, also by its address.
        dataset: the data set, whose classes the folders may name.
        reach: what may be fetched; None = the defaults.

    Returns:
        a data set with the same classes; the label of a scene is that of its folder, NO_LABEL for scenes of no class.

    Raises:
        DataError: there is no such folder, it holds no pictures, or it has folders for a part of the classes only.
    """
    _, names = pictures_at(folder, "folder of backgrounds", _HINT, reach)
    classes = {name: label for label, name in enumerate(dataset.class_names)}
    owners = {image_id: classes.get(image_id.split("/")[0] if "/" in image_id else "") for image_id in names}
    if any(owner is not None for owner in owners.values()):
        needed = [dataset.class_names[label] for label in sorted({sample.label for sample in dataset.samples})]
        if missing := [name for name in needed if classes[name] not in owners.values()]:
            raise DataError(
                f"the folder of backgrounds {str(folder)!r} has scenes of some classes and none of "
                f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}",
                _HINT,
            )
        if loose := [image_id for image_id, owner in owners.items() if owner is None]:
            raise DataError(
                f"{len(loose)} pictures of the folder of backgrounds {str(folder)!r} lie in the folder of no class, "
                f"for instance {loose[0]!r}",
                _HINT,
            )
    samples = []
    for image_id, path in names.items():
        owner = owners[image_id]
        samples.append(Sample(image_id, path, NO_LABEL if owner is None else owner))
    return Dataset(tuple(samples), dataset.class_names, "folder")


def read_scenes(
    listed: Dataset, dataset: Dataset, geometry: Geometry, seed: int, donors: int, advance: Callable[[int], None],
    folder: Path,
) -> Scenes:  # fmt: skip
    """Read as many scenes as can lend their background; one that cannot be read lends none, and is recorded.

    Args:
        listed: result of `open_scenes`.
        dataset: the photos of the audit.
        geometry: geometry of the model's input.
        seed: seed of the choice where there are more scenes than are kept.
        donors: backgrounds per photo in each arm.
        advance: called with 1 for each scene that is done.
        folder: as in `interventions.donors.prepare_backgrounds`.
    """
    first = len(dataset.samples)
    whole = dataclasses.replace(dataset, samples=Samples(chain(dataset.samples, listed.samples)))
    by_label: dict[int, list[int]] = {}
    for place, sample in enumerate(listed.samples):
        by_label.setdefault(sample.label, []).append(place)
    most = donors_per_class(1 if NO_LABEL in by_label else len(dataset.class_names), donors)
    chosen = {
        label: sorted(places, key=lambda place: rank(seed, listed.samples[place].image_id))[:most]
        for label, places in by_label.items()
    }
    tried = sorted(place for places in chosen.values() for place in places)
    plain = dataclasses.replace(geometry, estimate=None)  # there is no object to outline
    held = bytes_array((len(tried), *geometry.size, geometry.channels), geometry.limits, folder)

    def read(row: int) -> tuple[str, str]:
        loaded = load(listed.samples[tried[row]], plain)
        if loaded.pixels is not None:
            held[row] = np.clip(np.rint(loaded.pixels), 0, 255).astype(np.uint8)
        return loaded.status, loaded.reason

    answers: dict[int, tuple[str, str]] = {}
    with ThreadPoolExecutor(thread_name_prefix="scene") as pool:
        for place, answer in zip(tried, pool.map(read, range(len(tried))), strict=True):
            answers[place] = answer
            advance(1)
    rows = {place: row for row, place in enumerate(tried)}
    usable = {
        label: tuple(first + place for place in places if answers[place][0] == OK) for label, places in chosen.items()
    }
    records = []
    for place, sample in enumerate(listed.samples):
        status, reason = answers.get(place, (NOT_SAMPLED, ""))
        name = "" if sample.label == NO_LABEL else dataset.class_names[sample.label]
        records.append({"image_id": sample.image_id, "class_name": name, "status": status, "status_reason": reason})
    pictures = {(first + place, NO_FILL): held[rows[place]] for place in tried if answers[place][0] == OK}
    return Scenes(whole, usable, pictures, records)


def notes(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader of the run must know of its scenes.

    Args:
        records: `Scenes.records`; [] where no scenes were given.
    """
    if not records:
        return []
    used: dict[str, int] = {}
    for record in records:
        used[record["class_name"]] = used.get(record["class_name"], 0) + (record["status"] == OK)
    whose = "of no class, a set of composites of its own" if set(used) == {""} else "per class lend the backgrounds"
    said = [f"{sum(used.values())} real scenes without an object, {whose}: no hole is filled on them."]
    lost = sum(record["status"] not in (OK, NOT_SAMPLED) for record in records)
    if lost:
        said.append(f"{lost} of {len(records)} scenes could not be read and lend no background; see scenes.csv.")
    few = [f"{name or 'no class'} ({n})" for name, n in used.items() if n < FEW]
    if few:
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        said.append(
            f"Fewer than {FEW} real scenes of {', '.join(few[:5])}{more}: what so few have in common by chance may be "
            "taken for their class's background."
        )
    return said


def counts(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Counts of scenes that are kept with the run, those of classes apart; {} where none were given."""
    if not records:
        return {}
    lost = sum(record["status"] not in (OK, NOT_SAMPLED) for record in records)
    of_classes = sum(record["class_name"] != "" for record in records)
    return {"scenes": len(records), "class_scenes": of_classes, "scenes_unreadable": lost}
