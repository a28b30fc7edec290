"""Lists the samples of photos that were in memory when they were first audited, from the list that was written then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.in_memory.listing import ID, METADATA, OWN, SKIP, refuse_id
from bias_audit.data.sources.options import ClassNames, SourceOptions
from bias_audit.data.sources.table import parse_boxes
from bias_audit.data.tables import read_table, told_names
from bias_audit.data.trees import Place
from bias_audit.errors import DataError
from bias_audit.files.text import parse_json


def from_memory(place: Place, class_names: ClassNames, options: SourceOptions) -> Dataset:
    """List the samples of a list of photos that were in memory; for the arguments see `open_dataset`.

    Files lie beside the list. Where the caller gave paths, these are named by the list, and must stay inside its folder
    unless `outside`.

    Raises:
        DataError: no such list, a damaged one, a label that the class map does not name, or a path outside the folder.
    """
    said = repr(str(place))

    def content_of(table: Any) -> tuple[list[dict[str, Any]], dict[bytes, bytes]]:
        return table.to_pylist(), dict(table.schema.metadata or {})

    rows, metadata = read_table(place.location, content_of, columns=options.limits.columns)
    about = parse_json(metadata.get(METADATA, b"").decode("utf-8", "replace"), DataError, f"the list {said} is damaged")
    if not _is_about(about) or not rows or any(name not in rows[0] for name in OWN):
        raise DataError(
            f"{said} is no list of photos that were in memory", "Give a table another name, such as photos.parquet."
        )
    splits = Counter(str(row["split"]) for row in rows if row["split"] is not None)
    if options.split is not None:
        rows = [row for row in rows if row["split"] == options.split]
        if not rows:
            raise DataError(f"{said} has no row with split {options.split!r}")
    names = class_names or tuple(about["class_names"])
    extra = tuple(name for name in rows[0] if name not in OWN)
    samples: dict[str, Sample] = {}
    for number, row in enumerate(rows, start=1):
        where = f"{said} row {number}"
        if any(not isinstance(row[name], str | None) for name in OWN):
            raise DataError(f"{where} is damaged: what is to be text is none")
        image_id, label = row[ID] or "", row["label"]
        refuse_id(image_id, where)
        if image_id in samples:
            raise DataError(f"{where}: the image id {image_id!r} is there twice")
        if label not in names:
            raise DataError(
                f"{said} has the label {label!r}, which the class map does not name", f"It names {told_names(names)}."
            )
        # A photo that is not read has no file: the name of none stands for it.
        path = place.tree.named(row["image"] or "none", where, outside=options.outside)[1]
        mask = row["mask"]
        samples[image_id] = Sample(
            image_id,
            path,
            names.index(label),
            mask=place.tree.named(mask, where, outside=options.outside)[1] if mask else None,
            boxes=parse_boxes(row["box"], where),
            columns={name: None if row[name] == "" else row[name] for name in extra},
            skip=row[SKIP] or "",
        )
    ordered = tuple(samples[image_id] for image_id in sorted(samples))
    return Dataset(ordered, names, "memory", columns=extra, splits=splits, notes=tuple(about["notes"]))


def _is_about(content: Any) -> bool:
    """Whether the metadata of a list are what is written there."""
    if not isinstance(content, Mapping):
        return False
    names, notes = content.get("class_names"), content.get("notes")
    texts = all(isinstance(each, list) and all(isinstance(text, str) for text in each) for each in (names, notes))
    return texts and bool(names) and len(set(names)) == len(names)  # type: ignore[arg-type]
