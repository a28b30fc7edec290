"""Lists the samples of a COCO file of instances: a photo each, or an object each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bias_audit.data.addresses import data_address
from bias_audit.data.dataset import Box, Dataset, Sample
from bias_audit.data.locations import Location
from bias_audit.data.shapes import DrawnMask, RunLengths, Shapes
from bias_audit.data.sources.coco_file import Annotation, CocoFile, Picture, read_coco, told_key
from bias_audit.data.sources.each_object import PHOTO, Cut, EachObject, each_asked, shown
from bias_audit.data.sources.objects import foreground_of, too_large
from bias_audit.data.sources.options import ClassNames, SourceOptions
from bias_audit.data.tables import told_names
from bias_audit.data.trees import Place, Tree, is_tree, printable_name, tree_of
from bias_audit.errors import DataError
from bias_audit.files.regular import unreachable


def from_coco(place: Place, class_names: ClassNames, options: SourceOptions) -> Dataset:
    """List the samples of a COCO file of instances. For the arguments see `open_dataset`.

    With `objects` "photo" a photo is one sample. Its class is the category of its largest object by `area`, crowd
    regions aside, see `foreground_of`. The foreground is every object of that category; all other objects and all
    crowd regions are void. With "each" every object is a sample of its own, see `EachObject`, by the id of its
    annotation.

    An object is drawn of its polygons or run lengths, and of its `bbox` where it has neither. Without a class map the
    classes are all categories in the order of their ids. Pictures whose (largest) object is of a category that the
    class map does not name are left out. An annotation that is wrong costs its picture, since nobody knows which
    pixels it means: the picture is a sample with a `skip` reason.

    Raises:
        DataError: see `read_coco`; no folder of the pictures, none of them in it, a path that leaves it, no sample,
            or an option with a value that is none.
    """
    each_object = each_asked(options)
    said = repr(str(place))
    tree, below = _pictures_of(place, options)
    file = read_coco(place, options.limits)
    names = class_names or tuple(file.categories.values())
    listing = _Listing(file, {name: label for label, name in enumerate(names)}, options)
    seen: Counter[str] = Counter()
    pictures: list[tuple[str, Location, Picture]] = []
    for key, picture in file.pictures.items():
        where = f"{said}, image {told_key(key)}"
        image_id, location = tree.named(picture.file_name, where, below=below, outside=options.outside)
        seen[image_id] += 1
        pictures.append((image_id, location, picture))
    if pictures and not any(map(tree.has, seen)):
        raise DataError(
            f"none of the {len(pictures)} pictures of {said} lies in {str(tree)!r}: {pictures[0][0]!r} is not there",
            "Say where they are: --images DIR.",
        )
    for image_id, location, picture in sorted(pictures, key=lambda each: each[0]):
        if picture.doubled or seen[image_id] > 1:
            listing.left_out["share their id or their file with another picture"] += 1
        elif each_object:
            listing.add_objects(image_id, location, picture)
        else:
            listing.add_photo(image_id, location, picture)
    left_out = listing.left_out + Counter(listing.each.left_out)
    left_out["have no id or no file name"] += file.nameless
    left_out["have annotations and are not listed"] += len(file.strangers)
    told = {why: count for why, count in left_out.items() if count}
    samples = (*listing.samples, *listing.each.samples)  # one of them is empty
    if not samples:
        reasons = "; ".join(f"{count} {why}" for why, count in told.items())
        raise DataError(
            f"{said} has no picture that can be audited: {reasons}",
            f"The classes are {told_names(names)}.",
        )
    columns = (PHOTO,) if each_object else ()
    return Dataset(samples, names, "coco", columns=columns, left_out=told)


def _pictures_of(place: Place, options: SourceOptions) -> tuple[Tree, str]:
    """(tree, folder in it) that the file names of pictures are relative to."""
    if options.images is None:
        return place.tree, place.file.rpartition("/")[0]
    images = data_address(options.images)
    if not is_tree(images):
        why = unreachable(Path(options.images))
        raise DataError(f"no folder of pictures at {str(images)!r}{why}", "It is given by --images DIR.")
    return tree_of(images, options.reach).inner(), ""


@dataclass
class _Scene:
    """A picture whose annotations can be used.

    Attributes:
        size: (H, W) in pixels.
        objects: annotations that are no crowd regions.
        shapes: the shapes of all annotations.
        skip: why it cannot be audited, "" = it can.
    """

    size: tuple[int, int]
    objects: list[Annotation]
    shapes: Shapes
    skip: str


class _Listing:
    """Samples and what was left out, picture by picture.

    Args:
        file: the file.
        labels: name of a class -> its index.
        options: how it is read.
    """

    def __init__(self, file: CocoFile, labels: dict[str, int], options: SourceOptions) -> None:
        self.samples: list[Sample] = []
        self.left_out: Counter[str] = Counter()
        self.each = EachObject(labels, options)
        self._file, self._labels, self._options = file, labels, options
        unnamed = [name for name in file.categories.values() if name not in labels]
        self._unnamed = f"a category that the class map does not name ({told_names(unnamed)})"

    def add_photo(self, image_id: str, location: Location, picture: Picture) -> None:
        """Add a photo as one sample."""
        scene = self._scene(picture)
        if scene is None:
            return
        front = foreground_of(scene.objects)
        category = scene.objects[front[0]].category
        label = self._labels.get(self._file.categories[category])
        if label is None:
            self.left_out[f"have as their largest object one of {self._unnamed}"] += 1
            return
        mask = None
        if not scene.skip:
            own = (shape for place in front for shape in scene.objects[place].shapes)
            mask = DrawnMask(Shapes(own), scene.shapes, scene.size)  # its own shapes lie above those of all
        self.samples.append(Sample(image_id, location, label, mask, skip=scene.skip))

    def add_objects(self, image_id: str, location: Location, picture: Picture) -> None:
        """Add every object of a photo as a sample."""
        scene = self._scene(picture)
        if scene is None:
            return
        ids = Counter(each.id for each in scene.objects)
        own = [each for each in scene.objects if each.id is not None and ids[each.id] == 1]
        self.left_out["have no annotation id of their own"] += len(scene.objects) - len(own)
        self.each.add(image_id, location, scene.size, [self._cut(each, scene) for each in own], scene.skip)

    def _cut(self, annotation: Annotation, scene: _Scene) -> Cut:
        return Cut(
            printable_name(str(annotation.id)),
            self._file.categories[annotation.category],
            None if scene.skip else _extent(annotation),
            lambda part: DrawnMask(Shapes(annotation.shapes), scene.shapes, part=part),
        )

    def _scene(self, picture: Picture) -> _Scene | None:
        """The picture with its objects; None where it has none that can be used, which is counted."""
        known = [each for each in picture.annotations if each.category in self._file.categories]
        objects = [each for each in known if not each.crowd]
        if not objects:
            self.left_out[_empty(picture, known)] += 1
            return None
        size = picture.size or (0, 0)
        skip = picture.wrong or self._contradiction(picture, size)
        return _Scene(size, objects, Shapes(shape for each in picture.annotations for shape in each.shapes), skip)

    def _contradiction(self, picture: Picture, size: tuple[int, int]) -> str:
        """What is wrong between a picture and its annotations, "" = nothing."""
        if not size[0] * size[1]:
            return "the COCO file does not say its height and width"
        if wrong := too_large(size, self._options.limits.pixels):
            return wrong
        for each in picture.annotations:
            if wrong := self._contradicts(each, size):
                return f"annotation {told_key(each.id)} {wrong}"
        return ""

    def _contradicts(self, annotation: Annotation, size: tuple[int, int]) -> str:
        if annotation.category not in self._file.categories:
            return f"has the category {annotation.category}, which the COCO file does not list"
        first = annotation.shapes[0]
        if isinstance(first, RunLengths) and first.size != size:
            return f"has run lengths of a picture of {_told(first.size)}, not of {_told(size)}"
        if annotation.extent is not None and min(shown(annotation.extent, size)) <= 0:
            return f"lies outside of the picture of {_told(size)}"
        return ""


def _empty(picture: Picture, known: Sequence[Annotation]) -> str:
    """Why a picture has no object that can be used."""
    if picture.wrong or len(known) < len(picture.annotations):
        return "have no annotation that can be read"
    return "have crowd regions only" if known else "have no annotation"


def _extent(annotation: Annotation) -> Box | None:
    """The box around an object; None where it has no pixel."""
    (first, *_) = annotation.shapes
    return first.box if annotation.extent is None and isinstance(first, RunLengths) else annotation.extent


def _told(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
