"""Properties of pictures and files such as brightness or camera, and their association with the label.

Whatever differs between the classes by the way the data were collected (a scanner, a compression, a date) can be
learned instead of the object. A new property is one line in `pixel_properties` or `file_properties`.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.data.contents import content_of
from bias_audit.data.dicom import KIND, is_dicom, shape
from bias_audit.data.locations import Location, read_location
from bias_audit.data.opening import open_picture
from bias_audit.interventions.edits import Pixels
from bias_audit.limits.bounds import Limits

Value = float | str | None

RIM = 0.03
"""Width of the border whose colour is taken, as a share of the shorter side."""

CORNER = 0.06
"""Side of the corner squares that are tested for black, as a share of the shorter side."""

DARK = 30.0
"""Mean grey level, 0..255, below which a corner is black: a dermatoscope's vignette, a letterbox."""

ENOUGH = 10
"""Smallest number of photos of a class, and of all others, that a comparison needs."""

MOST_WORDS = 50
"""Largest number of different words of a property; a column with more names photos and is no property."""

PERMUTATIONS = 999

_EXIF_MAKE, _EXIF_MODEL, _EXIF_DATE, _EXIF_IFD, _EXIF_TAKEN = 0x010F, 0x0110, 0x0132, 0x8769, 0x9003


@dataclass(frozen=True)
class Association:
    """Association of one property with the label.

    Attributes:
        name: name of the property.
        class_name: class that is compared with all others; "" for a property in words, compared over all classes.
        measure: "AUC" (P(higher in the class than elsewhere); .5 = no difference) or "Cramér's V" (0..1).
        value, low, high: the measure with its 95 % interval.
        p: p of a Mann-Whitney test (AUC) or a permutation test (Cramér's V), not corrected.
        n: number of photos.
        typical: median in the class and elsewhere, or the word most over-represented in a class, as text.
    """

    name: str
    class_name: str
    measure: str
    value: float
    low: float
    high: float
    p: float
    n: int
    typical: str


def pixel_properties(pixels: Pixels) -> dict[str, Value]:
    """Properties of light, colour and sharpness of a picture, by name.

    Args:
        pixels: (H, W, C) in [0, 255] at the model's input size, C = 1 or 3.
    """
    rgb = pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)
    hsv = cv2.cvtColor(rgb / np.float32(255), cv2.COLOR_RGB2HSV)
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32)
    side = min(grey.shape)
    rim, corner = max(1, round(RIM * side)), max(1, round(CORNER * side))
    border = np.concatenate([grey[:rim].ravel(), grey[-rim:].ravel(), grey[:, :rim].ravel(), grey[:, -rim:].ravel()])
    corners = [
        grey[rows, columns]
        for rows in (slice(corner), slice(-corner, None))
        for columns in (slice(corner), slice(-corner, None))
    ]
    turn = np.exp(1j * np.radians(hsv[..., 0])) * hsv[..., 1]
    return {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "saturation": float(hsv[..., 1].mean()),
        "redness": float(turn.real.mean()),
        "blueness": float(-turn.imag.mean()),
        "sharpness": float(np.log1p(cv2.Laplacian(grey, cv2.CV_32F).var())),
        "border brightness": float(border.mean()),
        "black corners": float(sum(float(each.mean()) < DARK for each in corners)),
    }


def file_properties(path: Location, most: int = Limits.pixels, content: str = "") -> dict[str, Value]:
    """Format, size, compression and EXIF data of a file, by name; only its header is decoded.

    Args:
        path: where the picture lies.
        most: most pixels, see `Limits`.
        content: what it held when it was first read, as `data.batches.Loaded.content`; "" = whatever it holds.

    Returns:
        name -> value; {} where the header cannot be read, or the file holds something else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = read_location(path)
            if content and content_of(data) != content:
                return {}
            if is_dicom(data):
                return _of_shape(*shape(data, most), data, KIND)
            with open_picture(io.BytesIO(data), most) as image:
                width, height = image.size
                tables = getattr(image, "quantization", None) if image.format == "JPEG" else None
                exif = image.getexif()
                taken = exif.get_ifd(_EXIF_IFD).get(_EXIF_TAKEN) or exif.get(_EXIF_DATE)
                camera = " ".join(str(exif.get(tag) or "").strip("\0 ") for tag in (_EXIF_MAKE, _EXIF_MODEL)).strip()
                return {
                    **_of_shape(height, width, data, str(image.format)),
                    "JPEG quality": None if not tables else jpeg_quality(tables),
                    "camera": camera or "none",
                    "month taken": str(taken)[:7].replace(":", "-") if taken else "none",
                }
    except Exception:  # a file that no header can be read of has no properties; the audit counts it as unreadable
        return {}


def _of_shape(height: int, width: int, data: bytes, kind: str) -> dict[str, Value]:
    return {
        "width": float(width),
        "height": float(height),
        "aspect ratio": width / height,
        "bytes per pixel": len(data) / (width * height),
        "file type": kind,
    }


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> float:
    """JPEG quality on the IJG scale, 1..100, estimated from the quantisation tables.

    The scale says by which factor the luminance table is a multiple of the standard one (ITU-T T.81, Annex K). The
    estimate is within 2 above quality 10; below, entries of the table are cut off at 255 and it is too high.

    Args:
        tables: number of the table -> its entries; the table with the lowest number is that of luminance.
    """
    scale = 100 * float(np.mean(tables[min(tables)])) / _STANDARD_MEAN
    return float(np.clip(round(5000 / scale if scale > 100 else (200 - scale) / 2), 1, 100))


_STANDARD_MEAN = 57.625
"""Mean of the luminance table of quality 50 (ITU-T T.81, table K.1)."""


def associations(
    rows: Sequence[Mapping[str, Value]],
    labels: NDArray[np.intp],
    class_names: Sequence[str],
    *,
    seed: int,
    groups: NDArray[np.intp] | None = None,
) -> list[Association]:
    """Association of every property with the label.

    Properties that do not vary, or have too few photos, are left out.

    Args:
        rows: name -> value of the properties of N photos; missing ones are None or absent.
        labels: (N,) indices into `class_names`.
        class_names: (K,) names of all classes.
        seed: seed of permutations and bootstrap.
        groups: (N,) codes of photos that belong together; the first photo of a group stands for all, since a patient's
            photos from one camera are one observation. None = every photo is its own group.
    """
    if groups is not None:
        firsts = np.sort(np.unique(groups, return_index=True)[1])
        rows, labels = [rows[place] for place in firsts], labels[firsts]
    found: list[Association] = []
    for name in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(name) for row in rows]
        known = np.array([value is not None for value in values])
        numbers = all(isinstance(value, int | float) for value in values if value is not None)
        compare: Callable[..., list[Association]] = _numbers if numbers else _words
        chosen = [value for value in values if value is not None]
        if len(set(chosen)) > 1:
            found.extend(compare(name, chosen, labels[known], class_names, seed))
    return found


def _numbers(
    name: str, values: Sequence[float], labels: NDArray[np.intp], class_names: Sequence[str], seed: int
) -> list[Association]:
    array = np.asarray(values, float)
    found = []
    # Of two classes one says what the other says.
    for label in range(1 if len(class_names) == 2 else len(class_names)):
        inside, outside = array[labels == label], array[labels != label]
        if min(len(inside), len(outside)) < ENOUGH:
            continue
        value = stats.auc(inside, outside)
        low, high = stats.auc_interval(value, len(inside), len(outside))
        p = float(stats.mann_whitney(inside, outside))
        typical = f"median {np.median(inside):z.3g}, elsewhere {np.median(outside):z.3g}"
        found.append(Association(name, str(class_names[label]), "AUC", value, low, high, p, len(array), typical))
    return found


def _words(
    name: str, values: Sequence[Any], labels: NDArray[np.intp], class_names: Sequence[str], seed: int
) -> list[Association]:
    words, codes = np.unique([str(value) for value in values], return_inverse=True)
    counts = np.bincount(labels, minlength=len(class_names))
    if len(words) > MOST_WORDS or (counts >= ENOUGH).sum() < 2:
        return []
    classes = len(class_names)

    def strength(some: NDArray[np.intp], of: NDArray[np.intp]) -> float:
        table = np.bincount(some * classes + of, minlength=len(words) * classes).reshape(len(words), classes)
        value = stats.cramers_v(table)
        return 0.0 if np.isnan(value) else value

    rng = np.random.default_rng(seed)
    value = strength(codes, labels)
    null = [strength(codes, rng.permutation(labels)) for _ in range(PERMUTATIONS)]
    drawn = []
    for _ in range(PERMUTATIONS // 3):
        chosen = rng.integers(len(labels), size=len(labels))
        drawn.append(strength(codes[chosen], labels[chosen]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    p = (1 + sum(each >= value - 1e-12 for each in null)) / (1 + PERMUTATIONS)
    table = np.bincount(codes * classes + labels, minlength=len(words) * classes).reshape(len(words), classes)
    excess = table - table.sum(axis=1, keepdims=True) * counts / counts.sum()
    word, label = np.unravel_index(int(excess.argmax()), excess.shape)
    share = f"{table[word, label]} of {counts[label]} {class_names[int(label)]}"
    typical = f"{words[word]!s}: {share}, {table[word].sum()} in all"
    return [
        Association(
            name, "", "Cramér's V", value, min(float(low), value), max(float(high), value), p, len(labels), typical
        )
    ]
