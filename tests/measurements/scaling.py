"""Photos a second, memory and the seconds of the merge for growing numbers of photos: the tables of docs/scale.md.

    python tests/measurements/scaling.py --work DIR [--photos 1000 10000 100000] [--processes 1 2] [--classes 10]
        [--side 64] [--whole]

For each number of photos and of processes: every process is a share of its own (`bias-audit audit --shard i/n`), all at
once, and `bias-audit merge` finishes the run without experiments (no composites, no cues, no probes; copies are looked
for, and the data are searched for leaks as always). `--whole` measures `bias-audit audit` with everything, in one
process. Photos are small JPEGs, made once and kept in DIR; the model is a function of their colours that costs nothing,
so what is measured is the host. Seconds are those of whole commands, from their start to their end; memory is the peak
of each process. Nothing is asserted; what is printed is a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from child_costs import Costs, costs_of

COMMAND = [sys.executable, "-m", "bias_audit"]
BARE = ["--interventions", "0", "--probes", "0", "--discovery", "0"]

MODEL = """
import numpy as np

WEIGHTS = np.random.default_rng(1).normal(size=(48, {classes})).astype(np.float32)


def predict(images):
    count, height, width, _ = images.shape
    colours = images.reshape(count, 4, height // 4, 4, width // 4, 3).mean((2, 4)).reshape(count, -1) / 255
    logits = 8 * (colours - 0.5) @ WEIGHTS
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--photos", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--whole", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    model = options.work / f"model_{options.classes}.py"
    model.write_text(MODEL.format(classes=options.classes), encoding="utf-8")
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {options.classes} classes"
    )
    print()
    if options.whole:
        print("| photos | seconds | s of CPU | MB | report, MB | run folder, MB |")
        print("|---:|---:|---:|---:|---:|---:|")
    else:
        print("| photos | processes | pass, s | photos/s | MB each | merge, s | s of CPU | MB | run folder, MB |")
        print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for count in options.photos:
        photos = make_photos(options.work, count, options.classes, options.side)
        what = [f"{model.stem}:predict", photos.name, "--image-size", f"{options.side}x{options.side}"]
        what += ["--batch-size", "32"]
        if options.whole:
            whole(options.work, what, count)
            continue
        for processes in options.processes:
            shared(options.work, what, count, processes)


def make_photos(work: Path, count: int, classes: int, side: int) -> Path:
    """Photos of coarse coloured noise, of which each class has a tint; those that are there are taken as they are."""
    folder = work / f"photos-{count}-{classes}-{side}"
    done = folder.with_suffix(".made")
    if done.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    for label in range(classes):
        (folder / f"class{label:05d}").mkdir(parents=True)
    for i in range(count):
        label = i % classes
        rng = np.random.default_rng(i)
        tint = np.random.default_rng([7, label]).integers(-40, 40, 3)
        coarse = np.clip(rng.integers(0, 256, (8, 8, 3)) + tint, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"class{label:05d}" / f"{i:08d}.jpg"), cv2.resize(coarse, (side, side)))
    done.touch()
    return folder


def shared(work: Path, what: list[str], count: int, processes: int) -> None:
    """A row of the table: the pass in so many processes at once, and the merge."""
    run = f"run-{processes}"
    shutil.rmtree(work / run, ignore_errors=True)

    def share(number: int) -> Costs:
        shard = ["--shard", f"{number + 1}/{processes}"]
        return checked(costs_of([*COMMAND, "audit", *what, *BARE, "--out", run, *shard, "--quiet"], work))

    with ThreadPoolExecutor(processes) as pool:
        passed = list(pool.map(share, range(processes)))
    merged = checked(costs_of([*COMMAND, "merge", run, "--model", what[0], "--quiet"], work))
    seconds = max(each.seconds for each in passed)
    memory = "/".join(f"{each.memory:.0f}" for each in passed)
    row = [f"{count:,}", processes, f"{seconds:.1f}", f"{count / seconds:.0f}", memory, f"{merged.seconds:.1f}"]
    say([*row, f"{merged.used:.1f}", f"{merged.memory:.0f}", f"{size_of(work / run):.1f}"])


def whole(work: Path, what: list[str], count: int) -> None:
    """A row of the table: an audit with all experiments."""
    run = work / "run-whole"
    shutil.rmtree(run, ignore_errors=True)
    made = checked(costs_of([*COMMAND, "audit", *what, "--out", run.name, "--quiet"], work))
    report = (run / "report.html").stat().st_size / 1e6
    costs = [f"{made.seconds:.1f}", f"{made.used:.1f}", f"{made.memory:.0f}", f"{report:.1f}", f"{size_of(run):.1f}"]
    say([f"{count:,}", *costs])
    stages = json.loads((run / "audit.json").read_text(encoding="utf-8"))["info"]["seconds"]
    print("stages of 1 s and more:", {name: value for name, value in stages.items() if value >= 1}, file=sys.stderr)


def checked(costs: Costs) -> Costs:
    if costs.code:
        raise SystemExit(f"the command ended with exit code {costs.code}")
    return costs


def size_of(folder: Path) -> float:
    """MB of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def say(cells: list[object]) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
