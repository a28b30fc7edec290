"""Finished runs to attack: each fails its gate for one reason alone, or passes it, as is shown first."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .trying import command

sys.path.insert(0, str(Path(__file__).parents[1]))  # where made_run lies

# [[metric]] tables that fail one check of the run that passes by itself, by the table that they read.
BOUNDS = {
    "class": 'table = "class"\nname = "background_excess"\njudge = "estimate"\nmax = 0.3',
    "image": 'table = "image"\nname = "background_excess"\nmax = 0.6',
    "slice": 'table = "slice"\nname = "accuracy"\njudge = "estimate"\nmin = 0.9',
    "dataset": 'table = "dataset"\nname = "unreadable_share"\nmax = 0.01',
}

REDS = ("finding", *BOUNDS)
"""Names of the runs whose gate fails."""


LAXER = ({"fdr": 0.0}, {"min_gap": 0.99}, {"min_photos": 10_000}, {"fdr": 1e-9, "min_cue": 0.9})
"""Thresholds under which nothing would be found; the runs `laxer 0` and so on were judged by them."""

_WRITTEN: list[Path] = []
"""A copy of the runs, once they were written by this process."""


def write_runs(folder: Path) -> None:
    """Write the runs of REDS and the run `green`, each with its gate file, and show what their gates say."""
    if _WRITTEN:  # once in a process: half of a minute on a busy machine
        shutil.copytree(_WRITTEN[0], folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("attack-copies-*"))
        return
    from made_run import HUSKY, WOLF, made_parts, slice_rows

    from bias_audit.config import Thresholds

    parts = made_parts()
    classes = {row["class_name"]: row for row in parts.classes}
    innocent, guilty = classes[WOLF], classes[HUSKY]
    for name in ("finding", "green"):
        own = dataclasses.replace(parts, classes=[], slices=slice_rows()[:2], images=[], confusion=[])
        own.outcomes = tuple(
            dataclasses.replace(
                next(one for one in parts.outcomes if one.code == "BA201" and one.subject == like), subject=subject
            )
            for subject, like in ((HUSKY, HUSKY if name == "finding" else WOLF), (WOLF, WOLF))
        )
        for label, row in ((HUSKY, guilty if name == "finding" else innocent), (WOLF, innocent)):
            # Half of the other class's excess, so that a bound between the two fails one class.
            half = 0.5 if label == HUSKY else 1.0
            excess = half * row["background_excess"]
            own.classes.append({**row, "class_name": label, "n": 8, "n_read": 8, "background_excess": excess})
            for image in parts.images:
                if image["label"] == label and image["status"] == "ok":
                    excesses = {name: half * image[name] for name in ("background_excess", "background_excess_label")}
                    own.images.append({**image, **excesses})
            own.confusion += [each for each in parts.confusion if each["label"] == label]
        own.info = dataclasses.replace(
            parts.info,
            class_names=(HUSKY, WOLF),
            counts={**parts.info.counts, "images": 16, "read": 16, "unreadable": 0, "skipped": 0, "with_mask": 16,
                    "without_mask": 0, "attention_scored": 16, "attention_unscorable": 0},
            statuses={"status": {"ok": 16}, "mask_status": {"ok": 16}, "attention_status": {"ok": 16},
                      "intervention_status": {"done": 16}},
        )  # fmt: skip
        _write(own, folder / name)
    unread = dataclasses.replace(
        own,
        images=[*own.images, {"image_id": "husky/broken.jpg", "label": HUSKY, "status": "unreadable"}],
        classes=[{**own.classes[0], "n": 9}, own.classes[1]],
        info=dataclasses.replace(
            own.info,
            counts={**own.info.counts, "images": 17, "unreadable": 1},
            statuses={**own.info.statuses, "status": {"ok": 16, "unreadable": 1}},
        ),
    )
    for name, bound in BOUNDS.items():
        _write(unread if name == "dataset" else own, folder / name)
        (folder / f"{name}.toml").write_text(f"[dataset]\nmax_unreadable_share = 0.5\n[[metric]]\n{bound}\n")
    for number, change in enumerate(LAXER):
        thresholds = {**dataclasses.asdict(Thresholds()), **change}
        _write(
            dataclasses.replace(own, info=dataclasses.replace(own.info, thresholds=thresholds)),
            folder / f"laxer {number}",
        )
    for name in ("finding", "green"):
        (folder / f"{name}.toml").write_text("")
    for name in (*REDS, "green"):
        ended = gate(folder / name, folder)
        wanted = int(name != "green")
        if ended.code != wanted:
            raise AssertionError(f"the gate of {name!r} ends with {ended.code}, not {wanted}:\n{ended.out}{ended.err}")
        if wanted and sum(row["status"] == "failed" for row in json.loads(ended.out)["rows"]) != 1:
            raise AssertionError(f"the gate of {name!r} fails for more than one reason:\n{ended.out}")
    copy = Path(tempfile.mkdtemp(prefix="attack-runs-"))
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    _WRITTEN.append(copy)


def _write(parts: Any, folder: Path) -> None:
    """Write a run as the audit does, with what the audit writes beside the tables."""
    from agreeing import agreeing

    from bias_audit.pipeline.finish import finish
    from bias_audit.run.folder import Run
    from bias_audit.run.image_numbers_written import write_numbers
    from bias_audit.run.result import AuditResult
    from bias_audit.run.schema import TABLES
    from bias_audit.run.tables import table, write_table

    folder.mkdir()
    run = Run(folder)
    made = agreeing(AuditResult(folder, parts.info, parts.verdict, parts.outcomes, (), tuple(parts.classes)))
    parts = dataclasses.replace(parts, classes=list(made.class_rows), info=made.info, outcomes=made.outcomes)
    for name in TABLES:
        write_table(run, name, table(name, getattr(parts, name, [])))
    if folder.name == "image":  # as a large run has them
        write_numbers(run, table("images", parts.images), least=0)
    run.write_json("pictures.json", parts.pictures)
    finish(run, parts.info, table("classes", parts.classes), parts.outcomes)


def gate(run: Path, world: Path, *more: object) -> Any:
    """Judge a copy of a run of `world` by its own gate file."""
    return command("gate", run, "--gate", world / f"{run.name}.toml", "--format", "json", *more)


_COPIES: dict[tuple[int, Path], Path] = {}


def copy_of(run: Path) -> Path:
    """This process's own copy of a run folder, made once: a try changes one file of it and puts it back."""
    key = (os.getpid(), run)
    if key not in _COPIES:
        place = Path(tempfile.mkdtemp(prefix="attack-copies-", dir=run.parent)) / run.name
        shutil.copytree(run, place)
        _COPIES[key] = place
    return _COPIES[key]


@contextlib.contextmanager
def changed_file(file: Path, content: bytes) -> Iterator[None]:
    """Context in which a file has another content."""
    before = file.read_bytes()
    file.write_bytes(content)
    try:
        yield
    finally:
        if file.is_symlink() or not file.is_file():
            shutil.rmtree(file, ignore_errors=True)
        file.write_bytes(before)
