"""The audit pass beside other heatmap libraries, each in an environment of its own, in one interleaved run.

    python tests/measurements/peers.py DATA --masks DIR --class-map FILE [--work FOLDER] [--images 128] [--rounds 3]

MobileNetV2 and ResNet50 with random weights, 224 pixels, 1000 outputs. The unit is `model.predict` over Keras's own
loader; for pytorch-grad-cam it is PyTorch's own forward pass. Peers get the images decoded and in memory, as their
documentation shows them; decoding is timed for `model.predict`, for the textbook loop and for us only, and we also read
masks, score every map and write shards. Environments are made below --work with pip and kept; what does not install or
does not run is marked with its reason.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("peers_worker.py")
MODELS = ("MobileNetV2", "ResNet50")
KERAS_2 = ("tensorflow-cpu==2.15.1", "pillow", "numpy<2", "opencv-python-headless<4.11")


@dataclass(frozen=True)
class Peer:
    """A library: what pip installs (nothing = this environment), the worker's tasks, and which of them is the unit."""

    requirements: tuple[str, ...]
    tasks: tuple[str, ...]
    unit: str


PEERS = {
    "Keras": Peer((), ("predict", "predict, in memory", "bias-audit", "textbook loop"), "predict"),
    "tf-keras-vis": Peer((*KERAS_2, "tf-keras-vis==0.8.7"), ("tf-keras-vis",), ""),
    "tf-explain": Peer((*KERAS_2, "tf-explain==0.3.1"), ("tf-explain",), ""),
    # Xplique imports the last two without declaring them.
    "Xplique": Peer((*KERAS_2, "xplique==1.5.2", "einops", "tensorflow-probability<0.24"), ("xplique",), ""),
    "pytorch-grad-cam": Peer(
        ("torch", "torchvision", "grad-cam"), ("torch forward", "pytorch-grad-cam"), "torch forward"
    ),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--class-map", type=Path, required=True, help="of two classes of 1000 outputs")
    parser.add_argument("--work", type=Path, default=Path("/tmp/bias-audit-peers"))
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    pythons, failed = {}, {}
    for name, peer in PEERS.items():
        python, reason = environment(name, peer, options.work)
        pythons[name] = python
        if reason:
            failed[name] = reason
            print(f"{name}: {reason}", flush=True)
    for model in options.models:
        print(f"\n{model}, {options.images} images of {options.data.name}, medians of {options.rounds} rounds\n")
        print(table(measure(model, pythons, failed, options), failed), flush=True)


def environment(name: str, peer: Peer, work: Path) -> tuple[str, str]:
    """Python of the peer's environment, made if it is missing, and why it cannot be used."""
    if not peer.requirements:
        return sys.executable, ""
    folder = work / name
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return str(python), ""
    print(f"{name}: installing {' '.join(peer.requirements)}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", *peer.requirements], capture_output=True, text=True
    )
    if done.returncode:
        return str(python), f"does not install: {last_line(done.stderr)}"
    (folder / "complete").touch()
    return str(python), ""


def measure(
    model: str, pythons: dict[str, str], failed: dict[str, str], options: argparse.Namespace
) -> dict[str, list[dict[str, float]]]:
    """Task -> its rounds. All tasks run once per round, so that the machine's drift meets all of them."""
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(options.rounds):
        for name, peer in PEERS.items():
            for task in peer.tasks:
                if name in failed or task in failed:
                    continue
                arguments = [task, model, options.data, options.masks, options.class_map, options.images, options.work]
                done = subprocess.run(
                    [pythons[name], str(WORKER), *map(str, arguments)],
                    capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
                )  # fmt: skip
                if done.returncode:
                    failed[task] = f"does not run: {last_line(done.stderr)}"
                    continue
                found.setdefault(task, []).append(json.loads(done.stdout.splitlines()[-1]))
    return found


def table(found: dict[str, list[dict[str, float]]], failed: dict[str, str]) -> str:
    """Markdown: what ran, as medians and beside its unit; and what did not."""
    lines = [
        "| what | version | wall s | CPU s | peak memory MB | beside its forward pass |",
        "|---|---|---|---|---|---|",
    ]
    for name, peer in PEERS.items():
        for task in peer.tasks:
            if reason := failed.get(name) or failed.get(task):
                lines.append(f"| {task} | - | {reason} | | | |")
                continue
            rounds: list[Any] = found[task]
            unit: list[Any] = found[peer.unit or "predict"]
            ratios = [mine["wall"] / other["wall"] for mine, other in zip(rounds, unit, strict=True)]
            wall, cpu, memory = (statistics.median(each[key] for each in rounds) for key in ("wall", "cpu", "memory"))
            lines.append(
                f"| {task} | {rounds[0]['version']} | {wall:.2f} | {cpu:.2f} | {memory:.0f} | "
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
            )
    return "\n".join(lines)


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "no message")[:160].replace("|", "/")


if __name__ == "__main__":
    main()
