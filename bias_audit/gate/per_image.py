"""Numbers of the single images of a run: from what the audit kept of a column, else from the rows of the table.

Both give the same rows of the gate; the first costs a large run milliseconds, and the second seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bias_audit.gate.metrics import Images, images_of
from bias_audit.run.image_numbers import SHOWN, Numbers, numbers_of, paired
from bias_audit.run.number_pairs import Pairs
from bias_audit.run.result import AuditResult

PairsOf = Callable[[str], Pairs]
"""Gives the pairs of a class."""


class OfClass(Protocol):
    """The numbers of the images of a class (`image_numbers.OfClass`)."""

    @property
    def images(self) -> int: ...
    @property
    def known(self) -> int: ...
    def beyond(self, far: Callable[[float], bool], *, above: bool) -> tuple[int, list[tuple[str, float]]]: ...


@dataclass(frozen=True)
class Rows:
    """The same from the rows of the table: name of an image -> its number, None where missing."""

    values: Mapping[str, float | None]

    @property
    def images(self) -> int:
        return len(self.values)

    @property
    def known(self) -> int:
        return sum(value is not None for value in self.values.values())

    def beyond(self, far: Callable[[float], bool], *, above: bool) -> tuple[int, list[tuple[str, float]]]:
        sign = 1 if above else -1
        ranked = sorted(
            ((sign * value, image) for image, value in self.values.items() if value is not None and far(value)),
            reverse=True,
        )
        return len(ranked), [(image, sign * value) for value, image in ranked[:SHOWN]]


def of_classes(result: AuditResult, name: str, also: Iterable[str] = ()) -> Mapping[str, OfClass] | None:
    """A number of the images of every class of a run.

    Args:
        result: the run.
        name: column of the images table.
        also: see `metrics.images_of`.

    Returns:
        class -> its images; None where the run holds no images table.
    """
    kept = _kept(result, name)
    if kept is not None:
        return kept.classes
    images = images_of(result, name, also)
    return None if images is None else {class_name: Rows(values) for class_name, values in images.items()}


def pairs_of(result: AuditResult, baseline: AuditResult, name: str, also: Iterable[str] = ()) -> PairsOf | None:
    """A number of the same images in two runs.

    Args:
        result, baseline: the new and the old run.
        name, also: as in `of_classes`.

    Returns:
        gives the pairs of a class; None where one of the runs holds no images.
    """
    new, old = _kept(result, name), _kept(baseline, name)
    if new is not None and old is not None and new.coded and old.coded and new.names == old.names:
        kept = new, old  # each is not None in the function below
        return lambda class_name: paired(*kept, class_name)
    first, second = images_of(result, name, also), images_of(baseline, name, also)
    if not first or not second:
        return None
    rows = first, second
    return lambda class_name: _of_rows(rows[0].get(class_name, {}), rows[1].get(class_name, {}))


def _kept(result: AuditResult, name: str) -> Numbers | None:
    table = result.path / result.file_of("images")
    if result.digests is None or table.name not in result.digests:
        return None  # nothing tells that the table is the one that the numbers were made of
    return numbers_of(result.path, name, table, result.digests[table.name])


def _of_rows(new: Images, old: Images) -> Pairs:
    both = ((value, old.get(image)) for image, value in new.items())
    return Pairs.of(Counter((x, y) for x, y in both if x is not None and y is not None))
