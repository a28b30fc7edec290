"""Lists the samples of WebDataset shards: tar archives in which the members of one stem are one sample.

0001.jpg, 0001.cls and 0001.mask.png are a picture, its label and its mask. One shard, a folder of them, or those that a
pattern names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bias_audit.data.archives import TAR, Archive, open_archive
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.locations import File, Location, read_location
from bias_audit.data.remote.failing import NotFetched
from bias_audit.data.sources.folder import told_unread, with_ignored
from bias_audit.data.sources.labels import LABELS, MASKS, NO_LABEL, classes, text_of
from bias_audit.data.sources.options import ClassNames, SourceOptions
from bias_audit.data.sources.splits import PREFERRED, chosen, fetched_part, files_of_shards, named, part_of
from bias_audit.data.sources.user_columns import user_columns
from bias_audit.data.trees import Place, printable_name
from bias_audit.errors import DataError
from bias_audit.files.text import parse_json
from bias_audit.limits.bounds import DEFAULTS, Limits

PICTURES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "jp2", "avif")
NAMES = ("image", "img", "input")
"""What may stand between stem and suffix of the picture: 0001.image.png."""

CLASS, JSON, TEXT = "cls", "json", "txt"
LONGEST = 1_000_000
"""Most bytes of a member that describes a sample."""

LOOKED_AT = 20
"""Samples whose members tell whether an archive is a shard."""

NO_PICTURE = "are missing: there are labels of them alone"


@dataclass(frozen=True)
class _Sample:
    """The members of one stem.

    Attributes:
        shard: name of the archive.
        pictures: name in the archive -> where it lies.
        masks: place of its name in MASKS -> where it lies; the first is used.
        described: kind of description (CLASS, JSON, TEXT) -> where it lies.
    """

    shard: str
    pictures: dict[str, Location]
    masks: dict[str, Location]
    described: dict[str, Location]


def holds_shards(place: Place) -> bool:
    """Whether a place is a tar archive, or a folder of some, in which labels lie beside pictures."""
    if place.named:
        return place.suffix == TAR
    try:
        names = sorted(_names(place), key=_by_part)
        first = next(_shards(place, names, DEFAULTS), None)
    except DataError as error:
        if isinstance(error.__cause__, NotFetched):
            raise
        return False  # said by the source that reads archives
    return first is not None and _is_shard(*first)


def from_shards(place: Place, class_names: ClassNames, options: SourceOptions) -> Dataset:
    """List the samples of WebDataset shards; parts go by the names of the shards. For the arguments see `open_dataset`.

    The label is the text of NAME.cls, else "label" in NAME.json, else the text of NAME.txt; for numbers
    see `class_numbers.meaning_of`. Further values of NAME.json are columns. The mask is
    NAME.mask.png, NAME.seg.png or the like. The id of a picture is its name in the shard where no two shards share
    one, else SHARD/NAME. Two pictures of one stem are a row with a reason.

    Raises:
        DataError: a shard that cannot be read, a label that the class map does not name, no such part, or no samples.
    """
    said = repr(str(place))
    found: list[_Sample] = []
    unread: dict[str, str] = {}
    counts: Counter[str] = Counter()
    trees: list[Archive] = []
    shards, notes = fetched_part(place.tree, _names(place), options.split, said)
    for name, tree in _shards(place, shards, options.limits):
        trees.append(tree)
        samples = list(_samples(name, tree))
        unread |= tree.files().unread
        found += samples
        counts[part_of(name)] += sum(bool(each.pictures) for each in samples)
    part, left_out = chosen(counts, options.split, said) if counts else ("", {})
    found = [each for each in found if part_of(each.shard) == part]
    left: Counter[str] = Counter(left_out)
    labelled: list[tuple[_Sample, str, Mapping[str, object]]] = []
    for each in found:
        label, more = _described(each)
        if not each.pictures:
            left[NO_PICTURE] += 1
        elif not label:
            left[NO_LABEL] += 1
        else:
            labelled.append((each, label, more))
    order, index = classes((label for _, label, _ in labelled), class_names, said, class_map=options.class_map)
    columns = user_columns([more for *_, more in labelled], LABELS, options.limits.columns, said)
    names = Counter(next(iter(each.pictures)) for each, *_ in labelled)
    twice = len(names) < len(labelled)
    made = []
    for row, (each, label, _) in enumerate(labelled):
        (name, path), *others = each.pictures.items()
        skip = f"its sample holds several pictures: {', '.join(each.pictures)}" if others else ""
        mask = min(each.masks.items(), default=("", None))[1]
        image_id = printable_name(f"{each.shard}/{name}" if twice else name)
        values = {column: values[row] for column, values in columns.items()}
        made.append(Sample(image_id, path, index[label], mask, columns=values, skip=skip))
    dataset = Dataset(
        tuple(made),
        order,
        "webdataset",
        columns=tuple(columns),
        unread_folders=told_unread(unread),
        left_out=dict(left),
        splits=named(counts),
        notes=notes,
    )
    for tree in trees:
        dataset = dataset if tree is place.tree else with_ignored(dataset, tree)
    return dataset


def _names(place: Place) -> list[str]:
    """Names of the shards in a folder, or of a pattern; a shard by itself, which is a tree, has none."""
    if isinstance(place.tree, Archive) or (place.file and not place.named):
        return []
    return [name for name in place.named or files_of_shards(place.tree) if name.lower().endswith(TAR)]


def _by_part(name: str) -> int:
    """Place of the part of a shard in the order in which one is audited: the first to be looked at is fetched."""
    part = part_of(name)
    return PREFERRED.index(part) if part in PREFERRED else len(PREFERRED)


def _shards(place: Place, names: Sequence[str], limits: Limits) -> Iterator[tuple[str, Archive]]:
    """(name, tree) of each shard."""
    tree = place.tree
    if isinstance(tree, Archive) and not place.file and tree.path.name.lower().endswith(TAR):
        yield tree.path.name, tree
    for name in names:
        location = tree.location(name)
        if isinstance(location, File):
            yield name, open_archive(location, limits)


def _is_shard(name: str, tree: Archive) -> bool:
    whole = [each for each in _samples(name, tree, LOOKED_AT) if each.pictures]
    return any(CLASS in each.described or _label_in(_values(each)) for each in whole)


def _samples(shard: str, tree: Archive, most: int | None = None) -> Iterator[_Sample]:
    """Samples of a shard in the order of their stems, at most so many of them."""
    found: dict[str, _Sample] = {}
    for name in tree.files().files:
        if most is not None and len(found) > most:
            break
        folder, slash, file = name.rpartition("/")
        stem, dot, suffixes = file.partition(".")
        if not stem or not dot or stem.startswith("__"):
            continue
        *between, kind = suffixes.lower().split(".")
        sample = found.setdefault(folder + slash + stem, _Sample(shard, {}, {}, {}))
        location = tree.location(name)
        if kind in PICTURES and (not between or between[-1] in NAMES):
            sample.pictures[name] = location
        elif kind in PICTURES and between[-1] in MASKS:
            sample.masks[f"{MASKS.index(between[-1]):02}"] = location
        elif not between and kind in (CLASS, JSON, TEXT):
            sample.described[kind] = location
    yield from found.values()


def _described(sample: _Sample) -> tuple[str, Mapping[str, object]]:
    """(label, "" = there is none that can be read; further values) of a sample."""
    more = _values(sample)
    label = text_of(_text(sample.described.get(CLASS)) or "") or _label_in(more)
    return label or text_of(_text(sample.described.get(TEXT)) or ""), more


def _label_in(values: Mapping[str, object]) -> str:
    return next((text for name in LABELS if (text := text_of(values.get(name)))), "")


def _values(sample: _Sample) -> Mapping[str, object]:
    """What NAME.json says of a sample; nothing where it is no object that can be read."""
    try:
        content = parse_json(_text(sample.described.get(JSON)) or "", DataError, "it is")
    except DataError:  # such a sample has no label by it, and is counted
        return {}
    return content if isinstance(content, dict) else {}


def _text(location: Location | None) -> str | None:
    """Text of a member; None where there is none that can be read."""
    if location is None:
        return None
    try:
        data = read_location(location)
    except (OSError, ValueError):
        return None
    try:
        return data.decode("utf-8-sig") if len(data) <= LONGEST else None
    except UnicodeDecodeError:
        return None
