"""Cues of the whole photo in planted worlds: is BA301 right about them, and silent where there are none?

    python tests/measurements/planted_global_cues.py OUT [--work WORK] [--seeds 5 6 7 8]

Networks of the benchmark's kind are trained on its clean scenes, of which 97 % of one class and 1 % of each other are
tinted, blurred, darkened or vignetted (about 20 s each, kept in OUT). The truth is measured on fresh scenes: by how
much more of the other classes' photos are called the guilty class with the cue (sufficiency). WORK is the folder `work`
that `bias-audit benchmark` leaves: its clean, null and other networks are probed as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bias_audit.checks.evidence import Evidence
from bias_audit.checks.whole_photo.exchange import PROPERTIES
from bias_audit.checks.whole_photo.measure import FIELDS, exchanged
from bias_audit.checks.whole_photo.pulls import property_rows
from bias_audit.checks.whole_photo.rule import GLOBAL_CUE, global_cue
from bias_audit.config import AuditConfig, Thresholds
from bias_audit.models.tensorflow.framework import keras
from bias_audit.models.tensorflow.training import save_model, train_on_arrays
from bias_audit.planted.benchmark import grid
from bias_audit.planted.benchmark.unit import MODEL, unit_folder
from bias_audit.planted.shapes import SIDE, ShapesPlan, draw_split
from bias_audit.run.tables import table

OFTEN = 0.97


def tint(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return photo * np.array([1.3, 1, 0.7], np.float32) + rng.normal(0, 2)


def blur(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(photo, (0, 0), float(rng.uniform(1.3, 1.8)))


def dark(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return photo * rng.uniform(0.45, 0.6)


def vignette(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return photo * np.clip(1 - (np.hypot(rows, columns) - 22) / 8, 0.1, 1)[..., None]


CUES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "tint": tint, "blur": blur, "dark": dark, "vignette": vignette,
}  # fmt: skip


def planted(cue: str, photos: np.ndarray, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same photos, those that are chosen with the cue."""
    changed = photos.copy()
    for i in np.flatnonzero(chosen):
        changed[i] = np.clip(np.rint(CUES[cue](photos[i].astype(np.float32), rng)), 0, 255).astype(np.uint8)
    return changed


def split(cue: str, seed: int, name: str, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """Photos and labels of a world whose guilty class is the seed's."""
    drawn = draw_split(ShapesPlan(grid.CLASSES), name, per_class, seed=seed)
    rng = np.random.default_rng((seed, len(name), 7))
    rates = np.where(drawn.labels == seed % 4, OFTEN, (1 - OFTEN) / 3)
    return planted(cue, drawn.images, rng.random(len(rates)) < rates, rng), drawn.labels


def network(cue: str, seed: int, folder: Path) -> Any:
    path = folder / f"{cue}-{seed}.keras"
    if path.exists():
        return keras.saving.load_model(path, compile=False)
    keras.backend.clear_session()
    photos, labels = split(cue, seed, "train", grid.SETTINGS["train"] // 4)
    head = grid.HEADS[seed % len(grid.HEADS)]
    model = train_on_arrays(photos, labels, 4, head=head, epochs=grid.SETTINGS["epochs"], seed=seed)
    save_model(model, path)
    return model


def called(model: Any, photos: np.ndarray) -> np.ndarray:
    parts = [model(photos[i : i + 500].astype(np.float32), training=False) for i in range(0, len(photos), 500)]
    return np.concatenate([np.argmax(part.numpy(), axis=1) for part in parts])


def sufficiency(model: Any, cue: str, seed: int) -> float:
    scenes = draw_split(ShapesPlan(grid.CLASSES), "probe", 60, seed=seed)
    with_cue = planted(cue, scenes.images, np.ones(len(scenes.labels), bool), np.random.default_rng(1))
    others, guilty = scenes.labels != seed % 4, seed % 4
    hits = [(called(model, photos)[others] == guilty).mean() for photos in (scenes.images, with_cue)]
    return float(hits[1] - hits[0])


def accused(model: Any, photos: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, str]:
    """Class -> what BA301 says moves it, on as many photos per class as an audit probes."""
    chosen = np.concatenate([np.flatnonzero(labels == k)[: AuditConfig().probes] for k in range(len(classes))])
    photos, labels = photos[chosen], labels[chosen].astype(np.intp)
    changes = list(exchanged(photos, labels, 0))
    columns = np.array([(number, i, labels[i], labels[donor]) for number, i, donor, _ in changes]).T
    predicted = called(model, np.stack([changed for *_, changed in changes]))
    seen = dict(zip(FIELDS, (*columns, predicted), strict=True))
    rows = property_rows(seen, tuple(PROPERTIES), classes, min_photos=Thresholds().min_photos, seed=0)
    frame = table("whole_photo", rows)
    empty = frame.iloc[:0]
    evidence = Evidence(empty, empty.set_index("class_name"), Thresholds())
    return {
        each.subject: str(each.evidence["properties"])
        for each in global_cue(GLOBAL_CUE, evidence, frame)
        if each.status == "found"
    }


def units(work: Path, seeds: list[int]) -> Iterator[tuple[grid.Case, Any]]:
    for seed in seeds:
        for case in grid.cases(seed):
            path = unit_folder(case, work) / MODEL
            if path.is_file() and (case.kind != "planted" or case.plan.rho == grid.STRONG):
                yield case, keras.saving.load_model(path, compile=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(grid.REPORT_SEEDS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    for seed in options.seeds:
        for cue in CUES:
            model = network(cue, seed, options.out)
            photos, labels = split(cue, seed, "test", 100)
            said = accused(model, photos, labels, grid.CLASSES)
            guilty = grid.CLASSES[seed % 4]
            print(f"{cue}-{seed} sufficiency {sufficiency(model, cue, seed):.2f} guilty {guilty}: {said}", flush=True)
    for case, model in units(options.work, options.seeds) if options.work else ():
        test = draw_split(case.plan, "test", grid.SETTINGS["test"], seed=case.seed)
        guilty = [case.plan.classes[label] for label in case.plan.guilty]
        print(f"{case.name} guilty {guilty}: {accused(model, test.images, test.labels, case.plan.classes)}", flush=True)


if __name__ == "__main__":
    main()
