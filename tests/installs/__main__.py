"""Install bias-audit in fresh environments, and run there what each is to bring: `make installs`.

Prints sizes and times.

`python -m tests.installs [NAME ...]`; exit code 1 where something did not work, or the core is larger than promised.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "models")]

MOST_CORE = 900
"""MB that a fresh environment with the core may have, pip included."""

LIGHT = {"bias-audit --help": 0, "bias-audit gate RUN": 1, "bias-audit rule BA201": 0}
TABLES = {
    "bias-audit report RUN": 0,
    "bias-audit compare RUN RUN": 0,
    "bias-audit review RUN --export RUN/decisions.csv": 0,
    "python -c 'from bias_audit import audit'": 0,
}
MISSING = {"bias-audit inspect RUN/m.keras": 2, "bias-audit demo --out DEMO": 2}
DEMO = {"bias-audit demo --out DEMO": 0, "bias-audit gate DEMO/run": 1}
SERVER = {"python -c 'import bias_audit.review.server'": 0}
ONNX = {"bias-audit audit NET.onnx PHOTOS --masks none --out ONNX --overwrite": 0, "bias-audit gate ONNX": 1}
TORCH = {"bias-audit audit net:make PHOTOS --masks none --out TORCH --overwrite": 0, "bias-audit gate TORCH": 1}
REST = {"python -c 'import onnxruntime, tf_keras, torch'": 0}

INSTALLS: dict[str, tuple[str, dict[str, int]]] = {
    "gate": ("--no-deps WHEEL rich", LIGHT),
    "core": ("WHEEL", {**LIGHT, **TABLES, **MISSING}),
    "review": ("WHEEL[review]", {**LIGHT, **TABLES, **SERVER, **MISSING}),
    "onnx": ("WHEEL[onnx]", {**LIGHT, **TABLES, **ONNX, **MISSING}),
    "torch": ("WHEEL[torch]", {**LIGHT, **TABLES, **TORCH, **MISSING}),
    "tensorflow": ("WHEEL[tensorflow]", {**LIGHT, **TABLES, **DEMO}),
    "all": ("WHEEL[all]", {**LIGHT, **TABLES, **SERVER, **REST, **DEMO}),
}
"""Name -> what pip is given, WHEEL being bias-audit, and the exit code of each command that has to work then.

RUN stands for a finished run, PHOTOS for a folder per class, DEMO, ONNX and TORCH for folders to fill. Exit code 2 = a
package is said to be missing; a gate has 1 where nothing could be judged.
"""

NET = """
import torch

def make():
    pooled = torch.nn.AdaptiveAvgPool2d(1)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), pooled, torch.nn.Flatten(), torch.nn.Linear(4, 2))
    net.input_size = (24, 32, 3)
    return net
"""


@dataclass
class Fresh:
    """A fresh environment: its MB with pip, its largest packages, and seconds of the install and of each command."""

    size: int
    largest: list[tuple[int, str]]
    seconds: float
    took: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def write_models_and_photos(folder: Path) -> None:
    """Write net.onnx, net.py and photos/, two classes of random pictures."""
    import numpy as np
    from onnx_networks import Network
    from PIL import Image

    (folder / "net.onnx").write_bytes(Network(outputs=2).onnx())
    (folder / "net.py").write_text(NET)
    for number in range(24):
        place = folder / "photos" / ("a", "b")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")


def fresh(name: str, wheel: Path, folder: Path) -> Fresh:
    """Make an environment, install into it, and run its commands on a run that was written by hand."""
    from made_run import made_parts, write_parts

    what, commands = INSTALLS[name]
    run = write_parts(made_parts(), folder / "run")
    (run / "m.keras").touch()
    write_models_and_photos(folder)
    home = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    settings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}  # pip looks there, too
    settings["PATH"] = f"{home / 'bin'}{os.pathsep}{settings['PATH']}"
    begun = time.monotonic()
    given = [part.replace("WHEEL", str(wheel)) for part in what.split()]
    subprocess.run(
        [str(home / "bin" / "pip"), "install", "--quiet", "--no-cache-dir", *given], env=settings, check=True
    )
    seconds = time.monotonic() - begun
    packages = next(home.glob("lib/*/site-packages"))
    largest = sorted(((megabytes(each), each.name) for each in packages.iterdir()), reverse=True)[:10]
    result = Fresh(megabytes(packages), largest, seconds)
    for text, expected in commands.items():
        line = text.replace("RUN", str(run)).replace("DEMO", str(folder / "demo"))
        line = line.replace("NET.onnx", "net.onnx").replace("PHOTOS", "photos")
        for _ in range(2):  # the second time, which is told, its files are compiled and in memory
            start = time.monotonic()
            done = subprocess.run(line, shell=True, cwd=folder, env=settings, capture_output=True, text=True)
            result.took[text] = time.monotonic() - start
        if done.returncode != expected or (expected == 2 and " is not installed, and " not in done.stderr):
            result.wrong.append(f"{name}: {text}: exit code {done.returncode}, not {expected}\n{done.stderr}")
    if name == "core" and result.size > MOST_CORE:
        result.wrong.append(f"{name}: {result.size} MB, more than {MOST_CORE}")
    return result


def megabytes(path: Path) -> int:
    """Size of a file or folder on the disk, in MiB, as `du -sm` counts it."""
    return int(subprocess.run(["du", "-sm", str(path)], capture_output=True, text=True, check=True).stdout.split()[0])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.installs", description=__doc__)
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help=f"of {', '.join(INSTALLS)} (default: each but the last)"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(INSTALLS):
        parser.error(f"no such install: {', '.join(sorted(unknown))}")
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        built = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(ROOT)]
        subprocess.run(built, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        for name in options.names or [name for name in INSTALLS if name != "all"]:
            with tempfile.TemporaryDirectory() as place:
                result = fresh(name, wheel, Path(place))
            print(f"\n{name}: pip install {INSTALLS[name][0]}: {result.size} MB in {result.seconds:.0f} s")
            print("  " + ", ".join(f"{each} {size}" for size, each in result.largest))
            for text, seconds in result.took.items():
                print(f"  {seconds:6.2f} s  {text}", flush=True)
            wrong += result.wrong
    print("\n" + ("\n".join(wrong) or "everything works"))
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
