"""Finds out what a data set is, and lists its samples: a folder per class, a table, an annotation file.

A new source is one function in a file here, and one line in SOURCES.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bias_audit.data.addresses import Url
from bias_audit.data.dataset import Dataset
from bias_audit.data.in_memory.listing import SUFFIX as LISTING
from bias_audit.data.samples import Samples
from bias_audit.data.sources.coco import from_coco
from bias_audit.data.sources.folder import from_folder, with_ignored
from bias_audit.data.sources.hugging_face import from_image_folder, is_image_folder
from bias_audit.data.sources.in_memory import from_memory
from bias_audit.data.sources.mistakes import refuse_saved
from bias_audit.data.sources.options import ClassNames, SourceOptions
from bias_audit.data.sources.parquet_pictures import from_parquet, holds_pictures
from bias_audit.data.sources.sample import sampled
from bias_audit.data.sources.table import from_table
from bias_audit.data.sources.voc import from_voc, is_voc
from bias_audit.data.sources.webdataset import from_shards, holds_shards
from bias_audit.data.sources.yolo import from_yolo, is_yolo
from bias_audit.data.trees import Place, exists, place_of
from bias_audit.errors import DataError
from bias_audit.files.regular import unreachable

Read = Callable[[Place, ClassNames, SourceOptions], Dataset]
"""(where the data set lies, order of the classes, options) -> its samples; raises DataError."""


@dataclass(frozen=True)
class Source:
    """A kind of data set.

    Attributes:
        told: what such a data set is, as people say it; for the sentence that lists what is read.
        recognises: whether what lies at a place is such a data set, told by names alone.
        read: lists the samples.
        knows: names of the `SourceOptions` that mean something to it; another one that is given is refused.
        patterns: whether it reads the files that a pattern names, too.
    """

    told: str
    recognises: Callable[[Place], bool]
    read: Read
    knows: tuple[str, ...] = ()
    patterns: bool = False


def _file(*suffixes: str) -> Callable[[Place], bool]:
    return lambda place: place.suffix in suffixes


def _ends_with(suffix: str) -> Callable[[Place], bool]:
    return lambda place: place.file.endswith(suffix)


def _tree(place: Place) -> bool:
    return not place.file


_OF_OBJECTS = ("objects", "object_size")
"""Options of sources whose annotations list objects."""

SOURCES: dict[str, Source] = {
    "webdataset": Source("a WebDataset tar or a folder of them", holds_shards, from_shards, ("split",), True),
    "parquet": Source("Parquet files with the bytes of pictures", holds_pictures, from_parquet, ("split",), True),
    "memory": Source("a list of photos that were in memory", _ends_with(LISTING), from_memory, ("split",)),
    "table": Source("a CSV or Parquet table", _file(".csv", ".parquet"), from_table, ("split",)),
    "coco": Source("a COCO file of instances (JSON)", _file(".json"), from_coco, ("images", *_OF_OBJECTS)),
    "voc": Source("a folder of Pascal VOC (JPEGImages/, Annotations/)", is_voc, from_voc, ("split", *_OF_OBJECTS)),
    "yolo": Source("a data.yaml of YOLO, or its folder", is_yolo, from_yolo, ("split", *_OF_OBJECTS)),
    "hugging_face": Source("a Hugging Face image folder", is_image_folder, from_image_folder, ("split",)),
    "folder": Source("a folder with one folder per class", _tree, from_folder),
}
"""Kinds of data sets by name; the first that recognises a place reads it, so what is more special stands before."""

OF_ALL = ("sample",)
"""Options that every source knows, for they are applied to what it lists."""


def open_dataset(data: Path | Url, class_names: ClassNames, options: SourceOptions | None = None) -> Dataset:
    """List the samples of a data set.

    Args:
        data: where it lies.
        class_names: order of the classes when a class map gives it; None = as the source says, mostly alphabetical.
        options: how it is read; None = the defaults.

    Raises:
        DataError: nothing there, or nothing that can be audited.
    """
    kinds = ", or ".join(source.told for source in reversed(SOURCES.values()))
    options = options or SourceOptions()
    if not exists(data):
        raise DataError(f"no data at {str(data)!r}{unreachable(Path(str(data)))}", f"Give {kinds}.")
    place = place_of(data, options.reach)
    source = next((each for each in SOURCES.values() if each.recognises(place)), None)
    if place.named and (source is None or not source.patterns):
        read = ", or ".join(each.told for each in SOURCES.values() if each.patterns)
        raise DataError(f"the pattern {str(data)!r} names no files that are read together", f"So are read only {read}.")
    if source is None:
        refuse_saved(str(place.tree), [place.file])
        raise DataError(f"{str(data)!r} is no data set of a kind that is read", f"Read are {kinds}.")
    for name in options.kept():
        if name not in (*source.knows, *OF_ALL):
            known = ", or ".join(each.told for each in SOURCES.values() if name in each.knows)
            raise DataError(f"--{name.replace('_', '-')} is for {known}", f"{str(data)!r} is read as {source.told}.")
    listed = source.read(place, class_names, options)
    if not isinstance(listed.samples, Samples):
        listed = replace(listed, samples=Samples(listed.samples))
    return sampled(with_ignored(listed, place.tree), options)
