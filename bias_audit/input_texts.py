"""Settings of a model's input that hold numbers, as text: --preprocess mean=.../std=..., --resize shorter=232/224.

As text they stand in a configuration and in a run like any other setting, so that a finished run opens again.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence

from bias_audit.errors import ConfigError

Numbers = tuple[float, ...]

PixelRange = str | tuple[float, float]
"""Values of a picture of more than 8 bits that are black and white: (low, high), or FULL or OF_FILE."""

FULL, OF_FILE = "full", "file"
"""The whole range of a picture's type of integers; the least and the greatest value of each picture."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of RGB in 0..1 over ImageNet."""

NAMED: dict[str, tuple[Numbers, Numbers]] = {
    "none": ((0.0,), (1 / 255,)),
    "unit": ((0.0,), (1.0,)),
    "signed": ((0.5,), (0.5,)),
    "imagenet": IMAGENET,
}
"""Names of preprocessings that are (x / 255 - mean) / std with numbers of their own."""

CUT = ("shorter", "stretch")
"""Resizes that may be written with a ratio, after which the centre is cut out."""

USUAL = (256, 224)
"""What "shorter" means without a ratio: torchvision's Resize(256) and CenterCrop(224)."""

_LARGEST = 1e6
_ROUNDING = 1e-6
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?"
_LIST = rf"{_NUMBER}(?:,{_NUMBER}){{0,2}}"
_TEXT = re.compile(rf"mean=({_LIST})/std=({_LIST})", re.ASCII)
_RANGE = re.compile(rf"({_NUMBER}),({_NUMBER})", re.ASCII)
_RATIO = re.compile(r"([1-9]\d{0,4})/([1-9]\d{0,4})", re.ASCII)


def is_mean_and_std(preprocess: str) -> bool:
    """Whether a preprocessing is written with its numbers, and is neither a name nor `module:function`."""
    return preprocess.startswith("mean=")


@functools.lru_cache(maxsize=64)
def mean_and_std(preprocess: str) -> tuple[Numbers, Numbers]:
    """The numbers of (x / 255 - mean) / std, of which a preprocessing `mean=M,M,M/std=S,S,S` is the text.

    Args:
        preprocess: the text; a single number goes for all channels.

    Returns:
        (mean, std), each of one or three numbers.

    Raises:
        ConfigError: another form, a number that is too large, or a std that is not above 0.
    """
    found = _TEXT.fullmatch(preprocess)
    if found is None:
        raise _refusal(preprocess)
    mean, std = (tuple(float(each) for each in part.split(",")) for part in found.groups())
    usable = all(abs(each) <= _LARGEST for each in mean) and all(1 / _LARGEST <= each <= _LARGEST for each in std)
    if not usable or len(mean) == 2 or len(std) == 2:
        raise _refusal(preprocess)
    return mean, std


def preprocess_of(mean: Sequence[float], std: Sequence[float]) -> str:
    """The preprocessing of which (x / 255 - mean) / std is the formula: a name where there is one, else text.

    Args:
        mean, std: one or three numbers each, for pixels in 0..1.

    Raises:
        ConfigError: numbers that no preprocessing may have.
    """
    given = _shortened(mean), _shortened(std)
    for name, known in NAMED.items():
        if all(_near(one, other) for one, other in zip(given, known, strict=True)):
            return name
    text = "/".join(
        f"{name}={','.join(f'{each:z.9g}' for each in values)}"
        for name, values in zip(("mean", "std"), given, strict=True)
    )
    mean_and_std(text)  # refuses
    return text


@functools.lru_cache(maxsize=64)
def cut_of(resize: str) -> tuple[str, tuple[int, int] | None]:
    """(mode, (N, M)) of a resize: to N/M of the input's size, of which the centre is cut out; None = nothing is cut.

    Args:
        resize: a mode, or a mode of `CUT` with its ratio, such as "shorter=232/224".

    Raises:
        ConfigError: a ratio that is none or below 1, or of a mode that has none.
    """
    mode, equals, ratio = resize.partition("=")
    if not equals:
        return mode, USUAL if mode == "shorter" else None
    found = _RATIO.fullmatch(ratio)
    if mode not in CUT or found is None or int(found[1]) < int(found[2]):
        raise ConfigError(
            f"resize {resize[:80]!r} is not understood",
            f"Write {' or '.join(CUT)} with a ratio of at least 1: shorter=232/224 resizes the shorter side to 232 "
            "where the input has 224, and cuts the centre.",
        )
    return mode, (int(found[1]), int(found[2]))


@functools.lru_cache(maxsize=64)
def pixel_range(text: str) -> PixelRange:
    """The range of values that is black to white, of which `LOW,HIGH`, `full` or `file` is the text.

    Raises:
        ConfigError: another form, or a range without extent.
    """
    if text in (FULL, OF_FILE):
        return text
    found = _RANGE.fullmatch(text)
    low, high = (float(found[1]), float(found[2])) if found else (0.0, 0.0)
    if not low < high or max(abs(low), abs(high)) > 1e12:
        raise ConfigError(
            f"pixel_range {text[:80]!r} is not understood",
            "Write LOW,HIGH, the values that training read as black and white, such as 0,4095; full for all of a "
            "picture's type, 0,65535 of 16 bits; or file for the least and the greatest value of each file.",
        )
    return low, high


def resized_to(mode: str, before: int, after: int) -> str:
    """The resize that goes to `before` pixels by a mode of `CUT` and cuts the centre of `after` pixels out."""
    if mode == "stretch" and before == after:
        return mode
    return mode if mode == "shorter" and before * USUAL[1] == after * USUAL[0] else f"{mode}={before}/{after}"


def _refusal(preprocess: str) -> ConfigError:
    return ConfigError(
        f"preprocess {preprocess[:120]!r} is not understood",
        "Write mean=M,M,M/std=S,S,S for (x / 255 - mean) / std, with one number or three, and std above 0.",
    )


def _shortened(values: Sequence[float]) -> Numbers:
    numbers = tuple(float(each) for each in values)
    return numbers[:1] if len(set(numbers)) == 1 else numbers


def _near(one: Numbers, other: Numbers) -> bool:
    return len(one) == len(other) and all(
        math.isclose(a, b, rel_tol=_ROUNDING, abs_tol=_ROUNDING) for a, b in zip(one, other, strict=True)
    )
