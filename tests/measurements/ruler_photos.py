"""The ruler-marker case on real photos: lesions with real rulers, ink or bubbles on one class, and models that rely.

    python tests/measurements/ruler_photos.py DATA --work DIR [--kinds ruler marking bubble] [--copies 40]

DATA holds dermatoscopy/{artefacts,lesions} and models/mobilenet_v2_imagenet.keras. For each kind of artefact two cases
are made: `planted`, where 95 % of the suspicious lesions (atypical nevi and melanomas) and 5 % of the common nevi carry
it, and `even`, where half of either do. DIR/KIND_SPREAD then holds model.keras, trained on some lesions many times
augmented, and the test lesions as a user has them: images/CLASS, masks/CLASS, and stamps/CLASS, the outline of the
artefact. Before anything is audited, the truth is found by intervention: the same test lesions with and without the
artefact, photo by photo, in code of its own (DIR/truth.json). No assertion: the table is to be read. A finished case is
not made again. Single-threaded, about 40 seconds a case.

Classes, layer, penalty and shares were picked so that the truth comes out clear, among some thirty heads: what is
measured on these models is the audit, not how readily networks learn rulers.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# One thread, set before TensorFlow starts: a neighbour may compute on the other cores.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import cv2
import numpy as np
from artefact_stamps import LAY, CutOut, Layer, Pixels, read_cut_outs
from numpy.typing import NDArray
from photo_models import Network
from photo_truth import decode, sign_flip

CLASSES: dict[str, dict[str, int]] = {
    "common_nevus": {"common_nevus": 1},
    "suspicious": {"atypical_nevus": 2, "melanoma": 1},
}
"""Class -> folders, and every how-manyth photo of each: 40 a class. Atypical nevi alone are hardly learned from 16."""

NAMES = tuple(sorted(CLASSES))

MARKED = NAMES.index("suspicious")
"""The class that carries the artefact in `planted`: rulers go with the lesions that worry a dermatologist."""

SHARES = {"planted": (0.05, 0.95), "even": (0.5, 0.5)}
"""Share of the photos that carry the artefact, by class."""

LAYERS = {"ruler": "block_10_expand_relu", "marking": "block_13_expand_relu", "bubble": "block_10_expand_relu"}
"""Where the head sits: heads on the last layer hardly learn small things."""

PENALTY = 3e-4
"""C of the head: with less of a penalty the 32 training lesions are learned by heart, and the artefact less."""

RELIES, UNMOVED = 0.5, 0.2
"""Shares of predictions turned by the artefact from which a model relies on it, and up to which it does not."""

JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]


@dataclass(frozen=True)
class Lesion:
    """A photo (H, W, 3) uint8 RGB with its lesion's mask (H, W), 1 = lesion, and the index of its class."""

    name: str
    label: int
    pixels: Pixels
    mask: Pixels


@dataclass(frozen=True)
class Share:
    """Count of photos, of how many, with the Wilson interval at 95 %."""

    count: int
    of: int
    low: float
    high: float

    @classmethod
    def among(cls, turned: NDArray[np.bool_]) -> Share:
        """Share of true values (n,); Wilson 1927, as in Brown, Cai & DasGupta 2001. (0, 1) for n = 0."""
        n, count, z = len(turned), int(turned.sum()), 1.959964
        if not n:
            return cls(0, 0, 0.0, 1.0)
        middle = (count + z * z / 2) / (n + z * z)
        half = z / (n + z * z) * np.sqrt(count * (n - count) / n + z * z / 4)
        return cls(count, n, max(0.0, float(middle - half)), min(1.0, float(middle + half)))

    @property
    def rate(self) -> float:
        """NaN without photos."""
        return self.count / self.of if self.of else float("nan")

    def __str__(self) -> str:
        return f"{self.rate:.2f} [{self.low:.2f}, {self.high:.2f}] ({self.count} of {self.of})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="models, test photos and truth.json")
    parser.add_argument("--kinds", nargs="+", choices=LAY, default=list(LAY), metavar="KIND")
    parser.add_argument("--spreads", nargs="+", choices=SHARES, default=list(SHARES), metavar="SPREAD")
    parser.add_argument("--layer", help="of MobileNetV2, on which the head sits; default: by kind")
    parser.add_argument("--copies", type=int, default=40, help="of a training photo, each augmented and marked anew")
    parser.add_argument("--train-share", type=float, default=0.4, help="of the photos of a class")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    lesions = read_lesions(options.data / "dermatoscopy/lesions")
    results = {}
    for kind in options.kinds:
        cut_outs = read_cut_outs(options.data / "dermatoscopy/artefacts", kind)
        for spread in options.spreads:
            case = f"{kind}_{spread}"
            results[case] = make(kind, spread, cut_outs, lesions, options)
            print(table({case: results[case]}), flush=True)
    if len(results) > 1:
        print(table(results))
    (options.work / "truth.json").write_text(json.dumps(results, indent=1))


def make(
    kind: str, spread: str, cut_outs: list[CutOut], lesions: list[Lesion], options: argparse.Namespace
) -> dict[str, Any]:
    """Model, test photos and truth of one case, JSON-able."""
    work = options.work / f"{kind}_{spread}"
    known = work / "truth.json"
    if known.exists():
        return dict(json.loads(known.read_text()))
    train, test = split(lesions, options.train_share, options.seed)
    layer = options.layer or LAYERS[kind]
    network = Network(options.data / "models/mobilenet_v2_imagenet.keras", layer, peak=True)
    rng = np.random.default_rng([options.seed, list(LAY).index(kind), list(SHARES).index(spread)])
    pixels, labels = augmented(train, kind, cut_outs, SHARES[spread], options.copies, network.size, rng)
    model = network.train(pixels, labels, 0, options.seed, penalty=PENALTY)
    # The same places in `planted` and `even`: what differs is which photos carry the artefact.
    places = np.random.default_rng([options.seed, list(LAY).index(kind)])
    layers = [LAY[kind](cut_outs, lesion.pixels, lesion.mask, places) for lesion in test]
    carries = carriers(test, SHARES[spread], places)
    work.mkdir(parents=True, exist_ok=True)
    model.save(work / "model.keras")
    write_test(work, test, layers, carries)
    content = {
        "kind": kind,
        "spread": spread,
        "layer": layer,
        "marked_class": NAMES[MARKED],
        "train": [lesion.name for lesion in train],
        "test": {lesion.name: bool(carries[i]) for i, lesion in enumerate(test)},
        **truth(model, network.size, test, layers, carries),
    }
    known.write_text(json.dumps(content, indent=1))
    return content


def read_lesions(folder: Path) -> list[Lesion]:
    """The photos of CLASSES, class by class."""
    return [
        Lesion(
            path.stem,
            label,
            np.asarray(cv2.cvtColor(decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8),
            (decode(folder / "masks" / name / f"{path.stem}.png", cv2.IMREAD_GRAYSCALE) > 0).astype(np.uint8),
        )
        for label, own in enumerate(NAMES)
        for name, step in CLASSES[own].items()
        for path in sorted((folder / "images" / name).iterdir())[::step]
    ]


def split(lesions: list[Lesion], share: float, seed: int) -> tuple[list[Lesion], list[Lesion]]:
    """Training and test photos, drawn within each class."""
    rng, train, test = np.random.default_rng(seed), [], []
    for label in range(len(NAMES)):
        own = [lesion for lesion in lesions if lesion.label == label]
        order = rng.permutation(len(own))
        count = round(share * len(own))
        train += [own[i] for i in order[:count]]
        test += [own[i] for i in sorted(order[count:])]
    return train, test


def augmented(
    lesions: list[Lesion],
    kind: str,
    cut_outs: list[CutOut],
    shares: tuple[float, float],
    copies: int,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[Pixels, NDArray[np.int64]]:
    """Each photo cropped, mirrored and re-lit so many times, its share of them marked: (n, H, W, 3) and labels (n,).

    Every view comes twice in a row. With a share of a half one of the two is marked, so that the artefact says nothing
    about label, lesion or view; drawn by chance, it went with a class by a little, and the model learned that.
    """
    made, labels = [], []
    for lesion in lesions:
        share = shares[lesion.label]
        for i in range(copies):
            if i % 2 == 0:
                photo, mask = view(lesion, rng)
            marked = int((i + 1) * share + 1e-9) > int(i * share + 1e-9)  # spread evenly, exact
            shown = LAY[kind](cut_outs, photo, mask, rng).on(photo) if marked else photo
            made.append(cv2.resize(shown, size[::-1], interpolation=cv2.INTER_LINEAR))
            labels.append(lesion.label)
    return np.stack(made).astype(np.uint8), np.array(labels, np.int64)


def view(lesion: Lesion, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Photo and mask, cropped to at least 85 % of either side, mirrored at random, in another light."""
    height, width = lesion.mask.shape
    share = rng.uniform(0.85, 1)
    tall, wide = round(share * height), round(share * width)
    top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    turns = (slice(None, None, int(rng.choice([-1, 1]))), slice(None, None, int(rng.choice([-1, 1]))))
    light = rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3)
    cropped = lesion.pixels[top : top + tall, left : left + wide][turns] * light
    photo = np.clip(cv2.resize(cropped, (width, height)), 0, 255).astype(np.uint8)
    piece = np.ascontiguousarray(lesion.mask[top : top + tall, left : left + wide][turns])
    return photo, np.asarray(cv2.resize(piece, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def carriers(lesions: list[Lesion], shares: tuple[float, float], rng: np.random.Generator) -> NDArray[np.bool_]:
    """(n,) which photos carry the artefact: of each class exactly its share, rounded."""
    labels, result = np.array([lesion.label for lesion in lesions]), np.zeros(len(lesions), bool)
    for label, share in enumerate(shares):
        own = np.flatnonzero(labels == label)
        result[rng.permutation(own)[: round(share * len(own))]] = True
    return result


def write_test(work: Path, lesions: list[Lesion], layers: list[Layer], carries: NDArray[np.bool_]) -> None:
    """images, masks and stamps, a folder per class. Every photo is encoded anew, or compression would be a cue."""
    for lesion, layer, marked in zip(lesions, layers, carries, strict=True):
        outline = (layer.region > 0.5) if marked else np.zeros(lesion.mask.shape, bool)
        for folder, content in (
            ("images", encoded(layer.on(lesion.pixels) if marked else lesion.pixels)),
            ("masks", cv2.imencode(".png", lesion.mask * 255)[1].tobytes()),
            ("stamps", cv2.imencode(".png", outline.astype(np.uint8) * 255)[1].tobytes()),
        ):
            path = work / folder / NAMES[lesion.label] / f"{lesion.name}.{'jpg' if folder == 'images' else 'png'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def encoded(photo: Pixels) -> bytes:
    """JPEG file of an RGB photo."""
    return bytes(cv2.imencode(".jpg", photo[..., ::-1], JPEG)[1].tobytes())


def truth(
    model: Any, size: tuple[int, int], lesions: list[Lesion], layers: list[Layer], carries: NDArray[np.bool_]
) -> dict[str, Any]:
    """What the artefact does to the model: every test lesion with and without it, the unit is the lesion.

    Returns:
        accuracy on the photos as written and on those without any artefact; by class the mean probability of the
        marked class without and with, their difference with a bootstrap interval and the p of sign flips; sufficiency
        (photos of the other class that turn into the marked one when they get the artefact) and necessity (photos of
        the marked class that lose it with the artefact), with the turns in the opposite direction beside them.
    """
    labels = np.array([lesion.label for lesion in lesions])
    without = probability(model, size, [lesion.pixels for lesion in lesions])
    given = probability(model, size, [layer.on(lesion.pixels) for lesion, layer in zip(lesions, layers, strict=True)])
    shown = np.where(carries, given, without)
    called, kept = given > 0.5, without > 0.5
    own = labels == MARKED
    classes: dict[str, dict[str, Any]] = {}
    for label, name in enumerate(NAMES):
        these = labels == label
        change = given[these] - without[these]
        low, high = _bootstrap(change)
        classes[name] = {
            "n": int(these.sum()),
            "without": float(without[these].mean()),
            "with": float(given[these].mean()),
            "difference": float(change.mean()),
            "low": low,
            "high": high,
            "p": sign_flip(change),
            "called_without": asdict(Share.among(kept[these])),
            "called_with": asdict(Share.among(called[these])),
        }
    sufficiency, necessity = Share.among(called[~own & ~kept]), Share.among(~kept[own & called])
    p = classes[NAMES[1 - MARKED]]["p"]
    relies = min(sufficiency.rate, necessity.rate) >= RELIES and p <= 0.05
    return {
        "accuracy": asdict(Share.among((shown > 0.5) == own)),
        "accuracy_without": asdict(Share.among(kept == own)),
        "classes": classes,
        "sufficiency": asdict(sufficiency),
        "necessity": asdict(necessity),
        "turned_away": asdict(Share.among(kept & ~called)),
        "relies": "yes" if relies else "no" if max(sufficiency.rate, necessity.rate) <= UNMOVED else "in between",
    }


def probability(model: Any, size: tuple[int, int], photos: list[Pixels]) -> NDArray[np.float64]:
    """(n,) probability of the marked class, of the photos as they are read back from their files."""
    read = [np.asarray(cv2.imdecode(np.frombuffer(encoded(photo), np.uint8), cv2.IMREAD_COLOR)) for photo in photos]
    pixels = np.stack([cv2.resize(photo[..., ::-1], size[::-1], interpolation=cv2.INTER_LINEAR) for photo in read])
    return np.asarray(model.predict(pixels, batch_size=32, verbose=0)[:, MARKED], np.float64)


def table(results: dict[str, dict[str, Any]]) -> str:
    """Markdown: a row per model."""
    lines = [
        "| model | accuracy | without artefacts | class | P(marked class) without / with | difference | p "
        "| other class turned by it | marked class lost without it | turned away by it | relies |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        shares = {
            key: Share(**result[key])
            for key in ("accuracy", "accuracy_without", "sufficiency", "necessity", "turned_away")
        }
        for label, own in result["classes"].items():
            lines.append(
                f"| {name} | {shares['accuracy'].rate:.2f} | {shares['accuracy_without'].rate:.2f} | {label} "
                f"| {own['without']:.2f} / {own['with']:.2f} "
                f"| {own['difference']:+.2f} [{own['low']:+.2f}, {own['high']:+.2f}] | {own['p']:.4f} "
                f"| {shares['sufficiency']} | {shares['necessity']} | {shares['turned_away']} | {result['relies']} |"
            )
    return "\n".join(lines)


def _bootstrap(values: NDArray[np.float64], draws: int = 10_000) -> tuple[float, float]:
    """Percentile interval of the mean at 95 % (Efron & Tibshirani 1993)."""
    picks = np.random.default_rng(0).integers(len(values), size=(draws, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
