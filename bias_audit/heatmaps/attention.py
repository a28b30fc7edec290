"""Runs the audit pass over the whole data set: predictions, heatmaps and attention scores, stored shard by shard."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.batches import Geometry, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.data.duplicates import perceptual_hash
from bias_audit.data.samples import Chosen
from bias_audit.data.sampling import rank
from bias_audit.errors import ResultError
from bias_audit.files.text import parse_json
from bias_audit.heatmaps.localization import REACH
from bias_audit.heatmaps.methods import Explainer
from bias_audit.heatmaps.permutation_tie import PERMUTATIONS, Tie, permutation_tie, rounds, undecided
from bias_audit.heatmaps.photo_records import EXPLAINED, Scored, scored
from bias_audit.run.columns import Row
from bias_audit.run.folder import Run
from bias_audit.run.records import Record, Records
from bias_audit.run.shares import shard_path
from bias_audit.run.statuses import NO_EVIDENCE, NOT_SAMPLED, OK, SKIPPED

if TYPE_CHECKING:
    from bias_audit.run.progress import Advance

Array = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]

BATCHES_PER_SHARD = 4
"""Batches per shard: a run that is killed loses at most so many batches."""

SCORED_AT_ONCE = 2
"""Batches that are scored while the model takes the next one."""

TIE_IMAGES = 200
"""Most heatmaps per class in the permutation test: the mean share of so many is known to a few hundredths."""

TIE_CELLS = 10_000_000
"""Most cells of heatmaps held at once for the permutation test (20 MB); more classes are read in several passes."""


class ShardDamaged(ResultError):
    """A shard that another process has made is damaged or missing.

    Args:
        message: which, and what is wrong, in a sentence.
        number: number of the shard.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message, "Run its share again, which makes the shard anew, and merge again.")
        self.number = number


def attend(
    dataset: Dataset,
    explainer: Explainer,
    geometry: Geometry,
    batch: int,
    run: Run,
    advance: Advance,
    files: range | None = None,
    *,
    complete: bool = False,
) -> Records:
    """Predict, explain and score every image; shards that an earlier run has stored are read, not computed.

    Args:
        dataset: all samples.
        explainer: model, preprocessing and heatmap method.
        geometry: geometry of the model's input.
        batch: images per batch; a shard holds BATCHES_PER_SHARD batches.
        run: the run's folder, where shards are stored.
        advance: called with the number of images that are done.
        files: numbers of the shards that are made by a process of several; None = all.
        complete: others have made all shards, and none is made here.

    Returns:
        a record per sample, in the order of the data set. Names are columns of `schema.IMAGES`, "#position", "#hash",
        the perceptual hash, and EXPLAINED. Of some `files` there are none: they are in the shards, and whoever makes a
        share of a large data set has no use for them.

    Raises:
        ShardDamaged: a shard that others have made is damaged, or missing.
    """
    records = Records(len(dataset.samples) if files is None else 0)

    def keep(rows: Sequence[Row]) -> None:
        for row in rows if files is None else ():
            records.put(row["#position"], row)

    if files is not None and geometry.contents is not None:
        geometry = dataclasses.replace(geometry, contents=geometry.contents.once())
    size = batch * BATCHES_PER_SHARD
    starts = range(0, len(dataset.samples), size)
    starts = starts if files is None else starts[files.start : files.stop]
    todo: list[int] = []
    for start in starts:
        count = min(size, len(dataset.samples) - start)
        stored = _stored(run, start, count, size, complete)
        if stored is None:
            todo.append(start)
        else:
            _expect(dataset, stored[0], geometry)
            keep(stored[0])
            advance(count, before=True)
    # Whole shards are missing, so the batches of a resumed run are those of an undisturbed one.
    ranges = (range(start, min(start + size, len(dataset.samples))) for start in todo)
    positions = np.fromiter(chain.from_iterable(ranges), np.intp)
    # The model takes the next batch while threads score this one; a single thread writes.
    with (
        contextlib.ExitStack() as locks,
        ThreadPoolExecutor(SCORED_AT_ONCE, "score") as scoring,
        ThreadPoolExecutor(1, "write") as writing,
    ):
        held: dict[int, contextlib.ExitStack] = {}
        waiting: deque[Future[Scored]] = deque()
        written: Future[Path] | None = None
        pending: list[Scored] = []

        def settle() -> None:
            nonlocal written
            done = waiting.popleft().result()
            pending.append(done)
            advance(len(done.rows))
            last = done.rows[-1]["#position"]
            if (last + 1) % size == 0 or last + 1 == len(dataset.samples):
                rows = [row for each in pending for row in each.rows]
                arrays = _joined([each.arrays for each in pending], rows)
                if written is not None:
                    written.result()  # raises where the disk is full
                written = writing.submit(_store, run, last // size, arrays, held.pop(last // size))
                keep(rows)
                pending.clear()

        for at, group in load_in_order(Chosen(dataset.samples, positions), geometry, batch, then=perceptual_hash):
            where = positions[at : at + len(group)].tolist()
            if (number := where[0] // size) not in held:
                held[number] = locks.enter_context(contextlib.ExitStack())
                held[number].enter_context(run.locked(shard_path(number)))
            read = [where[place] for place in group.read]
            explained = None
            if read:
                labels = np.array([dataset.samples[position].label for position in read])
                explained = explainer.explain_photos(read, group.pixels, labels)
            kept = [dataclasses.replace(loaded, pixels=None) for loaded in group]  # they are large
            waiting.append(scoring.submit(scored, dataset, where, kept, group.masks, explained, explainer))
            if len(waiting) > SCORED_AT_ONCE:
                settle()
        while waiting:
            settle()
        if written is not None:
            written.result()
    return records


def passed(dataset: Dataset, geometry: Geometry, batch: int, run: Run, columns: Collection[str]) -> Records:
    """Some columns of the records of `attend`, where others have made all shards.

    Raises:
        ShardDamaged: a shard is damaged, or missing.
    """
    records = Records(len(dataset.samples))
    size = batch * BATCHES_PER_SHARD
    for start in range(0, len(dataset.samples), size):
        stored = _stored(run, start, min(size, len(dataset.samples) - start), size, complete=True)
        assert stored is not None
        _expect(dataset, stored[0], geometry)
        for row in stored[0]:
            records.put(row["#position"], {name: row[name] for name in columns if name in row})
    return records


def _stored(run: Run, start: int, count: int, size: int, complete: bool) -> tuple[list[Row], Arrays] | None:
    """What `sound` gives of the shard of `count` samples from `start` on; None = it must be made."""
    number = start // size
    build = partial(sound, start=start, count=count)
    if not complete:
        return run.read_arrays(shard_path(number), build)
    try:
        stored = Run(run.path).read_arrays(shard_path(number), build)
    except ResultError as error:
        raise ShardDamaged(error.message, number) from error
    if stored is None:
        raise ShardDamaged(f"{str(run.path / shard_path(number))!r} is missing", number)
    return stored


def _store(run: Run, number: int, arrays: Arrays, lock: contextlib.ExitStack) -> Path:
    """Write a shard, and give its lock back."""
    with lock:
        return run.write_arrays(shard_path(number), arrays)


def sound(shard: Arrays, start: int, count: int) -> tuple[list[Row], Arrays]:
    """Records and arrays of a shard of heatmaps, if they are those of its images.

    Args:
        shard: its arrays by name, as read from the file.
        start: position of its first sample.
        count: number of its samples.

    Raises:
        BiasAuditError, KeyError, TypeError, ValueError: they are not; the sentence says which.
    """
    rows = records_of(shard, count)
    if [row["#position"] for row in rows] != list(range(start, start + count)):
        raise ValueError("its records are those of other images")
    read = [row["#position"] for row in rows if row["status"] == OK]
    if not read:
        return rows, shard
    if shard["positions"].tolist() != read or not set(shard["positions_label"].tolist()) <= set(read):
        raise ValueError("its heatmaps are not those of its records")
    for name in ("log_odds", "scales", "maps", *REACH):
        if len(shard[name]) != len(read):
            raise ValueError(f"{name} has another length than its records")
    for name in ("scales_label", "maps_label"):
        if len(shard[name]) != len(shard["positions_label"]):
            raise ValueError(f"{name} has another length than its records")
    if shard["maps"].ndim != 3 or any(
        shard[name].shape[1:] != shard["maps"].shape[1:] for name in ("maps_label", *REACH)
    ):
        raise ValueError("its heatmaps are of several sizes")
    return rows, shard


def records_of(shard: Arrays, count: int) -> list[dict[str, Any]]:
    """The records that a shard of pictures keeps beside its arrays.

    Raises:
        BiasAuditError, KeyError, TypeError, ValueError: they are damaged, or not as many as `count`.
    """
    rows = parse_json(str(shard["records"]), ResultError, "its list of records is", nan=True)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "status" in row for row in rows):
        raise ValueError("its records are no list of records")
    if len(rows) != count:
        raise ValueError(f"it holds {len(rows)} records, expected {count}")
    return rows


def read_maps(run: Run, batch: int, positions: Sequence[int]) -> dict[int, Array]:
    """Read heatmaps (h, w) of the predicted class from the shards; sample position -> heatmap.

    Args:
        run: the run's folder.
        batch: images per batch of the audit pass.
        positions: samples to read; those without a stored heatmap, or with one that is not finite, are left out.
    """
    maps: dict[int, Array] = {}
    for shard, places in _shards(run, batch, positions):
        for position, i in places.items():
            heat = shard["maps"][i].astype(np.float32) * shard["scales"][i]
            if np.isfinite(heat).all():
                maps[position] = heat
    return maps


def explained_instead(records: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Position -> class whose heatmap a picture has, for those of which none of the classes is predicted."""
    return {position: str(record[EXPLAINED]) for position, record in enumerate(records) if EXPLAINED in record}


def tie_to_objects(
    dataset: Dataset,
    records: Sequence[Record],
    run: Run,
    batch: int,
    grid: tuple[int, int],
    seed: int,
    groups: NDArray[np.intp] | None = None,
) -> dict[str, Tie]:
    """Permutation test of each class: do the heatmaps of the labelled class follow their own objects?

    Heatmaps and masks are read from the shards, so no image is read again. See `permutation_tie`.

    Args:
        dataset: all samples.
        records: records of `attend`, in the order of the data set; "tie_z" and "tie_status" are filled in.
        run, batch: the run's folder with the shards, and images per batch.
        grid: (h, w) of the heatmaps.
        seed: seed of the choice of at most TIE_IMAGES images per class, and of the permutations.
        groups: group code by sample position (patient, scene); None = every photo is a group of its own.

    Returns:
        Class name -> result of its test.
    """
    scored: dict[int, list[int]] = {label: [] for label in range(len(dataset.class_names))}
    for position, (sample, record) in enumerate(zip(dataset.samples, records, strict=True)):
        record["tie_status"] = record.get("attention_status", record["status"])
        if np.isfinite(record.get("background_excess_label", np.nan)):
            record["tie_status"] = NOT_SAMPLED
            scored[sample.label].append(position)
        elif record["tie_status"] == OK:
            record["tie_status"] = NO_EVIDENCE
    chosen = {
        label: sorted(positions, key=lambda position: rank(seed, dataset.samples[position].image_id))[:TIE_IMAGES]
        for label, positions in scored.items()
    }
    # p < .05 must be in reach after correction (docs/science.md#permutation-counts).
    permutations = max(PERMUTATIONS, 20 * len(chosen))
    ties: dict[str, Tie] = {}
    waiting = list(chosen)
    for until in rounds(permutations):
        for labels in _by_cells(waiting, chosen, TIE_CELLS // (grid[0] * grid[1])):
            stored = _read_tie_maps(run, batch, [position for label in labels for position in chosen[label]])
            for label in labels:
                parts = np.array([stored[position] for position in chosen[label]], np.float32).reshape(-1, 4, *grid)
                ties[dataset.class_names[label]] = permutation_tie(
                    *parts.swapaxes(0, 1),
                    seed=(seed, label),
                    permutations=permutations,
                    until=until,
                    groups=None if groups is None else groups[np.array(chosen[label], np.intp)],
                )
        still = undecided(ties, until)
        waiting = [label for label in waiting if dataset.class_names[label] in still]
    for label, positions in chosen.items():
        tie = ties[dataset.class_names[label]]
        for position, z, status in zip(positions, tie.z, tie.status, strict=True):
            records[position]["tie_z"], records[position]["tie_status"] = float(z), status
    return ties


def _by_cells(labels: Sequence[int], chosen: Mapping[int, Sequence[int]], most: int) -> Iterator[list[int]]:
    """Yield the labels in pieces whose chosen images are at most so many, or of one class."""
    piece: list[int] = []
    held = 0
    for label in labels:
        if piece and held + len(chosen[label]) > most:
            yield piece
            piece, held = [], 0
        piece.append(label)
        held += len(chosen[label])
    if piece:
        yield piece


def _expect(dataset: Dataset, rows: Sequence[Row], geometry: Geometry) -> None:
    """Files of stored rows must still hold what they held when the rows were made."""
    for row in rows if geometry.contents is not None else ():
        if row["status"] != SKIPPED and geometry.contents is not None:
            photo = row["content"], row["status_reason"]
            geometry.contents.changed(dataset.samples[row["#position"]], photo, (row["mask_content"], "cannot be read"))


def _shards(run: Run, batch: int, positions: Sequence[int]) -> Iterator[tuple[dict[str, NDArray[Any]], dict[int, int]]]:
    """Yield each shard that holds some of the samples: its arrays, and sample position -> index in the arrays."""
    size = batch * BATCHES_PER_SHARD
    wanted = set(positions)
    for number in sorted({position // size for position in wanted}):
        if (shard := run.read_arrays(shard_path(number))) is not None:
            places = {int(position): i for i, position in enumerate(shard.get("positions", ()))}
            yield shard, {position: i for position, i in places.items() if position in wanted}


def _read_tie_maps(run: Run, batch: int, positions: Sequence[int]) -> dict[int, NDArray[np.float16]]:
    """Sample position -> (4, h, w): heatmap of the labelled class, and of `reach` perfect, foreground, background."""
    stored = {}
    for shard, places in _shards(run, batch, positions):
        wrong = {int(position): i for i, position in enumerate(shard["positions_label"])}
        for position, i in places.items():
            heat = shard["maps_label"][wrong[position]] if position in wrong else shard["maps"][i]
            stored[position] = np.stack([heat, *(shard[name][i] for name in ("perfect", "foreground", "background"))])
    return stored


def _joined(arrays: Sequence[dict[str, NDArray[Any]]], records: Sequence[Row]) -> dict[str, NDArray[Any]]:
    parts = [part for part in arrays if part]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    return {**joined, "records": np.array(json.dumps(records))}
