"""Seconds and peak memory of `bias-audit gate` on a made-up run and its baseline, of as many images as asked.

    python tests/measurements/gate_scale.py OUT [--images 50000] [--classes 1000] [--rounds 3] [--with-rows]

Makes two runs in OUT, without an audit: every column of numbers of the images table is filled, those that a baseline
is paired by with shares of eight composites, the others with numbers of six digits. It prints the seconds of writing
the table and of writing the numbers for the gate, what they take on the disk, and for three gate files (none, two
metrics of images, two changes since the baseline) the median seconds, the peak memory and the exit code of the command
as a process of its own. Runs that lie in OUT already are measured as they are. `--with-rows` does the same without the
numbers, as on a run of an older version, and compares gate.json. No assertion: figures to read.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

for folder in (Path(__file__).parents[1], Path(__file__).parents[1] / "gate"):
    sys.path.insert(0, str(folder))

from agreeing import write_audit_json  # noqa: E402
from child_costs import costs_of  # noqa: E402
from gate_runs import WOLF, outcome, run_of  # noqa: E402

from bias_audit.run.folder import Run  # noqa: E402
from bias_audit.run.image_numbers import FOLDER  # noqa: E402
from bias_audit.run.image_numbers_written import write_numbers  # noqa: E402
from bias_audit.run.schema import TABLES  # noqa: E402
from bias_audit.run.tables import table, write_table  # noqa: E402

SHARES = ("same_background_accuracy", "other_background_accuracy")
GAPS = ("background_gap", "background_gap_second_fill")

GATES = {
    "no gate file": "",
    "two metrics of images": """
[[metric]]
table = "image"
name = "background_excess"
max = 0.9
max_share = 0.5
[[metric]]
table = "image"
name = "probability_label"
min = 0.1
max_share = 0.5
""",
    "two changes since the baseline": """
[[metric]]
table = "class"
name = "accuracy"
max_decrease = 0.05
[[metric]]
table = "class"
name = "background_gap"
max_increase = 0.05
""",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--with-rows", action="store_true")
    options = parser.parse_args()
    new, old = (
        make(options.out / name, options.images, options.classes, seed) for seed, name in enumerate(("new", "old"))
    )
    found = measure(new, old, options, "with the numbers")
    if options.with_rows:
        for run in (new, old):
            shutil.rmtree(run / FOLDER)
        print("the same rows of gate.json:", found == measure(new, old, options, "from the table"))


def make(folder: Path, n: int, classes: int, seed: int) -> Path:
    if (folder / "audit.json").is_file():
        return folder
    folder.mkdir(parents=True)
    images, run = images_of(n, classes, seed), Run(folder)
    start = time.monotonic()
    write_table(run, "images", images)
    middle = time.monotonic()
    write_numbers(run, images)
    end = time.monotonic()
    kept = [file.stat().st_size for file in (folder / FOLDER).iterdir()]
    print(
        f"{n:,} images: table {middle - start:.1f} s, {(folder / 'images.csv').stat().st_size / 1e6:.0f} MB of CSV; "
        f"numbers for the gate {end - middle:.1f} s, {sum(kept) / 1e6:.0f} MB, largest column {max(kept) / 1e6:.1f} MB"
    )
    names = list(dict.fromkeys(images["label"]))
    tally = images.groupby("label").size()
    rows = tuple(
        {**WOLF, "class_name": name, "n": int(tally[name]), "n_read": int(tally[name]), "accuracy": 0.8 + 0.01 * seed}
        for name in names
    )
    made = run_of(*(outcome(subject=name) for name in names), classes=rows, model_sha256=str(seed))
    write_audit_json(dataclasses.replace(made, path=folder))
    return folder


def images_of(n: int, classes: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for column in TABLES["images"]:
        if column.name in SHARES:
            columns[column.name] = rng.integers(0, 9, n) / 8
        elif column.name in GAPS:
            columns[column.name] = rng.integers(-8, 9, n) / 8
        elif column.kind == "float":
            columns[column.name] = rng.random(n)
        elif column.kind == "int":
            columns[column.name] = pd.array(rng.integers(0, 9, n), dtype="Int64")
        elif column.kind == "bool":
            columns[column.name] = pd.array(rng.random(n) < 0.8, dtype="boolean")
        else:
            columns[column.name] = ["ok"] * n
    labels = [f"class {i * classes // n:05d}" for i in range(n)]
    columns |= {"image_id": [f"{label}/{i:08d}.jpg" for i, label in enumerate(labels)], "label": labels}
    empty = table("images", [])
    return pd.DataFrame(columns).set_index("image_id")[list(empty.columns)]


def measure(new: Path, old: Path, options: argparse.Namespace, how: str) -> dict[str, Any]:
    found = {}
    for name, text in GATES.items():
        file = options.out / "gate.toml"
        file.write_text(text, encoding="utf-8")
        command = ["gate", str(new), "--gate", str(file), "--baseline", str(old)]
        rounds = [costs_of([sys.executable, "-m", "bias_audit", *command]) for _ in range(options.rounds)]
        seconds, used, memory = (
            statistics.median(getattr(one, what) for one in rounds) for what in ("seconds", "used", "memory")
        )
        print(f"{how}, {name}: {seconds:.2f} s ({used:.2f} s of CPU), {memory:.0f} MB, exit code {rounds[0].code}")
        found[name] = json.loads((new / "gate.json").read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
