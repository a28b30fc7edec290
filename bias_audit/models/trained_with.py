"""What a model's own files say of the pictures that it was trained with, and how that becomes settings.

The files of timm, torchvision, Hugging Face and KerasHub say it in four ways; each becomes a `TrainedWith` here, whose
values are those of `AuditConfig`. What cannot be said in these values is a remark, and never a guess.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bias_audit.config import READABLE, AuditConfig
from bias_audit.errors import ConfigError
from bias_audit.input_texts import preprocess_of, resized_to

OF_PILLOW = {
    "nearest": "nearest", "bilinear": "antialias", "bicubic": "antialias_bicubic", "lanczos": "antialias_lanczos",
}  # fmt: skip
"""What libraries of PyTorch call a filter of Pillow -> interpolation."""

RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Numbers of Pillow's filters, as Hugging Face writes them."""

IN_BGR = {"none": "bgr", "unit": "unit_bgr", "signed": "signed_bgr"}

UNCUT = 384
"""Size in pixels from which on ConvNeXt's pictures are stretched and not cut."""


@dataclass(frozen=True)
class TrainedWith:
    """How pictures were prepared for a model, as far as its files say so.

    Attributes:
        source: what says so, such as "preprocessor_config.json".
        image_size: (height, width) of the input; None = not said.
        preprocess, resize, interpolation: see `AuditConfig`; None = not said, or not in these values.
        remarks: clauses on what is said and cannot be done here.
    """

    source: str
    image_size: tuple[int, int] | None = None
    preprocess: str | None = None
    resize: str | None = None
    interpolation: str | None = None
    remarks: tuple[str, ...] = field(default=())

    def values(self) -> dict[str, str]:
        """Name of a setting of READABLE -> its value, of those that are said."""
        return {name: value for name in READABLE if (value := getattr(self, name)) is not None}

    def facts(self) -> dict[str, Any]:
        """All that is said, as plain values for JSON."""
        size = None if self.image_size is None else list(self.image_size)
        return {"source": self.source, "image_size": size, **self.values(), "remarks": list(self.remarks)}


def trained_with(model: Any) -> TrainedWith | None:
    """What the files of a model say; None = nothing."""
    said = getattr(model, "trained_with", None)
    return said if isinstance(said, TrainedWith) else None


def settled(config: AuditConfig, model: Any) -> AuditConfig:
    """The settings, in which what the model's files say takes the place of what nobody gave; the model notes it.

    Args:
        config: settings as they were given.
        model: the loaded model; a sentence is added to its notes.

    Raises:
        ConfigError: a setting that was given does not go with what the files say.
    """
    said = trained_with(model)
    if said is None:
        return config
    values = said.values()
    used: dict[str, Any] = {name: value for name, value in values.items() if name in config.left_open}
    against = [name for name, value in values.items() if name not in used and value != getattr(config, name)]
    if said.image_size is not None and said.image_size != model.input_size[:2]:
        against.append("image_size")
    elif said.image_size is not None and config.image_size is None:
        used["image_size"] = said.image_size
    if note := _sentence(said, used, against):
        model.notes = (*model.notes, note)
    try:
        return config.changed(used)
    except ConfigError as error:
        given = " ".join(_flag(name, getattr(config, name)) for name in ("resize", "interpolation") if name not in used)
        raise ConfigError(f"{given} does not go with what {said.source} says: {error.message}", error.hint) from error


def _sentence(said: TrainedWith, used: Mapping[str, Any], against: Sequence[str]) -> str:
    parts = []
    if used:
        flags = " ".join(_flag(name, value) for name, value in used.items())
        parts.append(f"Pictures are prepared by {said.source}: {flags}; each of these options overrides it.")
    if against:
        flags = " ".join(_flag(name, getattr(said, name)) for name in against)
        parts.append(f"By {said.source} it would be {flags}; something else was given.")
    if said.remarks:
        parts.append(f"Not all that {said.source} says of pictures is done here: {'; '.join(said.remarks)}.")
    return " ".join(parts)


def _flag(name: str, value: Any) -> str:
    text = f"{value[0]}x{value[1]}" if isinstance(value, tuple) else value
    return f"--{name.replace('_', '-')} {text}"


class _Reader:
    """Collects what is said, and remarks on what is said and cannot be done."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}
        self.remarks: list[str] = []

    def normalised(self, mean: Any, std: Any, *, factor: float = 1 / 255, bgr: bool = False) -> None:
        """(x * factor - mean) / std, in the other order of the channels with `bgr`."""
        with contextlib.suppress(ConfigError, TypeError, ValueError, OverflowError, ZeroDivisionError):
            scale = 255 * factor
            name = preprocess_of([float(each) / scale for each in mean], [float(each) / scale for each in std])
            if not bgr or name in IN_BGR:
                self.said["preprocess"] = IN_BGR[name] if bgr else name
                return
        order = " in the order BGR" if bgr else ""
        self.remarks.append(
            f"the mean {_short(mean)} and the standard deviation {_short(std)}{order} are not understood"
        )

    def interpolated(self, name: Any) -> None:
        if (known := OF_PILLOW.get(str(name))) is not None:
            self.said["interpolation"] = known
        else:
            self.remarks.append(f"the interpolation {_short(name)} is not known")

    def cut(self, mode: str, before: Any, after: int) -> None:
        """To `before` pixels by a mode of `input_texts.CUT`, of which the centre of `after` pixels is cut out."""
        if _whole(before) and after <= before < 100_000:
            self.said["resize"] = resized_to(mode, before, after)
        else:
            self.remarks.append(f"a cut of {after} pixels out of {_short(before)} is not understood")

    def made(self, source: str) -> TrainedWith:
        return TrainedWith(source, **self.said, remarks=tuple(self.remarks))


def of_torchvision(transforms: Any, source: str) -> TrainedWith:
    """What the transforms of torchvision's weights say, by their attributes.

    Args:
        transforms: made by `Weights.transforms()`.
        source: what says so.
    """
    read = _Reader()
    before, after = (_single(getattr(transforms, name, None)) for name in ("resize_size", "crop_size"))
    if after is None:
        return TrainedWith(source, remarks=("its transforms are of a kind that is not known",))
    read.said["image_size"] = (after, after)
    read.normalised(getattr(transforms, "mean", None), getattr(transforms, "std", None))
    filtered = getattr(transforms, "interpolation", None)
    read.interpolated(getattr(filtered, "value", filtered))
    read.cut("shorter", before, after)
    return read.made(source)


def of_timm(said: Mapping[str, Any], source: str) -> TrainedWith:
    """What a `pretrained_cfg` of timm says: mean, std, input_size, interpolation, crop_pct and crop_mode."""
    read = _Reader()
    size = said.get("input_size")
    read.normalised(said.get("mean"), said.get("std"))
    read.interpolated(said.get("interpolation"))
    if not (isinstance(size, Sequence) and len(size) == 3 and all(_whole(each) for each in size)):
        read.remarks.append(f"the input_size {_short(size)} is not understood")
        return read.made(source)
    height, width = size[1:]
    read.said["image_size"] = (height, width)
    share, mode = said.get("crop_pct") or 0.875, said.get("crop_mode") or "center"
    usable = isinstance(share, float | int) and 0.01 < share <= 1
    if not usable or height != width or mode not in ("center", "squash"):
        read.remarks.append(
            f"a crop of {_short(share)} by crop_mode {_short(mode)} to {height}x{width} is not done here"
        )
    else:
        read.cut("stretch" if mode == "squash" else "shorter", math.floor(height / share), height)
    return read.made(source)


def of_hugging_face(said: Mapping[str, Any], source: str, size: Any = None) -> TrainedWith:
    """What a `preprocessor_config.json` of Hugging Face says.

    Args:
        said: its content.
        source: what says so.
        size: `image_size` of the model's configuration, for an input of which the preprocessor says no size.
    """
    read = _Reader()
    kind = str(said.get("image_processor_type") or said.get("feature_extractor_type") or "")
    factor = said.get("rescale_factor", 1 / 255) if said.get("do_rescale", True) else 1.0
    read_numbers = isinstance(factor, float | int) and factor > 0
    if not read_numbers:
        read.remarks.append(f"the rescale_factor {_short(factor)} is not understood")
    elif kind.startswith("EfficientNet") and (said.get("rescale_offset") or said.get("include_top")):
        read.remarks.append("its pixels are scaled in a way of EfficientNet's own, so --preprocess has to say how")
    else:
        whole = said.get("do_normalize", True) and not kind.startswith("MobileViT")  # which never does so
        mean, std = (said.get("image_mean"), said.get("image_std")) if whole else ((0,), (1,))
        read.normalised(mean, std, factor=float(factor), bgr=bool(said.get("do_flip_channel_order", False)))
    if odd := [name for name in ("do_pad", "do_thumbnail", "do_align_long_axis") if said.get(name)]:
        read.remarks.append(f"{odd[0]} is not done here")
    elif said.get("do_resize", True):
        number = said.get("resample", 2)
        read.interpolated(RESAMPLE.get(number, number) if _whole(number) or number == 0 else number)
        _resized(read, kind, said)
    if "image_size" not in read.said and (side := square(size)) is not None:
        read.said["image_size"] = side
    return read.made(source)


def _resized(read: _Reader, kind: str, said: Mapping[str, Any]) -> None:
    """Read size and cut of a preprocessor of Hugging Face whose `do_resize` is on."""
    size, crop = said.get("size"), None
    if said.get("do_center_crop") and "crop_size" in said:
        crop = square(said["crop_size"])
        if crop is None or crop[0] != crop[1]:
            read.remarks.append(f"the crop_size {_short(said['crop_size'])} is not understood")
            return
    whole = square(size) if isinstance(size, Mapping) else None
    edge = size.get("shortest_edge") if isinstance(size, Mapping) else None
    shortest = edge if isinstance(edge, int) and _whole(edge) else 0
    if whole is not None and crop is None:
        read.said.update(image_size=whole, resize="stretch")
    elif whole is not None and crop is not None and whole[0] == whole[1]:
        read.said["image_size"] = crop
        read.cut("stretch", whole[0], crop[0])
    elif shortest and kind.startswith("ConvNext"):  # resizes and cuts by a share, and stretches large ones
        share = said.get("crop_pct", 224 / 256)
        read.said["image_size"] = (shortest, shortest)
        if shortest >= UNCUT:
            read.said["resize"] = "stretch"
        else:
            read.cut("shorter", _over(shortest, share), shortest)
    elif shortest and crop is not None:
        before: int | None = shortest
        if kind.startswith("Levit"):
            before = int(256 / 224 * shortest)
        elif kind.startswith("PoolFormer"):
            before = _over(shortest, said.get("crop_pct", 0.9))
        read.said["image_size"] = crop
        read.cut("shorter", before, crop[0])
    else:
        read.remarks.append(f"a resize to {_short(size)} is not understood")


def of_keras_hub(model: Any) -> TrainedWith | None:
    """What the preprocessor of a model of KerasHub says; None = there is none.

    It converts pictures before they reach the model's inputs, which an audit asks directly.
    """
    converter = getattr(getattr(model, "preprocessor", None), "image_converter", None)
    if converter is None:
        return None
    read = _Reader()
    scale, offset = getattr(converter, "scale", None), getattr(converter, "offset", None)
    with contextlib.suppress(TypeError, ValueError, ZeroDivisionError, OverflowError):
        scales = [float(each) for each in (scale if isinstance(scale, Sequence) else (1 if scale is None else scale,))]
        offsets = [float(each) for each in (offset if isinstance(offset, Sequence) else (offset or 0,))]
        if len(scales) < len(offsets):
            scales *= len(offsets)
        if len(offsets) < len(scales):
            offsets *= len(scales)
        read.normalised(
            [-add / times for times, add in zip(scales, offsets, strict=True)],
            [1 / times for times in scales],
            factor=1,
        )
    if "preprocess" not in read.said and not read.remarks:
        read.remarks.append(f"the scale {_short(scale)} and the offset {_short(offset)} are not understood")
    if (size := square(getattr(converter, "image_size", None))) is not None:
        read.said["image_size"] = size
        pad, crop = (getattr(converter, f"{how}_to_aspect_ratio", False) for how in ("pad", "crop"))
        read.said["resize"] = "pad" if pad else "crop" if crop else "stretch"
        name = str(getattr(converter, "interpolation", "bilinear"))
        if name in ("bilinear", "bicubic", "nearest") and not getattr(converter, "antialias", False):
            read.said["interpolation"] = name
        else:
            read.remarks.append(f"the interpolation {_short(name)} with antialias is not done here")
    return read.made("the model's preprocessor")


def order_of_classes(said: Any, class_names: Sequence[str] | None, source: str) -> tuple[str, ...]:
    """A note where a model's files name the classes of the data in another order; nothing is put in another order.

    Args:
        said: names of the outputs, in their order; anything that is no list of names says nothing.
        class_names: classes of the data, in the order in which the outputs are taken; None = not known.
        source: what says so.
    """
    if not isinstance(said, Sequence) or isinstance(said, str) or class_names is None:
        return ()
    names, own = [str(each).casefold() for each in said], [each.casefold() for each in class_names]
    if names == own or sorted(names) != sorted(own):
        return ()
    place = next(at for at, (one, other) in enumerate(zip(names, own, strict=True)) if one != other)
    return (
        f"The outputs are taken for the classes of the data in their order, and {source} says another one: output "
        f"{place} is {str(said[place])!r} there and {class_names[place]!r} here. --class-map says which is which.",
    )


def square(size: Any) -> tuple[int, int] | None:
    """(height, width) of a size: one number, two of them, or a mapping with `height` and `width`; None = none of it."""
    if isinstance(size, Mapping):
        size = [size.get("height"), size.get("width")]
    pair = [size, size] if _whole(size) else list(size) if isinstance(size, Sequence) and len(size) == 2 else []
    return (pair[0], pair[1]) if pair and all(_whole(each) for each in pair) else None


def _single(value: Any) -> int | None:
    """The number in a list of one, or the number itself."""
    found = value[0] if isinstance(value, Sequence) and len(value) == 1 else value
    return int(found) if _whole(found) else None


def _over(pixels: int, share: Any) -> int | None:
    return int(pixels / share) if isinstance(share, float | int) and 0.01 < share <= 1 else None


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 100_000


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
