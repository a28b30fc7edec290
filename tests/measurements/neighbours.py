"""What other tools say of networks whose bias is known because it was planted, and what they say of clean twins.

    python tests/measurements/neighbours.py --work FOLDER [--pairs 12] [--seed 300]
        [--python bnnr=PATH] [--python shortkit=PATH] [--settings TOOL/SETTING ...] [--write docs/neighbours.md]

Pairs of worlds are drawn: every wolf in snow and nobody else, and the same animals with snow as often in every class.
A small network of PyTorch is trained on each, once, and kept as a file. What it relies on is measured on new scenes
that no tool sees, with and without snow. Then every tool gets the same networks and test photos, in an interpreter of
its own (`neighbours_worker.py`), and a Markdown table is printed: where the guilty class was found, and how many audits
of clean twins hold an accusation. bias-audit runs in this interpreter; others are left out where none is given:

    python -m venv BNNR && BNNR/bin/pip install bnnr
    python -m venv SHORTKIT && SHORTKIT/bin/pip install shortkit-ml opencv-python-headless

Where CUDA builds of several GB are not wanted, install the CPU wheel of torch first, and what a package demands beside
it without dependencies; the compiled operators of torchvision do not load then, and none is used. Whatever is finished
is kept: a second call goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from neighbours_worker import CLASSES, INFO, RESULTS, SIDE, TOOLS, WEIGHTS, given_to, predicted, stretched

from bias_audit.planted import CLASS_NAMES, write_world
from bias_audit.planted.world import Plan, take_shot
from bias_audit.stats import wilson

sys.path.insert(0, str(Path(__file__).parents[1] / "torch_models"))
from torch_networks import trained

WORKER = Path(__file__).with_name("neighbours_worker.py")
GUILTY = "wolf"
PER_CLASS = {"train": 100, "test": 40}
EPOCHS = 10
PROBED = 150
"""New scenes of each class on which reliance is measured."""

FIRST_NEW = 1000
"""Index of the first scene that stands in no world: photos depend on their index alone."""

CONCEPT = 60
"""Pictures of snow, and of the other places, without an animal: what a test of a named concept needs."""

FIRST_MARK, LAST_MARK = "<!-- figures of neighbours.py -->", "<!-- end of the figures -->"

RELIES, CLEAN = 0.2, 0.05
"""A planted network counts if the guilty class relies on snow at least so much, a clean one if no class does more."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=300, help="of the first pair; the benchmark has 0 to 29")
    parser.add_argument("--python", action="append", default=[], metavar="TOOL=PATH")
    parser.add_argument("--settings", nargs="*", default=[], metavar="TOOL/SETTING", help="only these")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables between the marks of this page")
    options = parser.parse_args()
    pythons = {"bias-audit": sys.executable, **dict(each.split("=", 1) for each in options.python)}
    networks = [
        made(options.work, seed, planted) for seed in range(options.seed, options.seed + options.pairs)
        for planted in (True, False)
    ]  # fmt: skip
    for tool, settings in TOOLS.items():
        for setting in settings if tool in pythons else ():
            if not options.settings or f"{tool}/{setting}" in options.settings:
                done = subprocess.run([pythons[tool], str(WORKER), tool, setting, *map(str, networks)], check=False)
                if done.returncode:
                    print(f"{tool}/{setting}: stopped with exit code {done.returncode}", flush=True)
    tables = f"{truth_table(networks)}\n\n{table(networks)}"
    print(tables)
    if options.write:
        before, _, rest = options.write.read_text(encoding="utf-8").partition(FIRST_MARK)
        options.write.write_text(
            f"{before}{FIRST_MARK}\n\n{tables}\n\n{LAST_MARK}{rest.partition(LAST_MARK)[2]}", encoding="utf-8"
        )


def made(work: Path, seed: int, planted: bool) -> Path:
    """The folder of a network, which is drawn, trained and measured if it is not there yet."""
    folder = work / f"{seed}-{'planted' if planted else 'clean'}"
    if (folder / INFO).exists():
        return folder
    world = write_world(folder, planted=planted, per_class=PER_CLASS, seed=seed)
    net = trained(world.images_train, CLASS_NAMES, side=SIDE, epochs=EPOCHS, seed=seed).eval()
    torch.save(net.state_dict(), folder / WEIGHTS)
    write_concept(folder, seed)
    found = {"planted": planted, "seed": seed, "reliance": reliance(net, seed)}
    (folder / INFO).write_text(json.dumps(found, indent=1))
    print(f"{folder.name}: trained and measured", flush=True)
    return folder


def write_concept(folder: Path, seed: int) -> None:
    """Pictures without an animal below concept/snow and concept/plain, of scenes that stand in no world."""
    for name, rate in (("snow", 1.0), ("plain", 0.0)):
        target = folder / "concept" / name
        target.mkdir(parents=True, exist_ok=True)
        plan = Plan(rho=rate, rho_others=rate)
        for i in range(CONCEPT):
            label = CLASS_NAMES[i % len(CLASS_NAMES)]
            shot = take_shot(plan, "test", label, FIRST_NEW + PROBED + i, seed=seed)
            cv2.imwrite(str(target / f"{i:03d}.png"), shot.background[..., ::-1])


def reliance(net: torch.nn.Module, seed: int) -> dict[str, dict[str, float]]:
    """By class: recall with and without snow on the same new scenes, and the share of others that snow wins over."""
    labels = np.repeat(np.arange(len(CLASS_NAMES)), PROBED)
    answers = {}
    for snow in (0.0, 1.0):
        plan = Plan(rho=snow, rho_others=snow)
        shots = [
            take_shot(plan, "test", CLASS_NAMES[label], FIRST_NEW + i % PROBED, seed=seed)
            for i, label in enumerate(labels)
        ]
        answers[snow] = predicted(net, np.stack([stretched(shot.photo) for shot in shots]))
    found = {}
    for label, name in enumerate(CLASS_NAMES):
        own, foreign = labels == label, (labels != label) & (answers[0.0] != label)
        found[name] = {
            "plain": float((answers[0.0][own] == label).mean()),
            "snow": float((answers[1.0][own] == label).mean()),
            "won": float((answers[1.0][foreign] == label).mean()),
        }
    return found


@dataclasses.dataclass(frozen=True)
class Network:
    """A network and the reliance on snow of the guilty class, and the largest of any class, 0..1.

    Reliance is what a class loses without snow, or the share of others that it wins by snow, whichever is more.
    """

    name: str
    planted: bool
    guilty: float
    largest: float
    plain: float

    @property
    def counts(self) -> bool:
        return self.guilty >= RELIES if self.planted else self.largest <= CLEAN


def read(folder: Path) -> Network:
    info = json.loads((folder / INFO).read_text())
    moved = {name: max(each["snow"] - each["plain"], each["won"]) for name, each in info["reliance"].items()}
    plain = info["reliance"][GUILTY]["plain"]
    return Network(folder.name, info["planted"], moved[GUILTY], max(moved.values()), plain)


def truth_table(folders: list[Path]) -> str:
    """Markdown: what the networks rely on, and how many count."""
    lines = ["| networks | count | reliance on snow, median (range) | wolves found without snow |", "|---|---|---|---|"]
    for planted in (True, False):
        networks = [each for each in map(read, folders) if each.planted is planted]
        moved = [each.guilty if planted else each.largest for each in networks]
        plain = [each.plain for each in networks]
        kind, counting = "planted" if planted else "clean twins, any class", sum(each.counts for each in networks)
        lines.append(f"| {kind} | {counting} of {len(networks)} | {ranged(moved)} | {ranged(plain)} |")
    return "\n".join(lines)


def ranged(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def table(folders: list[Path]) -> str:
    """Markdown: one row for each tool and setting that was run."""
    lines = [
        "| tool | setting | was given | planted: wolf found | planted: another class named | clean: an accusation "
        "| s per audit |",
        "|---|---|---|---|---|---|---|",
    ]
    best = []
    for tool, settings in TOOLS.items():
        scores = {}
        for setting in settings:
            row = [(read(each), result) for each in folders if (result := said(each, tool, setting)) is not None]
            if row:
                lines.append(f"| {row[0][1]['version']} | {setting} | {given_to(tool, setting)} | {counted(row)} |")
                scores[setting] = found_less_accused(row)
        if scores:
            best.append(f"{tool}: {max(scores, key=lambda setting: scores[setting])}")
    lines.append(f"\nBest setting of each (share found less share of clean audits accused): {'; '.join(best)}.")
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines.append(
        f"\n{day}, Python {sys.version.split()[0]}, {os.cpu_count()} cores; in brackets 95% intervals (Wilson)."
    )
    return "\n".join(lines)


def said(folder: Path, tool: str, setting: str) -> dict[str, Any] | None:
    file = folder / RESULTS / tool / f"{setting}.json"
    return json.loads(file.read_text()) if file.exists() else None


def counted(row: list[tuple[Network, dict[str, Any]]]) -> str:
    """Cells of the table; a tool that names no class is counted by whether it warns, and marked."""
    planted = [result for network, result in row if network.planted and network.counts]
    clean = [result for network, result in row if not network.planted and network.counts]
    failed = [result["failed"] for _, result in row if result.get("failed")]
    if failed:
        return f"fails: {failed[0]} | | | "
    names = all(result["names"] for _, result in row)
    found = sum(GUILTY in result["accused"] if names else result["warns"] for result in planted)
    others = sum(any(name != GUILTY for name in result["accused"]) for result in planted)
    seconds = statistics.median(result["seconds"] for _, result in row)
    return " | ".join(
        [
            share(found, len(planted)) + ("" if names else ", warned; names no class"),
            share(others, len(planted)) if names else "-",
            share(sum(result["warns"] for result in clean), len(clean)),
            f"{seconds:.1f}",
        ]
    )


def found_less_accused(row: list[tuple[Network, dict[str, Any]]]) -> float:
    """Share of the planted networks whose guilty class was found, less that of clean ones with an accusation, -1..1."""
    found = [
        GUILTY in said["accused"] if said["names"] else said["warns"]
        for network, said in row
        if network.planted and network.counts
    ]
    accused = [said["warns"] for network, said in row if not network.planted and network.counts]
    return statistics.fmean(found or [0]) - statistics.fmean(accused or [0])


def share(number: int, of: int) -> str:
    low, high = wilson(number, of)
    return f"{number} of {of} ({100 * low:.0f} to {100 * high:.0f}%)"


assert tuple(CLASS_NAMES) == CLASSES

if __name__ == "__main__":
    main()
