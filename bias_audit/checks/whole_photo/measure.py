"""Exchange of whole-photo properties over the data set: the changed photos are predicted and the pulls computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.base import Context, Measured
from bias_audit.checks.whole_photo.exchange import PROPERTIES, properties_for
from bias_audit.checks.whole_photo.pulls import property_rows
from bias_audit.checks.whole_photo.staged import FIELDS, Asked, Patience, in_blocks, in_turns
from bias_audit.data.batches import Geometry, Pixels
from bias_audit.data.dataset import Dataset
from bias_audit.data.sampling import load_bytes, readable
from bias_audit.limits.ahead import made_ahead
from bias_audit.models.base import NO_CLASS, Predictions
from bias_audit.models.given import NO_MODEL
from bias_audit.run.columns import Row
from bias_audit.run.folder import Run
from bias_audit.run.result import AuditResult
from bias_audit.run.statuses import GIVEN
from bias_audit.run.tables import table

Predict = Callable[[Pixels], Predictions]
SHARD = "shards/whole_photo.npz"

SAME, OTHER = "same", "other"

DONORS = 2
"""Number of donors per photo and arm (same class, other classes) that lend their property."""

MOST = 1000
"""Largest number of photos over all classes, which bounds the cost; many classes get few photos each, or too few."""


def measure(context: Context) -> Measured:
    """Measure the table `whole_photo`; without rows where the check is switched off."""
    rows = find_pulls(context)
    seen = context.run.read_arrays(SHARD) or {"photo": np.zeros(0), "predicted": np.zeros(0)}
    lost = len(np.unique(seen["photo"][seen["predicted"] == NO_CLASS]))
    why = NO_MODEL if context.given.results is not None else ""
    return Measured({"whole_photo": table("whole_photo", rows)}, counts={"invalid_exchanges": lost}, own=lambda: why)


def why_not(result: AuditResult) -> str:
    """Why a finished run exchanged no properties for want of a model; "" where it had one."""
    return NO_MODEL if result.info.head == GIVEN else ""


def find_pulls(context: Context) -> list[Row]:
    """Exchange properties between photos, and return the rows of the table `whole_photo`; [] where switched off."""
    config, geometry, dataset = context.config, context.geometry, context.dataset
    if config.probes == 0 or context.given.results is not None:
        return []
    positions = choose_photos(dataset, context.records, config.probes, config.seed)
    total = count_exchanges(len(positions), geometry.channels)
    bounds, classes = context.thresholds, len(dataset.class_names)
    patience = None
    if not config.thorough:
        patience = Patience(classes, bounds.min_attract, bounds.fdr, config.seed, context.groups)
    with context.progress.stage("Global cues", total, "photos") as advance:
        seen = exchange(
            dataset, positions, context.explainer.predict, geometry,
            batch=context.explainer.model.batch_size, seed=config.seed, run=context.run, advance=advance,
            groups=context.groups, patience=patience,
        )  # fmt: skip
    return property_rows(
        _answered(seen),
        properties_for(geometry.channels),
        dataset.class_names,
        min_photos=bounds.min_photos,
        seed=config.seed,
        groups=context.groups,
        planned=seen.get("planned"),
        stopped=np.flatnonzero(seen["stopped"]).tolist() if "stopped" in seen else (),
    )


def _answered(seen: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What `exchange` returns, without photos of which a property got no valid prediction, for that property."""
    pairs = np.stack([seen["property"], seen["photo"]], axis=1)
    lost = {tuple(pair) for pair in pairs[seen["predicted"] == NO_CLASS].tolist()}
    kept = np.array([tuple(pair) not in lost for pair in pairs.tolist()], bool)
    return {name: values[kept] for name, values in seen.items() if name in FIELDS}


def choose_photos(dataset: Dataset, records: Sequence[Mapping[str, Any]], per_class: int, seed: int) -> list[int]:
    """Positions of the photos whose properties are exchanged: readable ones, taken from the classes in turn.

    Args:
        dataset: all samples.
        records: records of the samples, by position; see `sampling.readable`.
        per_class: largest number of photos per class.
        seed: seed of the choice.

    Returns:
        ascending positions, at most MOST.
    """
    count = min(MOST, per_class * len(dataset.class_names))
    taken = [0] * len(dataset.class_names)
    chosen: list[int] = []
    for position in readable(dataset, records, seed):
        label = dataset.samples[position].label
        if taken[label] < per_class and len(chosen) < count:
            taken[label] += 1
            chosen.append(position)
    return sorted(chosen)


def count_exchanges(photos: int, channels: int) -> int:
    """Largest number of changed photos that `exchange` shows to the model.

    Args:
        photos: number of photos.
        channels: 3 or 1.
    """
    return photos * len(properties_for(channels)) * 2 * DONORS


def exchange(
    dataset: Dataset,
    positions: Sequence[int],
    predict: Predict,
    geometry: Geometry,
    *,
    batch: int,
    seed: int,
    run: Run,
    advance: Callable[[int], None],
    groups: NDArray[np.intp] | None = None,
    patience: Patience | None = None,
) -> dict[str, NDArray[Any]]:
    """Predict every chosen photo with the properties of other photos, or read the result of an interrupted audit.

    One arm takes its donors from the photo's own class, the other from the other classes, each class equally often.
    Both arms change the photo in the same way, so the cost of the change itself cancels.

    Args:
        dataset: all samples.
        positions: result of `choose_photos`; the photos serve as donors too, and are held as 8-bit pixels.
        predict: (n, H, W, C) float32 in [0, 255] -> predictions.
        geometry: how pictures become model inputs.
        batch: pictures per call of `predict`.
        seed: seed of the choice of donors.
        run: keeps the result.
        advance: called with the number of changed photos that are done.
        groups: group code by sample position (patient, scene), as of `exchanged`.
        patience: decides which properties are given up before all photos were changed; None = none are.

    Returns:
        name of FIELDS -> array with one entry per changed photo: property (index into `properties_for`), photo (sample
        position), label, donor_label and predicted (class indices; K = none of these, NO_CLASS where the outputs are
        not finite); with `patience` also "stopped", (properties,) whether one was given up, and "planned",
        (properties, K) photos of other classes that were to get the property of each class.
    """
    if (stored := run.read_arrays(SHARD, _stored)) is not None:
        advance(len(stored["photo"]))
        return stored
    read, photos = load_bytes(dataset, positions, geometry, run.path)
    labels = np.array([dataset.samples[position].label for position in read], np.intp)
    together = None if groups is None else groups[np.array(read, np.intp)]
    asked = Asked(read, labels, predict, batch, advance)
    decided: dict[str, NDArray[Any]] = {}
    if patience is None:
        for number, photo, donor, changed in exchanged(photos, labels, seed, together):
            asked.ask(number, photo, donor, changed)
    else:
        names = properties_for(photos.shape[-1])
        lent = list(_lent(labels, seed, together, len(names)))
        order = in_turns([dataset.samples[position].image_id for position in read], labels, seed)
        decided = in_blocks(
            order, labels, lent, asked, patience, len(names),
            lambda number, photo, donor: PROPERTIES[names[number]](
                photos[photo].astype(np.float32), photos[donor].astype(np.float32)
            ),
        )  # fmt: skip
    seen = {**asked.seen(), **decided}
    run.write_arrays(SHARD, seen)
    return seen


def _stored(shard: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.intp]]:
    if any(shard[name].shape != shard["photo"].shape[:1] or shard[name].dtype.kind != "i" for name in FIELDS):
        raise ValueError("its arrays are not of one length")
    return shard


def exchanged(
    photos: NDArray[np.uint8], labels: NDArray[np.intp], seed: int, groups: NDArray[np.intp] | None = None
) -> Iterator[tuple[int, int, int, Pixels]]:
    """Give every photo each property of DONORS photos of its own class and of DONORS photos of other classes.

    Args:
        photos: (N, H, W, C) in [0, 255].
        labels: (N,) class indices.
        seed: seed of the choice of donors.
        groups: (N,) codes of photos that belong together: no photo gets the property of one of its own group. None =
            every photo is a group of its own.

    Yields:
        (property, photo, donor, changed photo): an index into `properties_for`, two indices into `photos`, and pixels
        (H, W, C). Photos without a donor in one of the arms are left out.
    """
    names = properties_for(photos.shape[-1])

    def changed(lent: tuple[int, int, int]) -> tuple[int, int, int, Pixels]:
        number, photo, donor = lent
        return *lent, PROPERTIES[names[number]](photos[photo].astype(np.float32), photos[donor].astype(np.float32))

    yield from made_ahead(changed, _lent(labels, seed, groups, len(names)))


def _lent(
    labels: NDArray[np.intp], seed: int, groups: NDArray[np.intp] | None, properties: int
) -> Iterator[tuple[int, int, int]]:
    """(property, photo, donor) of each changed photo; arguments and order as of `exchanged`."""
    classes = np.unique(labels)
    members = {int(label): np.flatnonzero(labels == label) for label in classes}
    codes = np.arange(len(labels)) if groups is None else groups
    # The group of a class of one group only, which can lend nothing to a photo of that group.
    only = np.array([codes[each[0]] if np.ptp(codes[each]) == 0 else -1 for each in members.values()], np.intp)
    for number in range(properties):
        rng = np.random.default_rng((seed, number))
        for photo, label in enumerate(map(int, labels)):
            own = members[label][codes[members[label]] != codes[photo]]
            others = classes[(classes != label) & (only != codes[photo])]
            if not len(own) or not len(others):
                continue
            donors = [int(donor) for donor in rng.choice(own, min(DONORS, len(own)), replace=False)]
            for other in rng.choice(others, DONORS, replace=len(others) < DONORS):
                lend = members[int(other)]
                donors.append(int(rng.choice(lend if groups is None else lend[codes[lend] != codes[photo]])))
            for donor in donors:
                yield number, photo, donor
