"""Lists the samples of a data set in the form of Pascal VOC: an XML file per photo, and masks of indices."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from bias_audit.data.dataset import Dataset, Drawn, Indexed, Part, Sample
from bias_audit.data.locations import Location, read_annotations, read_bounded
from bias_audit.data.pictures import size_of
from bias_audit.data.shapes import DrawnMask, Shapes
from bias_audit.data.sources.attach import MASK_FORMATS
from bias_audit.data.sources.each_object import PHOTO, Cut, EachObject, each_asked
from bias_audit.data.sources.folder import is_image, told_unread
from bias_audit.data.sources.objects import too_large
from bias_audit.data.sources.options import ClassNames, SourceOptions
from bias_audit.data.sources.voc_objects import LARGEST, Annotation, VocObject, read_annotation
from bias_audit.data.tables import told_names
from bias_audit.data.trees import Place, Tree, printable_name
from bias_audit.errors import DataError, reason_of

PHOTOS, ANNOTATIONS, SETS = "JPEGImages", "Annotations", "ImageSets"

OBJECTS, CLASSES = "SegmentationObject", "SegmentationClass"
"""Folders of masks. Values of the first are places of objects in the XML file, those of the second are classes."""

NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Classes of Pascal VOC in the order of their values in a mask, from 1."""

LARGEST_SET = 50_000_000
"""Most bytes of an image set: a million names of 50 letters."""


MOST_SETS = 100
"""Most image sets whose pictures are counted."""


def is_voc(place: Place) -> bool:
    """Whether a place is a folder in the form of Pascal VOC, or one above it."""
    if place.file:
        return False
    folders = set(place.tree.top()[0])
    return (PHOTOS in folders and not folders.isdisjoint((ANNOTATIONS, OBJECTS, CLASSES))) or bool(_below(place.tree))


def from_voc(place: Place, class_names: ClassNames, options: SourceOptions) -> Dataset:
    """List the samples of a folder with JPEGImages/, Annotations/ and, where there are masks, one of their folders.

    With `objects` "photo" a photo is one sample. Its class is that of its largest object by the area of its box, see
    `foreground_of`. Its foreground are all objects of this class, and all others are void; so are difficult ones,
    unless a photo has no others. With "each" every object but difficult ones is a sample of its own, see `EachObject`,
    by its number in the XML file from 1. A photo without a mask file has the polygons or boxes of its XML file. The
    image id is the name below JPEGImages/. Classes without `class_names` are all names that the XML files use,
    alphabetically. For the arguments see `open_dataset`.

    Raises:
        DataError: a folder above the data set, no XML files, no such image set, no photo with an object, or an option
            with a value that is none.
    """
    tree, each_object = place.tree, each_asked(options)
    if below := _below(tree):
        raise DataError(
            f"{str(tree)!r} holds a data set of Pascal VOC further down: {below}", f"Give {f'{tree}/{below}'!r}."
        )
    photos, others, unread = _by_stem(tree, PHOTOS, _is_photo)
    notes, _, unread_notes = _by_stem(tree, ANNOTATIONS, lambda name: name.lower().endswith(".xml"))
    unread = {**unread, **unread_notes}
    if not notes:
        raise DataError(
            f"{str(tree)!r} holds no XML files in {ANNOTATIONS}/, which say of which class each photo is"
            + (f"; not read was {told_unread(unread)[0]}" if unread else ""),
            f"Expected {PHOTOS}/1.jpg with {ANNOTATIONS}/1.xml, and its mask in {OBJECTS}/1.png or {CLASSES}/1.png.",
        )
    left = Counter({"have the name of another picture, up to the suffix": sum(map(_is_photo, others))})
    stems = sorted({*photos, *notes}) if options.split is None else _of_set(tree, options.split, left)
    left["have no annotation file"] = sum(stem not in notes for stem in stems)
    read = _read(tree, {stem: notes[stem] for stem in stems if stem in notes}, left)
    used = _names(read.values())
    if class_names is None or not used <= {*NAMES}:  # classes and their order are those of the whole data set
        rest = {stem: name for stem, name in notes.items() if stem not in read}
        used |= _names(_read(tree, rest, Counter()).values())
    names = class_names or tuple(sorted(used))
    masks = _Masks(tree, NAMES if used <= {*NAMES} else tuple(sorted(used)))
    samples: list[Sample] = []
    unnamed: Counter[str] = Counter()
    cut_out = EachObject({name: label for label, name in enumerate(names)}, options)
    for stem, annotation in read.items():
        photo = photos.get(stem, f"{PHOTOS}/{stem}.jpg")  # without one it is a row that says so
        image_id, location = printable_name(photo.removeprefix(f"{PHOTOS}/")), tree.location(photo)
        skip = annotation.problem or too_large(annotation.size or (0, 0), options.limits.pixels)
        if not annotation.objects:
            left["have no object"] += 1
        elif each_object:
            left["have an object that is marked as difficult"] += sum(each.difficult for each in annotation.objects)
            size = annotation.size
            if size is None and not skip:
                size, skip = size_of(location, options.limits.pixels)
            cut_out.add(image_id, location, size or (0, 0), masks.cuts(stem, annotation), skip)
        elif annotation.label not in names:
            unnamed[annotation.label] += 1
        else:
            mask = None if skip else masks.of(stem, annotation)
            samples.append(Sample(image_id, location, names.index(annotation.label), mask=mask, skip=skip))
    samples += cut_out.samples
    if unnamed:
        left[f"show a class that the class map does not name ({told_names(sorted(unnamed))})"] = unnamed.total()
    left_out = {reason: count for reason, count in (left + Counter(cut_out.left_out)).items() if count}
    if not samples:
        why = "; ".join(f"{count} pictures {reason}" for reason, count in left_out.items())
        raise DataError(f"{str(tree)!r} holds no photo with an object" + (f": {why}" if why else ""))
    samples.sort(key=lambda sample: sample.image_id)
    ignored = tuple(printable_name(name) for name in others if not _is_photo(name))
    return Dataset(
        tuple(samples),
        names,
        "voc",
        ignored,
        columns=(PHOTO,) if each_object else (),
        unread_folders=told_unread(unread),
        left_out=left_out,
        splits=_counts(tree, {*NAMES, *used}),
    )


def _below(tree: Tree) -> str:
    """The folder in which a data set of Pascal VOC lies below a root; "" = none, or the root itself."""
    folders = tree.top()[0]
    if "VOCdevkit" in folders:
        years = sorted({name.split("/")[1] for name in tree.files("VOCdevkit").files if f"/{ANNOTATIONS}/" in name})
        return f"VOCdevkit/{years[-1]}" if years else ""
    years = [name for name in folders if re.fullmatch(r"VOC\d{4}", name) and tree.files(f"{name}/{ANNOTATIONS}").files]
    return years[-1] if years else ""


def _by_stem(
    tree: Tree, folder: str, wanted: Callable[[str], bool]
) -> tuple[dict[str, str], list[str], Mapping[str, str]]:
    """(name below a folder up to the suffix -> name of the file, names of other files, folders that were not listed).

    Of two files of one stem the first counts, by name, and the second is among the others.
    """
    listed = tree.files(folder)
    found: dict[str, str] = {}
    others = []
    for name in listed.files:
        stem = name.removeprefix(f"{folder}/").rpartition(".")[0]
        if not wanted(name) or found.setdefault(stem, name) != name:
            others.append(name)
    return found, others, listed.unread


def _of_set(tree: Tree, split: str, left: Counter[str]) -> list[str]:
    """Names that an image set lists; those that a set of one class marks as without it (-1) are counted in `left`.

    Raises:
        DataError: no such set, one that cannot be read, or one without names.
    """
    sets = [name for name in tree.files(SETS).files if name.endswith(".txt")]
    places = [f"{SETS}/{folder}{split}.txt" for folder in ("", "Main/", "Segmentation/")]
    file = next((name for name in places if name in sets), None)
    if file is None:
        known = [name.removeprefix(f"{SETS}/").removesuffix(".txt") for name in sets]
        raise DataError(
            f"{str(tree)!r} has no image set {split!r}, neither in {SETS}/Main/ nor in {SETS}/Segmentation/",
            f"It has {told_names(known)}." if known else f"It holds no image sets: leave out --split {split}.",
        )
    names, without = _listed(tree, file)
    if without:
        left[f"are marked with -1 in {file}"] = without
    if not names:
        raise DataError(f"the image set {f'{tree}/{file}'!r} names no pictures")
    return [name for name, _ in names]


def _listed(tree: Tree, file: str) -> tuple[list[tuple[str, bool]], int]:
    """(name of each picture that an image set lists, and whether a mark stands behind it; how many have the mark -1).

    Raises:
        DataError: it cannot be read.
    """
    try:
        text = read_annotations(tree.location(file), LARGEST_SET)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the image set {f'{tree}/{file}'!r}: {reason_of(error)}") from error
    names: dict[str, bool] = {}
    without = 0
    for line in text.splitlines():
        name, _, mark = line.strip().rpartition(" ")
        if mark == "-1":
            without += 1
        elif line.strip():
            marked = mark in ("0", "1")
            names[name.strip() if marked else line.strip()] = marked
    return [*names.items()], without


def _counts(tree: Tree, classes: Collection[str]) -> dict[str, int]:
    """`Dataset.splits` of the image sets that `--split` finds by their name, without those of a single class (dog_val).

    One that cannot be read is not among them: it is refused where it is asked for.
    """
    places = sorted(name for name in tree.files(SETS).files if name.endswith(".txt"))
    counts: dict[str, int] = {}
    for folder in ("", "Main/", "Segmentation/"):
        for place in places:
            part = place.removeprefix(f"{SETS}/{folder}").removesuffix(".txt")
            if "/" in part or part.rpartition("_")[0] in classes or len(counts) == MOST_SETS:
                continue
            try:
                names, without = _listed(tree, place)
            except DataError:
                continue
            if names and not without and not any(marked for _, marked in names):
                counts[f"{folder}{part}" if part in counts else part] = len(names)
    return counts


def _read(tree: Tree, notes: Mapping[str, str], left: Counter[str]) -> dict[str, Annotation]:
    """Stem -> what its XML file says; those that cannot be read are counted in `left`."""
    read: dict[str, Annotation] = {}
    bad, first = 0, ""
    for stem, name in notes.items():
        try:
            read[stem] = read_annotation(read_bounded(tree.location(name), LARGEST))
        except (OSError, ValueError) as error:
            bad, first = bad + 1, first or f"{printable_name(name)}: {reason_of(error)}"
    if bad:
        left[f"have an annotation file that cannot be read ({first})"] = bad
    return read


def _names(annotations: Iterable[Annotation]) -> set[str]:
    return {each.label for annotation in annotations for each in annotation.objects}


class _Masks:
    """The folders of masks of a tree.

    Args:
        tree: the data set.
        order: classes in the order of their values in the masks of classes, from 1.
    """

    def __init__(self, tree: Tree, order: Sequence[str]) -> None:
        self._tree, self._order = tree, order
        self._objects, self._classes = (_by_stem(tree, folder, _is_mask)[0] for folder in (OBJECTS, CLASSES))

    def of(self, stem: str, annotation: Annotation) -> Indexed | Drawn:
        """The mask of a photo: the file of its objects, else that of its classes, else the shapes of its XML file."""
        if stem in self._objects:
            values = tuple(annotation.objects[place].number for place in annotation.foreground)
            return Indexed(self._tree.location(self._objects[stem]), values)
        if stem in self._classes:
            return Indexed(self._tree.location(self._classes[stem]), (self._value(annotation.label),))
        return annotation.mask()

    def cuts(self, stem: str, annotation: Annotation) -> list[Cut]:
        """The objects of a photo that are not difficult, each with its own mask.

        Of a file of classes only where no other object is of its class, for it does not tell the two apart.
        """
        behind = annotation.shapes()
        kinds = Counter(each.label for each in annotation.objects)

        def mask_of(each: VocObject) -> Callable[[Part], Location | Drawn]:
            if stem in self._objects:
                file, value = self._objects[stem], each.number
            elif stem in self._classes and kinds[each.label] == 1:
                file, value = self._classes[stem], self._value(each.label)
            else:
                return lambda part: DrawnMask(Shapes(each.shapes), behind, part=part)
            location = self._tree.location(file)
            return lambda part: Indexed(location, (value,), part)

        return [
            Cut(str(each.number), each.label, each.box, mask_of(each))
            for each in annotation.objects
            if not each.difficult
        ]

    def _value(self, label: str) -> int:
        """Value of a class in the masks of classes."""
        return self._order.index(label) + 1


def _is_photo(name: str) -> bool:
    return is_image(name.rpartition("/")[2])


def _is_mask(name: str) -> bool:
    return name.lower().endswith(MASK_FORMATS)
