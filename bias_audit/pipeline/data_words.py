"""What is said of a data set before it is audited: sentences and tables for a terminal and a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bias_audit import stats
from bias_audit.data.duplicates import MOSTLY, is_indexed
from bias_audit.data.sources import SOURCES
from bias_audit.interventions.donors import MAX_AREA, MIN_AREA
from bias_audit.run.quantities import bound, quantity
from bias_audit.run.sampled import told
from bias_audit.run.statuses import FILLS_FRAME, NO_DONORS, NO_MASK, NOT_SAMPLED, OK, TOO_SMALL_TO_PASTE

if TYPE_CHECKING:
    from bias_audit.pipeline.look_at_data import ClassLook, Look

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""(heads, rows) of text."""

MEANT = (
    f"A gap of this size is found in {10 * stats.POWER:z.0f} of 10 audits (BA201) if single photos are lost "
    "completely on other classes' backgrounds and nothing else varies; see docs/how-to/look-at-the-data.md."
)
"""What the smallest gap means."""

_NOT_TESTED = {
    TOO_SMALL_TO_PASTE: f"the object is smaller than {bound(MIN_AREA, 'share')} of the picture",
    FILLS_FRAME: f"the object fills about {bound(MAX_AREA, 'share')} of the picture or more",
    NO_DONORS: "there are no backgrounds to paste it on",
}


def headline(look: Look) -> str:
    """What the data are, in one sentence."""
    kind = SOURCES[look.source].told
    count = told(look.photos, look.sampled_from) or f"{look.photos:,} photos"
    return f"{look.data}: {kind}, {count}, {plural(len(look.classes), 'class', 'classes')}"


def remarks(look: Look) -> list[str]:
    """What is to be known of the data, what matters most first."""
    return [*_contradictions(look), *_of_masks(look), *_of_files(look), *_of_listing(look)]


def of_class_row(each: ClassLook, look: Look) -> str:
    """A class on the page: its photos, and what an audit could find."""
    tested = f"tested on {plural(each.units, 'group', 'groups')}" if look.groups else f"tested on {each.units:,}"
    found = "" if each.smallest_gap is None else "smallest gap found: "
    return f"{plural(each.photos, 'photo', 'photos')}, {tested}; {found}{of_class(each, look)}"


def of_class(each: ClassLook, look: Look) -> str:
    """What an audit could find in a class, in a few words."""
    if look.interventions == 0:
        return "not tested (--interventions 0)"
    return smallest_gap(each.smallest_gap, each.missing, "groups" if look.groups else "photos")


def smallest_gap(gap: float | None, missing: int, unit: str) -> str:
    """A smallest gap in words: "12 pp", rounded up, or how many photos or groups are missing."""
    if gap is None:
        more = "images" if unit == "photos" else unit
        return f"not enough {more}: {missing} more {'is' if missing == 1 else 'are'} needed"
    return quantity(points(gap) / 100, "points")


def points(gap: float) -> int:
    """A gap in whole points of accuracy, rounded up: what is promised is found."""
    return math.ceil(100 * gap - 1e-6)


def tables(look: Look) -> dict[str, Table]:
    """Tables of the data, title -> (heads, rows): classes, and what is wrong with single pictures."""
    unit = "groups tested" if look.groups else "tested on"
    heads = ("class", "photos", "not read", "with mask", "without", "not usable", unit, "smallest gap found")
    rows = [
        (
            each.name, f"{each.photos:,}", _count(each.unread), _count(each.masked), _count(each.without),
            _count(each.unusable), _count(each.units), of_class(each, look),
        )
        for each in sorted(look.classes, key=lambda each: each.units)
    ]  # fmt: skip
    wrong = [(each.image_id, each.class_name, each.why) for each in (*look.unread, *look.bad_masks)]
    copies = [
        (copy.first, copy.first_class, copy.second, copy.second_class,
         "the same file" if copy.bits is None else f"alike ({copy.bits} of 256 bits differ)")
        for copy in look.copies
    ]  # fmt: skip
    return {
        "classes": (heads, rows),
        "pictures and masks that cannot be used": (("picture", "class", "why"), wrong),
        "copies": (("picture", "class", "picture", "class", "how"), copies),
    }


def _contradictions(look: Look) -> list[str]:
    said = []
    other = [copy for copy in look.copies if copy.contradicts]
    if other:
        said.append(
            f"{plural(len(other), 'pair', 'pairs')} of copies with different labels, one of which must be wrong: "
            f"{other[0].first!r} and {other[0].second!r}."
        )
    rest = [copy for copy in look.copies if not copy.contradicts]
    if rest:
        same = sum(copy.bits is None for copy in rest)
        said.append(
            f"{plural(len(rest), 'pair', 'pairs')} of copies within a class ({same} of them the same file): a photo "
            "that is seen twice makes results look more certain than they are."
        )
    if is_indexed(look.photos):
        said.append(MOSTLY)
    return said


def _of_masks(look: Look) -> list[str]:
    usable, without = look.masks.get(OK, 0), look.masks.get(NO_MASK, 0)
    read = sum(look.masks.values())
    said = []
    if usable == 0 and without == read:
        said.append(
            "No masks and no boxes. The audit estimates where the objects are in the photos that it tests; where it "
            "finds none, it tests fewer photos than stated here."
            if look.estimated
            else "No masks and no boxes, and none are estimated: reliance on the background cannot be tested."
        )
    else:
        bad = {status: count for status, count in look.masks.items() if status not in (OK, NO_MASK)}
        told_bad = f"; {sum(bad.values()):,} unusable ({_listed(bad)})" if bad else ""
        guessed = ", which the audit estimates" if without and look.estimated else ""
        missing = f"; {without:,} missing{guessed}" if without else ""
        said.append(f"{usable:,} of {read:,} photos have a {_kinds(look)} that can be used{told_bad}{missing}.")
    said += [
        f"Not tested, since {why}: {plural(count, 'photo', 'photos')}."
        for status, why in _NOT_TESTED.items()
        if (count := look.not_tested.get(status, 0))
    ]
    if count := look.not_tested.get(NOT_SAMPLED, 0):
        said.append(
            f"At most {look.interventions:,} photos per class are tested (--interventions); {count:,} more could be."
        )
    if look.unused_masks:
        count = len(look.unused_masks)
        said.append(
            f"{plural(count, 'mask belongs', 'masks belong')} to no picture, for instance {look.unused_masks[0]!r}."
        )
    return said


def _kinds(look: Look) -> str:
    """What says where the objects are: a mask, a box, or either."""
    return " or ".join(kind for kind in ("mask", "box") if kind in look.mask_kinds) or "mask"


def _of_files(look: Look) -> list[str]:
    said = []
    if look.smallest and look.largest:
        (height, width), (high, wide) = look.smallest, look.largest
        common, count = look.sizes[0][:2], look.sizes[0][2]
        said.append(
            f"All pictures have {height}x{width} pixels."
            if look.different_sizes == 1
            else f"Pictures have {height}x{width} to {high}x{wide} pixels (height x width), "
            f"{look.different_sizes:,} sizes, most often {common[0]}x{common[1]} ({count:,})."
        )
    if look.unread:
        said.append(f"Pictures that cannot be read or are skipped: {len(look.unread):,}.")
    return said


def _of_listing(look: Look) -> list[str]:
    said = []
    if (groups := look.groups) is not None:
        across = f"; {groups.several_classes:,} have photos of several classes" if groups.several_classes else ""
        said.append(
            f"{groups.groups:,} groups by {groups.column!r} with a median of {groups.median:g} photos and at most "
            f"{groups.largest:,}{across}. A group counts as one."
        )
    if look.splits:
        said.append(f"Splits of the data: {_listed(look.splits)}; choose one with --split.")
    said += [f"{count:,} pictures {why}." for why, count in look.left_out.items()]
    if look.ignored_files:
        others = plural(len(look.ignored_files), "file is no image", "files are no images")
        said.append(f"{others}, for instance {look.ignored_files[0]!r}.")
    if look.unread_folders:
        said.append(
            f"{plural(len(look.unread_folders), 'folder', 'folders')} not read, for instance {look.unread_folders[0]}."
        )
    return said


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _count(number: int) -> str:
    return f"{number:,}" if number else "-"


def plural(count: int, one: str, many: str) -> str:
    """A number with its noun: "1 class", "2 classes"."""
    return f"{count:,} {one if count == 1 else many}"
