"""Explains single pictures without labels: predicted class, its probability, and a heatmap of the evidence for it."""

from __future__ import annotations

import dataclasses
import functools
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.config import AuditConfig, configured
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Sample
from bias_audit.data.preprocess import find_preprocess
from bias_audit.errors import ConfigError, DataError
from bias_audit.files.regular import read_regular
from bias_audit.heatmaps.explained import Explained, Pictures, chance, png
from bias_audit.heatmaps.methods import WITHOUT, Explainer, check_method
from bias_audit.heatmaps.overlays import STYLES, view
from bias_audit.heatmaps.unlabelled import Look, find_class, look, name_outputs, pictures_in
from bias_audit.models.decoding import geometry_of
from bias_audit.models.doors import check_model, folder_name, load_model
from bias_audit.models.trained_with import settled
from bias_audit.run.atomic import guarded, write_atomically
from bias_audit.run.csv_text import csv_text
from bias_audit.run.notebook_progress import usual
from bias_audit.run.progress import Progress
from bias_audit.run.statuses import OK, predictions_of

__all__ = ["Explained", "chance", "default_folder", "explain", "output_names", "read_labels"]

TOP = 3
"""Number of predictions that are listed per picture."""

LONGEST_NAME = 180
"""Most bytes of a file name before its suffix; file systems take 255."""

_HINT = "Free space or choose another folder with --out."


def explain(
    model: str | Path | Any,
    images: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = None,
    style: str = "grey",
    target: str | None = None,
    classes: Sequence[str] | None = None,
    class_map: str | Path | Mapping[str, Sequence[int]] | None = None,
    config: AuditConfig | None = None,
    progress: Progress | None = None,
    keep_maps: bool = True,
    **options: Any,
) -> Pictures:
    """Predict and explain pictures that belong to no data set.

    Args:
        model: path of a model file, or a Keras model in memory.
        images: files and folders; folders are searched with all folders below them.
        out: folder for an overlay NAME.png and a map NAME.npy per picture, and explain.csv; None = write nothing.
        style: "grey" (red on the grey photo), "colour" (colour map over the photo) or "contour" (lines).
        target: class to explain; None = each picture's most probable class.
        classes: names of the model's outputs, in their order; None = "output 0" and so on.
        class_map: instead of `classes`: JSON file or dict, class name -> output indices.
        config: all settings; `options` are single fields of AuditConfig, for instance preprocess="signed".
        progress: shows the progress; None = a bar in a notebook, and nothing elsewhere.
        keep_maps: False leaves pictures and maps out of the records, which saves memory for many pictures.

    Returns:
        One record per picture, in the order given; a picture that is given twice has one record. A notebook shows the
        pictures; each has `.predictions`, `.image` and `.heatmap`.

    Raises:
        BiasAuditError: one clear sentence about the model, an option, or that none of the pictures could be read.
    """
    progress = progress or usual()
    config = configured(config, class_map, options)
    if style not in STYLES:
        raise ConfigError(f"style must be one of {', '.join(STYLES)}, got {style!r}")
    check_method(config.method)
    given = [images] if isinstance(images, str | Path) else list(images)
    paths = _found([Path(image) for image in given])
    if isinstance(model, str | Path):
        check_model(Path(model))
    with progress.stage("Loading the model", None):
        loaded = load_model(model, config, None)
        names = name_outputs(loaded, config, classes)
        chosen = None if target is None else find_class(target, names)
        config = settled(config, loaded)
        geometry = geometry_of(config, loaded.input_size)
        preprocess = find_preprocess(config.preprocess, geometry.channels)
        explainer = Explainer(loaded, config.method, preprocess, config.seed)
        if explainer.name == WITHOUT:
            raise ConfigError(
                "there is no heatmap to explain a picture by: this model gives no gradients"
                if not loaded.differentiable
                else "there is no heatmap to explain a picture by: --method none was asked for",
                "Take --method occlusion or rise, which need predictions only.",
            )
    samples = [Sample(str(path), path, 0) for path in paths]
    folder = None if out is None else Path(out)
    stems = output_names(paths)
    records = Pictures()
    with progress.stage("Explaining", len(paths), "pictures") as advance:
        for stem, each in zip(stems, look(samples, explainer, geometry, advance, chosen), strict=True):
            record = _record(each, names, explainer, geometry, style)
            if folder is not None and record.status == OK:
                record = _written(record, each, folder, stem)
            records.append(record if keep_maps else dataclasses.replace(record, map=None, seen=None))
    if not any(record.status == OK for record in records):
        first = records[0]
        raise DataError(
            f"none of the {len(records)} pictures could be read; the first, {str(first.path)!r}: {first.status_reason}"
        )
    if folder is not None:
        write_atomically(folder / "explain.csv", _csv(records), _HINT)
    return records


def read_labels(path: Path) -> tuple[str, ...]:
    """Read the names of a model's outputs from a text file with one name per line; empty lines at the end are dropped.

    Raises:
        ConfigError: a file that cannot be read or is empty, or an empty line before the last name.
    """
    try:
        lines = [line.strip() for line in read_regular(path).decode("utf-8-sig").rstrip().splitlines()]
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the labels {str(path)!r}: {error}") from error
    if not all(lines) or not lines:
        where = f"line {lines.index('') + 1} is empty" if lines else "it is empty"
        raise ConfigError(f"the labels {str(path)!r} must hold one name a line, in the order of the outputs: {where}")
    return tuple(lines)


def output_names(paths: Sequence[Path]) -> list[str]:
    """Choose a file name without suffix for each picture; no two are equal, even if case is ignored.

    The name is the picture's stem if that is enough, else it gets the folder's name, else the suffix as well, else a
    number.
    """
    ways = (
        lambda path: path.stem,
        lambda path: f"{path.absolute().parent.name}-{path.stem}",
        lambda path: f"{path.absolute().parent.name}-{path.name}",
    )
    level = [0] * len(paths)
    for step in range(len(ways) - 1):
        shared: dict[str, list[int]] = {}
        for index, path in enumerate(paths):
            shared.setdefault(ways[level[index]](path).casefold(), []).append(index)
        for indices in shared.values():
            if len(indices) > 1:
                for index in indices:
                    level[index] = step + 1
    names, taken = [], set()
    for index, path in enumerate(paths):
        name = base = _short(ways[level[index]](path))
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _short(name: str) -> str:
    while len(name.encode(errors="surrogateescape")) > LONGEST_NAME:
        name = name[1:]  # the end of a name tells pictures apart more often than its beginning
    return name


def _found(given: Sequence[Path]) -> list[Path]:
    """Paths of all pictures that are given or lie below given folders, each once, in the order given.

    Raises:
        DataError: no picture at all.
    """
    found: dict[Path, Path] = {}
    for path in given:
        for picture in pictures_in(path) if os.path.isdir(path) else [path]:
            found.setdefault(picture.absolute(), picture)
    if not found:
        raise DataError(
            "no picture was given" if not given else f"no pictures in {', '.join(repr(str(path)) for path in given)}"
        )
    return list(found.values())


def _record(each: Look, names: Sequence[str], explainer: Explainer, geometry: Geometry, style: str) -> Explained:
    path = Path(each.sample.image_id)
    if each.status != OK:
        return Explained(path, each.status, each.reason)
    return Explained(
        path,
        OK,
        top=tuple((predictions_of(names)[index], probability) for index, probability in each.ranked(TOP)),
        explained=names[each.target],
        explained_probability=float(each.probabilities[each.target]),
        log_odds=float(each.log_odds[each.target]),
        map=each.map,
        method=explainer.name,
        layer=explainer.model.layer,
        style=style,
        seen=functools.partial(view, path, geometry, _whole(each.pixels), each.content),
    )


def _whole(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pixels in [0, 255] as whole numbers: a fourth of the memory while a list of pictures is kept."""
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _written(record: Explained, each: Look, folder: Path, stem: str) -> Explained:
    drawn = record.drawn()
    assert drawn is not None, "a record that is written has a picture and a map"
    raw = io.BytesIO()
    np.save(raw, each.map)
    guarded(lambda: folder.mkdir(parents=True, exist_ok=True), folder, _HINT)
    return dataclasses.replace(
        record,
        overlay=write_atomically(folder / f"{stem}.png", png(drawn), _HINT),
        raw=write_atomically(folder / f"{stem}.npy", raw.getvalue(), _HINT),
    )


def _csv(records: Sequence[Explained]) -> bytes:
    ranks = [column for rank in range(1, TOP + 1) for column in (f"class_{rank}", f"probability_{rank}")]
    columns = ("explained", "explained_probability", "log_odds", "method", "layer", "overlay", "map")
    rows = []
    for record in records:
        top = [cell for name, probability in record.top for cell in (name, f"{probability:z.6g}")]
        numbers = ["" if x is None else f"{x:z.6g}" for x in (record.explained_probability, record.log_odds)]
        files = [file.name if file else "" for file in (record.overlay, record.raw)]
        row = [*top, *[""] * (len(ranks) - len(top)), record.explained, *numbers, record.method, record.layer, *files]
        rows.append([str(record.path), record.status, record.status_reason, *row])
    text = csv_text(["image", "status", "status_reason", *ranks, *columns], rows, "\n")
    return text.encode("utf-8", "backslashreplace")


def default_folder(model: Path) -> Path:
    """Folder that `bias-audit explain` writes to by default: reports/explain-NAME, see `doors.folder_name`."""
    return Path("reports") / f"explain-{folder_name(model)}"
