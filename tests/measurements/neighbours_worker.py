"""One tool of `neighbours.py` at one setting, in the tool's own interpreter: what it says of each network, as JSON.

    python neighbours_worker.py TOOL SETTING NETWORK_FOLDER ...

Imports of other packages than NumPy, OpenCV and PyTorch stand in the functions of the tool that needs them.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "torch_models"))
from torch_networks import Trained

SIDE = 96
CLASSES = ("fox", "husky", "wolf")
WEIGHTS, INFO, RESULTS = "weights.pth", "network.json", "said"


@dataclass(frozen=True)
class Said:
    """What a tool says of a network.

    Attributes:
        accused: classes that it names as relying on the background, or on the named concept.
        warns: whether its report holds an accusation of this kind at all.
        names: whether it can name a class.
        detail: what it said, in its words, for who wants to look.
    """

    accused: tuple[str, ...]
    warns: bool
    names: bool
    detail: Any = None


@dataclass(frozen=True)
class Given:
    """What a tool is given: the network, and its test photos, from the folder `folder`.

    Attributes:
        net: takes (n, 3, SIDE, SIDE) float32 RGB in 0..255.
        pixels: (n, SIDE, SIDE, 3) uint8 RGB.
        labels: (n,) indices of CLASSES.
        snow: (n,) whether a photo shows snow.
    """

    folder: Path
    net: nn.Module
    pixels: np.ndarray
    labels: np.ndarray
    snow: np.ndarray


def main() -> None:
    tool, setting, *folders = sys.argv[1:]
    ask = TOOLS[tool][setting]
    for folder in map(Path, folders):
        file = folder / RESULTS / tool / f"{setting}.json"
        if file.exists():
            continue
        given = opened(folder)
        start = time.perf_counter()
        try:
            with contextlib.redirect_stdout(sys.stderr):
                said = ask(given)
            found = {"accused": said.accused, "warns": said.warns, "names": said.names, "detail": said.detail}
        except Exception as error:  # a tool that fails is part of the answer, and the others go on
            found = {"failed": f"{type(error).__name__}: {error}"[:200], "accused": (), "warns": False, "names": True}
        package = PACKAGES[tool]
        found |= {
            "version": f"{package} {importlib.metadata.version(package)}",
            "seconds": round(time.perf_counter() - start, 2),
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=1, default=str))
        said_in_short = found.get("failed") or ", ".join(found["accused"]) or found["warns"]
        print(f"{tool}/{setting}, {folder.name}: {said_in_short}", flush=True)


def opened(folder: Path) -> Given:
    net = Trained(SIDE, len(CLASSES))
    net.load_state_dict(torch.load(folder / WEIGHTS, weights_only=True))
    snow, pixels, labels = [], [], []
    rows = [line.split(",") for line in (folder / "truth.csv").read_text().splitlines()]
    column = {name: number for number, name in enumerate(rows[0])}
    for row in rows[1:]:
        if row[column["split"]] == "test":
            pixels.append(read(folder / row[column["image"]]))
            labels.append(CLASSES.index(row[column["label"]]))
            snow.append(row[column["place"]] == "snow")
    return Given(folder, net.eval(), np.stack(pixels), np.array(labels), np.array(snow))


def read(file: Path) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8 RGB."""
    return stretched(cv2.imread(str(file))[..., ::-1])


def stretched(photo: np.ndarray) -> np.ndarray:
    """A photo at the network's size, resized as in training."""
    return cv2.resize(np.ascontiguousarray(photo), (SIDE, SIDE))


def tensor(pixels: np.ndarray) -> torch.Tensor:
    """(n, 3, H, W) float32 in 0..255."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32))


def predicted(net: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """(n,) indices of CLASSES."""
    with torch.no_grad():
        return np.concatenate([net(part).argmax(dim=1).numpy() for part in tensor(pixels).split(100)])


# --- bias-audit: network and folder of photos, from which it takes everything else ---


def bias_audit(given: Given, *, masks: bool) -> Said:
    import bias_audit
    from bias_audit.planted.benchmark.accusations import accuses, named_class

    with tempfile.TemporaryDirectory() as scratch:
        made = bias_audit.audit(
            given.net,
            given.folder / "images" / "test",
            masks=given.folder / "masks" / "test" if masks else None,
            out=Path(scratch) / "run",
        )
        found = [each for each in made.outcomes if accuses(each)]
    names = {named_class(each, CLASSES) for each in found} - {""}
    detail = [f"{each.code} {each.level} {each.subject}" for each in found]
    return Said(tuple(sorted(names)), bool(found), True, detail)


# --- BNNR: network, its layer, and a loader of photos in 0..1 ---


class Unit(nn.Module):
    """The network for pixels in 0..1, which is what BNNR's loaders give."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images * 255)


def bnnr(given: Given, *, method: str = "opticam", block: bool = False) -> Said:
    """Accused are the classes of its finding "Background focus suspected"; `block` = the last block, with its ReLU."""
    import_torchvision()
    from bnnr import SimpleTorchAdapter, analyze_model

    net = Unit(given.net)
    layers = {"target_layers": [given.net.features[-1]]} if block else {}
    adapter = SimpleTorchAdapter(net, nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), 0.1), **layers)
    photos = [
        (image, int(label), place)
        for place, (image, label) in enumerate(zip(tensor(given.pixels) / 255, given.labels, strict=True))
    ]
    loader = torch.utils.data.DataLoader(photos, batch_size=64)
    with tempfile.TemporaryDirectory() as scratch:
        report = analyze_model(adapter, loader, output_dir=scratch, xai_method=method)
    findings = [each for each in report.findings if each["finding_type"] == "background_focus_suspected"]
    accused = sorted({CLASSES[int(number)] for each in findings for number in each["class_ids"]})
    return Said(tuple(accused), bool(findings), True, [each["description"] for each in findings])


def import_torchvision() -> None:
    """Import torchvision, also where its compiled operators do not load, as those of a CUDA build without CUDA."""
    try:
        import torchvision
    except RuntimeError:
        # What the import misses are the schemas of these two; nothing here calls them.
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision  # noqa: F401


# --- ShortKit-ML: what the network makes of the photos before its last layer; or the network and its heatmaps ---


def embedded(net: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """(n, 64) what the head reads: means of the last feature maps."""
    with torch.no_grad():
        return net.features(tensor(pixels) / 127.5 - 1).mean(dim=(2, 3)).numpy()


def shortkit(given: Given, *, groups: bool = False, **options: Any) -> Said:
    """Its overall assessment warns at "HIGH RISK", its highest level; it names no class."""
    import_torchvision()
    from shortcut_detect import ShortcutDetector

    detector = ShortcutDetector(**options)
    group_labels = given.snow.astype(int) if groups else None
    detector.fit(embedded(given.net, given.pixels), given.labels, group_labels=group_labels)
    assessment = detector.summary().split("OVERALL ASSESSMENT")[-1].strip("=\n ")
    return Said((), "HIGH RISK" in assessment, False, assessment)


def shortkit_spray(given: Given) -> Said:
    """Clusters of Grad-CAM heatmaps at its default settings; names no class."""
    import_torchvision()
    from shortcut_detect import SpRAyDetector

    detector = SpRAyDetector()
    detector.fit(
        inputs=tensor(given.pixels), model=given.net, target_layer="features.3", head="logits", labels=given.labels
    )
    verdict = detector.get_report()["report"]["clever_hans"]
    return Said((), bool(verdict["shortcut_detected"]), False, verdict)


def shortkit_parity(given: Given) -> Said:
    """Each class against the rest: accused where the gap of its rate between snow and other places is "high"."""
    import_torchvision()
    from shortcut_detect import ShortcutDetector

    values, levels = embedded(given.net, given.pixels), {}
    for label, name in enumerate(CLASSES):
        detector = ShortcutDetector(methods=["demographic_parity"])
        detector.fit(values, (given.labels == label).astype(int), group_labels=given.snow.astype(int))
        result = detector.get_results()["demographic_parity"]
        levels[name] = (result["risk_value"], result["risk_reason"])
    accused = tuple(name for name, (level, _) in levels.items() if level == "high")
    return Said(accused, bool(accused), True, levels)


def shortkit_cav(given: Given, *, block: int = 3) -> Said:
    """Concept "snow" against other places, at one block: classes whose logit the concept raises are accused."""
    import_torchvision()
    from shortcut_detect import ShortcutDetector

    concept, plain = (
        np.stack([read(file) for file in sorted((given.folder / "concept" / name).iterdir())])
        for name in ("snow", "plain")
    )
    found = {}
    for label, name in enumerate(CLASSES):
        bundle = {
            "concept_sets": {"snow": at_block(given.net, concept, block)[0]},
            "random_set": at_block(given.net, plain, block)[0],
            "target_directional_derivatives": at_block(given.net, given.pixels[given.labels == label], block, label)[1],
        }
        detector = ShortcutDetector(methods=["cav"])
        detector.fit_from_loaders({"cav": bundle})
        (found[name],) = detector.get_results()["cav"]["report"]["per_concept"]
    accused = tuple(name for name, each in found.items() if each["flagged"])
    return Said(accused, bool(accused), True, found)


def at_block(net: nn.Module, pixels: np.ndarray, block: int, label: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, channels) activations of a block, averaged over the picture, and gradients of a logit, summed over it."""
    values = net.features[:block](tensor(pixels) / 127.5 - 1).detach().requires_grad_(True)
    logit = net.head(net.features[block:](values).mean(dim=(2, 3)))[:, label]
    (gradient,) = torch.autograd.grad(logit.sum(), values)
    return values.detach().mean(dim=(2, 3)).numpy(), gradient.sum(dim=(2, 3)).numpy()


PRODUCTION = [
    "hbac", "probe", "statistical", "geometric", "equalized_odds", "demographic_parity", "intersectional", "groupdro",
]  # fmt: skip
"""What ShortKit-ML's documentation recommends for audits in production."""

Ask = Callable[[Given], Said]

TOOLS: dict[str, dict[str, Ask]] = {
    "bias-audit": {
        "defaults": lambda given: bias_audit(given, masks=True),
        "without masks": lambda given: bias_audit(given, masks=False),
    },
    "bnnr": {
        "defaults": bnnr,
        "opticam, last block": lambda given: bnnr(given, block=True),
        "gradcam": lambda given: bnnr(given, method="gradcam"),
        "gradcam, last block": lambda given: bnnr(given, method="gradcam", block=True),
        "craft": lambda given: bnnr(given, method="craft"),
        "real_craft": lambda given: bnnr(given, method="real_craft"),
        "nmf": lambda given: bnnr(given, method="nmf"),
    },
    "shortkit": {
        "defaults": shortkit,
        "snow named": lambda given: shortkit(given, groups=True),
        "snow named, production": lambda given: shortkit(given, groups=True, methods=PRODUCTION),
        "snow named, weighted": lambda given: shortkit(
            given, groups=True, methods=PRODUCTION, condition_name="weighted_risk"
        ),
        "spray": shortkit_spray,
        "snow named, parity": shortkit_parity,
        "cav, third block": shortkit_cav,
        "cav, second block": lambda given: shortkit_cav(given, block=2),
    },
}
"""Tool -> setting -> function that asks it."""

PHOTOS = "network, photos, labels"
EMBEDDED = "outputs before the head, labels"
CONCEPT = "outputs and gradients of a layer, 60 pictures of snow, 60 of other places"


def given_to(tool: str, setting: str) -> str:
    """What a tool was given, in words."""
    if tool == "shortkit" and setting != "spray":
        return CONCEPT if "cav" in setting else EMBEDDED + (", which photos show snow" if "snow" in setting else "")
    return f"{PHOTOS}, masks" if (tool, setting) == ("bias-audit", "defaults") else PHOTOS


PACKAGES = {"bias-audit": "bias-audit", "bnnr": "bnnr", "shortkit": "shortkit-ml"}

if __name__ == "__main__":
    main()
