"""Makes the records of the photos of a batch, and what a shard keeps of their heatmaps, once the model has seen them.

Nothing here asks the model, so a thread does it while the model takes the next batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.batches import Loaded
from bias_audit.data.dataset import Dataset
from bias_audit.data.masks import VOID
from bias_audit.heatmaps.localization import (
    LABEL_METRICS,
    MASKLESS,
    METRICS,
    Localization,
    attention_status,
    localize,
    reach,
    with_maps,
)
from bias_audit.heatmaps.methods import Explainer
from bias_audit.models.base import Explanation, Predictions, chosen
from bias_audit.run.columns import Row
from bias_audit.run.statuses import INVALID_PREDICTION, NO_MAPS, OK, predictions_of

Array = NDArray[np.float32]

EXPLAINED = "#explained"
"""Key of a record: the class whose heatmap a picture has, where none of the classes is predicted."""

MAPLESS = "#mapless"
"""Key of a record, there where the picture has no heatmap: the one in its shard is all NaN."""


@dataclass(frozen=True)
class Scored:
    """A batch of photos as a shard keeps it.

    Attributes:
        rows: one record per photo, see `attention.attend`.
        arrays: name -> array with an entry per photo that has a valid prediction; {} where none has.
    """

    rows: list[Row]
    arrays: dict[str, NDArray[Any]]


def scored(
    dataset: Dataset,
    positions: Sequence[int],
    group: Sequence[Loaded],
    masks: NDArray[np.uint8],
    explained: Explanation | None,
    explainer: Explainer,
) -> Scored:
    """Records and heatmaps of a batch.

    Args:
        dataset: all samples.
        positions: of the photos of the batch.
        group: what was loaded of each; pixels are not needed, and `Loaded.more` is the perceptual hash.
        masks: (n, H, W) of those that could be read.
        explained: what the model says of those; None where none could be read.
        explainer: says which photos have a heatmap, and why a prediction is not valid.
    """
    rows: list[Row] = []
    samples = [dataset.samples[position] for position in positions]
    for position, sample, loaded in zip(positions, samples, group, strict=True):
        row: Row = {"#position": position, "image_id": sample.image_id, "label": dataset.class_names[sample.label]}
        row["status"], row["status_reason"], row["content"] = loaded.status, loaded.reason, loaded.content
        row["mask_content"] = loaded.mask_content
        if loaded.status == OK:
            row["#hash"] = loaded.more
        rows.append(row)
    if explained is None:
        return Scored(rows, {})
    read = [i for i, loaded in enumerate(group) if loaded.status == OK]
    labels = np.array([samples[i].label for i in read])
    valid = np.flatnonzero(explained.predictions.valid)
    for i in sorted({*range(len(read))} - {*map(int, valid)}):
        rows[read[i]]["status"], rows[read[i]]["status_reason"] = (
            INVALID_PREDICTION,
            explainer.why_invalid(positions[read[i]]),
        )
    if not len(valid):
        return Scored(rows, {})
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
    arrays = {
        "positions": np.array([positions[i] for i in read]),
        "log_odds": explained.predictions.log_odds,
        "maps": maps,
        "scales": scales,
        "positions_label": np.array([positions[read[i]] for i in wrong], int),
        "maps_label": maps_label,
        "scales_label": scales_label,
        **reach(at),
    }
    return Scored(rows, arrays)


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
    void = [np.count_nonzero(mask == VOID) / mask.size for mask in at.masks]
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


def encode_maps(maps: Array) -> tuple[NDArray[np.float16], Array]:
    """Compress heatmaps (n, h, w) to float16, each divided by its largest magnitude, so that no range is lost.

    Returns:
        ((n, h, w) float16 in -1..1, (n,) the magnitudes; 1 for a map of zeros). A map that is not finite holds NaN.
    """
    scales = np.abs(maps).max(axis=(1, 2), initial=0)
    safe = np.where(scales > 0, scales, 1).astype(np.float32)
    with np.errstate(invalid="ignore"):  # infinite maps become NaN, which scoring reports
        return (maps / safe[:, None, None]).astype(np.float16), safe
