"""A person points at a region of one photo and says "this": what erasing it there and pasting it elsewhere does.

The region is pasted at its place onto photos of other classes, behind their objects, and so is a piece of the same
shape from another photo of the host's own class: neither a foreign patch nor its edge counts as an effect
(docs/science.md#drawn-regions). A piece of the photo itself, as `checks.recurring_cues.proof` takes it, is asked about
beside it only: no other lenders average over what happens to lie there. What is erased is compared with equal pieces
elsewhere in the photo, since one photo gives no interval over photos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from bias_audit import stats
from bias_audit.config import FIRST_FILL, SECOND_FILL
from bias_audit.data.masks import FOREGROUND, VOID
from bias_audit.interventions.edits import MOST_OVERLAP, Mask, Pixels, background_only, elsewhere, lend, shifted
from bias_audit.interventions.erase_and_paste import (
    Asked,
    Predict,
    control_of,
    erased,
    of_weaker_fill,
    turned_rate,
)

Change = tuple[str, int]
"""(arm, place of the host among those that take the region, or SELF)."""

SELF = -1
"""Place of the photo itself among the hosts."""

CONTROLS = 3
"""Pieces of other photos that each host gets as a control."""

PLACES = 20
"""Equal pieces elsewhere that are erased for comparison, at most: the smallest p is then 1 in 21."""

LEAST_SEEN = 0.5
"""Share of the region that must show beside a host's object; where less does, it is moved or the host left out."""

KEPT = 3
"""Hosts whose pictures are kept."""

ENOUGH = stats.ENOUGH_GROUPS
"""Photos, or groups of photos, that must have got the region: fewer give no interval."""

ORIGINAL, AS_IT_IS, PASTED, CONTROL, OWN_CONTROL = "photo", "as it is", "pasted", "control", "own control"
"""Arms beside those of the fills: the photo and a host unchanged, a host with the region, with a piece of another photo
of its own class, and with another piece of the photo."""


@dataclass(frozen=True)
class Photo:
    """A photo as the model gets it before preprocessing.

    Attributes:
        image_id: of the data set.
        pixels: (H, W, C) float32 in [0, 255].
        mask: (H, W) uint8 of BACKGROUND, FOREGROUND, VOID.
        label: class index.
        group: photos of one group (a patient, a scene) count as one.
    """

    image_id: str
    pixels: Pixels
    mask: Mask
    label: int
    group: int


@dataclass(frozen=True)
class Erased:
    """Erasing the region in its own photo, of two fills the one that does less.

    Attributes:
        before, after: probability of the class with the photo as it is, and with the region erased.
        effect: by how much it falls beyond equal pieces erased elsewhere, -1..1; NaN without room for one.
        p: share of the places, this one among them, whose erasing costs as much or more (randomisation test).
        n: equal pieces elsewhere that were erased.
    """

    before: float
    after: float
    effect: float
    p: float
    n: int


@dataclass(frozen=True)
class Pasted:
    """Pasting the region onto photos of other classes.

    Attributes:
        n: photos, or groups of photos, that got it.
        effect: mean rise of the class's probability beyond that of the control pieces, -1..1.
        low, high: 95 % bootstrap-t interval over photos.
        p: sign-flip test, 1 where the effect is not above 0.
        turned, turned_control: share of the photos that are then taken for the class, and with the control pieces.
        own_effect: rise beyond that of an equal piece of the same photo; NaN without room for one. Near 0 where all of
            the photo's background does the same.
    """

    n: int
    effect: float
    low: float
    high: float
    p: float
    turned: float
    turned_control: float
    own_effect: float


@dataclass(frozen=True)
class RegionPicture:
    """A changed picture that is kept for the report, and what the model says of it.

    Attributes:
        arm: what was done.
        host: image_id of the photo that it is pasted onto; "" = the photo itself.
        pixels: (H, W, C) float32 in [0, 255].
        probability: of the class, 0..1.
    """

    arm: str
    host: str
    pixels: Pixels
    probability: float


@dataclass(frozen=True)
class RegionTest:
    """What erasing and pasting a region did.

    Attributes:
        area: share of the picture that the region takes, 0..1.
        object_share: share of the region that lies on the photo's own object, 0..1.
        erased: on its own photo.
        pasted: None where too few photos of other classes could take it.
        reason: why not.
        shots: the photo, the same without the region, and a few hosts: as they are, with the region, with a control.
    """

    area: float
    object_share: float
    erased: Erased
    pasted: Pasted | None
    reason: str
    shots: tuple[RegionPicture, ...]


def try_region(
    photo: Photo, region: Mask, hosts: Sequence[Photo], tied: int, predict: Predict, *, batch: int, seed: int
) -> RegionTest:
    """Erase a region of a photo and paste it onto others.

    Args:
        photo: that the region was drawn on.
        region: (H, W) uint8, 1 inside; not empty.
        hosts: photos of other classes than `tied`; also those that control pieces are cut from.
        tied: class index whose probability is watched.
        predict: (n, H, W, C) float32 in [0, 255] -> predictions, any n.
        batch: pictures per call of `predict`.
        seed: of the places and the intervals.
    """
    asked: Asked[Change] = Asked(predict, tied, batch)
    own = elsewhere(region, _object(photo.mask), np.random.default_rng((seed, 0)))
    placed = [(host, *spot) for host in hosts if (spot := _placed(region, host.mask)) is not None]
    for arm, pixels in _erasures(photo, region, seed):
        asked.ask((arm, SELF), pixels, keep=True)
    for place, (host, moved, offset) in enumerate(placed):
        for arm, pixels in _pastings(photo, own, host, moved, offset, _controls(host, place, hosts, moved)):
            asked.ask((arm, place), pixels, keep=place < KEPT)
    asked.finish()
    pasted, reason = _pasted(asked, [host for host, *_ in placed], seed)
    covered = float((photo.mask[region > 0] == FOREGROUND).mean())
    return RegionTest(float((region > 0).mean()), covered, _erased(asked), pasted, reason, _shots(asked, placed))


def _erasures(photo: Photo, region: Mask, seed: int) -> Iterator[tuple[str, Pixels]]:
    """(arm, picture) of the photo itself."""
    yield ORIGINAL, photo.pixels
    found = (
        elsewhere(region, _object(photo.mask), np.random.default_rng((seed, place))) for place in range(4 * PLACES)
    )
    places = list({control.tobytes(): control for control in found if control is not None}.values())[:PLACES]
    yield from erased(photo.pixels, region, places)


def _pastings(
    photo: Photo, own: Mask | None, host: Photo, moved: Mask, offset: tuple[int, int], controls: Sequence[Pixels]
) -> Iterator[tuple[str, Pixels]]:
    """(arm, picture) of one host, that gets the region where it was `moved` to; `own` is another piece of the photo."""
    yield AS_IT_IS, host.pixels
    yield PASTED, lend(host.pixels, host.mask, shifted(photo.pixels, offset), moved)
    for piece in controls:
        yield CONTROL, lend(host.pixels, host.mask, piece, moved)
    if own is not None and offset == (0, 0) and (_object(host.mask)[own > 0] == 0).mean() >= LEAST_SEEN:
        yield OWN_CONTROL, lend(host.pixels, host.mask, photo.pixels, own)


def _erased(asked: Asked[Change]) -> Erased:
    """A test over places in one photo, not over photos: `stats.paired_effect` has nothing to average here."""
    before = asked.answers[ORIGINAL, SELF][0].probability

    def under(fill: str) -> Erased:
        after = asked.answers[fill, SELF][0].probability
        others = asked.answers.get((control_of(fill), SELF), [])
        controls = np.array([answer.probability for answer in others if answer.valid])
        if not np.isfinite(before - after):
            controls = controls[:0]  # nothing to compare: as without room for a control
        effect = float(controls.mean() - after) if len(controls) else float("nan")
        p = (1 + int((controls <= after).sum())) / (1 + len(controls))
        return Erased(before, after, effect, p if len(controls) else float("nan"), len(controls))

    return of_weaker_fill(under, lambda each: each.before - each.after if each.n == 0 else each.effect)


def _pasted(asked: Asked[Change], hosts: Sequence[Photo], seed: int) -> tuple[Pasted | None, str]:
    said = asked.answers
    lost = {place for (_, place), answers in said.items() if not all(answer.valid for answer in answers)}
    told = [place for place in range(len(hosts)) if (CONTROL, place) in said and place not in lost]
    groups = np.array([hosts[place].group for place in told])
    units = np.unique(groups)

    def rise(place: int, control: str) -> float:
        return said[PASTED, place][0].probability - float(np.mean([each.probability for each in said[control, place]]))

    rises = np.array([rise(place, CONTROL) for place in told])
    effect = stats.paired_effect(rises, seed=seed, groups=groups)
    if effect is None:
        return None, f"only {len(units)} photos of other classes could take it with a control, {ENOUGH} are needed"
    own = [rise(place, OWN_CONTROL) for place in told if (OWN_CONTROL, place) in said]
    return (
        Pasted(
            len(units),
            effect.mean,
            effect.low,
            effect.high,
            effect.p,
            turned_rate([said[PASTED, place] for place in told]),
            turned_rate([said[CONTROL, place] for place in told]),
            float(np.mean(own)) if own else float("nan"),
        ),
        "",
    )


def _shots(asked: Asked[Change], placed: Sequence[tuple[Photo, Mask, tuple[int, int]]]) -> tuple[RegionPicture, ...]:
    names = {place: host.image_id for place, (host, *_) in enumerate(placed)}
    arms = (ORIGINAL, FIRST_FILL, SECOND_FILL, AS_IT_IS, PASTED, CONTROL)
    return tuple(
        RegionPicture(arm, names.get(place, ""), asked.pictures[arm, place], asked.answers[arm, place][0].probability)
        for place in (SELF, *range(min(KEPT, len(placed))))
        for arm in arms
        if (arm, place) in asked.pictures
    )


def _controls(host: Photo, place: int, hosts: Sequence[Photo], region: Mask) -> list[Pixels]:
    """Other photos of the host's class, from which the same shape is cut at the same place, their objects removed."""
    others = [other for other in hosts if other.label == host.label and other.image_id != host.image_id]
    lenders = [others[(place + i) % len(others)] for i in range(min(CONTROLS, len(others)))]
    return [
        background_only(other.pixels, other.mask)
        if (_object(other.mask)[region > 0] > 0).mean() > MOST_OVERLAP
        else other.pixels
        for other in lenders
    ]


def _placed(region: Mask, mask: Mask) -> tuple[Mask, tuple[int, int]] | None:
    """The region on a host and by how much it was moved (down, right); None where the object leaves no room."""
    thing = _object(mask)
    if (thing[region > 0] == 0).mean() >= LEAST_SEEN:
        return region, (0, 0)
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    shape = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    overlap = cv2.matchTemplate(thing.astype(np.float32), shape.astype(np.float32), cv2.TM_CCORR)
    if float(overlap.min()) > (1 - LEAST_SEEN) * float(shape.sum()):
        return None
    y, x = np.unravel_index(int(overlap.argmin()), overlap.shape)
    offset = int(y) - int(rows[0]), int(x) - int(columns[0])
    return shifted(region, offset), offset


def _object(mask: Mask) -> Mask:
    """1 on the object and on what may be it."""
    return np.asarray((mask == FOREGROUND) | (mask == VOID), np.uint8)
