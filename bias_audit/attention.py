"""The pass over the whole data set: predictions, heatmaps and attention scores, shard by shard."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.attribution.cam import Method
from bias_audit.data.batches import OK, Geometry, Loaded, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.data.masks import OK as MASK_OK
from bias_audit.data.masks import VOID
from bias_audit.data.preprocess import Preprocess
from bias_audit.localization import MASKLESS, METRICS, attention_status, background_excess, localize
from bias_audit.models.base import Activations, Model
from bias_audit.run import Run

Array = NDArray[np.float32]
Record = dict[str, Any]

BATCHES_PER_SHARD = 4
"""A kill loses at most this many batches."""


def attend(
    dataset: Dataset,
    model: Model,
    method: Method,
    geometry: Geometry,
    preprocess: Preprocess,
    batch: int,
    run: Run,
    advance: Callable[[int], None],
) -> list[Record]:
    """Predict, explain and score every image; shards that are already there are read, not computed.

    Returns:
        one record per sample, in the order of the data set; keys are columns of `schema.IMAGES`, and "#position".
    """
    records: list[Record] = []
    size = batch * BATCHES_PER_SHARD
    starts = range(0, len(dataset.samples), size)
    todo: list[int] = []
    for start in starts:
        shard = run.read_arrays(_name(start // size))
        if shard is None:
            todo.append(start)
        else:
            records.extend(json.loads(str(shard["records"])))
            advance(min(size, len(dataset.samples) - start))
    # Whole shards are missing, so the batches of a resumed run are those of an undisturbed one.
    samples = [sample for start in todo for sample in dataset.samples[start : start + size]]
    positions = [p for start in todo for p in range(start, min(start + size, len(dataset.samples)))]
    pending: list[Record] = []
    arrays: list[dict[str, NDArray[Any]]] = []
    for at, group in load_in_order(samples, geometry, batch):
        where = positions[at : at + len(group)]
        rows, parts = _batch(dataset, where, group, model, method, preprocess)
        pending.extend(rows)
        arrays.append(parts)
        advance(len(group))
        if (where[-1] + 1) % size == 0 or where[-1] + 1 == len(dataset.samples):
            run.write_arrays(_name(where[-1] // size), _joined(arrays, pending))
            records.extend(pending)
            pending, arrays = [], []
    return sorted(records, key=lambda record: record["#position"])


def read_maps(run: Run, batch: int, positions: Sequence[int]) -> dict[int, Array]:
    """Heatmaps (h, w) of the predicted class, by sample position, from the shards."""
    size = batch * BATCHES_PER_SHARD
    maps: dict[int, Array] = {}
    for number in sorted({position // size for position in positions}):
        shard = run.read_arrays(_name(number))
        if shard is None:
            continue
        places = {int(position): i for i, position in enumerate(shard["positions"])}
        for position in positions:
            if position in places:
                i = places[position]
                maps[position] = shard["maps"][i].astype(np.float32) * shard["scales"][i]
    return maps


def encode_maps(maps: Array) -> tuple[NDArray[np.float16], Array]:
    """(n, h, w) -> float16 maps over their largest magnitude, and that magnitude (n,): no range is lost."""
    scales = np.abs(maps).max(axis=(1, 2), initial=0)
    safe = np.where(scales > 0, scales, 1).astype(np.float32)
    with np.errstate(invalid="ignore"):  # infinite maps become NaN, which scoring reports
        return (maps / safe[:, None, None]).astype(np.float16), safe


def _batch(
    dataset: Dataset,
    positions: Sequence[int],
    group: Sequence[Loaded],
    model: Model,
    method: Method,
    preprocess: Preprocess,
) -> tuple[list[Record], dict[str, NDArray[Any]]]:
    rows: list[Record] = []
    for position, loaded in zip(positions, group, strict=True):
        sample = dataset.samples[position]
        row: Record = {"#position": position, "image_id": sample.image_id, "label": dataset.class_names[sample.label]}
        row["status"], row["status_reason"] = loaded.status, loaded.reason
        rows.append(row)
    read = [i for i, loaded in enumerate(group) if loaded.status == OK]
    if not read:
        return rows, {}
    pixels = np.stack([pixels for i in read if (pixels := group[i].pixels) is not None])
    masks = np.stack([mask for i in read if (mask := group[i].mask) is not None])
    labels = np.array([dataset.samples[positions[i]].label for i in read])
    active = model.activations(preprocess(pixels), labels)
    maps, scales = encode_maps(method(active.values, active.gradients))
    wrong = np.flatnonzero(active.predictions.predicted != labels)
    maps_label, scales_label = encode_maps(method(active.values[wrong], active.gradients_label[wrong]))
    found = [rows[i] for i in read]
    _describe(found, [group[i] for i in read], dataset, active, labels)
    # Scored as stored, so that a later re-scoring from the shards gives the same numbers.
    _score(found, maps.astype(np.float32) * scales[:, None, None], masks)
    if len(wrong):
        excess = background_excess(localize(maps_label.astype(np.float32) * scales_label[:, None, None], masks[wrong]))
        for i, value in zip(wrong, excess, strict=True):
            if found[i]["mask_status"] == MASK_OK:
                found[i]["background_excess_label"] = float(value)
    return rows, {
        "positions": np.array([positions[i] for i in read]),
        "log_odds": active.predictions.log_odds,
        "maps": maps,
        "scales": scales,
        "positions_label": np.array([positions[read[i]] for i in wrong], int),
        "maps_label": maps_label,
        "scales_label": scales_label,
    }


def _describe(
    rows: Sequence[Record], group: Sequence[Loaded], dataset: Dataset, active: Activations, labels: NDArray[np.intp]
) -> None:
    predictions = active.predictions
    for i, (row, loaded) in enumerate(zip(rows, group, strict=True)):
        predicted = int(predictions.predicted[i])
        row["predicted"] = dataset.class_names[predicted]
        row["correct"] = bool(predicted == labels[i])
        row["probability"] = float(predictions.probabilities[i, predicted])
        row["probability_label"] = float(predictions.probabilities[i, labels[i]])
        row["probability_other"] = float(predictions.other[i])
        row["log_odds"] = float(predictions.log_odds[i, predicted])
        row["mask_status"], row["mask_kind"] = loaded.mask_status, loaded.mask_kind


def _score(rows: Sequence[Record], maps: Array, masks: NDArray[np.uint8]) -> None:
    """Fill the attention columns; without a usable mask only those that need none."""
    at = localize(maps, masks)
    scores = {name: metric(at) for name, metric in METRICS.items()}
    status = attention_status(at)
    void = (masks == VOID).mean(axis=(1, 2))
    for i, row in enumerate(rows):
        masked = row["mask_status"] == MASK_OK
        row["void_share"] = float(void[i])
        row["attention_status"] = status[i] if masked else row["mask_status"]
        if masked:
            row["foreground_area"] = float(at.area[i])
        for name, values in scores.items():
            if masked or name in MASKLESS:
                row[name] = float(values[i])
        if masked and row["correct"]:
            row["background_excess_label"] = row["background_excess"]


def _joined(arrays: Sequence[dict[str, NDArray[Any]]], records: Sequence[Record]) -> dict[str, NDArray[Any]]:
    parts = [part for part in arrays if part]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    return {**joined, "records": np.array(json.dumps(records))}


def _name(number: int) -> str:
    return f"shards/maps-{number:05d}.npz"
