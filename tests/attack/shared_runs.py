"""Damaged folders of shares: `merge` and `status` end with a sentence, and no shard that others made is lost."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

from .beside import module
from .changing import as_json, changed_bytes, changed_text, changed_value, deep
from .trying import CRASHED, LOST, WRONG, Attempt, Broken, Kind, command, told

RUNS = ("run-1", "run-2")
AUDIT = ("audit", "net.onnx", "photos", "--masks", "masks", "--batch-size", "2", "--quiet", "--interventions", "0",
         "--discovery", "0", "--leakage", "0", "--probes", "0")  # fmt: skip
FILES = ("shared.json",) * 4 + (
    "shared-choices.json",
    "started.json",
    "shards/maps-00000.npz",
    "shards/preprocess.json",
)
"""What is damaged, the more often the more depends on it."""


def prepare(folder: Path) -> None:
    """Write an audit of 24 photos in three shards, by two shares in a folder each and by one alone."""
    module("command", "test_any_model").draw(folder)
    (folder / "net.onnx").write_bytes(module("command", "test_onnx_command").colours())
    with contextlib.chdir(folder):
        for out, share in ((RUNS[0], "1/2"), (RUNS[1], "2/2"), ("whole", "1/1")):
            if (ended := command(*AUDIT, "--out", out, "--shard", share)).code:
                raise Broken(CRASHED, ended.err)


def damaged_shares(attempt: Attempt) -> str:
    """A damaged file of one folder or of both, merged or asked for the status."""
    rng, world = attempt.rng, attempt.folder
    shutil.copytree(attempt.world, world, dirs_exist_ok=True)
    together = rng.random() < 0.4
    name = rng.choice(FILES)
    file = world / ("whole" if together else RUNS[0]) / name
    data = file.read_bytes()
    if not name.endswith(".json"):
        changed, attempt.what = changed_bytes(data, rng)
    elif rng.random() < 0.1:
        text, attempt.what = deep(rng)
        changed = text.encode()
    elif rng.random() < 0.3:
        text, attempt.what = changed_text(data.decode(), rng)
        changed = text.encode("utf-8", "surrogatepass")
    else:
        content = json.loads(data)
        attempt.what = changed_value(content, rng)
        changed = as_json(content)
    file.write_bytes(changed)
    if not together and name == "shared.json" and rng.random() < 0.7:  # else it is told that they differ
        (world / RUNS[1] / name).write_bytes(changed)
        attempt.what += " in both"
    folders = ("whole",) if together else RUNS
    asked = rng.random() < 0.2
    words = ("status", *folders) if asked else ("merge", *folders, *(() if together else ("--out", "run")), "--quiet")
    attempt.what = f"{words[0]} where {name} has {attempt.what}"
    before = {path: path.read_bytes() for folder in folders for path in (world / folder / "shards").glob("maps-*")}
    with contextlib.chdir(world):
        ended = command(*words)
    lost = [path for path, content in before.items() if not path.exists() or path.read_bytes() != content]
    if lost:
        attempt.bad(LOST, f"{lost[0]} is not what it was; code {ended.code}")
    if not asked and (ended.code == 0) != (world / ("whole" if together else "run") / "audit.json").exists():
        attempt.bad(WRONG, f"code {ended.code}, and audit.json says the contrary")
    return told(ended)


KINDS = {"shares of an audit": Kind(damaged_shares, prepare, 15, 10)}
