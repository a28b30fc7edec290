"""Measures what it costs to list the samples of a COCO file as large as that of the training photos of COCO 2017.

    python tests/measurements/coco_size.py [--photos 118000] [--objects 860000] [--each]

The file is made in a temporary folder, with polygons of as many points and run lengths of as many crowd regions as
COCO's. It is read in a process of its own, of which the seconds and the peak of the memory are printed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HEIGHT, WIDTH, CATEGORIES, POOL = 480, 640, 80, 3_000
CROWDS = 0.012
"""Share of the annotations that are crowd regions with run lengths."""


def bodies(rng: np.random.Generator) -> list[str]:
    """Annotations without ids, as JSON without the closing bracket: each is used many times."""
    made = []
    for number in range(POOL):
        width, height = np.clip(rng.lognormal(4.2, 0.9, 2), 8, (WIDTH - 10, HEIGHT - 10))
        left, top = rng.uniform(0, (WIDTH - width, HEIGHT - height))
        if number < CROWDS * POOL:
            counts = rng.integers(1, 400, 600)
            counts = [*counts[: int(np.searchsorted(np.cumsum(counts), HEIGHT * WIDTH))].tolist()]
            counts.append(HEIGHT * WIDTH - sum(counts))
            segmentation: object = {"counts": counts, "size": [HEIGHT, WIDTH]}
        else:
            polygons = []
            for _ in range(1 + int(rng.random() < 0.1)):
                points = int(np.clip(rng.lognormal(3.05, 0.6), 3, 300))
                angles = np.sort(rng.uniform(0, 2 * np.pi, points))
                radius = rng.uniform(0.6, 1, points)
                x = left + width / 2 * (1 + radius * np.cos(angles))
                y = top + height / 2 * (1 + radius * np.sin(angles))
                polygons.append(np.stack([x, y], 1).round(2).reshape(-1).tolist())
            segmentation = polygons
        about = {
            "segmentation": segmentation,
            "area": float(width * height * 0.6),
            "iscrowd": int(number < CROWDS * POOL),
            "bbox": [round(float(value), 2) for value in (left, top, width, height)],
        }
        made.append(json.dumps(about)[:-1])
    rng.shuffle(made)
    return made


def write(file: Path, photos: int, objects: int) -> None:
    """Write the file, and the first of its pictures, as an empty file."""
    rng = np.random.default_rng(0)
    made = bodies(rng)
    names = [f"{number:012d}.jpg" for number in range(1, photos + 1)]
    (file.parent / names[0]).write_bytes(b"")
    images, categories = rng.integers(1, photos + 1, objects), rng.integers(1, CATEGORIES + 1, objects)
    with file.open("w") as out:
        out.write('{"info": {"year": 2017}, "licenses": [], "images": [')
        for number, name in enumerate(names, start=1):
            url = f"http://images.cocodataset.org/train2017/{name}"
            about = {"license": 3, "file_name": name, "coco_url": url, "height": HEIGHT, "width": WIDTH, "id": number}
            out.write(f"{', ' if number > 1 else ''}{json.dumps(about)}")
        out.write('], "annotations": [')
        for number in range(objects):
            ids = f', "image_id": {images[number]}, "category_id": {categories[number]}, "id": {number + 1}}}'
            out.write(f"{', ' if number else ''}{made[number % POOL]}{ids}")
        kinds = [{"supercategory": "thing", "id": each, "name": f"kind {each}"} for each in range(1, CATEGORIES + 1)]
        out.write(f'], "categories": {json.dumps(kinds)}}}')


def measure(file: Path, each: bool) -> None:
    """List the samples and print what it cost; run in a process of its own."""
    from bias_audit.data.sources import open_dataset
    from bias_audit.data.sources.options import SourceOptions

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, processor = time.perf_counter(), time.process_time()
    dataset = open_dataset(file, None, SourceOptions(objects="each" if each else "photo"))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{len(dataset.samples):,} samples of {file.stat().st_size / 1e6:,.0f} MB in {wall:.1f} s "
        f"({processor:.1f} s of processor time); peak of the memory {peak / 1e6:.2f} GB, {before / 1e6:.2f} GB before"
    )
    print(f"left out: {dict(dataset.left_out)}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=118_000)
    parser.add_argument("--objects", type=int, default=860_000)
    parser.add_argument("--each", action="store_true", help="a sample per object")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        measure(options.read, options.each)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "instances.json"
        write(file, options.photos, options.objects)
        each = ["--each"] if options.each else []
        subprocess.run([sys.executable, __file__, "--read", str(file), *each], check=True)


if __name__ == "__main__":
    main()
