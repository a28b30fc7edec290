"""Global cues over the data set: photos with the whole-photo properties of other photos, and what the model says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.base import Context, Measured
from bias_audit.checks.whole_photo.exchange import PROPERTIES, properties_for
from bias_audit.checks.whole_photo.pulls import property_rows
from bias_audit.data.batches import Geometry, Pixels
from bias_audit.data.dataset import Dataset
from bias_audit.data.sampling import load_pixels, readable
from bias_audit.models.base import Predictions
from bias_audit.run.columns import Row
from bias_audit.run.folder import Run
from bias_audit.run.tables import table

Predict = Callable[[Pixels], Predictions]
SHARD = "shards/probes.npz"

SAME, OTHER = "same", "other"

DONORS = 2
"""Photos per arm that lend their property to a photo."""

MOST = 1000
"""Photos in all classes together: the cost is bounded, so that many classes get few photos each, or too few."""

FIELDS = ("probe", "photo", "label", "donor_label", "predicted")


def measure(context: Context) -> Measured:
    """The table of exchanged properties; without rows where the check is switched off."""
    return Measured({"probes": table("probes", find_pulls(context))})


def find_pulls(context: Context) -> list[Row]:
    """Rows of the table `probes`."""
    config, geometry, dataset = context.config, context.geometry, context.dataset
    if config.probes == 0:
        return []
    positions = choose_photos(dataset, context.records, config.probes, config.seed)
    total = count_exchanges(len(positions), geometry.channels)
    with context.progress.stage("Global cues", total, "photos") as advance:
        seen = exchange(
            dataset, positions, context.explainer.predict, geometry,
            batch=context.explainer.model.batch_size, seed=config.seed, run=context.run, advance=advance,
        )  # fmt: skip
    return property_rows(
        seen,
        properties_for(geometry.channels),
        dataset.class_names,
        min_photos=context.thresholds.min_photos,
        seed=config.seed,
        groups=context.groups,
    )


def choose_photos(dataset: Dataset, records: Sequence[Mapping[str, Any]], per_class: int, seed: int) -> list[int]:
    """Positions of the photos whose properties are exchanged: readable ones, the classes in turn."""
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
    """Changed photos that `exchange` shows to the model, at most."""
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
) -> dict[str, NDArray[Any]]:
    """Show the model every chosen photo with the properties of others, or read what an interrupted run saw.

    Both arms change the photo in the same way and by as much, so what the change costs cancels: the one takes its
    donors from the photo's own class, the other from the other classes, each as often as any.

    Args:
        dataset: all samples.
        positions: of `choose_photos`; they are photos and donors alike, and are held as 8-bit pixels.
        predict: (n, H, W, C) float32 in [0, 255] -> predictions.
        geometry: how pictures become model inputs.
        batch: pictures per call of `predict`.
        seed: of the choice of donors.
        run: keeps the outcome.
        advance: counts changed photos.

    Returns:
        arrays FIELDS, equally long: index into `properties_for`, sample position, and class indices.
    """
    if (stored := run.read_arrays(SHARD)) is not None:
        advance(len(stored["photo"]))
        return stored
    read, pixels = load_pixels(dataset, positions, geometry)
    photos = np.rint(pixels).astype(np.uint8)
    labels = np.array([dataset.samples[position].label for position in read], np.intp)
    rows: list[tuple[int, int, int, int]] = []
    predicted: list[NDArray[np.intp]] = []
    waiting: list[Pixels] = []
    for number, photo, donor, changed in exchanged(photos, labels, seed):
        rows.append((number, read[photo], int(labels[photo]), int(labels[donor])))
        waiting.append(changed)
        if len(waiting) == batch:
            predicted.append(predict(np.stack(waiting)).predicted)
            advance(len(waiting))
            waiting.clear()
    if waiting:
        predicted.append(predict(np.stack(waiting)).predicted)
        advance(len(waiting))
    table = np.array(rows, np.intp).reshape(-1, 4)
    columns = (*table.T, np.concatenate(predicted) if predicted else np.zeros(0, np.intp))
    seen = dict(zip(FIELDS, columns, strict=True))
    run.write_arrays(SHARD, seen)
    return seen


def exchanged(photos: NDArray[np.uint8], labels: NDArray[np.intp], seed: int) -> Iterator[tuple[int, int, int, Pixels]]:
    """Every photo with the properties of DONORS photos of its own class and of DONORS of other classes.

    Args:
        photos: (N, H, W, C).
        labels: (N,) class indices.
        seed: of the choice of donors.

    Yields:
        (property, photo, donor, the photo with the donor's property): indices into `properties_for` and photos.
    """
    classes = np.unique(labels)
    members = {int(label): np.flatnonzero(labels == label) for label in classes}
    for number, name in enumerate(properties_for(photos.shape[-1])):
        rng = np.random.default_rng((seed, number))
        for photo, label in enumerate(map(int, labels)):
            own = members[label][members[label] != photo]
            others = classes[classes != label]
            if not len(own) or not len(others):
                continue
            donors = [int(donor) for donor in rng.choice(own, min(DONORS, len(own)), replace=False)]
            for other in rng.choice(others, DONORS, replace=len(others) < DONORS):
                donors.append(int(rng.choice(members[int(other)])))
            for donor in donors:
                changed = PROPERTIES[name](photos[photo].astype(np.float32), photos[donor].astype(np.float32))
                yield number, photo, donor, changed
