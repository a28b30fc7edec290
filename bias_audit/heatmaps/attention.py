"""Runs the audit pass over the whole data set: predictions, heatmaps and attention scores, stored shard by shard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.batches import Geometry, Loaded, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.data.duplicates import perceptual_hash
from bias_audit.data.locations import Location
from bias_audit.data.masks import VOID
from bias_audit.data.sampling import rank
from bias_audit.errors import ResultError
from bias_audit.files.text import parse_json
from bias_audit.heatmaps.localization import (
    LABEL_METRICS,
    MASKLESS,
    METRICS,
    REACH,
    Localization,
    attention_status,
    localize,
    reach,
    with_maps,
)
from bias_audit.heatmaps.methods import Explainer
from bias_audit.heatmaps.permutation_tie import PERMUTATIONS, Tie, permutation_tie
from bias_audit.models.base import Predictions, chosen
from bias_audit.run.columns import Row
from bias_audit.run.folder import Run
from bias_audit.run.statuses import (
    INVALID_PREDICTION,
    NO_EVIDENCE,
    NO_MAPS,
    NOT_SAMPLED,
    OK,
    SKIPPED,
    predictions_of,
)

Array = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]

EXPLAINED = "#explained"
"""Key of a record: the class whose heatmap a picture has, where none of the classes is predicted."""

MAPLESS = "#mapless"
"""Key of a record, there where the picture has no heatmap: the one in its shard is all NaN."""

BATCHES_PER_SHARD = 4
"""Batches per shard: a run that is killed loses at most so many batches."""

TIE_IMAGES = 200
"""Most heatmaps per class in the permutation test: the mean share of so many is known to a few hundredths."""

TIE_CELLS = 10_000_000
"""Most cells of heatmaps held at once for the permutation test (20 MB); more classes are read in several passes."""


def attend(
    dataset: Dataset,
    explainer: Explainer,
    geometry: Geometry,
    batch: int,
    run: Run,
    advance: Callable[[int], None],
) -> list[Row]:
    """Predict, explain and score every image; shards that an earlier run has stored are read, not computed.

    Args:
        dataset: all samples.
        explainer: model, preprocessing and heatmap method.
        geometry: geometry of the model's input.
        batch: images per batch; a shard holds BATCHES_PER_SHARD batches.
        run: the run's folder, where shards are stored.
        advance: called with the number of images that are done.

    Returns:
        One record per sample, in the order of the data set. Keys are columns of `schema.IMAGES`, "#position", "#hash",
        the perceptual hash, and EXPLAINED.
    """
    records: list[Row] = []
    size = batch * BATCHES_PER_SHARD
    starts = range(0, len(dataset.samples), size)
    todo: list[int] = []
    for start in starts:
        count = min(size, len(dataset.samples) - start)
        stored = run.read_arrays(shard_name(start // size), partial(sound, start=start, count=count))
        if stored is None:
            todo.append(start)
        else:
            _expect(dataset, stored[0], geometry)
            records.extend(stored[0])
            advance(count)
    # Whole shards are missing, so the batches of a resumed run are those of an undisturbed one.
    samples = [sample for start in todo for sample in dataset.samples[start : start + size]]
    positions = [p for start in todo for p in range(start, min(start + size, len(dataset.samples)))]
    pending: list[Row] = []
    arrays: list[dict[str, NDArray[Any]]] = []
    for at, group in load_in_order(samples, geometry, batch):
        where = positions[at : at + len(group)]
        rows, parts = _batch(dataset, where, group, explainer)
        pending.extend(rows)
        arrays.append(parts)
        advance(len(group))
        if (where[-1] + 1) % size == 0 or where[-1] + 1 == len(dataset.samples):
            run.write_arrays(shard_name(where[-1] // size), _joined(arrays, pending))
            records.extend(pending)
            pending, arrays = [], []
    return sorted(records, key=lambda record: record["#position"])


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
    records: Sequence[Row],
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
    at_once = max(1, TIE_CELLS // (TIE_IMAGES * grid[0] * grid[1]))
    ties: dict[str, Tie] = {}
    for start in range(0, len(chosen), at_once):
        labels = list(chosen)[start : start + at_once]
        stored = _read_tie_maps(run, batch, [position for label in labels for position in chosen[label]])
        for label in labels:
            parts = np.array([stored[position] for position in chosen[label]], np.float32).reshape(-1, 4, *grid)
            together = None if groups is None else groups[np.array(chosen[label], np.intp)]
            tie = permutation_tie(*parts.swapaxes(0, 1), seed=(seed, label), permutations=permutations, groups=together)
            ties[dataset.class_names[label]] = tie
            for position, z, status in zip(chosen[label], tie.z, tie.status, strict=True):
                records[position]["tie_z"], records[position]["tie_status"] = float(z), status
    return ties


def encode_maps(maps: Array) -> tuple[NDArray[np.float16], Array]:
    """Compress heatmaps (n, h, w) to float16, each divided by its largest magnitude, so that no range is lost.

    Returns:
        ((n, h, w) float16 in -1..1, (n,) the magnitudes; 1 for a map of zeros). A map that is not finite holds NaN.
    """
    scales = np.abs(maps).max(axis=(1, 2), initial=0)
    safe = np.where(scales > 0, scales, 1).astype(np.float32)
    with np.errstate(invalid="ignore"):  # infinite maps become NaN, which scoring reports
        return (maps / safe[:, None, None]).astype(np.float16), safe


def _expect(dataset: Dataset, rows: Sequence[Row], geometry: Geometry) -> None:
    """Files of stored rows must still hold what they held when the rows were made."""
    for row in rows if geometry.contents is not None else ():
        sample = dataset.samples[row["#position"]]
        if row["status"] != SKIPPED and geometry.contents is not None:
            geometry.contents.expect(sample.path, row["content"])
            if isinstance(sample.mask, Location):
                geometry.contents.expect(sample.mask, row["mask_content"])


def _batch(
    dataset: Dataset,
    positions: Sequence[int],
    group: Sequence[Loaded],
    explainer: Explainer,
) -> tuple[list[Row], dict[str, NDArray[Any]]]:
    rows: list[Row] = []
    for position, loaded in zip(positions, group, strict=True):
        sample = dataset.samples[position]
        row: Row = {"#position": position, "image_id": sample.image_id, "label": dataset.class_names[sample.label]}
        row["status"], row["status_reason"], row["content"] = loaded.status, loaded.reason, loaded.content
        row["mask_content"] = loaded.mask_content
        rows.append(row)
    read = [i for i, loaded in enumerate(group) if loaded.status == OK]
    if not read:
        return rows, {}
    pixels = np.stack([pixels for i in read if (pixels := group[i].pixels) is not None])
    masks = np.stack([mask for i in read if (mask := group[i].mask) is not None])
    labels = np.array([dataset.samples[positions[i]].label for i in read])
    explained = explainer.explain_photos([positions[i] for i in read], pixels, labels)
    for row, picture in zip((rows[i] for i in read), pixels, strict=True):
        row["#hash"] = perceptual_hash(picture)
    valid = np.flatnonzero(explained.predictions.valid)
    for i in sorted({*range(len(read))} - {*map(int, valid)}):
        rows[read[i]]["status"], rows[read[i]]["status_reason"] = (
            INVALID_PREDICTION,
            explainer.why_invalid(positions[read[i]]),
        )
    if not len(valid):
        return rows, {}
    explained, masks, labels, read = chosen(explained, valid), masks[valid], labels[valid], [read[i] for i in valid]
    maps, scales = encode_maps(explained.maps)
    wrong = np.flatnonzero(explained.predictions.best != labels)
    maps_label, scales_label = encode_maps(explained.maps_label[wrong])
    found = [rows[i] for i in read]
    for row in found:
        if not explainer.has_map(row["#position"]):
            row[MAPLESS] = True
    _describe(found, [group[i] for i in read], dataset, explained.predictions, labels)
    # Scored as stored, so that a later re-scoring from the shards gives the same numbers.
    heat = maps.astype(np.float32) * scales[:, None, None]
    at = localize(heat, masks)
    heat_label = heat.copy()
    heat_label[wrong] = maps_label.astype(np.float32) * scales_label[:, None, None]
    score(found, at, with_maps(at, heat_label))
    return rows, {
        "positions": np.array([positions[i] for i in read]),
        "log_odds": explained.predictions.log_odds,
        "maps": maps,
        "scales": scales,
        "positions_label": np.array([positions[read[i]] for i in wrong], int),
        "maps_label": maps_label,
        "scales_label": scales_label,
        **reach(at),
    }


def _describe(
    rows: Sequence[Row],
    group: Sequence[Loaded],
    dataset: Dataset,
    predictions: Predictions,
    labels: NDArray[np.intp],
) -> None:
    names, best, probability = predictions_of(dataset.class_names), predictions.best, predictions.probability
    for i, (row, loaded) in enumerate(zip(rows, group, strict=True)):
        predicted = int(predictions.predicted[i])
        row["predicted"] = names[predicted]
        row["correct"] = bool(predicted == labels[i])
        row["probability"] = float(probability[i])
        row["probability_label"] = float(predictions.probabilities[i, labels[i]])
        row["probability_other"] = float(predictions.other[i])
        row["log_odds"] = float(predictions.log_odds[i, best[i]])
        if predicted != best[i]:
            row[EXPLAINED] = names[best[i]]
        row["log_odds_label"] = float(predictions.log_odds[i, labels[i]])
        row["mask_status"], row["mask_kind"] = loaded.mask_status, loaded.mask_kind


def score(rows: Sequence[Row], at: Localization, at_label: Localization) -> None:
    """Fill the attention columns of records; without a usable mask only the columns that need no mask.

    Args:
        rows: one record per heatmap, with its "mask_status".
        at, at_label: heatmaps of the predicted and of the labelled class, with the masks.
    """
    scores = {name: metric(at) for name, metric in METRICS.items()}
    of_label = {name: metric(at_label) for name, metric in LABEL_METRICS.items()}
    status = attention_status(at)
    void = (at.masks == VOID).mean(axis=(1, 2))
    for i, row in enumerate(rows):
        masked = row["mask_status"] == OK
        row["void_share"] = float(void[i])
        row["attention_status"] = row["mask_status"] if not masked else NO_MAPS if MAPLESS in row else status[i]
        if masked:
            row["foreground_area"] = float(at.area[i])
            row.update({name: float(values[i]) for name, values in of_label.items()})
        for name, values in scores.items():
            if masked or name in MASKLESS:
                row[name] = float(values[i])


def _shards(run: Run, batch: int, positions: Sequence[int]) -> Iterator[tuple[dict[str, NDArray[Any]], dict[int, int]]]:
    """Yield each shard that holds some of the samples: its arrays, and sample position -> index in the arrays."""
    size = batch * BATCHES_PER_SHARD
    wanted = set(positions)
    for number in sorted({position // size for position in wanted}):
        if (shard := run.read_arrays(shard_name(number))) is not None:
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


def shard_name(number: int) -> str:
    """File name of a shard; shard i holds the samples from position i * batch * BATCHES_PER_SHARD on."""
    return f"shards/maps-{number:05d}.npz"
