"""Audits that are killed, raced and robbed of their data, and what they leave behind, damaged.

Everything here runs TensorFlow, which does not survive a fork once it works: each audit is a process forked from one
that has imported it and used nothing of it. The world is that of `tests/command/conftest.py`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .changing import changed_bytes
from .trying import CRASHED, GREEN, HARMLESS, HUNG, LOST, REFUSED, WRONG, Attempt, Kind, command, killed, told

LONGEST = 120.0
"""Seconds that an audit of this world, of about 3 s, may take on a busy machine."""

BY_NAME = {"background": "follows_background", "object": "follows_object"}


def imported() -> None:
    """Import what takes long, without using it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras  # noqa: F401 - only so that forked processes have it
    import tensorflow  # noqa: F401


def started(call: Callable[[], int], log: Path) -> int:
    """Fork a process that calls a function and ends with its code; what it prints goes into a file. Its id."""
    imported()
    child = os.fork()
    if child:
        return child
    code = 101
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(out, stream)
        sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(stream, "w", closefd=False)) for stream in (1, 2))
        code = call()
    except SystemExit as leave:  # argparse leaves this way
        code = int(leave.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def audit(world: Path, model: str, out: Path, *more: object, images: Path | None = None) -> Callable[[], int]:
    """A function that audits a model of the world by the command line, and returns the exit code."""

    def run() -> int:
        from bias_audit.cli.command_line import main

        images_of = images or world / "images"
        given = ("audit", world / f"{model}.keras", images_of, "--masks", images_of.with_name("masks"))
        return main([str(each) for each in (*given, "--out", out, "--batch-size", 4, "--quiet", *more)])

    return run


def code_of(child: int, log: Path, attempt: Attempt | None = None) -> int:
    """Exit code of a process, after its end; it fails the try to end with anything but 0 and 2, or never."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            if attempt is not None and code not in (0, 2):
                attempt.bad(CRASHED, f"code {code}: {log.read_text(errors='replace')[-500:]}")
            return code
        time.sleep(0.02)
    killed(child)
    if attempt is not None:
        attempt.bad(HUNG, log.read_text(errors="replace")[-300:])
    return -1


def tables_of(run: Path) -> dict[str, bytes]:
    """Bytes of all tables of a run, by name."""
    return {path.name: path.read_bytes() for path in sorted(run.iterdir()) if path.suffix in (".parquet", ".csv")}


def different(run: Path, reference: Path) -> list[str]:
    """Names of the tables that two runs do not share byte for byte."""
    one, other = tables_of(run), tables_of(reference)
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def killed_audits(attempt: Attempt) -> str:
    """An audit is killed at a random moment, perhaps twice, and resumed: its tables are those of one that was not."""
    rng, out, log = attempt.rng, attempt.folder / "run", attempt.folder / "log"
    seconds = float((attempt.world / "seconds").read_text())
    more: tuple[object, ...] = ()
    for _ in range(rng.choice((1, 1, 2))):
        after = rng.uniform(0, 1.1 * seconds)
        attempt.what += f"killed after {after:.2f} s of {seconds:.2f}; "
        child = started(audit(attempt.world, "background", out, *more), log)
        end = time.monotonic() + after
        while time.monotonic() < end and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            time.sleep(0.005)
        killed(child)
        if (out / "audit.json").exists():
            break
        more = ("--resume",)
    if not (out / "audit.json").exists():
        child = started(audit(attempt.world, "background", out, "--resume"), log)
        if code := code_of(child, log, attempt):
            attempt.bad(LOST, f"--resume ends with {code}: {log.read_text(errors='replace')[-300:]}")
    if names := different(out, attempt.world / "run background"):
        attempt.bad(LOST, f"other tables than without a kill: {names}")
    if left := [path.name for path in out.rglob("*.tmp")]:
        attempt.bad(WRONG, f"temporary files are left: {left}")
    return HARMLESS


def two_audits(attempt: Attempt) -> str:
    """Two audits of different models into one folder: one is refused, and the other's tables are its own."""
    rng, out = attempt.rng, attempt.folder / "run"
    seconds = float((attempt.world / "seconds").read_text())
    after = rng.choice((0.0, rng.uniform(0, 0.3), rng.uniform(0, 1.2 * seconds)))
    more = rng.choice(((), ("--overwrite",), ("--resume",)))
    attempt.what = f"the second starts {after:.2f} s later, with {more}"
    models = rng.sample(sorted(BY_NAME), 2)
    logs = [attempt.folder / f"log {model}" for model in models]
    children = [started(audit(attempt.world, models[0], out), logs[0])]
    time.sleep(after)
    finished = (out / "audit.json").exists()
    children.append(started(audit(attempt.world, models[1], out, *more), logs[1]))
    codes = [code_of(child, log, attempt) for child, log in zip(children, logs, strict=True)]
    if codes == [2, 2]:
        attempt.bad(LOST, f"both were refused: {[log.read_text(errors='replace')[-150:] for log in logs]}")
    if codes == [0, 0] and not (finished and more == ("--overwrite",)):
        attempt.bad(WRONG, "both ended with 0")
    winner = models[1] if codes[1] == 0 else models[0]
    if names := different(out, attempt.world / f"run {winner}"):
        attempt.bad(LOST, f"tables are not those of {winner}, which ended with 0: {names}")
    return REFUSED if 2 in codes else HARMLESS


def changing_data(attempt: Attempt) -> str:
    """Masks deleted or photos exchanged during an audit: the tables are as without, or the run says so and is red."""
    rng, out, log = attempt.rng, attempt.folder / "run", attempt.folder / "log"
    for name in ("images", "masks"):
        shutil.copytree(attempt.world / name, attempt.folder / name)
    images, masks = attempt.folder / "images", attempt.folder / "masks"
    seconds = float((attempt.world / "seconds").read_text())
    after = rng.uniform(0.2, 1) * seconds
    how = rng.choice(("masks deleted", "masks of a class deleted", "photos exchanged", "photos deleted"))
    attempt.what = f"{how} after {after:.2f} s of {seconds:.2f}"
    child = started(audit(attempt.world, "object", out, images=images), log)
    time.sleep(after)
    if how.startswith("masks"):
        for path in sorted(masks.rglob("*.png")):
            if "class" not in how or path.parent.name == "a":
                path.unlink()
    elif how == "photos deleted":
        for path in sorted(images.rglob("*.png"))[::2]:
            path.unlink()
    else:
        for one, other in zip(sorted((images / "a").iterdir()), sorted((images / "b").iterdir()), strict=True):
            first, second = one.read_bytes(), other.read_bytes()
            one.write_bytes(second)
            other.write_bytes(first)
    if code_of(child, log, attempt):
        return REFUSED
    names = different(out, attempt.world / "run object")
    if not names:
        return HARMLESS
    text = (out / "audit.json").read_text() + (out / "images.csv").read_text()
    if "changed during the audit" in text:
        ended = command("gate", out, "--gate", "none", "--format", "json")
        if ended.code == 0:
            attempt.bad(GREEN, "the run says that its data changed, and its gate passes")
        return told(ended)
    if _seen(out) == _seen(attempt.world / "run object"):
        attempt.bad(WRONG, f"the pass saw the data as they were, {names} differ, and the run says nothing")
    return HARMLESS  # changed before it was read: these are the data


def _seen(run: Path) -> list[Any]:
    """What the pass over the photos saw: hash, status and mask of each."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(run / "images.parquet")
    return [table[name].to_pylist() for name in ("content", "status", "mask_status") if name in table.column_names]


def damaged_shards(attempt: Attempt) -> str:
    """An unfinished run with a damaged piece is resumed or overwritten: the piece is named and made again."""
    rng, out, log = attempt.rng, attempt.folder / "run", attempt.folder / "log"
    shutil.copytree(attempt.world / "unfinished", out)
    unreadable = _damaged(attempt, out, rng.choice(("started.json", "shards", "maps", "maps", "any", "any")))
    how = rng.choice(("--resume", "--resume", "--overwrite"))
    attempt.what += f", then {how}"
    child = started(audit(attempt.world, "background", out, how), log)
    code = code_of(child, log, attempt)
    if code == 2:
        if not log.read_text(errors="replace").strip():
            attempt.bad(WRONG, "code 2 without a sentence")
        return REFUSED
    if (unreadable or how == "--overwrite") and (names := different(out, attempt.world / "run background")):
        attempt.bad(WRONG, f"other tables than without the damage: {names}")
    return HARMLESS


def rescored(attempt: Attempt) -> str:
    """A finished run with a damaged shard is rescored: named and code 2, or done where the piece is not needed."""
    run = attempt.folder / "run"
    shutil.copytree(attempt.world / "run background", run)
    _damaged(attempt, run, attempt.rng.choice(("shards", "maps", "any", "any")))
    return told(command("rescore", run, "--out", attempt.folder / "again"))


def _damaged(attempt: Attempt, run: Path, what: str) -> bool:
    """Damage one piece of a run, say so, and return whether it cannot be read any more."""
    import json

    rng, shards = attempt.rng, run / "shards"
    if what == "shards":
        how = rng.choice(("a link to nothing", "a link to itself", "a file", "missing", "a link elsewhere"))
        shutil.rmtree(shards)
        if how.startswith("a link"):
            shards.symlink_to({"itself": "shards", "nothing": "/nowhere/x"}.get(how.split()[-1], str(attempt.folder)))
        elif how == "a file":
            shards.write_bytes(b"x")
        attempt.what = f"shards are {how}"
        return True
    pieces = sorted(shards.glob("maps-*" if what == "maps" else "*")) if what != "started.json" else [run / what]
    piece = rng.choice([path for path in pieces if path.is_file()])
    how = rng.choice(
        ("changed", "changed", "changed", "empty", "cut", "missing", "a folder", "a link to itself", "noise")
    )
    data = piece.read_bytes()
    attempt.what = f"{piece.name} {how}"
    piece.unlink()
    if how == "changed":
        data, said = changed_bytes(data, rng)
        attempt.what += f" ({said})"
        piece.write_bytes(data)
        if piece.suffix != ".json":
            return True
        with contextlib.suppress(ValueError):
            json.loads(data)
            return False
        return True
    if how == "a folder":
        piece.mkdir()
    elif how == "a link to itself":
        piece.symlink_to(piece.name)
    elif how != "missing":
        piece.write_bytes({"empty": b"", "cut": data[: len(data) // 2]}.get(how, rng.randbytes(len(data))))
    return True


def prepare(folder: Path) -> None:
    """The world, two finished runs, one that was stopped just before its end, and how long an audit takes."""
    spec = importlib.util.spec_from_file_location("tiny_world", Path(__file__).parents[1] / "command" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    tiny: Any = importlib.util.module_from_spec(spec)

    def drawn() -> int:
        sys.modules["tiny_world"] = tiny
        spec.loader.exec_module(tiny)
        for label, (background, thing) in tiny.COLOURS.items():
            for number in range(tiny.PHOTOS):
                tiny.draw(folder, label, number, background, thing)
        tiny.save_model(folder / "background.keras", [[0, 0], [1, -1], [-1, 1]], [0, 0])
        tiny.save_model(folder / "object.keras", [[1, 1], [-1, 1], [-1, 1]], [0, -2])
        return 0

    def stopped() -> int:
        import bias_audit.pipeline.audit as pipeline

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        pipeline.finish = stop
        audit(folder, "background", folder / "unfinished")()
        return 0

    log = folder / "log"
    calls: list[Callable[[], int]] = [drawn]
    calls += [audit(folder, model, folder / f"run {model}") for model in BY_NAME]
    for call in (*calls, stopped):
        start = time.monotonic()
        if code := code_of(started(call, log), log):
            raise AssertionError(f"code {code}: {log.read_text(errors='replace')}")
        if call is calls[-1]:
            (folder / "seconds").write_text(str(time.monotonic() - start))
    if not (folder / "unfinished" / "started.json").is_file():
        raise AssertionError("no unfinished run was left")


KINDS = {
    "audits killed and resumed": Kind(killed_audits, prepare, 0.4, 0, heavy=True, seconds=400, most=30),
    "two audits into one folder": Kind(two_audits, prepare, 0.3, 0, heavy=True, seconds=400, most=16),
    "data changed during an audit": Kind(changing_data, prepare, 0.3, 0, heavy=True, seconds=400, most=16),
    "damaged shards resumed": Kind(damaged_shards, prepare, 0.4, 0, heavy=True, seconds=400, most=20),
    "damaged shards rescored": Kind(rescored, prepare, 3, 0, heavy=True, seconds=60),
}
