"""What `explain` returns: pictures with their predictions and heatmaps, which a notebook shows as pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.heatmaps.overlays import LEGENDS, STYLES, Rgb, overlay, scaled
from bias_audit.run.printable import printable
from bias_audit.run.quantities import quantity
from bias_audit.run.statuses import OK

MOST_SHOWN = 24
"""Most pictures of a list that a notebook shows; each takes about 40 kB of the notebook."""

SHOWN_WIDTH = 260
"""Width of a picture of a list in a notebook, in CSS pixels."""

JPEG_QUALITY = 85


@dataclass(frozen=True, repr=False)
class Explained:
    """Prediction and heatmap of one picture. Its `repr` is one line; a notebook shows the heatmap over the picture.

    Attributes:
        path: path of the picture.
        status, status_reason: "ok" and "", or why the picture could not be read; then all further fields are empty.
        top: the most probable classes with their probability in [0, 1], the predicted class first; "none of these"
            goes before them where a single output outside the class map is at least as probable as each.
        explained: class whose evidence the map shows.
        explained_probability: probability of the explained class, in [0, 1].
        log_odds: log p - log(1 - p) of the explained class, which the map explains.
        map: (h, w) float32, signed and unscaled: evidence for the class where positive, against it where negative.
        method, layer: heatmap method and layer that made the map.
        overlay, raw: files with the overlay (PNG) and the map (NPY); None where nothing was written.
        style: how the heatmap is drawn over the picture, see `explain`.
        seen: gives the part of the picture that the model saw; None where it was not kept.
    """

    path: Path
    status: str
    status_reason: str = ""
    top: tuple[tuple[str, float], ...] = ()
    explained: str = ""
    explained_probability: float | None = None
    log_odds: float | None = None
    map: NDArray[np.float32] | None = None
    method: str = ""
    layer: str = ""
    overlay: Path | None = None
    raw: Path | None = None
    style: str = "grey"
    seen: Callable[[], Rgb] | None = field(default=None, compare=False)

    @property
    def predicted(self) -> str:
        """Name of the predicted class, or "none of these"; "" where the picture could not be read."""
        return self.top[0][0] if self.top else ""

    @property
    def probability(self) -> float | None:
        """Probability of the predicted class in [0, 1]; None where the picture could not be read."""
        return self.top[0][1] if self.top else None

    @property
    def predictions(self) -> dict[str, float]:
        """The classes of `top`: name -> probability in [0, 1], the predicted class first; {} without a prediction."""
        return dict(self.top)

    @property
    def image(self) -> Rgb | None:
        """(H, W, 3) uint8 RGB, the part of the picture that the model saw; None where it was not kept or not read.

        It is read from the file each time. Where the file has changed since, it is what the model was given.
        """
        return None if self.seen is None else self.seen()

    @property
    def heatmap(self) -> NDArray[np.float32] | None:
        """(H, W) float32 in [0, 1], to be laid over `image`: the positive part of `map` over its maximum, enlarged.

        None where there is no `image` or no `map`, and where the map is not finite or has no positive evidence.
        """
        image = self.image
        return None if image is None or self.map is None else scaled(self.map, image.shape[:2])[0]

    def drawn(self) -> Rgb | None:
        """(H, W, 3) uint8 RGB: the heatmap over the picture, below what is predicted; None without `image` or `map`."""
        image = self.image
        if image is None or self.map is None:
            return None
        lines = (f"{self.method}, layer {self.layer}", LEGENDS[self.style].format(self.explained))
        return overlay(image, self.map, self.style, self.title(), lines)

    def title(self) -> str:
        """What is predicted, and what is explained where that is another class: "wolf 97%"."""
        title = f"{self.predicted} {chance(self.probability)}"
        if self.explained == self.predicted:
            return title
        return f"{self.explained} {chance(self.explained_probability)}, predicted {title}"

    def __repr__(self) -> str:
        what = self.title() if self.status == OK else f"{self.status}: {self.status_reason}"
        heat = "" if self.map is None else f"; {self.method} heatmap {self.map.shape[0]}x{self.map.shape[1]}"
        return printable(f"<Explained {str(self.path)!r}: {what}{heat}>")

    def _repr_png_(self) -> bytes | None:
        """PNG for a notebook: the heatmap over the picture; None where there is none."""
        drawn = self.drawn()
        return None if drawn is None else png(drawn)

    def _repr_html_(self) -> str:
        """HTML for a notebook: the heatmap over the picture, and what is predicted."""
        return self.figure()

    def figure(self, width: int | None = None) -> str:
        """The picture as an HTML element, complete in itself.

        Args:
            width: its width in CSS pixels; None = as wide as `image`.
        """
        said = f'<bdi style="overflow-wrap:anywhere">{_text(self.path)}</bdi><br>'
        image = self.image
        if self.status != OK or image is None or self.map is None:
            why = f"{self.status}: {self.status_reason}" if self.status != OK else repr(self)
            size = f"width:{width}px;" if width else ""
            return f'<figure style="{size}margin:0">{said}{_text(why)}</figure>'
        shown, note = scaled(self.map, image.shape[:2])
        jpeg = _jpeg(image if shown is None else STYLES[self.style](image, shown))
        ranks = "<br>".join(f"<bdi>{_text(name)}</bdi> {_text(chance(value))}" for name, value in self.top)
        legend = note or LEGENDS[self.style].format(self.explained)
        size = f"width:{width or image.shape[1]}px;max-width:100%"
        return (
            f'<figure style="{size};margin:0"><img style="width:100%;height:auto" alt="{_text(repr(self))}" '
            f'src="data:image/jpeg;base64,{jpeg}"><figcaption>{said}{ranks}<br>'
            f"<small>{_text(self.method)}: {_text(legend)}</small></figcaption></figure>"
        )


class Pictures(list[Explained]):
    """A list of explained pictures, which a notebook shows side by side, at most MOST_SHOWN of them."""

    def _repr_html_(self) -> str:
        """HTML for a notebook: the pictures in rows."""
        shown = "".join(each.figure(SHOWN_WIDTH) for each in self[:MOST_SHOWN])
        left = len(self) - MOST_SHOWN
        more = f"<p>and {left:,} more pictures, which are in the list</p>" if left > 0 else ""
        return f'<div style="display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start">{shown}</div>{more}'


def chance(probability: float | None) -> str:
    """Text of a probability, as `quantities.quantity` gives it; "" for None."""
    return "" if probability is None else quantity(probability, "share")


def png(picture: Rgb) -> bytes:
    """A picture (H, W, 3) uint8 RGB as a PNG file."""
    return bytes(cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())


def _jpeg(picture: Rgb) -> str:
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)[1]
    return base64.b64encode(encoded.tobytes()).decode()


def _text(text: object) -> str:
    return html.escape(printable(text))
