"""Finds out what a data set is, and lists its samples: a folder per class, a table, an annotation file.

A new source is one function in a file here, and one line in SOURCES.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bias_audit.data.addresses import Url
from bias_audit.data.dataset import Dataset
from bias_audit.data.remote.reach import Reach
from bias_audit.data.sources.folder import from_folder
from bias_audit.data.sources.options import ClassNames, SourceOptions
from bias_audit.data.sources.table import from_table
from bias_audit.data.trees import Place, place_of
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
    """

    told: str
    recognises: Callable[[Place], bool]
    read: Read
    knows: tuple[str, ...] = ()


def _file(*suffixes: str) -> Callable[[Place], bool]:
    return lambda place: place.suffix in suffixes


def _tree(place: Place) -> bool:
    return not place.file


SOURCES: dict[str, Source] = {
    "table": Source("a CSV or Parquet table", _file(".csv", ".parquet"), from_table, ("split",)),
    "folder": Source("a folder with one folder per class", _tree, from_folder),
}
"""Kinds of data sets by name; the first that recognises a place reads it, so what is more special stands before."""


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
    if isinstance(data, Path) and not os.path.exists(data):
        raise DataError(f"no data at {str(data)!r}{unreachable(data)}", f"Give {kinds}.")
    options = options or SourceOptions()
    place = place_of(data, Reach(options.fetch, options.limits))
    source = next((each for each in SOURCES.values() if each.recognises(place)), None)
    if source is None:
        raise DataError(f"{str(data)!r} is no data set of a kind that is read", f"Read are {kinds}.")
    for name in options.kept():
        if name not in source.knows:
            known = ", or ".join(each.told for each in SOURCES.values() if name in each.knows)
            raise DataError(f"--{name} is for {known}", f"{str(data)!r} is read as {source.told}.")
    return source.read(place, class_names, options)
