"""A person points at a region of one photo and says "this": what erasing it there and pasting it elsewhere does.

The region is pasted at its place onto photos of other classes, behind their objects, and so is a piece of the same
shape from another photo of the host's own class: neither a foreign patch nor its edge counts as an effect
(docs/science.md#drawn-regions). What is erased is compared with equal pieces elsewhere in the photo, since one photo
gives no interval over photos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.config import FIRST_FILL, SECOND_FILL
from bias_audit.data.masks import FOREGROUND, VOID
from bias_audit.interventions.edits import FILLS, MOST_OVERLAP, Mask, Pixels, background_only, elsewhere, lend
from bias_audit.models.base import Predictions

Predict = Callable[[Pixels], Predictions]
Scalar = TypeVar("Scalar", bound=np.generic)

CONTROLS = 3
"""Pieces of other photos that each host gets as a control."""

PLACES = 20
"""Equal pieces elsewhere that are erased for comparison, at most: the smallest p is then 1 in 21."""

LEAST_SEEN = 0.5
"""Share of the region that must show beside a host's object; where less does, it is moved or the host left out."""

KEPT = 3
"""Hosts whose pictures are kept."""

ENOUGH = stats.ENOUGH_GROUPS


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
        low, high: 95 % BCa bootstrap interval over photos.
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
class Shot:
    """A changed picture: what was done, on which host ("" = the photo itself), and the class's probability."""

    arm: str
    host: str
    pixels: Pixels
    probability: float


@dataclass(frozen=True)
class Measured:
    """The answer.

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
    shots: tuple[Shot, ...]


def measure(
    photo: Photo, region: Mask, hosts: Sequence[Photo], tied: int, predict: Predict, *, batch: int, seed: int
) -> Measured:
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
    ask = _Asked(predict, tied, batch)
    own = elsewhere(region, _object(photo.mask), np.random.default_rng((seed, 0)))
    placed = [(host, *spot) for host in hosts if (spot := _placed(region, host.mask)) is not None]
    _ask_erased(ask, photo, region, seed)
    for place, (host, moved, offset) in enumerate(placed):
        ask("as it is", place, host.pixels)
        ask("pasted", place, lend(host.pixels, host.mask, _shifted(photo.pixels, offset), moved))
        for piece in _controls(host, place, hosts, moved):
            ask("control", place, lend(host.pixels, host.mask, piece, moved))
        if own is not None and offset == (0, 0) and (_object(host.mask)[own > 0] == 0).mean() >= LEAST_SEEN:
            ask("own control", place, lend(host.pixels, host.mask, photo.pixels, own))
    ask.finish()
    pasted, reason = _pasted(ask, [host for host, *_ in placed], seed)
    covered = float((photo.mask[region > 0] == FOREGROUND).mean())
    return Measured(float((region > 0).mean()), covered, _erased(ask), pasted, reason, _shots(ask, photo, placed))


class _Asked:
    """Pictures on their way through the model, and what it said of each, by arm and host."""

    def __init__(self, predict: Predict, tied: int, batch: int) -> None:
        self.predict, self.tied, self.batch = predict, tied, batch
        self.said: dict[tuple[str, int], list[float]] = {}
        self.turned: dict[tuple[str, int], list[bool]] = {}
        self.kept: dict[tuple[str, int], Pixels] = {}
        self._waiting: list[tuple[str, int, Pixels]] = []

    def __call__(self, arm: str, host: int, pixels: Pixels) -> None:
        if host < KEPT:
            self.kept.setdefault((arm, host), pixels)
        self._waiting.append((arm, host, pixels))
        if len(self._waiting) == self.batch:
            self.finish()

    def finish(self) -> None:
        """Ask about what still waits."""
        if not self._waiting:
            return
        predictions = self.predict(np.stack([pixels for *_, pixels in self._waiting]))
        for (arm, host, _), p, best in zip(
            self._waiting, predictions.probabilities[:, self.tied], predictions.predicted, strict=True
        ):
            self.said.setdefault((arm, host), []).append(float(p))
            self.turned.setdefault((arm, host), []).append(bool(best == self.tied))
        self._waiting.clear()


_SELF = -1
"""Place of the photo itself among the hosts."""


def _ask_erased(ask: _Asked, photo: Photo, region: Mask, seed: int) -> None:
    ask("photo", _SELF, photo.pixels)
    found = (
        elsewhere(region, _object(photo.mask), np.random.default_rng((seed, place))) for place in range(4 * PLACES)
    )
    places = list({control.tobytes(): control for control in found if control is not None}.values())[:PLACES]
    for fill in (FIRST_FILL, SECOND_FILL):
        ask(fill, _SELF, FILLS[fill](photo.pixels, region))
        for control in places:
            ask(f"{fill} control", _SELF, FILLS[fill](photo.pixels, control))


def _erased(ask: _Asked) -> Erased:
    before = ask.said["photo", _SELF][0]
    results = []
    for fill in (FIRST_FILL, SECOND_FILL):
        after, controls = ask.said[fill, _SELF][0], np.array(ask.said.get((f"{fill} control", _SELF), []))
        effect = float(controls.mean() - after) if len(controls) else float("nan")
        p = (1 + int((controls <= after).sum())) / (1 + len(controls))
        results.append(Erased(before, after, effect, p if len(controls) else float("nan"), len(controls)))
    return min(results, key=lambda erased: erased.before - erased.after if erased.n == 0 else erased.effect)


def _pasted(ask: _Asked, hosts: Sequence[Photo], seed: int) -> tuple[Pasted | None, str]:
    told = [place for place in range(len(hosts)) if ("control", place) in ask.said]
    groups = np.array([hosts[place].group for place in told])
    units = np.unique(groups)
    if len(units) < ENOUGH:
        return None, f"only {len(units)} photos of other classes could take it with a control, {ENOUGH} are needed"
    rises = np.array([ask.said["pasted", place][0] - np.mean(ask.said["control", place]) for place in told])
    mean = np.array([rises[groups == unit].mean() for unit in units])
    own = [
        ask.said["pasted", place][0] - ask.said["own control", place][0]
        for place in told
        if ("own control", place) in ask.said
    ]
    effect = float(mean.mean())
    low, high = stats.bca_mean_interval(mean, seed=seed)
    return (
        Pasted(
            len(units),
            effect,
            low,
            high,
            stats.sign_flip(mean, seed=seed) if effect > 0 else 1.0,
            float(np.mean([ask.turned["pasted", place][0] for place in told])),
            float(np.mean([np.mean(ask.turned["control", place]) for place in told])),
            float(np.mean(own)) if own else float("nan"),
        ),
        "",
    )


def _shots(ask: _Asked, photo: Photo, placed: Sequence[tuple[Photo, Mask, tuple[int, int]]]) -> tuple[Shot, ...]:
    names = {place: host.image_id for place, (host, *_) in enumerate(placed)}
    arms = ("photo", FIRST_FILL, SECOND_FILL, "as it is", "pasted", "control")
    return tuple(
        Shot(arm, names.get(place, ""), ask.kept[arm, place], ask.said[arm, place][0])
        for place in (_SELF, *range(min(KEPT, len(placed))))
        for arm in arms
        if (arm, place) in ask.kept
    )


def _controls(host: Photo, place: int, hosts: Sequence[Photo], region: Mask) -> list[Pixels]:
    """Other photos of the host's class, from which the same shape is cut at the same place, their objects removed."""
    others = [other for other in hosts if other.label == host.label and other.image_id != host.image_id]
    turned = [others[(place + i) % len(others)] for i in range(min(CONTROLS, len(others)))]
    return [
        background_only(other.pixels, other.mask)
        if (_object(other.mask)[region > 0] > 0).mean() > MOST_OVERLAP
        else other.pixels
        for other in turned
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
    return _shifted(region, offset), offset


def _shifted(pixels: NDArray[Scalar], offset: tuple[int, int]) -> NDArray[Scalar]:
    """Moved down and right; what comes in from beyond the edge is never shown, since the region moves along."""
    moved: NDArray[Scalar] = np.roll(pixels, offset, axis=(0, 1))
    return moved


def _object(mask: Mask) -> Mask:
    """1 on the object and on what may be it."""
    return np.asarray((mask == FOREGROUND) | (mask == VOID), np.uint8)
