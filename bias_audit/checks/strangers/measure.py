"""Predictions, probabilities and heatmaps for strangers: pictures that belong to none of the model's classes.

A softmax must name one of its classes. If a network is as sure of a lynx as of its own test photos, and its heatmap
lies on the snow, that says more about the snow than about the lynx. The report shows this as an observation: no rule
judges it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.base import Context, Measured
from bias_audit.checks.strangers.columns import STRANGERS
from bias_audit.data.addresses import Url
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.sources.loose import pictures_at
from bias_audit.heatmaps.attention import explained_instead, records_of
from bias_audit.heatmaps.localization import MASKLESS, localize
from bias_audit.heatmaps.methods import Explainer
from bias_audit.heatmaps.photo_records import EXPLAINED, encode_maps
from bias_audit.heatmaps.unlabelled import Look, look
from bias_audit.report.pictures import make_pictures
from bias_audit.run.folder import Run
from bias_audit.run.statuses import OK, predictions_of
from bias_audit.run.tables import table

if TYPE_CHECKING:
    from bias_audit.data.remote.reach import Reach

SHARD = "shards/strangers.npz"

PER_GROUP, MOST_SHOWN = 12, 60
"""Largest numbers of pictures that are kept for the report: per kind, and in all."""


def measure(context: Context) -> Measured:
    """Measure the table of strangers, with pictures of those that the model is surest of, notes and counts."""
    if (folder := context.given.strangers) is None:
        return Measured({"strangers": table("strangers", [])}, pictures={"strangers": {}})
    met, class_names = open_strangers(folder, context.given.reach), context.dataset.class_names
    with context.progress.stage("Strangers", len(met.samples), "images") as advance:
        records, maps = meet(met, class_names, context.explainer, context.geometry, context.run, advance)
    rows = table("strangers", records)
    chosen = choose_strangers(records)
    shown = make_pictures(met, chosen, rows, maps, context.geometry, explained_instead(records))
    changed = (
        sum(sample.path in context.geometry.contents.found for sample in met.samples)
        if context.geometry.contents
        else 0
    )
    unreadable = sum(record["status"] != OK for record in records)
    return Measured(
        {"strangers": rows},
        pictures={"strangers": shown},
        notes=_notes(records, unreadable, changed, class_names),
        counts={"strangers": len(records), "strangers_unreadable": unreadable, "strangers_changed": changed},
    )


def _notes(
    records: Sequence[Mapping[str, Any]], unreadable: int, changed: int, class_names: Sequence[str]
) -> list[str]:
    notes = [f"{unreadable} of {len(records)} strangers could not be read; see strangers.csv."] if unreadable else []
    if changed:
        notes.append(f"{changed} of {len(records)} strangers changed during the audit, so they are not shown.")
    if known := sorted({record["group"] for record in records} & set(class_names)):
        notes.append(f"Strangers lie in folders called as classes that the model knows: {', '.join(known)}.")
    return notes


def open_strangers(folder: Path | Url, reach: Reach | None = None) -> Dataset:
    """Open a folder of strangers; the kind of a picture is the name of its sub-folder, or else of the folder itself.

    Args:
        folder: the folder of strangers, or an archive of them, also by its address.
        reach: what may be fetched; None = the defaults.

    Returns:
        a data set whose classes are the kinds; its labels are indices of kinds, not of the model's classes.

    Raises:
        DataError: the folder does not exist or holds no pictures.
    """
    hint = "Give a folder of pictures of no class that the model knows, or one with a folder per kind."
    name, found = pictures_at(folder, "folder of strangers", hint, reach)
    kinds = [image_id.split("/")[0] if "/" in image_id else name for image_id in found]
    groups = tuple(dict.fromkeys(sorted(kinds)))
    samples = (
        Sample(image_id, path, groups.index(kind)) for (image_id, path), kind in zip(found.items(), kinds, strict=True)
    )
    return Dataset(tuple(samples), groups, "folder")


def meet(
    strangers: Dataset,
    class_names: Sequence[str],
    explainer: Explainer,
    geometry: Geometry,
    run: Run,
    advance: Callable[[int], None],
) -> tuple[list[dict[str, Any]], dict[int, NDArray[np.float32]]]:
    """Predict and explain the strangers, or read the result of an interrupted audit.

    Args:
        strangers: result of `open_strangers`.
        class_names: names of the model's classes.
        explainer, geometry: as for the test photos.
        run: the run folder, which keeps the result in a shard.
        advance: called with the number of pictures that are done.

    Returns:
        (records, maps): one record per picture, its keys columns of `columns.STRANGERS`; and position -> (h, w)
        heatmap of each picture that could be read.
    """
    stored = run.read_arrays(SHARD, partial(_stored, count=len(strangers.samples)))
    if stored is None:
        records: list[dict[str, Any]] = []
        maps: list[NDArray[np.float32]] = []
        for each in look(strangers.samples, explainer, geometry, advance):
            records.append({**_record(each, strangers, class_names), "#content": each.content})
            if each.status == OK:
                maps.append(each.map)
        stacked, scales = encode_maps(np.stack(maps) if maps else np.zeros((0, 1, 1), np.float32))
        shard = {"records": np.array(json.dumps(records)), "maps": stacked, "scales": scales}
        run.write_arrays(SHARD, shard)
    else:
        records, shard = stored
        for sample, record in zip(strangers.samples, records, strict=True):
            if geometry.contents is not None:
                geometry.contents.expect(sample.path, record["#content"])
        advance(len(records))
    read = [position for position, record in enumerate(records) if record["status"] == OK]
    heat = shard["maps"].astype(np.float32) * shard["scales"][:, None, None]
    return records, dict(zip(read, heat, strict=True))


def _stored(shard: dict[str, NDArray[Any]], count: int) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    records = records_of(shard, count)
    read = sum(record["status"] == OK for record in records)
    if shard["maps"].ndim != 3 or not len(shard["maps"]) == len(shard["scales"]) == read:
        raise ValueError("its heatmaps are not those of its records")
    return records, shard


def choose_strangers(records: Sequence[Mapping[str, Any]]) -> list[int]:
    """Positions of the pictures to show: those of each kind that the model is surest of, at most MOST_SHOWN in all.

    Args:
        records: result of `meet`.
    """
    groups: dict[str, list[int]] = {}
    for position, record in enumerate(records):
        if record["status"] == OK:
            groups.setdefault(record["group"], []).append(position)
    each = max(1, min(PER_GROUP, MOST_SHOWN // max(1, len(groups))))
    chosen = []
    for positions in groups.values():
        chosen += sorted(positions, key=lambda position: -records[position]["log_odds"])[:each]
    return chosen[:MOST_SHOWN]


def _record(each: Look, strangers: Dataset, class_names: Sequence[str]) -> dict[str, Any]:
    sample = each.sample
    row: dict[str, Any] = {"image_id": sample.image_id, "group": strangers.class_names[sample.label]}
    row["status"], row["status_reason"] = each.status, each.reason
    if each.status != OK:
        return row
    row["log_odds"] = float(each.log_odds[each.target])
    names, ranks = predictions_of(class_names), (("predicted", "probability"), ("second", "second_probability"))
    for (name, column), (index, probability) in zip(ranks, each.ranked(2), strict=False):  # a map may name one class
        row[name], row[column] = names[index], probability
    if each.predicted != each.target:
        row[EXPLAINED] = names[each.target]
    columns = {column.name for column in STRANGERS}
    at = localize(each.map[None], each.mask[None])
    row.update({name: float(metric(at)[0]) for name, metric in MASKLESS.items() if name in columns})
    return row
