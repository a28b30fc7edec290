"""Lists the samples of a data set in the form of YOLO: a data.yaml, pictures, and a label file for each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bias_audit.data.dataset import Dataset, Part, Sample
from bias_audit.data.locations import read_annotations
from bias_audit.data.pictures import size_of
from bias_audit.data.sources.each_object import PHOTO, Cut, EachObject, each_asked
from bias_audit.data.sources.objects import foreground_of
from bias_audit.data.sources.options import ClassNames, SourceOptions
from bias_audit.data.sources.yolo_layout import SPLITS, DataYaml, Found, read_data_yaml
from bias_audit.data.sources.yolo_objects import LARGEST, RelativeMask, RelativeShapes, YoloObject, read_labels
from bias_audit.data.tables import told_names
from bias_audit.data.trees import Place, printable_name
from bias_audit.errors import DataError, reason_of

FILES = ("data.yaml", "data.yml", "dataset.yaml")
"""Names of the file in a folder that is given."""

ASKED = ("test", "val")
"""Parts of which, without --split, the first counts in which a picture has a label file."""


def is_yolo(place: Place) -> bool:
    """Whether a place is a data.yaml, or a folder that holds one."""
    return place.suffix in (".yaml", ".yml") if place.file else not set(FILES).isdisjoint(place.tree.top()[1])


def from_yolo(place: Place, class_names: ClassNames, options: SourceOptions) -> Dataset:
    """List the samples of a part of a data.yaml: that of `options.split`, else of test, else of val.

    With `objects` "photo" a photo is one sample. Its class is that of its largest object, see `foreground_of`; its
    foreground are all objects of this class, and all others are void. With "each" every object is a sample of its own,
    see `EachObject`, by its line in the label file. The image id is the name below the `path` of the data.yaml. Classes
    without `class_names` are the names of the data.yaml in their order. For the arguments see `open_dataset`.

    Raises:
        DataError: no data.yaml that can be read, no such part, no picture in it, none with an object, or an option
            with a value that is none.
    """
    each_object = each_asked(options)
    file = place.file or next(name for name in FILES if name in place.tree.top()[1])
    data = read_data_yaml(place.tree, file, outside=options.outside)
    split, photos = _chosen(data, options.split)
    names = class_names or data.names
    left: Counter[str] = Counter()
    others = {other: count for other in SPLITS if other != split and (count := _count(data, other))}
    if others:
        told = ", ".join(f"{count} of {other}" for other, count in others.items())
        left[f"are of other parts than {split}, which was read ({told})"] = sum(others.values())
    listed: list[tuple[str, Found, tuple[YoloObject, ...], str]] = []
    unread: list[str] = []
    for image_id, photo in zip(data.image_ids(photos), photos, strict=True):
        label = photo.label()
        if not label.tree.has(label.name):
            left["have no label file"] += 1
            continue
        try:
            text = read_annotations(label.tree.location(label.name), LARGEST)
            objects, problem = read_labels(text, data.names, data.keypoints)
            if problem and not objects:
                raise ValueError(problem)
        except (OSError, ValueError) as error:
            unread.append(f"{printable_name(label.name)}: {reason_of(error)}")
            continue
        if objects:
            listed.append((image_id, photo, objects, problem))
        else:
            left["have no object"] += 1
    if unread:
        left[f"have a label file that cannot be read ({unread[0]})"] = len(unread)
    corners = {each.corners for _, _, objects, _ in listed for each in objects}
    outlines = bool(corners - {0, 4})  # where every polygon has four corners, they are oriented boxes
    samples: list[Sample] = []
    unnamed: Counter[str] = Counter()
    cut_out = EachObject({name: label for label, name in enumerate(names)}, options)
    for image_id, photo, objects, problem in listed:
        location = photo.tree.location(photo.name)
        every = RelativeShapes(tuple(each.data for each in objects))
        front = [objects[place] for place in foreground_of(objects)]
        if each_object:
            known, skip = (None, problem) if problem else size_of(location, options.limits.pixels)
            size = known or (0, 0)
            cut_out.add(image_id, location, size, [_cut(each, every, outlines, size) for each in objects], skip)
        elif front[0].label not in names:
            unnamed[front[0].label] += 1
        else:
            mask = None if problem else _mask(front, every, outlines)
            samples.append(Sample(image_id, location, names.index(front[0].label), mask=mask, skip=problem))
    samples += cut_out.samples
    left += Counter(cut_out.left_out)
    if unnamed:
        left[f"show a class that the class map does not name ({told_names(sorted(unnamed))})"] = unnamed.total()
    if not samples:
        why = "; ".join(f"{count} pictures {reason}" for reason, count in left.items())
        raise DataError(f"{data.said} leads to no picture with an object in its part {split}: {why}")
    samples.sort(key=lambda sample: sample.image_id)
    return Dataset(
        tuple(samples),
        names,
        "yolo",
        columns=(PHOTO,) if each_object else (),
        left_out=dict(left),
        splits={split: len(photos), **others},
    )


def _chosen(data: DataYaml, split: str | None) -> tuple[str, list[Found]]:
    """(the part that is read, its pictures)."""
    hint = "It has " + (told_names([name for name in SPLITS if data.parts[name]]) or "no parts") + "."
    if split is not None:
        if not data.parts.get(split):
            raise DataError(f"{data.said} has no part {split!r}", hint)
        if photos := data.photos(split):
            return split, photos
        raise DataError(
            f"{data.said} leads to no pictures: its part {split!r} is {told_names(data.parts[split])}",
            f"Names are relative to {str(data.base.tree.location(data.base.name))!r}.",
        )
    refused: DataError | None = None
    for name in ASKED:
        try:
            photos = data.photos(name)
        except DataError as error:
            refused = refused or error
            continue
        if any(label.tree.has(label.name) for label in map(Found.label, photos)):
            return name, photos
    raise refused or DataError(
        f"{data.said} leads to no pictures with label files, neither as test nor as val",
        f"{hint} Names are relative to {str(data.base.tree.location(data.base.name))!r}. --split train reads another.",
    )


def _count(data: DataYaml, split: str) -> int:
    """Number of pictures of a part that is not read; 0 where it leads to none."""
    try:
        return len(data.photos(split))
    except DataError:
        return 0


def _mask(front: Sequence[YoloObject], every: RelativeShapes, outlines: bool, part: Part | None = None) -> RelativeMask:
    drawn = outlines and any(each.corners for each in front)
    own = RelativeShapes(tuple(each.data for each in front))
    return RelativeMask(own, every, "mask" if drawn else "box", part)


def _cut(each: YoloObject, every: RelativeShapes, outlines: bool, size: tuple[int, int]) -> Cut:
    return Cut(str(each.line), each.label, each.extent(size), lambda part: _mask([each], every, outlines, part))
