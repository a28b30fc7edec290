"""Draws a few pictures that stand for the data set; it depends on seed, ids and labels alone."""

from __future__ import annotations

import dataclasses
import hashlib
import heapq
import itertools
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.batches import Geometry, input_bytes, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.limits.memory import at_once, bytes_array

LOADED_AT_ONCE = 32


def rank(seed: int, image_id: str) -> str:
    """Sort key that puts image ids in a random order, which depends on the seed and the id alone; 64 hex digits."""
    return hashlib.sha256(f"{seed}:{image_id}".encode()).hexdigest()


def spread(dataset: Dataset, count: int, seed: int, groups: NDArray[np.intp] | None = None) -> list[int]:
    """Positions of at most `count` samples, taken from the classes in turn, each class in random order.

    Args:
        dataset: all samples.
        count: number of samples that are wanted.
        seed: seed of the order.
        groups: group code of each sample (patient, scene): within a class the first of each group comes before the
            second of any. None = every sample is a group of its own.
    """
    classes = [array("q") for _ in dataset.class_names]  # of all photos, so that objects would take much memory
    for position, sample in enumerate(dataset.samples):
        classes[sample.label].append(position)
    most = count if groups is None else len(dataset.samples)
    first = [
        heapq.nsmallest(most, positions, key=lambda position: rank(seed, dataset.samples[position].image_id))
        for positions in classes
    ]
    if groups is not None:
        first = [in_turn(positions, groups) for positions in first]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*first))
    return list(itertools.islice((position for position in turns if position is not None), count))


def in_turn(positions: Sequence[int], groups: NDArray[np.intp]) -> list[int]:
    """The positions with the first of each group before the second of any, otherwise in their order.

    Args:
        positions: indices into `groups`.
        groups: group code of each sample.
    """
    met: Counter[int] = Counter()
    turns = []
    for position in positions:
        turns.append(met[int(groups[position])])
        met[int(groups[position])] += 1
    return [positions[i] for i in np.argsort(turns, kind="stable")]


def readable(dataset: Dataset, records: Sequence[Mapping[str, Any]], seed: int, count: int | None = None) -> list[int]:
    """Positions of samples that the audit pass could read, in the order of `spread`.

    Args:
        dataset: all samples.
        records: rows of the audit pass, one per sample in the same order; "predicted" is None for unreadable pictures.
        seed: seed of the order.
        count: number of samples that are wanted; None = all.
    """
    read = [record.get("predicted") is not None for record in records]
    most = len(read) if count is None else min(len(read), count + read.count(False))
    return [position for position in spread(dataset, most, seed) if read[position]][:count]


def load_pixels(
    dataset: Dataset, positions: Sequence[int], geometry: Geometry
) -> tuple[list[int], NDArray[np.float32]]:
    """Decode the samples at some positions of a data set; unreadable samples are left out.

    Returns:
        (positions that could be read, (n, H, W, C) float32 in [0, 255], before preprocessing).
    """
    read: list[int] = []
    pixels = [np.zeros((0, *geometry.size, geometry.channels), np.float32)]
    samples = [dataset.samples[position] for position in positions]
    geometry = dataclasses.replace(geometry, estimate=None)  # masks are not asked for here
    for start, group in load_in_order(samples, geometry, LOADED_AT_ONCE):
        for offset, loaded in enumerate(group):
            if loaded.pixels is not None:
                read.append(positions[start + offset])
                pixels.append(loaded.pixels[None])
    return read, np.concatenate(pixels)


def load_bytes(
    dataset: Dataset, positions: Sequence[int], geometry: Geometry, folder: Path
) -> tuple[list[int], NDArray[np.uint8]]:
    """Decode samples as `load_pixels` does, rounded to 8 bits: a quarter of the memory, and on disk what is too much.

    Args:
        dataset: all samples.
        positions: samples to decode.
        geometry: geometry of the model's input, and what a batch may take.
        folder: where a file lies that holds more than that; see `limits.memory.bytes_array`.

    Returns:
        (positions that could be read, (n, H, W, C) uint8).
    """
    photos = bytes_array((len(positions), *geometry.size, geometry.channels), geometry.limits, folder)
    read: list[int] = []
    group = at_once(4 * input_bytes(geometry), LOADED_AT_ONCE, geometry.limits)
    samples = [dataset.samples[position] for position in positions]
    geometry = dataclasses.replace(geometry, estimate=None)
    for start, part in load_in_order(samples, geometry, group):
        for offset, loaded in enumerate(part):
            if loaded.pixels is not None:
                photos[len(read)] = np.rint(loaded.pixels).astype(np.uint8)
                read.append(positions[start + offset])
    return read, photos[: len(read)]
