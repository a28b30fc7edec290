"""Describes a model before an audit: its layers, head and input, and the time that an explanation takes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bias_audit.config import AuditConfig, configured
from bias_audit.data.preprocess import find_preprocess
from bias_audit.heatmaps.methods import Explainer, check_method
from bias_audit.heatmaps.unlabelled import name_outputs
from bias_audit.models.base import Model
from bias_audit.models.doors import check_model, load_model
from bias_audit.models.trained_with import settled, trained_with
from bias_audit.run.notebook_progress import usual
from bias_audit.run.progress import Progress

TIMED_BATCHES = 3
ENOUGH_SECONDS = 10.0
"""Time after which no further batch is timed."""

MOST_NAMES = 20

BY_NAME: tuple[tuple[str, str], ...] = (
    ("mobilenetv3", "none"),
    ("mobilenet_v3", "none"),
    ("efficientnet", "none"),
    ("convnext", "none"),
    ("mobilenet", "signed"),
    ("xception", "signed"),
    ("inception", "signed"),
    ("nasnet", "signed"),
    ("resnet50v2", "signed"),
    ("resnet101v2", "signed"),
    ("resnet152v2", "signed"),
    ("resnet", "caffe"),
    ("vgg", "caffe"),
    ("densenet", "imagenet"),
)
"""Beginning of a name in `keras.applications`, and the preprocessing of that network; the first match counts."""

NOT_SHOWN = "none where the model scales its images itself, which it does not show: it then gets RGB from 0 to 255"
"""What is said of the preprocessing of a model that only predicts."""


def inspect(
    model: str | Path | Any,
    *,
    class_map: str | Path | Mapping[str, Sequence[int]] | None = None,
    config: AuditConfig | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Describe a model without any data.

    Args:
        model: path of a model file, `module:function`, or a model in memory, see `doors.load_model`.
        class_map: JSON file or dict, class name -> output indices.
        config: all settings; `options` are single fields of AuditConfig, for instance layer="backbone/conv5".
        progress: shows the progress; None = a bar in a notebook, and nothing elsewhere.

    Returns:
        Plain values that JSON can hold; the keys are those that `bias-audit inspect --json` prints.

    Raises:
        BiasAuditError: why the model cannot be explained, in one sentence.
    """
    progress = progress or usual()
    config = configured(config, class_map, options)
    check_method(config.method)
    if isinstance(model, str | Path):
        check_model(Path(model))
    with progress.stage("Loading the model", None):
        loaded = load_model(model, config, None)
        names = name_outputs(loaded, config)
        config = settled(config, loaded)
        preprocess = find_preprocess(config.preprocess, loaded.input_size[2])
        explainer = Explainer(loaded, config.method, preprocess, config.seed)
    with progress.stage("Timing", None):
        seconds, timed = _timing(explainer)
    height, width, channels = loaded.input_size
    widths, chosen = getattr(loaded, "channels", {}), loaded.layer.split(",")
    inside = tuple(loaded.inside)
    name = _network_name(loaded, model) if getattr(loaded, "keras_names", True) else ""
    # The forward pass of a module of PyTorch is code, which may scale the images without showing it.
    shown = bool(inside) or getattr(loaded, "shows_inside", bool(loaded.layers))
    hint = preprocess_hint(inside, name, channels) if shown else NOT_SHOWN
    if (said := trained_with(loaded)) is not None and said.preprocess is not None:
        hint = f"{said.preprocess}: by {said.source}"
    return {
        "model": str(model) if isinstance(model, str | Path) else getattr(model, "name", type(model).__name__),
        "sha256": loaded.sha256,
        "parameters": getattr(loaded, "parameters", None),
        "head": loaded.head,
        "outputs": loaded.outputs,
        "class_count": len(names),
        "class_names": list(names[:MOST_NAMES]),
        "input": {"height": height, "width": width, "channels": channels},
        "pictures": pictures_read(config, channels),
        "inside": list(inside),
        "inside_shown": shown,
        "preprocess": config.preprocess,
        "preprocess_hint": hint,
        "trained_with": None if said is None else said.facts(),
        "method": explainer.name,
        "layer": loaded.layer,
        "map": list(explainer.grid),
        "layers": [
            {"path": path, "grid": list(grid), "channels": widths.get(path), "chosen": path in chosen}
            for path, grid in loaded.layers
        ],
        "differentiable": loaded.differentiable,
        "batch_size": loaded.batch_size,
        "seconds_per_1000_images": seconds,
        "timed_images": timed,
        "notes": [*loaded.notes, *explainer.notes],
    }


def pictures_read(config: AuditConfig, channels: int) -> str:
    """Say in a sentence how pictures are read: their channels, and the range of those of more than 8 bits."""
    said = "as RGB, grey ones with three equal channels" if channels == 3 else "as grey, colours by ITU-R 601"
    if config.pixel_range is None:
        deep = (
            "the higher 8 of 16 bits of a PNG, as TensorFlow takes them; TIFFs of more than 8 bits need --pixel-range"
            if config.decoder == "tensorflow"
            else "grey ones of more than 8 bits need --pixel-range"
        )
        return f"{said}, 0 to 255; {deep}; DICOM files by their window"
    span = {"full": "the range of their type", "file": "the least and greatest value of each file"}
    wanted = span.get(config.pixel_range, config.pixel_range)
    return f"{said}, 0 to 255; of those of more than 8 bits, and of grey DICOM files, {wanted} is black to white"


def preprocess_hint(inside: Sequence[str], name: str, channels: int) -> str:
    """Say in a sentence which --preprocess is plausible, and why.

    Args:
        inside: what the model itself does to its images, as `base.Model.inside`.
        name: name of the network, or "" where it is not known.
        channels: channels of the input, 3 or 1.
    """
    scaling = [step for step in inside if any(sign in step for sign in ("x /", "x *", "x -", "x +", "(x"))]
    if scaling and ": x *" in scaling[0]:
        return f"unit: the model itself does {'; '.join(scaling)}, which suits 0 to 1"
    if scaling:
        return f"none: the model scales its images itself ({'; '.join(scaling)}), so it takes 0 to 255"
    known = next((preprocess for start, preprocess in BY_NAME if name.lower().startswith(start)), None)
    if known == "none":
        return f"none: networks called {name!r} scale their images themselves and expect 0 to 255"
    if known is not None:
        return f"{known}: what keras.applications does for networks called {name!r}; nothing inside the model scales"
    likely = "unit, signed, caffe or imagenet" if channels == 3 else "unit or signed"
    return (
        f"{likely}, whichever the training used: nothing inside the model scales its images; "
        "none only if it was trained on 0 to 255"
    )


def _network_name(loaded: Model, model: Any) -> str:
    """Name of the model, its file or a network nested in it that begins as an entry of BY_NAME; "" if none does."""
    own = Path(model).stem if isinstance(model, str | Path) else getattr(model, "name", "")
    nested = dict.fromkeys(path.partition("/")[0] for path, _ in loaded.layers)
    names = [str(name) for name in (own, *nested) if name]
    known = (name for name in names if any(name.lower().startswith(start) for start, _ in BY_NAME))
    return next(known, "")


def _timing(explainer: Explainer) -> tuple[float, int]:
    """(seconds per 1000 images, number of images timed) of predictions and heatmaps, without reading files."""
    size = explainer.model.batch_size
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 255, (size, *explainer.model.input_size)).astype(np.float32)
    explainer.explain(pixels)  # the first pass traces
    times: list[float] = []
    while len(times) < TIMED_BATCHES and sum(times) < ENOUGH_SECONDS:
        start = time.perf_counter()
        explainer.explain(pixels)
        times.append(time.perf_counter() - start)
    return round(1000 * float(np.median(times)) / size, 3), size * len(times)
