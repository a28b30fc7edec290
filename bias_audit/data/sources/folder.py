"""Lists the samples of a folder per class, as Keras reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.samples import Samples
from bias_audit.data.sources import mistakes
from bias_audit.data.sources.options import ClassNames, SourceOptions
from bias_audit.data.tables import told_names
from bias_audit.data.trees import Place, Tree, printable_name
from bias_audit.errors import DataError

KERAS_FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
"""Formats that `keras.utils.image_dataset_from_directory` reads: a model trained with it saw no other files."""

OTHER_FORMATS = (".avif", ".dcm", ".dicom", ".heic", ".jp2", ".jfif", ".pgm", ".ppm", ".svg", ".tif", ".tiff", ".webp")


def from_folder(place: Place, class_names: ClassNames, options: SourceOptions) -> Dataset:
    """List the samples of a folder per class as `keras.utils.image_dataset_from_directory` reads them.

    Formats and the alphabetical order of classes are the same, subfolders are included, and class folders whose name
    begins with a dot are skipped. Pictures in other formats become samples with a `skip` reason, so that nothing is
    lost silently; all other files are listed in `ignored_files`. Where no picture at all is in a format of Keras (a
    clinic's DICOM files, TIFFs of a microscope), another loader read them in training, and they are read. For the
    arguments see `open_dataset`.

    Raises:
        DataError: no class folders, no images, or a folder that the class map does not name.
    """
    tree = place.tree
    names_there, others, unread = tree.top()
    folders = [name for name in names_there if not name.startswith(".")]
    loose = sum(map(is_image, others))
    if not loose:
        mistakes.refuse_saved(str(tree), others, folders)
    if not folders:
        raise mistakes.no_class_folders(tree, others, loose)
    mistakes.refuse_parts(tree, folders, class_names)
    names = class_names or tuple(folders)
    if unknown := [name for name in folders if name not in names]:
        raise DataError(
            f"{str(tree)!r} has class folders that the class map does not name: {told_names(unknown)}",
            f"The class map names {told_names(names)}.",
        )
    samples = Samples()
    ignored: list[str] = []
    for name in folders:
        listed = tree.files(name)
        unread |= listed.unread
        before = len(samples)
        for file in listed.files:
            image_id = printable_name(file)
            if not is_image(file.rpartition("/")[2]):
                ignored.append(image_id)
                continue
            skip = "" if file.lower().endswith(KERAS_FORMATS) else _skip_reason(file)
            samples.append(Sample(image_id, tree.location(file), names.index(name), skip=skip))
        if len(samples) == before and listed.unread:
            raise DataError(
                f"no image of the class {name!r} can be read: {told_unread(listed.unread)[0]}",
                "Allow the folder to be read, or take it away.",
            )
    if not samples:
        raise DataError(
            f"{str(tree)!r} has {len(folders)} class folders, but no images in them",
            f"Read are {', '.join(KERAS_FORMATS)}, as keras.utils.image_dataset_from_directory does.",
        )
    if all(sample.skip for sample in samples):
        samples = Samples(replace(sample, skip="") for sample in samples)
    left_out = {"lie beside the class folders and are of no class": loose} if loose else {}
    return Dataset(samples, names, "folder", tuple(ignored), unread_folders=told_unread(unread), left_out=left_out)


def with_ignored(dataset: Dataset, tree: Tree) -> Dataset:
    """The data set with what its tree holds beside files: links, and names that lead out. Pictures are counted."""
    ignored = tree.ignored()
    if not ignored:
        return dataset
    told = tuple(f"{printable_name(name)} ({why})" for name, why in sorted(ignored.items()))
    left_out = Counter(f"were not read ({why})" for name, why in ignored.items() if is_image(name.rpartition("/")[2]))
    return replace(dataset, ignored_files=(*dataset.ignored_files, *told), left_out={**dataset.left_out, **left_out})


def told_unread(unread: Mapping[str, str]) -> tuple[str, ...]:
    """Folders that could not be listed, each with the reason."""
    return tuple(f"{printable_name(name)} ({why})" for name, why in sorted(unread.items()))


def is_image(name: str) -> bool:
    """Whether a file is a picture by its name. Names that begin with "._" are notes of macOS beside a file."""
    return name.lower().endswith((*KERAS_FORMATS, *OTHER_FORMATS)) and not name.startswith("._")


def _skip_reason(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return f"{suffix} files are not read by image_dataset_from_directory; list it in a table to audit it"
