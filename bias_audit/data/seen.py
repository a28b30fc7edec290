"""Reads every picture and mask of a data set once, without a model: what is there, is broken, or is there twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bias_audit.data.batches import Geometry, Loaded, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.data.duplicates import near_pairs, perceptual_hash
from bias_audit.data.masks import area_of
from bias_audit.data.sampling import LOADED_AT_ONCE
from bias_audit.run.statuses import OK


@dataclass(frozen=True)
class Seen:
    """What is known of one picture after it was read.

    Attributes:
        status, reason: as of `Loaded`.
        content: identifies the bytes of its file; "" = they could not be read.
        hash: perceptual hash; "" where it was not read or has no structure.
        shape: (height, width) in its file; None unless OK.
        mask_status, mask_kind: as of `Loaded`; "" unless OK.
        area: share of the picture that is its object; None without a usable mask.
    """

    status: str
    reason: str
    content: str
    hash: str
    shape: tuple[int, int] | None
    mask_status: str
    mask_kind: str
    area: float | None

    @property
    def masked(self) -> bool:
        """Whether there is a mask or a box that can be used."""
        return self.mask_status == OK


@dataclass(frozen=True)
class Copy:
    """Two pictures that are the same, or nearly.

    Attributes:
        first, first_class, second, second_class: the pictures.
        bits: of 256, in which their perceptual hashes differ; None = they are the same file.
    """

    first: str
    first_class: str
    second: str
    second_class: str
    bits: int | None

    @property
    def contradicts(self) -> bool:
        """Whether the two have different labels."""
        return self.first_class != self.second_class


def look_through(dataset: Dataset, geometry: Geometry, advance: Callable[[int], None]) -> list[Seen]:
    """Read all samples, in their order.

    Args:
        dataset: all samples.
        geometry: how pictures are read; hashes are those of pictures in its size.
        advance: called with the number of pictures that are done.
    """
    seen: list[Seen] = []
    for _, part in load_in_order(dataset.samples, geometry, LOADED_AT_ONCE):
        seen += map(_seen, part)
        advance(len(part))
    return seen


def _seen(loaded: Loaded) -> Seen:
    if loaded.pixels is None or loaded.mask is None:
        return Seen(loaded.status, loaded.reason, loaded.content, "", None, "", "", None)
    area = area_of(loaded.mask) if loaded.mask_status == OK else None
    digest = perceptual_hash(loaded.pixels)
    return Seen(OK, "", loaded.content, digest, loaded.shape, loaded.mask_status, loaded.mask_kind, area)


def find_copies(dataset: Dataset, seen: Sequence[Seen], advance: Callable[[int], None]) -> list[Copy]:
    """Pairs of equal files, each with the first of them, and of nearly equal pictures; different labels come first.

    Args:
        dataset: all samples.
        seen: what was seen of each, in the same order.
        advance: called with the number of pictures that are done.
    """
    names = [dataset.class_names[sample.label] for sample in dataset.samples]
    same: defaultdict[str, list[int]] = defaultdict(list)
    for position, each in enumerate(seen):
        if each.content:
            same[each.content].append(position)

    def copy(first: int, second: int, bits: int | None) -> Copy:
        return Copy(
            dataset.samples[first].image_id, names[first], dataset.samples[second].image_id, names[second], bits
        )

    found = [copy(each[0], other, None) for each in same.values() for other in each[1:]]
    near = near_pairs([each.hash for each in seen], names, advance=advance)
    found += [
        copy(pair.first, pair.second, pair.bits)
        for pair in near
        if seen[pair.first].content != seen[pair.second].content
    ]
    return sorted(found, key=lambda each: not each.contradicts)
