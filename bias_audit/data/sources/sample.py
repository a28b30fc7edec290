"""Draws a sample of a data set for a first look: from every class, seeded, groups of photos whole (`--sample`)."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from bias_audit.data.dataset import Dataset
from bias_audit.data.samples import Samples
from bias_audit.data.sampling import rank
from bias_audit.data.sources.options import SourceOptions
from bias_audit.errors import DataError


def sampled(dataset: Dataset, options: SourceOptions) -> Dataset:
    """The data set with `options.sample` of its photos, in their order; all of it where no sample is asked for.

    How many a class gives say the `quotas`. Which ones follows from the seed and the ids alone: those that are first in
    a random order, so photos that are added later change few of those that are chosen. A group of photos (the value of
    `options.group_by`) is taken whole as soon as one of its classes still lacks photos, so the sample may be somewhat
    larger than was asked for; by no group's size is it left out.

    Raises:
        DataError: fewer photos are asked for than there are classes.
    """
    if options.sample is None:
        return dataset
    sizes = Counter(sample.label for sample in dataset.samples)
    if options.sample < max(1, len(sizes)):
        raise DataError(
            f"--sample {options.sample} is no number of photos that has one of each of {len(sizes)} classes",
            "An audit judges classes with at least 10 photos.",
        )
    if options.sample >= len(dataset.samples):
        return dataset
    labels = sorted(sizes)
    wanted = dict(zip(labels, quotas([sizes[label] for label in labels], options.sample), strict=True))
    have: Counter[int] = Counter()
    chosen: list[int] = []
    for unit in _units(dataset, options):
        labels_there = [dataset.samples[position].label for position in unit]
        if any(have[label] < wanted[label] for label in labels_there):
            chosen += unit
            have.update(labels_there)
    if len(chosen) == len(dataset.samples):
        return dataset
    kept = Samples(dataset.samples[position] for position in sorted(chosen))
    return dataclasses.replace(dataset, samples=kept, sampled_from=len(dataset.samples))


def quotas(sizes: Sequence[int], count: int) -> list[int]:
    """How many photos each class gives to a sample.

    Half of the sample is dealt evenly, where a class with fewer photos gives all that it has, and at least one of each;
    the rest is in proportion to what the classes have left. So small classes can be judged, and large ones still show
    most.

    Args:
        sizes: photos of each class, none of them 0.
        count: photos of the sample, from the number of classes to that of all photos.

    Returns:
        numbers of photos that add up to `count`.
    """
    level = _even(sizes, count // 2)
    dealt = [min(size, level) for size in sizes]
    left = [size - given for size, given in zip(sizes, dealt, strict=True)]
    rest, total = count - sum(dealt), max(sum(left), 1)
    shares = [rest * each // total for each in left]
    order = sorted(range(len(sizes)), key=lambda i: (-(rest * left[i] % total), i))
    for i in order[: rest - sum(shares)]:
        shares[i] += 1
    return [given + share for given, share in zip(dealt, shares, strict=True)]


def _even(sizes: Sequence[int], count: int) -> int:
    """Largest number, at least 1, that every class can give, or all that it has, with `count` photos at most in all."""
    left, classes = count, len(sizes)
    for size in sorted(sizes):
        if size * classes > left:
            return max(left // classes, 1)
        left, classes = left - size, classes - 1
    return max(sizes)


def _units(dataset: Dataset, options: SourceOptions) -> list[list[int]]:
    """Positions of the photos that go together, groups or single photos, in a random order."""
    named: dict[object, list[int]] = {}
    places: dict[object, str] = {}
    for position, sample in enumerate(dataset.samples):
        group = None if options.group_by is None else sample.columns.get(options.group_by)
        alone = group is None or group != group  # NaN: a photo without a group is one of its own
        key = ("alone", position) if alone else group
        named.setdefault(key, []).append(position)
        places.setdefault(key, rank(options.seed, sample.image_id if alone else f"group {group}"))
    return [named[key] for key in sorted(named, key=lambda key: (places[key], named[key][0]))]
