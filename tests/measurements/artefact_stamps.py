"""Real rulers, ink markings and gel bubbles, cut out of HAM10000 photos and put on other lesions.

The cut-outs and the idea of pasting the difference of a photo with and without its artefact are those of Katsch et al.
2022, "Attribution of artefacts by data augmentation" (Dermatology Practical & Conceptual). Printing and ink take light
away, so they are pasted as the *ratio* of the two photos and keep the skin's own colour and texture underneath; bubbles
add reflections and are pasted as the difference. Uses nothing of bias_audit.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from photo_truth import decode

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

SCALE = 320 / 600
"""Pixels of a lesion photo per pixel of a cut-out: both photos show a dermatoscope's whole field."""

DARKEST = 0.55
"""Rulers whose first percentile of the ratio is above this are too faint to survive in a photo of 320 pixels."""

LEAST_INK = 150.0
"""Sum of absorbed light (pixels of full ink, in a cut-out) below which a marking is a mere dot."""

TRIES, TOLERANCE = 16, 0.04
"""Places that are tried, and the share of the ink on the lesion, on the black rim or outside that is accepted."""

DARK = 70
"""Mean of RGB under which ink does not show: the rim of the dermatoscope's field, and some lesions."""


@dataclass(frozen=True)
class CutOut:
    """One artefact without the skin underneath.

    Attributes:
        gain, offset: (h, w, 3) the photo is multiplied by one, then the other is added.
        ink: (h, w) in 0..1, how much it changes the photo.
        region: (h, w) in 0..1, the artefact as a person would outline it, gaps between the ticks included.
        ring: whether it is drawn around a lesion.
        long: whether it is a strip longer than a photo, of which a piece is taken.
    """

    gain: Floats
    offset: Floats
    ink: Floats
    region: Floats
    ring: bool = False
    long: bool = False


@dataclass(frozen=True)
class Layer:
    """Cut-outs in their places on one photo: gain and offset (H, W, 3), ink and region (H, W)."""

    gain: Floats
    offset: Floats
    ink: Floats
    region: Floats

    def on(self, photo: Pixels) -> Pixels:
        """The photo (H, W, 3) with the artefacts on it."""
        return np.asarray(np.clip(np.rint(photo * self.gain + self.offset), 0, 255), np.uint8)


def read_cut_outs(artefacts: Path, kind: str) -> list[CutOut]:
    """The artefacts of a kind (ruler, marking or bubble) that are distinct enough to be seen at 320 pixels, RGB."""
    found = []
    for entry in json.loads((artefacts / "meta.json").read_text())["artefacts"]:
        if entry["class"] != kind:
            continue
        files = sorted((artefacts / entry["artefact_folder"]).glob("*.png"))
        if kind == "marking":
            made = [_marking(_rgb(path), entry["subclass"] == "circle") for path in files]
        else:
            without = [path for path in files if "without" in path.name]
            pairs = [(path.with_name(path.name.replace("without", "with")), path) for path in without]
            make = _ruler if kind == "ruler" else _bubble
            made = [make(_rgb(shown), _rgb(repaired)) for shown, repaired in pairs]
        found += [cut_out for cut_out in made if cut_out is not None]
    return found


def lay_rulers(cut_outs: list[CutOut], photo: Pixels, mask: Pixels, rng: np.random.Generator) -> Layer:
    """One ruler along an edge of the photo, level or upright as dermatoscopes show it, beside the lesion."""
    chosen = cut_outs[int(rng.integers(len(cut_outs)))]
    height, width = mask.shape

    def draw() -> Floats:
        turned = bool(rng.integers(2))
        scale = SCALE * rng.uniform(0.95, 1.2)
        length, depth = (height, width) if turned else (width, height)
        if chosen.ink.shape[1] * scale > 0.92 * length and not chosen.long:
            scale = 0.92 * length / chosen.ink.shape[1]
        thick = chosen.ink.shape[0] * scale
        away = thick / 2 + rng.uniform(0.03, 0.14) * depth
        across = away if rng.integers(2) else depth - away
        free = max(0.0, length - chosen.ink.shape[1] * scale) / 2
        along = length / 2 + (rng.uniform(-0.8, 0.8) * free)
        if chosen.long:  # any piece of the strip
            spare = (chosen.ink.shape[1] * scale - length) / 2
            along = length / 2 + rng.uniform(-1, 1) * max(0.0, spare)
        angle = (90 * rng.choice([-1, 1]) if turned else 0) + rng.uniform(-5, 5)
        return _placing(chosen, scale, float(angle), (across, along) if turned else (along, across))

    return _layer([(chosen, _best(chosen, draw, photo, mask))], mask.shape)


def lay_markings(cut_outs: list[CutOut], photo: Pixels, mask: Pixels, rng: np.random.Generator) -> Layer:
    """Ink strokes on the skin, or, around a lesion that leaves room for it, parts of a ring."""
    height, width = mask.shape
    ys, xs = np.nonzero(mask)
    box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(ys) else (width // 3, height // 3, width, height)
    rings = [cut_out for cut_out in cut_outs if cut_out.ring]
    room = box[2] - box[0] < 0.65 * width and box[3] - box[1] < 0.65 * height
    if room and rng.random() < len(rings) / len(cut_outs):
        ring = rings[int(rng.integers(len(rings)))]
        tall, wide = ring.ink.shape
        scale = max((box[2] - box[0]) / wide, (box[3] - box[1]) / tall) * 1.35
        scale = float(np.clip(scale, 0.45 * SCALE, min(0.95 * width / wide, 0.95 * height / tall)))
        centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)

        def draw_ring() -> Floats:
            return _placing(ring, scale, float(rng.uniform(-180, 180)), centre)

        return _layer([(ring, _best(ring, draw_ring, photo, mask))], mask.shape)
    spots = [cut_out for cut_out in cut_outs if not cut_out.ring]
    placed = []
    for i in rng.permutation(len(spots))[: int(rng.integers(2, 5))]:
        spot = spots[int(i)]

        def draw(spot: CutOut = spot) -> Floats:
            centre = (rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height)
            return _placing(spot, SCALE * rng.uniform(0.8, 1.4), float(rng.uniform(-180, 180)), centre)

        placed.append((spot, _best(spot, draw, photo, mask)))
    return _layer(placed, mask.shape)


def lay_bubbles(cut_outs: list[CutOut], photo: Pixels, mask: Pixels, rng: np.random.Generator) -> Layer:
    """A dozen bubbles anywhere beside the lesion."""
    height, width = mask.shape
    placed = []
    for i in rng.integers(len(cut_outs), size=int(rng.integers(9, 16))):
        bubble = cut_outs[int(i)]

        def draw(bubble: CutOut = bubble) -> Floats:
            centre = (rng.uniform(0.05, 0.95) * width, rng.uniform(0.05, 0.95) * height)
            return _placing(bubble, SCALE * rng.uniform(0.9, 1.8), float(rng.uniform(-180, 180)), centre)

        placed.append((bubble, _best(bubble, draw, photo, mask)))
    return _layer(placed, mask.shape)


LAY: dict[str, Callable[[list[CutOut], Pixels, Pixels, np.random.Generator], Layer]] = {
    "ruler": lay_rulers,
    "marking": lay_markings,
    "bubble": lay_bubbles,
}
"""Kind of meta.json -> (cut-outs, photo (H, W, 3), lesion (H, W) 0 or 1, generator) -> where they lie on that photo."""


def _ruler(shown: Floats, repaired: Floats) -> CutOut | None:
    ratio = (shown + 1) / (repaired + 1)
    if np.percentile(ratio.min(axis=2), 1) > DARKEST:
        return None
    gain = _ink_only(ratio)
    return CutOut(gain, np.zeros_like(gain), *_outlined(gain, (75, 1)), long=gain.shape[1] > 600)


def _marking(drawn: Floats, ring: bool) -> CutOut | None:
    gain = _ink_only(drawn / 255)
    if (1 - gain.min(axis=2)).sum() < LEAST_INK:
        return None
    return CutOut(gain, np.zeros_like(gain), *_outlined(gain, (21, 21)), ring=ring)


def _bubble(shown: Floats, repaired: Floats) -> CutOut | None:
    offset = shown - repaired
    if np.abs(offset).mean() < 6 or repaired.mean() < DARK:  # too faint, or a bright ring for want of skin below
        return None
    height, width = offset.shape[:2]
    ys, xs = np.mgrid[:height, :width]
    radius = np.hypot((xs + 0.5) / width * 2 - 1, (ys + 0.5) / height * 2 - 1)
    offset *= np.clip((1.1 - radius) / 0.2, 0, 1)[..., None]  # no trace of the cut-out's corners
    region = (radius < 0.9).astype(np.float32)
    return CutOut(np.ones_like(offset), offset.astype(np.float32), region, region)


def _ink_only(ratio: NDArray[np.floating]) -> Floats:
    """The ratio where there is ink, 1 where the two photos differ by no more than the repair's noise."""
    sure = np.clip((0.92 - ratio.min(axis=2, keepdims=True)) / 0.15, 0, 1)
    return np.asarray(1 - sure * (1 - np.clip(ratio, 0, 1)), np.float32)


def _outlined(gain: Floats, gap: tuple[int, int]) -> tuple[Floats, Floats]:
    """Ink, and its outline with gaps of up to so many pixels (x, y) closed."""
    ink = 1 - gain.min(axis=2)
    pad = max(gap)
    padded = cv2.copyMakeBorder((ink > 0.25).astype(np.uint8), pad, pad, pad, pad, cv2.BORDER_CONSTANT)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones(gap[::-1], np.uint8))[pad:-pad, pad:-pad]
    return ink, closed.astype(np.float32)


def _placing(cut_out: CutOut, scale: float, angle: float, centre: tuple[float, float]) -> Floats:
    """(2, 3) affine map from the cut-out's pixels to the photo's: scaled and turned, its middle at centre (x, y)."""
    height, width = cut_out.ink.shape
    middle = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, angle, scale)
    matrix[:, 2] += np.array(centre) - middle
    return np.asarray(matrix, np.float32)


def _best(cut_out: CutOut, draw: Callable[[], Floats], photo: Pixels, mask: Pixels) -> Floats:
    """The first of TRIES places where hardly any ink is lost or lies on the lesion, else the best of them."""
    unfit = (mask > 0) | (photo.mean(axis=2) < DARK)
    costs, places = [], []
    for _ in range(TRIES):
        place = draw()
        ink = _warp(cut_out.ink, place, mask.shape, 0)
        area = abs(float(np.linalg.det(place[:, :2])))
        lost = 0.0 if cut_out.long else max(0.0, 1 - float(ink.sum()) / (float(cut_out.ink.sum()) * area))
        cost = lost + float(ink[unfit].sum()) / max(float(ink.sum()), 1e-6)
        if cost <= TOLERANCE:
            return place
        costs.append(cost)
        places.append(place)
    return places[int(np.argmin(costs))]


def _layer(placed: list[tuple[CutOut, Floats]], shape: tuple[int, ...]) -> Layer:
    gain, offset = np.ones((*shape, 3), np.float32), np.zeros((*shape, 3), np.float32)
    ink, region = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for cut_out, place in placed:
        gain *= _warp(cut_out.gain, place, shape, 1)
        offset += _warp(cut_out.offset, place, shape, 0)
        ink = np.maximum(ink, _warp(cut_out.ink, place, shape, 0))
        region = np.maximum(region, _warp(cut_out.region, place, shape, 0))
    return Layer(gain, offset, ink, region)


def _warp(values: Floats, place: Floats, shape: tuple[int, ...], outside: float) -> Floats:
    """The cut-out on the photo's canvas; shrunk by area first, so that thin ticks are not skipped."""
    scale = float(np.sqrt(abs(np.linalg.det(place[:, :2]))))
    matrix = place.astype(np.float64)
    if scale < 1:
        height, width = values.shape[:2]
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        values = np.asarray(cv2.resize(values, small, interpolation=cv2.INTER_AREA), np.float32)
        sx, sy = width / small[0], height / small[1]
        # Pixel centres: x_large = sx * (x_small + .5) - .5
        matrix = matrix @ np.array([[sx, 0, sx / 2 - 0.5], [0, sy, sy / 2 - 0.5], [0, 0, 1]])
    border = (outside,) * 4
    return np.asarray(
        cv2.warpAffine(values, matrix, shape[1::-1], flags=cv2.INTER_LINEAR, borderValue=border), np.float32
    )


def _rgb(path: Path) -> Floats:
    return cv2.cvtColor(decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(np.float32)
