"""Lists the samples of Parquet files that hold the bytes of pictures, as data sets lie on Hugging Face's Hub.

A picture is a struct {bytes, path}. What an integer label means stands in the file's metadata, as `datasets` writes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bias_audit.data.archives import clean_name
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.locations import File, open_file
from bias_audit.data.parquet_cells import Cell
from bias_audit.data.remote.failing import NotFetched
from bias_audit.data.sources.labels import LABELS, MASKS, NO_LABEL, classes, text_of
from bias_audit.data.sources.options import ClassNames, SourceOptions
from bias_audit.data.sources.splits import chosen, fetched_part, files_of_shards, named, part_of
from bias_audit.data.tables import told_names, unreadable_table
from bias_audit.data.trees import Place, printable_name
from bias_audit.errors import DataError
from bias_audit.files.text import parse_json
from bias_audit.limits.bounds import Limits, beyond

PICTURES = ("image", "img", "pixel_values", "picture", "photo")
"""Names of the column of pictures, the more usual first; else it is the only column of this kind."""

FOLDERS = ("data", "default")
"""Folders beside those of parts in which the Hub keeps Parquet files."""


@dataclass(frozen=True)
class Layout:
    """What the columns of a file are.

    Attributes:
        picture, label: names of their columns.
        mask: name of the column of masks; "" = there is none.
        names: names of the labels that are numbers, from 0 on; () = the file gives none.
        columns: further columns, of numbers and texts.
    """

    picture: str
    label: str
    mask: str
    names: tuple[str, ...]
    columns: tuple[str, ...]


def holds_pictures(place: Place) -> bool:
    """Whether a place is a Parquet file with a column of pictures, or a folder of some."""
    files = _files(place)
    if not files:
        return False
    location = place.tree.location(files[0])
    if not isinstance(location, File):  # a file in an archive would be unpacked for each row group
        return False
    try:
        return bool(_pictures(_opened(location, lambda parquet, state: parquet.schema_arrow)))
    except Exception as error:
        if isinstance(error.__cause__, NotFetched):
            raise
        return False  # what is no Parquet file is read by another source, which says so


def from_parquet(place: Place, class_names: ClassNames, options: SourceOptions) -> Dataset:
    """List the samples of Parquet files with pictures; several files are one data set, parts go by their names.

    The id of a picture is the path that its cell gives where all of them give one that is no other's, else FILE#ROW.
    Labels are class names, or numbers with the names of the file's metadata. For the arguments see `open_dataset`.

    Raises:
        DataError: a file that cannot be read, columns of another kind than in the first file, no label column, or a
            row group beyond the limit.
    """
    tree, said = place.tree, repr(str(place))
    names, notes = fetched_part(tree, _files(place), options.split, said)
    files = {name: file for name in names if isinstance(file := tree.location(name), File)}
    counts: Counter[str] = Counter()
    for name, file in files.items():
        counts[part_of(name)] += _opened(file, lambda parquet, state: int(parquet.metadata.num_rows))
    part, left_out = chosen(counts, options.split, said)
    files = {name: file for name, file in files.items() if part_of(name) == part}
    layout: Layout | None = None
    rows: list[tuple[str, int, Mapping[str, Any], Cell, Cell | None]] = []
    for name, file in files.items():
        schema = _opened(file, lambda parquet, state: parquet.schema_arrow)
        own = _layout(schema, repr(str(file)), options.limits)
        if layout is not None and own != layout:
            raise DataError(
                f"{str(file)!r} has other columns or class names than the files before it",
                "Files of one data set have the same columns: give one of them alone.",
            )
        layout = own
        rows += [(name, *row) for row in _rows(file, layout, options.limits)]
    assert layout is not None
    paths = [clean_name(str((row[layout.picture] or {}).get("path") or "")) for *_, row, _, _ in rows]
    paths_differ = all(paths) and len({*paths}) == len(paths)
    samples: list[tuple[str, Cell, Cell | None, str, dict[str, object]]] = []
    missing = 0
    for (name, number, row, cell, mask), path in zip(rows, paths, strict=True):
        if not (label := text_of(row[layout.label])):
            missing += 1
            continue
        image_id = printable_name(path if paths_differ else f"{name}#{number}")
        samples.append((image_id, cell, mask, label, {column: row[column] for column in layout.columns}))
    order, index = classes((label for *_, label, _ in samples), class_names, said, layout.names, options.class_map)
    return Dataset(
        tuple(Sample(each, cell, index[label], mask, columns=more) for each, cell, mask, label, more in samples),
        order,
        "parquet",
        columns=layout.columns,
        left_out={**left_out, **({NO_LABEL: missing} if missing else {})},
        splits=named(counts),
        notes=notes,
    )


def _files(place: Place) -> list[str]:
    """Names of the Parquet files of a data set."""
    if place.named:
        return list(place.named) if place.suffix == ".parquet" else []
    if place.file:
        return [place.file] if place.suffix == ".parquet" else []
    names = files_of_shards(place.tree, FOLDERS)
    return [name for name in names if name.endswith(".parquet") and not name.endswith("metadata.parquet")]


def _opened(file: File, look: Any) -> Any:
    """What a function of an open `pyarrow.parquet.ParquetFile` and of the state of the file finds, see `open_file`.

    Raises:
        DataError: it cannot be read.
    """
    import pyarrow.parquet

    try:
        opened, state = open_file(file)
        with opened:
            return look(pyarrow.parquet.ParquetFile(opened), state)
    except DataError:
        raise
    except Exception as error:  # a Parquet file holds anything
        raise unreadable_table(file, error) from error


def _pictures(schema: Any) -> list[str]:
    """Names of the columns of structs {bytes, path}."""
    import pyarrow

    def is_picture(kind: Any) -> bool:
        if not pyarrow.types.is_struct(kind):
            return False
        fields = {field.name: field.type for field in kind}
        data = fields.get("bytes")
        return {*fields} == {"bytes", "path"} and (pyarrow.types.is_binary(data) or pyarrow.types.is_large_binary(data))

    return [field.name for field in schema if is_picture(field.type)]


def _layout(schema: Any, said: str, limits: Limits) -> Layout:
    if len({*schema.names}) < len(schema.names):
        raise DataError(f"{said} has more than one column of a name")
    pictures = _pictures(schema)
    masks = [name for name in pictures if name.lower() in MASKS]
    photos = [name for name in pictures if name not in masks]
    usual = [name for name in PICTURES if name in photos]
    if not photos or (len(photos) > 1 and not usual):
        raise DataError(
            f"{said} has no column that is plainly that of the pictures; those of bytes are {told_names(pictures)}",
            f"Call it {PICTURES[0]!r}, and that of the masks {MASKS[0]!r}.",
        )
    features = _features(schema, said)
    plain = {field.name for field in schema if _is_plain(field.type)}
    named = [name for name in plain if isinstance(features.get(name), tuple)]
    labels = [name for name in LABELS if name in plain] or named
    if len(labels) != 1 and not {*labels} & {*LABELS}:
        raise DataError(
            f"{said} has no column that is plainly the label; it has {told_names(schema.names)}",
            f"Call it {LABELS[0]!r}: a class name, or a number with the names that `datasets` writes (ClassLabel).",
        )
    columns = tuple(name for name in schema.names if name in plain and name != labels[0])
    if len(columns) > limits.columns:
        raise DataError(f"the table {said} has {beyond('columns', len(columns), limits.columns)}")
    names = features.get(labels[0])
    return Layout((usual or photos)[0], labels[0], (masks or [""])[0], names if names else (), columns)


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    return any(is_kind(kind) for is_kind in (
        types.is_integer, types.is_floating, types.is_boolean, types.is_string, types.is_large_string,
    ))  # fmt: skip


def _features(schema: Any, said: str) -> dict[str, tuple[str, ...] | None]:
    """Column -> names of its numbers, of each column that `datasets` knows as a ClassLabel."""
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return {}
    begin = f"{said}: its metadata of `datasets` are"
    try:
        content = parse_json(text.decode(), DataError, begin)
    except UnicodeDecodeError as error:
        raise DataError(f"{begin} not UTF-8 text") from error
    info = content.get("info") if isinstance(content, dict) else None
    features = info.get("features") if isinstance(info, dict) else None
    found: dict[str, tuple[str, ...] | None] = {}
    for name, feature in features.items() if isinstance(features, dict) else ():
        names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
        if names is None:
            continue
        if not isinstance(names, list) or not all(isinstance(each, str) and each for each in names):
            raise DataError(f"{begin} damaged: the class names of {name!r} are no texts")
        if len({*names}) < len(names):
            raise DataError(f"{begin} damaged: the class names of {name!r} repeat themselves")
        found[name] = tuple(names)
    return found


def _rows(file: File, layout: Layout, limits: Limits) -> Iterator[tuple[int, Mapping[str, Any], Cell, Cell | None]]:
    """(number of the row, its values without bytes, picture, mask) of each row of a file."""
    columns = [layout.label, f"{layout.picture}.path", *layout.columns]
    if layout.mask:
        columns.append(f"{layout.mask}.path")

    def look(parquet: Any, state: str) -> tuple[list[dict[str, Any]], list[int], str]:
        groups = [parquet.metadata.row_group(group) for group in range(parquet.metadata.num_row_groups)]
        _refuse(groups, layout, repr(str(file)), limits)
        return parquet.read(columns=columns).to_pylist(), [group.num_rows for group in groups], state

    rows, sizes, listed = _opened(file, look)
    if len(rows) != sum(sizes):
        raise DataError(f"cannot read the table {str(file)!r}: it declares {sum(sizes):,} rows and holds {len(rows):,}")
    places = ((group, place) for group, size in enumerate(sizes) for place in range(size))
    for number, (row, (group, place)) in enumerate(zip(rows, places, strict=True)):
        picture, mask = (
            Cell(file, column, number, group, place, listed, _name_in(row[column]), limits.member_bytes)
            for column in (layout.picture, layout.mask or layout.picture)
        )
        yield number, row, picture, mask if layout.mask and row[layout.mask] is not None else None


def _refuse(groups: list[Any], layout: Layout, said: str, limits: Limits) -> None:
    """Raise DataError where a row group is too large, or no picture has bytes."""
    chunks = [group.column(each) for group in groups for each in range(group.num_columns)]
    ends = tuple(f"{name}.bytes" for name in (layout.picture, layout.mask) if name)
    needed = max((each.total_uncompressed_size for each in chunks if each.path_in_schema in ends), default=0)
    if needed > limits.member_bytes:
        raise DataError(
            f"a row group of {said} takes {beyond('member_bytes', needed, limits.member_bytes)}",
            "Or write the file with smaller row groups: pyarrow.parquet.write_table(table, FILE, row_group_size=100).",
        )
    pictures = [each for each in chunks if each.path_in_schema == ends[0]]
    if pictures and all(
        each.statistics is not None and each.statistics.has_null_count and each.statistics.null_count == each.num_values
        for each in pictures
    ):
        raise DataError(
            f"{said} holds paths of pictures and no bytes, as to_parquet of `datasets` writes them",
            "Write it anew: dataset.with_format('arrow').map(datasets.table.embed_table_storage, batched=True)"
            ".to_parquet(FILE).",
        )


def _name_in(picture: Mapping[str, Any] | None) -> str:
    """Last part of the path that a cell gives; "" where it gives none."""
    return printable_name(str((picture or {}).get("path") or "").replace("\\", "/").rpartition("/")[2])
