"""What is said first in an audit, before anything is paid: classes, photos, masks, and what could be found at best.

Nothing is read here but the list of samples: a million photos must cost no second.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.background.findable import Findable, findable
from bias_audit.config import AuditConfig, Thresholds
from bias_audit.data.dataset import Dataset
from bias_audit.data.sampling import rank
from bias_audit.pipeline.data_words import plural, smallest_gap
from bias_audit.run.sampled import told

MOST_NAMED = 4
"""Most classes that a sentence names."""


def sentences(
    dataset: Dataset,
    groups: NDArray[np.intp] | None,
    config: AuditConfig,
    thresholds: Thresholds,
    *,
    tested: bool = True,
) -> list[str]:
    """Two or three sentences on the data of an audit.

    Args:
        dataset: all samples, with their masks.
        groups: group code of each sample; None = every photo is a group of its own.
        config, thresholds: settings of the audit, with the segmenter that it uses.
        tested: whether composites are made at all.
    """
    sizes = Counter(sample.label for sample in dataset.samples)
    names = {label: dataset.class_names[label] for label in sorted(sizes)}
    said = [_counted(dataset, sizes, names, config)]
    if not tested or config.interventions == 0:
        return said
    units = _units(dataset, groups, config)
    found = dict(zip(names, findable([units.get(label, 0) for label in names], thresholds), strict=True))
    if any(units.values()):
        said += _found(found, names, "photos" if groups is None else "groups")
    return said


def _counted(dataset: Dataset, sizes: Counter[int], names: dict[int, str], config: AuditConfig) -> str:
    ordered = sorted(sizes, key=lambda label: (sizes[label], label))
    told_sizes = (
        ", ".join(f"{names[label]} {sizes[label]:,}" for label in names)
        if len(names) <= MOST_NAMED
        else f"{names[ordered[0]]} {sizes[ordered[0]]:,} to {names[ordered[-1]]} {sizes[ordered[-1]]:,}"
    )
    photos = told(len(dataset.samples), dataset.sampled_from) or plural(len(dataset.samples), "photo", "photos")
    drawn = sum(sample.annotated for sample in dataset.samples)
    have = "all" if drawn == len(dataset.samples) else f"{drawn:,}" if drawn else "none"
    guessed = "; missing ones are estimated" if have != "all" and config.segmenter is not None else ""
    return (
        f"Data: {photos}, {plural(len(names), 'class', 'classes')} ({told_sizes}), {have} with a mask or box{guessed}."
    )


def _units(dataset: Dataset, groups: NDArray[np.intp] | None, config: AuditConfig) -> dict[int, int]:
    """Photos, or groups, of each class that composites are made of at best: if every mask can be used."""
    usable: defaultdict[int, list[int]] = defaultdict(list)
    for position, sample in enumerate(dataset.samples):
        if not sample.skip and (sample.annotated or config.segmenter is not None):
            usable[sample.label].append(position)
    if groups is None:
        return {label: min(len(positions), config.interventions) for label, positions in usable.items()}

    def place(position: int) -> str:
        return rank(config.seed, dataset.samples[position].image_id)

    chosen = {label: heapq.nsmallest(config.interventions, of, key=place) for label, of in usable.items()}
    return {label: len(np.unique(groups[positions])) for label, positions in chosen.items()}


def _found(found: dict[int, Findable], names: dict[int, str], unit: str) -> list[str]:
    said = []
    known = sorted((label for label in found if not math.isnan(found[label].gap)), key=lambda label: found[label].gap)
    if known:
        least, most = found[known[0]], found[known[-1]]
        of_least, of_most = (smallest_gap(each.gap, 0, unit) for each in (least, most))
        upto = f"; {of_most} in {names[known[-1]]} ({most.units:,})" if most.gap > least.gap else ""
        said.append(
            f"At best, 8 of 10 audits find a background gap of {of_least} in {names[known[0]]} ({least.units:,} {unit} "
            f"tested){upto}. More on the data: bias-audit data."
        )
    if few := [label for label in names if math.isnan(found[label].gap)]:
        said.append(_lacking([(names[label], found[label].missing) for label in few], unit))
    return said


def _lacking(few: Sequence[tuple[str, int]], unit: str) -> str:
    told_few = "; ".join(f"{name}: {smallest_gap(None, missing, unit)}" for name, missing in few[:MOST_NAMED])
    more = f"; and {len(few) - MOST_NAMED:,} more" if len(few) > MOST_NAMED else ""
    return f"Not tested: {plural(len(few), 'class', 'classes')} ({told_few}{more})."
