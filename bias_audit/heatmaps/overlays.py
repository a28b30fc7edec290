"""Draws a heatmap over its photo, with a title strip above that tells class and probability."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bias_audit.data.batches import Geometry
from bias_audit.data.geometry import fit_image, largest_shape
from bias_audit.data.locations import Location
from bias_audit.data.pictures import decode

Rgb = NDArray[np.uint8]

LONGEST = 560
"""Longest side of the photo in an overlay, in pixels."""

LEVELS = (0.25, 0.5, 0.75)
"""Shares of the strongest evidence at which contours are drawn."""

INFERNO = (
    (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85),
    (227, 89, 51), (249, 140, 10), (249, 201, 50), (252, 255, 164),
)  # fmt: skip
"""Points of the colour map Inferno (van der Walt & Smith 2015), the same as in `report.figures.INFERNO`."""

RED = (226, 20, 32)
LINES = ((255, 226, 77), (255, 140, 0), (220, 20, 40))
MARGIN, STRIP, PAPER, INK = 12, (22, 25, 30), (243, 241, 236), (178, 182, 189)

BROKEN, EMPTY = "the map is not finite", "no positive evidence: the map is empty"


def overlay(photo: Rgb, heat: NDArray[np.float32], style: str, title: str, lines: tuple[str, ...]) -> Rgb:
    """Draw a map over a photo, below a title.

    Args:
        photo: (H, W, 3) uint8 RGB.
        heat: (h, w) signed and unscaled; its positive part over its maximum is shown, brought to H x W half-pixel
            bilinearly, as it is scored (docs/science.md#numerical-traps).
        style: key of STYLES.
        title: text in bold; text that is too long is cut.
        lines: further lines of text below the title.

    Returns:
        (H + height of the title strip, W, 3) uint8 RGB; a map without positive evidence leaves the photo unchanged, and
        the strip says so.
    """
    shown, note = scaled(heat, photo.shape[:2])
    drawn = photo if shown is None else STYLES[style](photo, shown)
    return np.concatenate([_strip(photo.shape[1], title, (*lines, note) if note else lines), drawn])


def scaled(heat: NDArray[np.float32], size: tuple[int, ...]) -> tuple[NDArray[np.float32] | None, str]:
    """Scale the positive part of a heatmap to 0..1 and upsample it to `size`, for display only.

    Returns:
        ((H, W) in 0..1, ""), or (None, BROKEN or EMPTY) for a map that is not finite or has no positive evidence.
    """
    if not np.isfinite(heat).all():
        return None, BROKEN
    positive = np.maximum(heat, 0).astype(np.float32)
    if not positive.max() > 0:
        return None, EMPTY
    large = cv2.resize(positive / positive.max(), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.clip(large, 0, 1).astype(np.float32), ""


def view(path: Location, geometry: Geometry, pixels: NDArray[np.float32] | NDArray[np.uint8], content: str = "") -> Rgb:
    """The part of a picture that the model saw, (H, W, 3), for display: its longer side has LONGEST pixels.

    A picture that was stretched for the model is shown in its own proportions.

    Args:
        path: where the picture lies.
        geometry: geometry of the model's input.
        pixels: (h, w, C) in [0, 255] as the model saw them; shown where the file cannot be read or would become too
            large.
        content: what the file held when the model saw it; another file is not shown. "" = whatever it holds.
    """
    most = geometry.limits.pixels
    original, _ = decode(path, geometry.channels, geometry.decoder, most, content, geometry.pixel_range)
    shape = geometry.size if original is None or geometry.resize != "stretch" else original.shape[:2]
    scale = LONGEST / max(shape)
    size = (max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale)))
    largest = largest_shape(original.shape, size, geometry.resize) if original is not None else (0, 0)
    if original is None or largest[0] * largest[1] > geometry.limits.pixels:
        image = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_LINEAR).reshape(*size, -1)
    else:
        image = fit_image(original, size, geometry.resize, "antialias")
    rounded = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return np.asarray(np.repeat(rounded, 3, axis=2) if rounded.shape[2] == 1 else rounded, np.uint8)


def _on_grey(photo: Rgb, heat: NDArray[np.float32]) -> Rgb:
    """Red over the photo in grey, which is lightened a little so that red shows in the shadows as well."""
    grey = 60 + 0.72 * cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return _blended(np.repeat(grey[..., None], 3, axis=2), np.array(RED, np.float32), 0.82 * heat)


def _in_colours(photo: Rgb, heat: NDArray[np.float32]) -> Rgb:
    """The colour map Inferno over the photo, more opaque where the evidence is stronger, as in the report."""
    points = np.array(INFERNO, np.float32)
    at = np.linspace(0, 1, len(points))
    colours = np.stack([np.interp(heat, at, points[:, channel]) for channel in range(3)], axis=2)
    return _blended(photo.astype(np.float32), colours, 0.85 * heat**0.75)


def _as_contours(photo: Rgb, heat: NDArray[np.float32]) -> Rgb:
    drawn = photo.copy()
    around = np.pad(heat, 1)  # a region that reaches the edge is closed along it
    for level, colour in zip(LEVELS, LINES, strict=True):
        outlines, _ = cv2.findContours((around >= level).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        moved = [outline - 1 for outline in outlines]
        cv2.polylines(drawn, moved, True, (20, 20, 20), 5, cv2.LINE_AA)
        cv2.polylines(drawn, moved, True, colour, 2, cv2.LINE_AA)
    return drawn


def _blended(base: NDArray[np.float32], colour: NDArray[np.floating], opacity: NDArray[np.floating]) -> Rgb:
    share = opacity[..., None]
    return np.asarray(np.rint(base * (1 - share) + colour * share), np.uint8)


STYLES: dict[str, Callable[[Rgb, NDArray[np.float32]], Rgb]] = {
    "grey": _on_grey,
    "colour": _in_colours,
    "contour": _as_contours,
}
LEGENDS = {
    "grey": "the redder, the stronger the evidence for {}",
    "colour": "from dark to bright: evidence for {}",
    "contour": "lines at 25, 50 and 75% of the strongest evidence for {}",
}


def _strip(width: int, title: str, lines: tuple[str, ...]) -> Rgb:
    bold, plain = _font("DejaVuSans-Bold.ttf", 20), _font("DejaVuSans.ttf", 13)
    strip = Image.new("RGB", (width, 2 * MARGIN + 26 + 18 * len(lines)), STRIP)
    draw = ImageDraw.Draw(strip)
    draw.text((MARGIN, MARGIN - 2), _cut(title, bold, width - 2 * MARGIN), font=bold, fill=PAPER)
    for number, line in enumerate(lines):
        text = _cut(line, plain, width - 2 * MARGIN)
        draw.text((MARGIN, MARGIN + 28 + 18 * number), text, font=plain, fill=INK)
    return np.asarray(strip, np.uint8)


def _cut(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}\N{HORIZONTAL ELLIPSIS}") > width:
        text = text[:-1]
    return f"{text.rstrip()}\N{HORIZONTAL ELLIPSIS}"


@functools.cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font of DejaVu, which comes with Matplotlib: it has Latin, Greek and Cyrillic letters on every system."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)
