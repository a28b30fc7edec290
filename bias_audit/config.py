"""Settings of an audit (`AuditConfig`), read with the bounds of its rules as defaults < TOML file < flags.

`AuditConfig` decides numbers that cost a model pass, so its hash says whether a run can be resumed. `Thresholds`
(`checks.thresholds`) only turn numbers into verdicts and never rerun a model.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.checks.thresholds import Thresholds as Thresholds
from bias_audit.errors import ConfigError
from bias_audit.files.text import read_json, read_toml
from bias_audit.input_texts import cut_of, is_mean_and_std, mean_and_std, pixel_range
from bias_audit.limits.bounds import DEFAULTS, Limits, combined
from bias_audit.run.versions import SETTINGS, renamed

RESIZES = ("stretch", "crop", "pad", "shorter")
INTERPOLATIONS = (
    "bilinear", "nearest", "bicubic", "area", "antialias", "antialias_bicubic", "antialias_lanczos",
)  # fmt: skip
OF_PILLOW = ("antialias", "nearest", "antialias_bicubic", "antialias_lanczos")
"""Interpolations that go with the resize "shorter": those of torchvision, which hands pictures to Pillow."""
PREPROCESSES = ("none", "unit", "signed", "imagenet", "caffe", "bgr", "unit_bgr", "signed_bgr")
AUTO_PREPROCESS = "auto"
DECODERS = ("pillow", "tensorflow")
HEADS = ("softmax", "sigmoid", "logits")
NOT_GIVEN = ""
"""Value of `preprocess`, `resize`, `interpolation` and `decoder` before they are resolved: as the loader does it."""

READABLE = ("preprocess", "resize", "interpolation")
"""Settings that the files of a model may say."""
TORCH = ("channels_last", "bfloat16")
"""How a network of PyTorch may be run for speed; both change its numbers by rounding."""

LOADERS: dict[str, dict[str, str]] = {
    "image_dataset_from_directory": {"decoder": "tensorflow", "resize": "stretch", "interpolation": "bilinear"},
    "flow_from_directory": {"decoder": "pillow", "resize": "stretch", "interpolation": "nearest"},
    "load_img": {"decoder": "pillow", "resize": "stretch", "interpolation": "nearest"},
    "torchvision": {"decoder": "pillow", "resize": "shorter", "interpolation": "antialias"},
}
"""Loader of a training script -> what it does when only the image size is given; torchvision as its reference
transforms for ImageNet, Resize(256) and CenterCrop(224), in that proportion at any size."""

FIRST_FILL, SECOND_FILL = "inpaint", "blur_noise"
"""Fills of two families: an effect that only one of these shows comes from the fill (docs/science.md#fills)."""
NO_FILL = "none"
"""In the place of a fill: the background is a real scene, in which there was no hole."""
SECOND_FILL_DONORS = 3  # most backgrounds per photo and arm under the second fill; odd, as `AuditConfig.donors`


LEFT_OUT = ("extra", "limits", "measured", "output", "pixel_range", "thorough", "torch")
"""Fields that older configurations lack, and that are not written while they are empty."""


@dataclass(frozen=True)
class AuditConfig:
    """Everything that changes the numbers of an audit; a value that is not allowed raises ConfigError.

    Attributes:
        layer: path of the explained layer (`backbone/name`), or "auto": the last one with a 4-D output of h*w > 1,
            or of tokens, that a gradient of the outputs reaches.
            Several, joined by commas, are fused by LayerCAM.
        method: heatmap method, a key of `heatmaps.methods.METHODS`, or `module:function`. "default" is HiResCAM: equal
            to Grad-CAM and CAM on GAP heads, and the faithful one of the family elsewhere (Draelos & Carin 2020);
            LayerCAM where `layer` names several, none where the model gives no gradients. "auto" compares methods and,
            where `layer` is "auto", two layers on a sample, and takes one that is clearly more faithful than the
            default (`heatmaps.faithfulness`); none where the model gives no gradients.
        loader: a key of LOADERS: sets resize, interpolation and decoder where these are not given; None = no loader.
        preprocess: none, unit (x/255), signed (x/127.5-1), imagenet, caffe; unit, signed and none in BGR order
            (unit_bgr, signed_bgr, bgr); mean=M,M,M/std=S,S,S for (x/255 - mean)/std; `module:function`; or auto: the
            one with which the model is right most often on a sample. Not given: as the model's files say, else none.
        resize: stretch, crop (centre crop to the model's aspect ratio) or pad (letterbox), then resize; shorter
            (shorter side to 256/224 of the input, then centre crop, as torchvision); shorter=N/M (by another ratio) and
            stretch=N/M (stretched to N/M of the input, then centre crop).
        interpolation: bilinear, nearest, bicubic, area as `tf.image.resize`; antialias (bilinear), antialias_bicubic
            and antialias_lanczos as Pillow and torchvision.
        decoder: pillow, or tensorflow: `tf.io.decode_image`, whose fast DCT gives other JPEG pixels.
        pixel_range: which values of pictures of more than 8 bits training read as black and white, "LOW,HIGH", "full"
            or "file" (`data.deep`), and of grey DICOM files in the place of their window; None = such pictures are not
            read, and DICOM files by their window.
        image_size: (height, width) in pixels for models that accept any size; None = the model's own size.
        batch_size: images per pass; None = as many as memory takes, 32 at most without a GPU (`models.memory`). Once
            chosen it is part of the hash, because padding of the last batch depends on it.
        interventions: most photos per class of which composites are made; 0 switches interventions off.
        discovery: most images per class in which recurring cues are looked for; 0 = none. A cue that 1 in 20 images
            carries is seen ten times in 200.
        probes: most photos per class that get the colour, brightness, sharpness and border of others; 0 = none. With 64
            photos a pull of 5 points on three other classes is seen.
        leakage: most images, classes in turn, whose label is predicted from background and file properties; 0 = none.
        donors: backgrounds per photo and arm. An odd number, so that a photo's majority is never a tie.
        thorough: every experiment on every class and photo, also where its first part shows that nothing will be found.
        measured: names of columns of the tables images and classes that are measured for all classes and all their
            photos without `thorough`: those that a gate bounds.
        seed: seed of every random choice.
        group_by: user column that groups photos (patient, scene): a group is resampled and tested as one unit.
        mask_foreground: pixel values that are foreground; None = every value but 0 and the ignore value.
        segmenter: what estimates the masks of photos of the experiments that have neither mask nor box: "auto"
            (GrabCut), a segmentation model (.keras, .h5, .tflite, .onnx) or `module:function`; "none" = nothing does;
            None = "auto" where no photo has a mask or a box, else "none". A run records what it did, None for nothing.
        mask_ignore: pixel value that is neither (VOC: 255, Oxford-Pet trimap: 3); None = none; palettes: 255.
        class_map: class name -> output indices, as (name, indices) pairs; None = one output per class, in order.
        head: what the outputs are, one of HEADS: probabilities of a softmax or of sigmoids, or logits; None = seen from
            the outputs for the first images.
        output: which output of a model with several is audited, by its name or its place from 0; None = there is one.
        torch: how a network of PyTorch runs, names of TORCH joined by commas; None = in its own precision and layout.
        custom_objects: module with the classes and functions that the model's file needs; importing it runs it.
        extra: settings of checks of other packages, as (name, value) pairs in the order of their names.
        limits: what a file may cost; a mapping, name -> number, becomes `Limits`.
        left_open: settings of READABLE that neither the user nor a loader gave: what the files of a model say of them
            goes first (`models.trained_with`). Follows from the others.
    """

    layer: str = "auto"
    method: str = "default"
    loader: str | None = None
    preprocess: str = NOT_GIVEN
    resize: str = NOT_GIVEN
    interpolation: str = NOT_GIVEN
    decoder: str = NOT_GIVEN
    pixel_range: str | None = None
    image_size: tuple[int, int] | None = None
    batch_size: int | None = None
    interventions: int = 100
    discovery: int = 200
    probes: int = 64
    leakage: int = 1000
    donors: int = 5
    thorough: bool = False
    measured: tuple[str, ...] = ()
    seed: int = 0
    group_by: str | None = None
    mask_foreground: tuple[int, ...] | None = None
    mask_ignore: int | None = None
    segmenter: str | None = None
    class_map: tuple[tuple[str, tuple[int, ...]], ...] | None = None
    head: str | None = None
    output: str | None = None
    torch: str | None = None
    custom_objects: str | None = None
    extra: tuple[tuple[str, int], ...] = ()
    limits: Limits = DEFAULTS
    left_open: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._resolve_loader()
        object.__setattr__(self, "limits", Limits.of(self.limits))
        if isinstance(self.measured, str) or not all(isinstance(name, str) for name in self.measured):
            raise ConfigError(f"measured is a list of names of columns, got {self.measured!r}")
        object.__setattr__(self, "measured", tuple(sorted(set(self.measured))))
        if not isinstance(self.thorough, bool):
            raise ConfigError(f"thorough must be True or False, got {self.thorough!r}")
        mode, _ = cut_of(self.resize)
        _one_of("resize", mode, RESIZES)
        _one_of("interpolation", self.interpolation, INTERPOLATIONS)
        _one_of("decoder", self.decoder, DECODERS)
        if self.head is not None:
            _one_of("head", self.head, HEADS)
        for part in () if self.torch is None else self.torch.split(","):
            _one_of("torch", part.strip(), TORCH)
        if mode == "shorter" and self.interpolation not in OF_PILLOW:
            raise ConfigError(
                f"resize {self.resize!r} is torchvision's and goes with one of {', '.join(OF_PILLOW)}, "
                f"got {self.interpolation!r}",
                "torchvision's bilinear of pictures is Pillow's, which is called antialias here.",
            )
        if self.pixel_range is not None:
            pixel_range(self.pixel_range)
        if is_mean_and_std(self.preprocess):
            mean_and_std(self.preprocess)
        elif ":" not in self.preprocess:
            _one_of(
                "preprocess",
                self.preprocess,
                (*PREPROCESSES, AUTO_PREPROCESS, "mean=M/std=S", "module:function"),
            )
        if self.image_size is not None and (len(self.image_size) != 2 or min(self.image_size) < 1):
            raise ConfigError(f"image_size must be height and width in pixels, got {list(self.image_size)}")
        if self.batch_size is not None:
            _at_least("batch_size", self.batch_size, 1)
        for name in ("interventions", "discovery", "probes", "leakage"):
            _at_least(name, getattr(self, name), 0)
        for value in (*(self.mask_foreground or ()), *([] if self.mask_ignore is None else [self.mask_ignore])):
            _at_least("a value of a mask", value, 0)
        _at_least("donors", self.donors, 1)
        _at_least("seed", self.seed, 0)
        for name, value in self.extra:
            _at_least(name, value, 0)

    def _resolve_loader(self) -> None:
        """Set preprocess, resize, interpolation and decoder where not given: the configuration says what was done."""
        if self.loader is not None:
            _one_of("loader", self.loader, tuple(LOADERS))
        preset = LOADERS.get(self.loader or "", {})
        absent = {name for name in READABLE if getattr(self, name) == NOT_GIVEN and name not in preset}
        object.__setattr__(self, "left_open", self.left_open | absent)
        resize = self.resize or preset.get("resize", "stretch")
        fallback = "antialias" if resize.startswith("shorter") else "bilinear"
        resolved = {
            "preprocess": self.preprocess or "none",
            "resize": resize,
            "interpolation": self.interpolation or preset.get("interpolation", fallback),
            "decoder": self.decoder or preset.get("decoder", "pillow"),
        }
        for name, value in resolved.items():
            object.__setattr__(self, name, value)

    def changed(self, options: Mapping[str, Any]) -> AuditConfig:
        """A copy with other values in some fields.

        A new loader also sets resize, interpolation and decoder, unless `options` gives these too.
        """
        unset = dict.fromkeys(("resize", "interpolation", "decoder"), NOT_GIVEN) if options.get("loader") else {}
        values = {**unset, **options}
        return dataclasses.replace(self, **{**values, "left_open": self.left_open - values.keys()})

    def with_extra(self, values: Mapping[str, int]) -> AuditConfig:
        """A copy with other values for some settings of checks of other packages."""
        return dataclasses.replace(self, extra=tuple(sorted({**dict(self.extra), **values}.items())))

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values for JSON; those of LEFT_OUT only where they are set: older hashes stay valid.

        `left_open` is no value of its own, and nothing is open in the settings of a finished run.
        """
        values = {**dataclasses.asdict(self), "limits": self.limits.changed()}
        del values["left_open"]
        return {name: value for name, value in values.items() if value or name not in LEFT_OUT}

    def digest(self) -> str:
        """SHA-256 over all that changes numbers: two runs with the same digest on the same files give the same ones."""
        counted = dataclasses.replace(self, limits=Limits(pixels=self.limits.pixels)).as_dict()
        before = renamed(counted, {new: old for old, new in SETTINGS.items()})  # so that older hashes stay valid
        return hashlib.sha256(json.dumps(before, sort_keys=True).encode()).hexdigest()


def read_config(path: Path | None, extra: Collection[str] = (), **flags: Any) -> tuple[AuditConfig, Thresholds]:
    """Read the settings of an audit: defaults, then [audit], [limits] and [thresholds] of a TOML file, then flags.

    Args:
        path: TOML file; None = no file.
        extra: names of settings of checks of other packages.
        flags: AuditConfig fields and settings of `extra`; None means "not given".

    Raises:
        ConfigError: unreadable file, unknown table or key, wrong type or value.
    """
    content: dict[str, Any] = {}
    if path is not None:
        content = read_toml(path, ConfigError, "the configuration")
    where = str(path)
    for table in content:
        if table not in ("audit", "limits", "thresholds"):
            raise ConfigError(f"{where}: unknown table [{table}]", "Use [audit] and [thresholds], or [limits].")
    audit = typed(AuditConfig, content.get("audit", {}), f"{where} [audit]", extra)
    limits = combined(content.get("limits", {}), f"{where} [limits]", flags.pop("limits", None))
    audit.update({name: value for name, value in flags.items() if value is not None}, limits=limits)
    others = {name: audit.pop(name) for name in extra if name in audit}
    thresholds = typed(Thresholds, content.get("thresholds", {}), f"{where} [thresholds]")
    return AuditConfig(**audit).with_extra(others), Thresholds(**thresholds)


def configured(
    config: AuditConfig | None, class_map: str | Path | Mapping[str, Sequence[int]] | None, options: Mapping[str, Any]
) -> AuditConfig:
    """The settings of a call from Python: a configuration, changed by single fields and a class map.

    Args:
        config: configuration to start from; None = the defaults.
        class_map: JSON file, or class name -> output indices; None = the class map of `config`.
        options: AuditConfig fields by name.

    Raises:
        ConfigError: unknown field, wrong value, unreadable class map.
    """
    known = {field.name for field in dataclasses.fields(AuditConfig)} - {"extra", "left_open"}
    options = present_names(options, "the options")
    if unknown := sorted(set(options) - known):
        raise ConfigError(f"unknown option {', '.join(unknown)}", f"Options: {', '.join(sorted(known))}.")
    config = (config or AuditConfig()).changed(options)
    if class_map is None:
        return config
    groups = class_map.items() if isinstance(class_map, Mapping) else read_class_map(Path(class_map))
    return dataclasses.replace(config, class_map=tuple((name, tuple(indices)) for name, indices in groups))


def read_class_map(path: Path) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Read a class map from JSON, class name -> output index or list of indices, as (name, indices) pairs.

    Raises:
        ConfigError: the file is unreadable, holds no such object, or uses an index twice.
    """
    content = read_json(path, ConfigError, "the class map", must_exist=True)
    hint = 'Write for instance {"cat": [281, 282], "dog": [151, 152]}.'
    if not isinstance(content, dict) or not content:
        raise ConfigError(f"the class map {str(path)!r} is not an object of class name -> output indices", hint)
    groups: list[tuple[str, tuple[int, ...]]] = []
    owner: dict[int, str] = {}
    for name, indices in content.items():
        indices = [indices] if isinstance(indices, int) else indices
        if not isinstance(indices, list) or not indices or any(type(i) is not int or i < 0 for i in indices):
            raise ConfigError(f"the class map {str(path)!r} gives no list of output indices for {name!r}", hint)
        for index in indices:
            if index in owner:
                raise ConfigError(f"the class map {str(path)!r} uses output {index} for {owner[index]!r} and {name!r}")
            owner[index] = name
        groups.append((name, tuple(indices)))
    return tuple(groups)


def present_names(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings by name, in which older names are replaced by those of today.

    Args:
        settings: name of a setting -> value.
        where: what holds them, for the message.

    Raises:
        ConfigError: one is there under both names.
    """
    if twice := [(old, new) for old, new in SETTINGS.items() if old in settings and new in settings]:
        old, new = twice[0]
        raise ConfigError(f"{where}: {old} is the former name of {new}, and both are given", f"Keep {new}.")
    return renamed(settings, SETTINGS)


_NAMES = {
    "group_by": "a column", "custom_objects": "a module", "head": "a kind of outputs", "loader": "a loader",
    "output": "an output", "pixel_range": "a range", "segmenter": "a segmenter", "torch": "names",
}  # fmt: skip


def typed(kind: type, table: Any, where: str, extra: Collection[str] = ()) -> dict[str, Any]:
    """The values of a table for fields of `kind`, of the types of these; ConfigError for any other name or type."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is not a table")
    fields = {
        field.name: field for field in dataclasses.fields(kind) if field.name not in ("extra", "limits", "left_open")
    }
    table = present_names(table, where)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key in extra:
            if type(value) is not int:
                raise ConfigError(f"{where}: {key} must be an integer, got {value!r}")
            values[key] = value
            continue
        if key not in fields:
            close = difflib.get_close_matches(key, [*fields, *extra], 1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(fields)}."
            raise ConfigError(f"{where}: unknown key {key!r}", hint)
        default = fields[key].default
        if key in ("image_size", "mask_foreground"):
            value = _integers(value, f"{where} {key}")
        elif key == "class_map":
            raise ConfigError(f"{where}: class_map is a file of its own", "Give it with --class-map FILE.")
        elif key == "measured":
            if not isinstance(value, list):
                raise ConfigError(f"{where}: measured is a list of names of columns, got {value!r}")
            value = tuple(value)
        elif isinstance(default, float) and type(value) is int:
            value = float(value)
        elif default is not None and type(value) is not type(default):
            raise ConfigError(f"{where}: {key} must be {type(default).__name__}, got {value!r}")
        elif key in _NAMES:
            if not isinstance(value, str):
                raise ConfigError(f"{where}: {key} must be the name of {_NAMES[key]}, got {value!r}")
        elif default is None and type(value) is not int:
            raise ConfigError(f"{where}: {key} must be an integer, got {value!r}")
        values[key] = value
    return values


def _integers(value: Any, where: str) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or any(type(item) is not int for item in value):
        raise ConfigError(f"{where} must be a list of integers, got {value!r}")
    return tuple(value)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        close = difflib.get_close_matches(value, allowed, 1)
        hint = f"Did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"{name} must be one of {', '.join(allowed)}, got {value!r}", hint)


def _at_least(name: str, value: int, minimum: int) -> None:
    if value < minimum:
        raise ConfigError(f"{name} must be at least {minimum}, got {value!r}")
