"""Draws small pictures of numbers, as strings and bytes: intervals as inline SVG, heatmaps as tiny PNG files.

Colours of the SVG come from the style sheet through class names, so one figure serves the light and the dark page.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from html import escape

INFERNO = (
    (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85),
    (227, 89, 51), (249, 140, 10), (249, 201, 50), (252, 255, 164),
)  # fmt: skip
"""Nine equally spaced colours of inferno (van der Walt & Smith 2015): perceptually uniform, safe for colour-blind
readers, monotone in lightness and so also legible in grey print."""

MOST_OPAQUE = 0.85
"""Opacity of the strongest cell of a heatmap: the photo stays recognisable below it."""


STEPS = 1000
"""Number of shades of a heatmap, above the lowest: run folders store maps to three digits."""


def interval(
    value: float,
    low: float | None,
    high: float | None,
    *,
    scale: tuple[float, float] = (0.0, 1.0),
    threshold: float | None = None,
    label: str = "",
) -> str:
    """Draw a number as a dot on a line, with its confidence interval.

    The figure is as wide as its container; a dot at the end of the line reaches 4 px beyond it.

    Args:
        value, low, high: estimate and ends of its interval in the units of `scale`; with low or high None only the dot
            is drawn.
        scale: values at the left and the right end; what lies beyond is drawn at the end.
        threshold: value that is drawn as a dashed upright line; None = no line.
        label: the figure in words, for screen readers; "" hides the figure from them.

    Returns:
        an <svg> element.
    """

    def at(number: float) -> str:
        share = (number - scale[0]) / ((scale[1] - scale[0]) or 1.0)
        return f"{100 * min(1.0, max(0.0, share)):z.2f}%"

    parts = [f'<line class="axis" x1="{at(scale[0])}" x2="{at(scale[1])}" y1="8" y2="8"/>']
    if scale[0] < 0 < scale[1]:
        parts.append(f'<line class="zero" x1="{at(0)}" x2="{at(0)}" y1="3" y2="13"/>')
    if low is not None and high is not None:
        parts.append(f'<line class="range" x1="{at(low)}" x2="{at(high)}" y1="8" y2="8"/>')
    if threshold is not None:
        parts.append(f'<line class="threshold" x1="{at(threshold)}" x2="{at(threshold)}" y1="0" y2="16"/>')
    parts.append(f'<circle class="dot" cx="{at(value)}" cy="8" r="4"/>')
    spoken = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return f'<svg class="interval" width="100%" height="16" {spoken}>{"".join(parts)}</svg>'


def histogram(
    shares: Sequence[float], quantiles: Sequence[float], scale: Sequence[float], threshold: float | None = None
) -> str:
    """Draw a distribution as bars, with its middle half and median below; hidden from screen readers.

    Args:
        shares: part of the values in each bin, 0..1; the highest bar has the full height.
        quantiles: values at 5, 25, 50, 75 and 95 %, in the units of `scale`.
        scale: values at the left and the right end.
        threshold: value that is drawn as a dashed upright line; None = no line.

    Returns:
        an <svg> element, as wide as its container.
    """

    def at(number: float) -> str:
        return f"{100 * min(1.0, max(0.0, (number - scale[0]) / ((scale[1] - scale[0]) or 1.0))):z.2f}"

    width, highest = 100 / len(shares), max(shares) or 1.0
    # A bin that holds any value gets a bar that can be seen.
    heights = [max(1.0, 30 * share / highest) if share else 0.0 for share in shares]
    bars = "".join(
        f"M{index * width:g} 32v{-height:z.1f}h{width * 0.9:g}v{height:z.1f}z"
        for index, height in enumerate(heights)
        if height
    )
    line = "" if threshold is None else f'<line class="threshold" x1="{at(threshold)}%" x2="{at(threshold)}%" y2="44"/>'
    return (
        '<svg class="histogram" width="100%" height="44" aria-hidden="true">'
        f'<svg viewBox="0 0 100 44" preserveAspectRatio="none" width="100%" height="44"><path d="{bars}"/></svg>'
        f'<line class="axis" x2="100%" y1="32.5" y2="32.5"/>{line}'
        f'<line class="range" x1="{at(quantiles[1])}%" x2="{at(quantiles[3])}%" y1="39" y2="39"/>'
        f'<circle class="dot" cx="{at(quantiles[2])}%" cy="39" r="4"/></svg>'
    )


def contour_path(contours: Iterable[Sequence[Sequence[float]]]) -> str:
    """Attribute `d` of an SVG path for closed contours of (x, y) points; "" without contours."""
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in contour) + "Z" for contour in contours)


def heat_png(grid: Sequence[Sequence[float]]) -> bytes:
    """A heatmap as an RGBA PNG of one pixel per cell, in the colours of inferno: the stronger, the more opaque.

    Args:
        grid: at least one row, rows of equal length. Values beyond 0..1 are clipped, NaN counts as 0.
    """
    lines = []
    for row in grid:
        # Each line begins with its PNG filter type: none.
        cells = (_PALETTE[round(STEPS * min(1.0, max(0.0, value)))] if value == value else _PALETTE[0] for value in row)
        lines.append(b"\0" + b"".join(cells))
    header = struct.pack(">IIBBBBB", len(grid[0]), len(grid), 8, 6, 0, 0, 0)
    pixels = zlib.compress(b"".join(lines), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def colour(value: float) -> tuple[int, int, int]:
    """Colour of inferno at `value` in 0..1, linear between its nine points, as red, green, blue in 0..255."""
    place = value * (len(INFERNO) - 1)
    left = min(int(place), len(INFERNO) - 2)
    share = place - left
    first, second = INFERNO[left], INFERNO[left + 1]
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def colour_bar() -> str:
    """Legend of the heatmaps: the colours of inferno from weak to strong, as an <svg> element."""
    last = len(INFERNO) - 1
    stops = "".join(
        f'<stop offset="{index / last:z.3f}" stop-color="rgb{point}"/>' for index, point in enumerate(INFERNO)
    )
    return (
        '<svg class="colour-bar" width="96" height="10" aria-hidden="true"><defs><linearGradient id="inferno">'
        f'{stops}</linearGradient></defs><rect width="96" height="10" rx="2" fill="url(#inferno)"/></svg>'
    )


def picture_rules(pictures: Iterable[dict[str, object]], folder: str = "") -> str:
    """A style sheet with a class per picture: `.KEY` shows the photo, `.KEYh` its heatmap.

    Args:
        pictures: {key, jpeg, width, height, grid} as `gallery.arrange_pictures` makes them (checked base64).
        folder: folder beside the page with the files of `picture_files`; "" = the sheet holds the pictures themselves.
    """
    rules = []
    for picture in pictures:
        key, grid = picture["key"], picture["grid"]
        photo = f"{folder}/{key}.jpg" if folder else f"data:image/jpeg;base64,{picture['jpeg']}"
        rules.append(f".{key}{{aspect-ratio:{picture['width']}/{picture['height']};background-image:url({photo})}}")
        if grid:
            heat = f"{folder}/{key}h.png" if folder else f"data:image/png;base64,{_heat(picture)}"
            rules.append(f".{key}h{{background-image:url({heat})}}")
    return "\n".join(rules)


def picture_files(pictures: Iterable[dict[str, object]]) -> Iterator[tuple[str, bytes]]:
    """Name and content of the files that `picture_rules` refers to when it is given a folder."""
    for picture in pictures:
        yield f"{picture['key']}.jpg", base64.b64decode(str(picture["jpeg"]))
        if picture["grid"]:
            yield f"{picture['key']}h.png", heat_png(picture["grid"])  # type: ignore[arg-type]


def _heat(picture: dict[str, object]) -> str:
    return base64.b64encode(heat_png(picture["grid"])).decode()  # type: ignore[arg-type]


def _cell(value: float) -> bytes:
    return bytes((*colour(value), round(255 * MOST_OPAQUE * value**0.75)))


_PALETTE = tuple(_cell(step / STEPS) for step in range(STEPS + 1))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
