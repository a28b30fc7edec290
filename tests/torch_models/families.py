"""Which networks of torchvision, timm and Hugging Face open by address or folder, and are explained as they predict.

    make torch-families                 # makes .venv-families, and runs this with --write
    python tests/torch_models/families.py [--write] [--only NAME ...] [--no-audits]

Random weights, in files that this script makes. Nothing is downloaded: who looks for a server ends the run. The weights
of the last layer are scaled until two pictures differ by more than `APART` in a probability, so that exchanged pictures
are noticed.
"""

from __future__ import annotations

import without_cuda  # noqa: F401 before torchvision

# isort: split
import argparse
import contextlib
import datetime
import gc
import io
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from library_networks import (
    APART,
    BATCH,
    CLASSES,
    Saved,
    of_timm,
    of_torchvision,
    picture,
    reacting,
    table,
    unconnected,
    versions,
)
from torch import nn

import bias_audit
from bias_audit.cli import main
from bias_audit.config import AuditConfig
from bias_audit.data.geometry import fit_image
from bias_audit.data.preprocess import find_preprocess
from bias_audit.errors import BiasAuditError
from bias_audit.heatmaps.methods import METHODS, Explainer
from bias_audit.models.doors import load_model
from bias_audit.models.trained_with import settled, trained_with
from bias_audit.planted import CLASS_NAMES, write_world

REPORT = Path(__file__).parents[2] / "reports" / "compatibility-pytorch.md"

TORCHVISION = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18",
    "resnet50", "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11_bn",
    "vit_b_32", "wide_resnet50_2",
)  # fmt: skip
"""The smallest member of each family of classifiers."""

TIMM = (
    "vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "swin_tiny_patch4_window7_224", "cait_xxs24_224",
    "coat_lite_tiny", "convnext_atto", "convnextv2_atto", "crossvit_tiny_240", "davit_tiny", "dla46_c", "eca_nfnet_l0",
    "edgenext_xx_small", "efficientformer_l1", "eva02_tiny_patch14_224", "fastvit_t8", "focalnet_tiny_srf",
    "gcvit_xxtiny", "ghostnet_100", "gmixer_24_224", "hiera_tiny_224", "hrnet_w18_small", "inception_next_atto",
    "levit_128s", "maxvit_rmlp_pico_rw_256", "mixer_s32_224", "mobilenetv4_conv_small", "mobileone_s0", "mobilevit_xxs",
    "pit_ti_224", "poolformer_s12", "pvt_v2_b0", "regnety_002", "repvgg_a0", "resmlp_12_224", "resnetv2_50",
    "tf_efficientnetv2_b0", "tiny_vit_5m_224", "xcit_nano_12_p16_224",
)  # fmt: skip

_TOKENS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 64, "patch_size": 16}

HUGGING_FACE: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "ViT": (_TOKENS, "ViT", {"size": {"height": 64, "width": 64}}),
    "DeiT": (_TOKENS, "DeiT", {"size": {"height": 72, "width": 72}, "crop_size": {"height": 64, "width": 64}}),
    "Beit": (_TOKENS, "Beit", {"size": {"height": 64, "width": 64}, "do_center_crop": False}),
    "Dinov2": (
        {**_TOKENS, "image_size": 56, "patch_size": 14},
        "Bit",
        {"size": {"shortest_edge": 64}, "crop_size": {"height": 56, "width": 56}},
    ),
    "Swin": (
        {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "image_size": 64, "window_size": 4},
        "ViT",
        {"size": {"height": 64, "width": 64}, "resample": 3},
    ),
    "ConvNext": (
        {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1], "image_size": 64},
        "ConvNext",
        {"size": {"shortest_edge": 64}},
    ),
    "ResNet": (
        {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "layer_type": "basic"},
        "ConvNext",
        {"size": {"shortest_edge": 64}, "crop_pct": 0.888},
    ),
    "MobileNetV2": (
        {"depth_multiplier": 0.35, "image_size": 96},
        "MobileNetV2",
        {"size": {"shortest_edge": 110}, "crop_size": {"height": 96, "width": 96}},
    ),
    "MobileViT": (
        {"image_size": 64, "hidden_sizes": [16, 24, 32], "neck_hidden_sizes": [8, 8, 16, 16, 24, 24, 48]},
        "MobileViT",
        {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}},
    ),
    "PoolFormer": (
        {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]},
        "PoolFormer",
        {"size": {"shortest_edge": 65}, "crop_size": {"height": 64, "width": 64}, "crop_pct": 0.9},
    ),
    "Levit": (
        {"image_size": 128, "hidden_sizes": [16, 24, 32], "num_attention_heads": [2, 2, 2], "depths": [1, 1, 1],
         "key_dim": [8, 8, 8]},
        "Levit",
        {"size": {"shortest_edge": 126}, "crop_size": {"height": 128, "width": 128}},
    ),
}  # fmt: skip
"""Name of the classes of a network -> (its configuration, name of its preprocessor, settings of that)."""


@dataclass(frozen=True)
class Row:
    """What was found of one network; all cells as they stand in the table."""

    model: str
    input: str
    pictures: str
    layer: str
    grid: str
    method: str
    cam: str
    result: str


def of_hugging_face(name: str, classes: int, folder: Path) -> tuple[nn.Module, Saved, Any]:
    """As `of_torchvision`; a folder as `save_pretrained` makes it."""
    options, kind, said = HUGGING_FACE[name]
    config = getattr(transformers, f"{name}Config")(**options, num_labels=classes)
    network = getattr(transformers, f"{name}ForImageClassification")(config)
    # By Pillow, with which such networks are trained: what works on tensors resamples a little differently.
    made = getattr(transformers, f"{kind}ImageProcessorPil", None) or getattr(transformers, f"{kind}ImageProcessor")
    processor = made(**said)

    def save() -> str:
        place = folder / f"folder-{name}"
        with contextlib.redirect_stderr(io.StringIO()):  # a progress bar
            network.save_pretrained(place)
        processor.save_pretrained(place)
        return str(place)

    return network, save, lambda image: processor(image, return_tensors="pt")["pixel_values"][0]


SOURCES: tuple[tuple[str, Sequence[str], Any], ...] = (
    ("torchvision", TORCHVISION, of_torchvision),
    ("timm", TIMM, of_timm),
    ("Hugging Face", tuple(HUGGING_FACE), of_hugging_face),
)


def explained(library: str, name: str, make: Any, folder: Path) -> Row:
    """Make, save, open, predict and explain one network; never raises for what a user would be told in a sentence."""
    torch.manual_seed(7)
    called = f"{library}: {name}"
    network, save, prepare = make(name, CLASSES, folder)
    shot = picture()
    wanted = np.asarray(prepare(shot)).transpose(1, 2, 0)
    images, own = reacting(network, wanted)
    address = save()
    names = tuple(f"class {number}" for number in range(CLASSES))
    try:
        config = AuditConfig(batch_size=BATCH)
        loaded: Any = load_model(address, config, names)
        config = settled(config, loaded)
        explainer = Explainer(loaded, "default", lambda pixels: pixels)
        said = loaded.predict(images)
        maps = cam = None
        if loaded.differentiable:
            active = loaded.activations(images, np.arange(BATCH))
            maps, cam = (METHODS[each].function(active.values, active.gradients) for each in (explainer.name, "cam"))
    except BiasAuditError as error:
        return Row(called, "x".join(map(str, wanted.shape[:2])), "-", "-", "-", "-", "-", f"refused: {error.message}")
    faults = []
    if not np.allclose(said.probabilities, own, rtol=1e-3, atol=1e-5):
        faults.append("probabilities differ from the model's own")
    if np.abs(own[0] - own[1]).max() <= APART or np.allclose(said.probabilities[::-1], own, rtol=1e-3, atol=1e-5):
        faults.append("exchanged pictures would not be noticed")
    if maps is None:
        faults.append("no layer to explain")
    elif not np.isfinite(maps).all():
        faults.append("map not finite")
    elif (np.ptp(maps, axis=(1, 2)) == 0).any():
        faults.append("constant map")
    heads = [each.in_features for each in network.modules() if isinstance(each, nn.Linear)]
    read = loaded.channels.get(loaded.layer)
    if library == "torchvision" and _as_cam(maps, cam) == "equal" and heads and read not in heads:
        faults.append(f"no layer of the head reads {read} channels, which are explained")
    ours = fit_image(np.asarray(shot), loaded.input_size[:2], config.resize, config.interpolation)
    ours = find_preprocess(config.preprocess, 3)(ours[None])[0]
    reading = trained_with(loaded)
    remarks = "" if reading is None else "; ".join(reading.remarks)
    away = np.abs(ours - wanted).max() if ours.shape == wanted.shape else np.inf
    pictures = "equal" if away < 1e-5 else f"differ by {away:.2g}" if remarks == "" else f"not done: {remarks}"
    if pictures.startswith("differ"):
        faults.append("pictures differ from the library's own")
    return Row(
        called,
        "x".join(map(str, loaded.input_size[:2])),
        pictures,
        loaded.layer or "-",
        "x".join(map(str, loaded.grid)),
        explainer.name,
        _as_cam(maps, cam),
        "; ".join(faults) or "pass",
    )


def _as_cam(maps: Any, cam: Any) -> str:
    """Whether HiResCAM is CAM / (h w), as it must be behind global average pooling and one dense layer."""
    if maps is None or np.isnan(cam).any():
        return "not defined"
    cells = maps.shape[1] * maps.shape[2]
    return "equal" if np.abs(cam / cells - maps).max() <= 1e-3 * np.abs(maps).max() else "differs"


AUDITED = (
    ("torchvision", "resnet50", of_torchvision),
    ("timm", "vit_tiny_patch16_224", of_timm),
    ("timm", "swin_tiny_patch4_window7_224", of_timm),
    ("Hugging Face", "ViT", of_hugging_face),
)
"""Networks that are audited on a generated world, from the command line to the exit code of the gate."""


def audited(library: str, name: str, make: Any, folder: Path, world: Any) -> tuple[str, ...]:
    """Cells of the table of audits, see `report`."""
    torch.manual_seed(5)
    address = make(name, len(CLASS_NAMES), folder)[1]()
    run = folder / f"run-{name}"
    given = ["audit", address, str(world.images_test), "--masks", str(world.masks_test), "--out", str(run), "--quiet"]
    code = main([*given, "--interventions", "4", "--discovery", "0", "--probes", "0", "--leakage", "0"])
    if code:
        return f"{library}: {name}", "-", "-", "-", f"the audit ended with {code}", "-"
    made = bias_audit.load(run)
    maps = int(made.images["background_excess"].notna().sum())
    gate = main(["gate", str(run)])
    page = "yes" if (run / "report.html").is_file() else "no"
    prepared = " ".join(str(made.info.config[key]) for key in ("preprocess", "resize", "interpolation"))
    return f"{library}: {name}", str(len(made.images)), str(maps), page, f"code {gate}", prepared


def report(found: Sequence[Row], audits: Sequence[Sequence[str]]) -> str:
    passed = sum(row.result == "pass" for row in found)
    head = ("model", "input", "pictures", "layer explained", "grid", "method", "CAM / (h w)", "result")
    text = (
        "# Which networks of PyTorch can be explained\n\n"
        "A small member of families of torchvision, timm and Hugging Face, opened by address or folder, with random\n"
        "weights. Checked: the probabilities are the model's own, for two images that differ in one by more than\n"
        f"{APART}; the map is finite and not constant; where CAM is defined the default map is CAM / (h w), for\n"
        "torchvision of all channels that the head reads. *pictures*: what a photo of 300x400 becomes by the settings\n"
        "that were read, against the library's own transforms (equal: to 1e-5). "
        f"{passed} of {len(found)} pass. Made by `make torch-families` on {datetime.date.today().isoformat()}\n"
        f"with {versions('torch', 'torchvision', 'timm', 'transformers', 'safetensors')}.\n\n"
        f"{table(head, [astuple(row) for row in found])}\n"
    )
    if audits:
        titles = ("model", "photos", "with a heatmap score", "page", "gate", "prepared by")
        text += (
            "\nAudits of a generated world on the command line; nothing is trained, so a gate may fail (code 1).\n\n"
            f"{table(titles, audits)}\n"
        )
    return text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write {REPORT}")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="these networks alone")
    parser.add_argument("--no-audits", action="store_true", help="leave the audits out")
    options = parser.parse_args()
    rows, audits = [], []
    with tempfile.TemporaryDirectory() as made, unconnected():
        for library, members, maker in SOURCES:
            for member in members:
                if options.only and member not in options.only:
                    continue
                start = time.monotonic()
                print(member, end=": ", flush=True)
                rows.append(explained(library, member, maker, Path(made)))
                gc.collect()
                print(f"{time.monotonic() - start:5.1f} s", *astuple(rows[-1]), sep=" | ", flush=True)
                for file in Path(made).glob("*.pth"):
                    os.unlink(file)
        if not options.no_audits:
            planted = write_world(Path(made) / "world", per_class={"train": 1, "test": 8}, planted=True)
            for library, member, maker in AUDITED:
                if options.only and member not in options.only:
                    continue
                audits.append(audited(library, member, maker, Path(made), planted))
                print(*audits[-1], sep=" | ", flush=True)
    if options.write and not options.only:
        REPORT.write_text(report(rows, audits), encoding="utf-8")
    failed = [row.model for row in rows if row.result != "pass"]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(rows)} do not pass: {', '.join(failed)}")
