"""The command `bias-audit data`: what is in a data set, and what an audit of it could find, before a model is asked."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.background.findable import findable
from bias_audit.checks.background.measure import planned
from bias_audit.config import AuditConfig, Thresholds, configured
from bias_audit.data.addresses import data_address
from bias_audit.data.dataset import Dataset
from bias_audit.data.seen import Copy, Seen, find_copies, look_through
from bias_audit.models.decoding import geometry_of
from bias_audit.pipeline import data_words as words
from bias_audit.pipeline import outlines
from bias_audit.pipeline.mistaken import refuse_model
from bias_audit.pipeline.open_data import group_codes, open_data, reading_of
from bias_audit.pipeline.options import set_apart
from bias_audit.pipeline.results import SIZE
from bias_audit.report import contact_sheet
from bias_audit.run.progress import QUIET, Progress
from bias_audit.run.statuses import DONE, NO_MASK, OK

ESTIMATED_AREA = 0.3
"""Area, as a share of the picture, that an object is taken to have whose mask the audit will estimate: it is pasted."""

MOST_SIZES = 5
"""Most sizes of pictures that are listed, the most frequent first."""


@dataclass(frozen=True)
class ClassLook:
    """One class: its photos, their masks, and what an audit could find.

    Attributes:
        name: the class.
        photos: pictures that the data list.
        unread: those that cannot be read, or are skipped.
        masked: those with a mask or box that can be used.
        without: those without a mask or box.
        unusable: those with a mask or box that cannot be used.
        units: photos that get composites, or groups of them.
        smallest_gap: smallest background gap that is found with the chance `stats.POWER`, 0..1; None = no gap is.
        missing: photos, or groups, that the class lacks for a test; 0 = none.
    """

    name: str
    photos: int
    unread: int
    masked: int
    without: int
    unusable: int
    units: int
    smallest_gap: float | None
    missing: int


@dataclass(frozen=True)
class Picture:
    """A picture with what is wrong with it, or with its mask."""

    image_id: str
    class_name: str
    why: str


@dataclass(frozen=True)
class Groups:
    """Photos that count as one: the user's column, number of groups, photos of the usual and of the largest one."""

    column: str
    groups: int
    median: float
    largest: int
    several_classes: int


@dataclass(frozen=True)
class Look:
    """What is in a data set.

    Attributes:
        data: where it lies, as given.
        source: the kind of source, a key of `sources.SOURCES`.
        photos: pictures that were looked at.
        sampled_from: number of pictures of which these are a sample; 0 = they are all.
        classes: the classes, in the order of the model's outputs.
        unread: pictures that cannot be read or are skipped, with the reason.
        masks: status of the mask of a readable picture -> number of pictures.
        mask_kinds: kinds of the masks, "mask" and "box".
        bad_masks: pictures whose mask or box cannot be used.
        not_tested: why a picture with a usable mask gets no composites -> number of pictures.
        estimated: whether an audit would estimate the objects of pictures that have no mask.
        sizes: (height, width, number of pictures), most frequent first.
        different_sizes: number of different sizes.
        smallest, largest: (height, width) of the pictures with the fewest and the most pixels; None = none was read.
        copies: pairs of equal or nearly equal pictures, those with different labels first.
        groups: groups of photos; None = no column was named.
        splits, left_out, ignored_files, unread_folders, unused_masks: as of `Dataset`.
        interventions: most photos per class that get composites.
    """

    data: str
    source: str
    photos: int
    sampled_from: int
    classes: tuple[ClassLook, ...]
    unread: tuple[Picture, ...]
    masks: Mapping[str, int]
    mask_kinds: tuple[str, ...]
    bad_masks: tuple[Picture, ...]
    not_tested: Mapping[str, int]
    estimated: bool
    sizes: tuple[tuple[int, int, int], ...]
    different_sizes: int
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    copies: tuple[Copy, ...]
    groups: Groups | None
    splits: Mapping[str, int]
    left_out: Mapping[str, int]
    ignored_files: tuple[str, ...]
    unread_folders: tuple[str, ...]
    unused_masks: tuple[str, ...]
    interventions: int

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return dataclasses.asdict(self)


def look_at_data(
    data: str | Path,
    *,
    masks: str | Path | None = None,
    boxes: str | Path | None = None,
    class_map: str | Path | Mapping[str, Sequence[int]] | None = None,
    allow_outside: bool = False,
    out: str | Path | None = None,
    config: AuditConfig | None = None,
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Look:
    """Read every picture and mask of a data set once, and say what is in it. No model is loaded.

    Args:
        data, masks, boxes, class_map, allow_outside, config, thresholds, options: as of `pipeline.audit`.
        out: file of a page that shows pictures of each class with their masks drawn in; None = none is made.
        progress: display of the progress; None = nothing is shown.

    Raises:
        BiasAuditError: one clear sentence about the data, an option or the page.
    """
    progress = progress or Progress(QUIET)
    page = None if out is None else Path(out)
    if page is not None:
        contact_sheet.check_name(page)
    how, options = set_apart(options)
    # The decoders differ by a few grey levels, and that of TensorFlow takes seconds to load.
    objects, config = outlines.named(masks, configured(config, class_map, options).changed({"decoder": "pillow"}))
    reading = reading_of(how, config, outside=allow_outside)
    refuse_model(data)
    dataset = open_data(data_address(data), objects, boxes, config, reading)
    config = outlines.settled(config, dataset)
    groups = group_codes(dataset, config.group_by)
    geometry = geometry_of(config, (*(config.image_size or SIZE), 3))
    with progress.stage("Reading pictures and masks", len(dataset.samples), "images") as advance:
        seen = look_through(dataset, geometry, advance)
    with progress.stage("Looking for copies", sum(bool(each.hash) for each in seen), "images") as advance:
        copies = find_copies(dataset, seen, advance)
    look = _look(str(data), dataset, seen, copies, groups, config, thresholds or Thresholds())
    if page is not None:
        lines = {each.name: words.of_class_row(each, look) for each in look.classes}
        told = (words.headline(look), [*words.remarks(look), words.MEANT], lines)
        contact_sheet.write_contact_sheet(page, told, dataset, seen, copies, geometry, config.seed, progress)
    return look


def _look(
    data: str,
    dataset: Dataset,
    seen: Sequence[Seen],
    copies: Sequence[Copy],
    groups: NDArray[np.intp] | None,
    config: AuditConfig,
    thresholds: Thresholds,
) -> Look:
    estimated = config.segmenter is not None and config.interventions > 0
    areas = {position: each.area for position, each in enumerate(seen) if each.masked and each.area is not None}
    if estimated:
        areas |= {position: ESTIMATED_AREA for position, each in enumerate(seen) if each.mask_status == NO_MASK}
    plan = planned(dataset, areas, config, groups, None)
    units = {
        label: stats.count_units(len(chosen), None if groups is None else groups[list(chosen)])
        for label, chosen in plan.photos.items()
    }
    shapes = Counter(each.shape for each in seen if each.shape is not None)
    by_area = sorted(shapes, key=lambda shape: (shape[0] * shape[1], shape))

    def picture(position: int, why: str) -> Picture:
        sample = dataset.samples[position]
        return Picture(sample.image_id, dataset.class_names[sample.label], why)

    untested = (plan.status[position] for position in areas if plan.status[position] != DONE)
    return Look(
        data=data,
        source=dataset.source,
        photos=len(dataset.samples),
        sampled_from=dataset.sampled_from,
        classes=_classes(dataset, seen, units, thresholds),
        unread=tuple(picture(at, each.reason) for at, each in enumerate(seen) if each.status != OK),
        masks=dict(Counter(each.mask_status for each in seen if each.status == OK).most_common()),
        mask_kinds=tuple(sorted({each.mask_kind for each in seen} - {""})),
        bad_masks=tuple(
            picture(at, each.mask_status)
            for at, each in enumerate(seen)
            if each.status == OK and each.mask_status not in (OK, NO_MASK)
        ),
        not_tested=dict(Counter(untested).most_common()),
        estimated=estimated,
        sizes=tuple((*shape, count) for shape, count in shapes.most_common(MOST_SIZES)),
        different_sizes=len(shapes),
        smallest=by_area[0] if by_area else None,
        largest=by_area[-1] if by_area else None,
        copies=tuple(copies),
        groups=_groups(dataset, groups, config),
        splits=dict(dataset.splits),
        left_out=dict(dataset.left_out),
        ignored_files=dataset.ignored_files,
        unread_folders=dataset.unread_folders,
        unused_masks=dataset.unused_masks,
        interventions=config.interventions,
    )


def _classes(
    dataset: Dataset, seen: Sequence[Seen], units: Mapping[int, int], thresholds: Thresholds
) -> tuple[ClassLook, ...]:
    of: defaultdict[int, list[Seen]] = defaultdict(list)
    for sample, each in zip(dataset.samples, seen, strict=True):
        of[sample.label].append(each)
    labels = sorted(of)
    found = dict(zip(labels, findable([units[label] for label in labels], thresholds), strict=True))
    return tuple(
        ClassLook(
            name=dataset.class_names[label],
            photos=len(of[label]),
            unread=sum(each.status != OK for each in of[label]),
            masked=sum(each.masked for each in of[label]),
            without=sum(each.mask_status == NO_MASK for each in of[label]),
            unusable=sum(each.mask_status not in ("", OK, NO_MASK) for each in of[label]),
            units=found[label].units,
            smallest_gap=None if math.isnan(found[label].gap) else round(found[label].gap, 4),
            missing=found[label].missing,
        )
        for label in labels
    )


def _groups(dataset: Dataset, groups: NDArray[np.intp] | None, config: AuditConfig) -> Groups | None:
    if groups is None or config.group_by is None:
        return None
    sizes = np.bincount(groups)
    pairs = {(int(code), sample.label) for code, sample in zip(groups, dataset.samples, strict=True)}
    several = sum(count > 1 for count in Counter(code for code, _ in pairs).values())
    return Groups(config.group_by, len(sizes), float(np.median(sizes)), int(sizes.max()), several)
