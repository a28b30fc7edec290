"""Search for leaks of the label in the data: background probe, file properties and copies, kept in a shard."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.base import Context, Measured
from bias_audit.checks.data_leaks.background_probe import background_features, probe
from bias_audit.checks.data_leaks.properties import Value, associations, file_properties, pixel_properties
from bias_audit.checks.data_leaks.rule import Looked
from bias_audit.data import sampling
from bias_audit.data.addresses import Url
from bias_audit.data.batches import Geometry, Loaded, load_in_order, reduced
from bias_audit.data.central_object import estimated
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.duplicates import MOSTLY, is_indexed, near_pairs, perceptual_hash
from bias_audit.data.geometry import fit_image
from bias_audit.data.locations import Location, stamp
from bias_audit.data.masks import BACKGROUND
from bias_audit.data.sources.loose import pictures_at
from bias_audit.limits.ahead import made_ahead
from bias_audit.run.columns import Row
from bias_audit.run.folder import Run
from bias_audit.run.progress import Progress
from bias_audit.run.result import AuditResult
from bias_audit.run.statuses import OK, SWITCHED_OFF
from bias_audit.run.tables import table

if TYPE_CHECKING:
    from bias_audit.data.remote.reach import Reach

SHARD, TRAIN_SHARD = "shards/leakage.json", "shards/train.json"
_PICTURE = ("name", "label", "hash")

MOST_PAIRS = 500
"""Largest number of pairs of copies that are listed, the most similar first."""

BACKGROUND_KIND, WHOLE_KIND, PROPERTY_KIND = "background", "whole image", "property"
TRAIN_KIND, TEST_KIND = "training copy", "test copy"


def measure(context: Context) -> Measured:
    """Measure the table `leakage`, and what was examined (`Looked`, in `Measured.own`)."""
    found = find_leaks(context)
    notes = []
    if found.train_unreadable:
        notes.append(
            f"{found.train_unreadable} of {found.train} training pictures could not be read, so no copies of them were "
            f"looked for; the first is {found.train_first!r}."
        )
    if found.indexed:
        notes.append(MOSTLY)
    return Measured({"leakage": leakage_table(found.rows)}, notes=notes, own=found.looked)


def leakage_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table `leakage`; p_fdr of the properties is p after Benjamini-Hochberg over all properties.

    Args:
        rows: column name -> value, as in `columns.LEAKAGE`.
    """
    frame = table("leakage", rows)
    tested = frame["kind"] == "property"
    frame.loc[tested, "p_fdr"] = stats.benjamini_hochberg(frame.loc[tested, "p"].to_numpy(float))
    return frame


@dataclasses.dataclass
class Leaks:
    """Leaks found in the data, as the run keeps them.

    Attributes:
        rows: rows of the table `leakage`.
        estimated: number of probed photos whose object was estimated for want of a mask.
        train: number of training pictures that were compared; None = no training folder was given.
        reason: why nothing was examined; "" where the data were examined.
        indexed: whether copies were looked for by samples of their hashes, see `duplicates.is_indexed`.
        train_unreadable, train_first: number of training pictures that could not be read, and the name of the first.
    """

    rows: list[Row] = dataclasses.field(default_factory=list)
    estimated: int = 0
    train: int | None = None
    reason: str = ""
    train_unreadable: int = 0
    train_first: str = ""
    indexed: bool = False

    def looked(self) -> Looked:
        """The facts that the rules need beside the table."""
        return Looked(self.reason, self.train, self.estimated)


def find_leaks(context: Context) -> Leaks:
    """Probe a sample of the images and look for copies, or read the result of an interrupted audit."""
    dataset, records, groups = context.dataset, context.records, context.groups
    geometry, config, run, progress = context.geometry, context.config, context.run, context.progress
    if config.leakage == 0:
        return Leaks(reason=SWITCHED_OFF)
    kept: Leaks | None = run.read_json(SHARD, _leaks)
    if kept is not None:
        return kept
    chosen = sorted(sampling.readable(dataset, records, config.seed, config.leakage))
    found = Leaks()
    with progress.stage("What the data give away", len(chosen), "images") as advance:
        seen = _look(dataset, chosen, geometry, advance)
    found.estimated = sum(seen.estimated)
    with progress.stage("Probing backgrounds", None):
        labels = np.array([dataset.samples[p].label for p in chosen], np.intp)
        for kind, features in ((BACKGROUND_KIND, seen.background), (WHOLE_KIND, seen.whole)):
            places = np.array(sorted(features), np.intp)
            if len(places):
                found.rows += [
                    {"kind": kind, "name": "colours and textures", "class_name": one.subject, "measure": "AUC",
                     "value": one.auc, "low": one.low, "high": one.high, "n": one.n, "p": one.p, "p_fdr": one.p}
                    for one in probe(
                        np.stack([features[int(place)] for place in places]), labels[places], dataset.class_names,
                        seed=config.seed, groups=None if groups is None else groups[np.array(chosen)[places]],
                    )
                ]  # fmt: skip
        found.rows += [
            {"kind": PROPERTY_KIND, "name": one.name, "class_name": one.class_name, "measure": one.measure,
             "value": one.value, "low": one.low, "high": one.high, "n": one.n, "p": one.p, "typical": one.typical}
            for one in associations(
                seen.properties, labels, dataset.class_names,
                seed=config.seed, groups=None if groups is None else groups[np.array(chosen)],
            )
        ]  # fmt: skip
    hashes = [str(record.get("#hash") or "") for record in records]
    own_labels = [dataset.class_names[sample.label] for sample in dataset.samples]

    def named(position: int) -> tuple[str, str]:
        return dataset.samples[position].image_id, own_labels[position]

    hashed = sum(map(bool, hashes))
    found.indexed = is_indexed(hashed)
    with progress.stage("Looking for copies", hashed, "images") as advance:
        pairs = near_pairs(hashes, own_labels, advance=advance)
    found.rows += [_copy(TEST_KIND, named(pair.first), named(pair.second), pair.bits) for pair in pairs[:MOST_PAIRS]]
    if context.given.train is not None:
        pictures = training_pictures(context.given.train, context.given.reach)
        trained = _trained(pictures, dataset, geometry, run, progress)
        found.train = len(trained)
        unread = [each["name"] for each in trained if each.get("unreadable")]
        found.train_unreadable, found.train_first = len(unread), unread[0] if unread else ""
        theirs = [each["hash"] for each in trained], [each["label"] for each in trained]
        found.indexed |= is_indexed(hashed, sum(map(bool, theirs[0])))
        with progress.stage("Looking for copies of training pictures", hashed, "images") as advance:
            across = near_pairs(hashes, own_labels, *theirs, advance=advance)
        others = [(each["name"], each["label"]) for each in trained]
        found.rows += [
            _copy(TRAIN_KIND, named(pair.first), others[pair.second], pair.bits) for pair in across[:MOST_PAIRS]
        ]
    run.write_json(SHARD, dataclasses.asdict(found))
    return found


def recalled(result: AuditResult) -> Looked:
    """Read from a finished run what was examined.

    Raises:
        ResultError: the shard of the check is damaged.
    """
    found: Leaks = Run(result.path).read_json(SHARD, _leaks) or Leaks()
    return Leaks(reason=SWITCHED_OFF).looked() if result.info.config.get("leakage") == 0 else found.looked()


def _leaks(kept: dict[str, Any]) -> Leaks:
    leaks = Leaks(**kept)
    if not isinstance(leaks.rows, list) or not all(isinstance(row, dict) for row in leaks.rows):
        raise TypeError("it holds no rows")
    if (
        type(leaks.estimated) is not int
        or type(leaks.train) not in (int, NoneType)
        or not isinstance(leaks.reason, str)
        or type(leaks.indexed) is not bool
    ):
        raise TypeError("it does not say what was looked at")
    return leaks


@dataclasses.dataclass(frozen=True)
class _Seen:
    """Features and properties of the chosen images, by their place among the chosen.

    Attributes:
        background, whole: place -> (F,) features of the background and of the whole picture, where both exist.
        estimated: for each of these images, whether its object was estimated for want of a mask.
        properties: properties of every chosen image.
    """

    background: dict[int, NDArray[np.float64]]
    whole: dict[int, NDArray[np.float64]]
    estimated: list[bool]
    properties: list[dict[str, Value]]


def _look(dataset: Dataset, chosen: Sequence[int], geometry: Geometry, advance: Callable[[int], None]) -> _Seen:
    samples = [dataset.samples[position] for position in chosen]
    looked = _Seen({}, {}, [], [])

    def photos() -> Iterator[tuple[Sample, Loaded]]:
        for at, group in load_in_order(samples, geometry, 16):
            yield from zip(samples[at : at + 16], group, strict=True)

    def one(photo: tuple[Sample, Loaded]) -> tuple[Any, Any, bool, dict[str, Value]]:
        sample, loaded = photo
        columns = {name: _plain(sample.columns.get(name)) for name in dataset.columns}
        if loaded.pixels is None or loaded.mask is None:
            return None, None, False, columns
        known = loaded.mask_status == OK
        mask = loaded.mask if known else estimated(loaded.pixels)
        of_file = file_properties(sample.path, geometry.limits.pixels, loaded.content)
        properties = {**pixel_properties(loaded.pixels), **of_file, **columns}
        ground = background_features(loaded.pixels, mask)
        whole = background_features(loaded.pixels, np.full_like(mask, BACKGROUND))
        return ground, whole, not known and loaded.mask_kind != "estimated", properties

    for place, (ground, whole, guess, properties) in enumerate(made_ahead(one, photos())):
        if ground is not None and whole is not None:
            looked.background[place], looked.whole[place] = ground, whole
            looked.estimated.append(guess)
        looked.properties.append(properties)
        advance(1)
    return looked


def _trained(
    pictures: Mapping[str, Location], dataset: Dataset, geometry: Geometry, run: Run, progress: Progress
) -> list[dict[str, str]]:
    """Name, label and perceptual hash of every training picture.

    The hash is "" where a picture cannot be read; the label is the top folder, "" where that is no class.
    """
    kept: list[dict[str, str]] | None = run.read_json(TRAIN_SHARD, _pictures)
    if kept is not None:
        return kept

    def hashed(path: Location) -> str | None:
        # As the test photos were: a copy that is cropped or padded another way has another hash.
        fitted = reduced(
            path, geometry, lambda pixels: fit_image(pixels, geometry.size, geometry.resize, geometry.interpolation)
        )
        return None if fitted is None else perceptual_hash(fitted)

    found = []
    with progress.stage("Training pictures", len(pictures), "images") as advance:
        for name, digest in zip(pictures, made_ahead(hashed, pictures.values()), strict=True):
            label = name.split("/")[0] if "/" in name else ""
            known = label if label in dataset.class_names else ""
            unreadable = "yes" if digest is None else ""
            found.append({"name": name, "label": known, "hash": digest or "", "unreadable": unreadable})
            advance(1)
    run.write_json(TRAIN_SHARD, found)
    return found


def _pictures(kept: list[dict[str, str]]) -> list[dict[str, str]]:
    if not isinstance(kept, list) or not all(isinstance(each[name], str) for each in kept for name in _PICTURE):
        raise TypeError("it holds no training pictures")
    return kept


def fingerprint(train: Path | Url, reach: Reach | None = None) -> str:
    """Hash over names, sizes and modification times of the training pictures; their contents are not read.

    Args:
        train: folder or archive of the training pictures, also by its address.
        reach: what may be fetched; None = the defaults.

    Raises:
        DataError: it does not exist or holds no pictures.
    """
    digest = hashlib.sha256()
    for name, path in training_pictures(train, reach).items():
        digest.update(f"{name}:{stamp(path)}\n".encode())
    return digest.hexdigest()


def training_pictures(train: Path | Url, reach: Reach | None = None) -> dict[str, Location]:
    """Name of each training picture -> where it lies; arguments and errors as of `fingerprint`."""
    hint = "Give the folder or the archive that holds the training pictures."
    return pictures_at(train, "training folder", hint, reach)[1]


def _copy(kind: str, first: tuple[str, str], second: tuple[str, str], bits: int) -> Row:
    return {
        "kind": kind, "name": first[0], "class_name": first[1], "measure": "bits", "value": float(bits),
        "typical": second[0], "other_label": second[1],
    }  # fmt: skip


def _plain(value: object) -> Value:
    """A value of a column of the user's table as a float or a string; None where it is empty."""
    if value is None or value != value:
        return None
    return float(value) if isinstance(value, int | float | np.number) and not isinstance(value, bool) else str(value)
