"""Makes the tries of a full attack in processes of their own, and prints what came of them."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .kinds import KINDS
from .trying import CRASHED, FAILED, HARMLESS, HUNG, REFUSED, Tally, killed, one_try

CHUNK = 400
"""Most tries of one process: what a library leaves behind in one cannot pile up."""

SHOWN = 5
"""Failures of a kind that are told in full."""


@dataclasses.dataclass
class Chunk:
    """Tries of one kind that one process makes, and how far it came."""

    name: str
    numbers: range
    log: Path
    child: int = 0
    seen: int = 0
    since: float = 0.0


class Interrupted(Exception):
    """An attack that was stopped early; its argument is what came of the tries until then."""


def attack(
    names: Sequence[str], tries: int, seed: int, *, processes: int = 2, kills: int | None = None,
    only: int | None = None, say: Callable[[str], None] = print,
) -> dict[str, Tally]:  # fmt: skip
    """Make tries of several kinds, and return what came of each.

    Args:
        names: names of KINDS.
        tries: number of tries in total; each kind gets its share, and at least one.
        seed: the same seed makes the same tries.
        processes: how many work at once.
        kills: number of tries of each kind that kills or races audits; None = its share.
        only: number of the single try that is made of each kind; None = all.
        say: told each kind that begins.
    """
    home = Path(tempfile.mkdtemp(prefix="attack-"))
    home.chmod(0o711)  # some tries are made by nobody
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir, os.environ["TMPDIR"] = str(home), str(home)
    tallies = {name: Tally() for name in names}
    running: list[Chunk] = []
    try:
        total = sum(KINDS[name].share for name in names)
        waiting: list[Chunk] = []
        worlds: dict[Callable[[Path], None], Path] = {}
        for name in names:
            kind = KINDS[name]
            wanted = min(kind.most, max(1, round(tries * kind.share / total)))
            if kills is not None and kind.most < 10**9:
                wanted = kills
            numbers = range(only, only + 1) if only is not None else range(wanted)
            worlds[kind.prepare] = worlds.get(kind.prepare, home / f"world {len(worlds)}")
            size = min(CHUNK, max(1, -(-wanted // processes)))
            for start in range(numbers.start, numbers.stop, size):
                log = home / f"{len(waiting)}.log"
                waiting.append(Chunk(name, range(start, min(start + size, numbers.stop)), log))
        for prepare, world in worlds.items():
            _prepared(prepare, world)
        shown: set[str] = set()
        while waiting or running:
            while waiting and len(running) < processes:
                chunk = waiting.pop(0)
                if chunk.name not in shown:
                    shown.add(chunk.name)
                    say(f"{time.strftime('%H:%M:%S')} {chunk.name}")
                _start(chunk, worlds[KINDS[chunk.name].prepare], seed)
                running.append(chunk)
            time.sleep(0.02)
            for chunk in list(running):
                rest = _looked_after(chunk, tallies[chunk.name])
                if rest is not None:
                    running.remove(chunk)
                    if rest:
                        log = home / f"{chunk.log.stem}+.log"
                        waiting.insert(0, Chunk(chunk.name, rest, log))
        return tallies
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would lose what is told of the tries made
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for chunk in running:
            killed(chunk.child)
            _counted(chunk, tallies[chunk.name])
        raise Interrupted(tallies) from None
    finally:
        tempfile.tempdir = before[0]
        if before[1] is None:
            os.environ.pop("TMPDIR")
        else:
            os.environ["TMPDIR"] = before[1]
        shutil.rmtree(home, ignore_errors=True)


def _prepared(prepare: Callable[[Path], None], world: Path) -> None:
    """Prepare in a process of its own: what a library starts in this one would be missing in those forked later."""
    world.mkdir()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            prepare(world)
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise RuntimeError("an attack could not be prepared, see above")


def _start(chunk: Chunk, world: Path, seed: int) -> None:
    """Fork a process that makes the tries of a chunk, and writes a line before and one after each."""
    chunk.log.touch()
    chunk.since = time.monotonic()
    chunk.child = os.fork()
    if chunk.child:
        return
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        quiet = os.open(os.devnull, os.O_RDWR)  # image libraries print from C what they think of a file
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        os.chdir(tempfile.mkdtemp(prefix="attack-here-"))
        with chunk.log.open("a", encoding="utf-8", errors="backslashreplace") as log:
            for number in chunk.numbers:
                print(json.dumps([number]), file=log, flush=True)
                ended = one_try(chunk.name, KINDS[chunk.name], world, seed, number)
                print(json.dumps([number, *ended]), file=log, flush=True)
    finally:
        os._exit(0)


def _looked_after(chunk: Chunk, tally: Tally) -> range | None:
    """Look whether a process still works; count what it did once it ended or had to be ended.

    Returns:
        None while it works, else the tries that are left to make.
    """
    size = chunk.log.stat().st_size
    if size != chunk.seen:
        chunk.seen, chunk.since = size, time.monotonic()
    ended = os.waitpid(chunk.child, os.WNOHANG)[0] != 0
    # The try itself is to end first: this is for what does not listen, in a library's own loop.
    hangs = not ended and time.monotonic() - chunk.since > KINDS[chunk.name].seconds + 20
    if not ended and not hangs:
        return None
    if hangs:
        killed(chunk.child)
    begun, done = _counted(chunk, tally)
    if begun > done:
        tally.counts[FAILED] += 1
        tally.failures.append(
            (begun, "", HUNG if hangs else CRASHED, "the process did not listen" if hangs else "died")
        )
    return range(begun + 1, chunk.numbers.stop)


def _counted(chunk: Chunk, tally: Tally) -> tuple[int, int]:
    """Count what a process did; numbers of the last try that it began, and of the last that it ended."""
    begun = done = chunk.numbers.start - 1
    for line in chunk.log.read_text(encoding="utf-8").splitlines():
        number, *said = json.loads(line)
        begun = number
        if said:
            done = number
            tally.counts[said[0]] += 1
            if said[0] == FAILED:
                tally.failures.append((number, *said[1:]))
    return begun, done


def table(tallies: dict[str, Tally]) -> str:
    """What came of an attack, as a table in Markdown."""
    heads = ("kind", "tries", "survived", "refused with a sentence", "harmless", FAILED)
    rows = []
    for name, tally in tallies.items():
        counts = tally.counts
        survived = counts[REFUSED] + counts[HARMLESS]
        rows.append((name, tally.tries, survived, counts[REFUSED], counts[HARMLESS], counts[FAILED]))
    rows.append(("all", *(sum(int(row[i]) for row in rows) for i in range(1, 6))))
    cells = [heads, *(tuple(f"{each:,}" if isinstance(each, int) else each for each in row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    lines = [
        "| " + " | ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(
            zip(row, widths, strict=True))) + " |"
        for row in cells
    ]  # fmt: skip
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def failures(tallies: dict[str, Tally], seed: int) -> str:
    """The failures, a few of each kind in full, each with the call that repeats it."""
    lines = []
    for name, tally in tallies.items():
        ways: dict[str, list[tuple[int, str, str, str]]] = {}
        for each in tally.failures:
            ways.setdefault(f"{each[2]}: {each[3][-120:]}", []).append(each)
        for way in sorted(ways.values(), key=len, reverse=True)[:SHOWN]:
            number, what, how, told = min(way, key=lambda each: len(each[1]))
            lines.append(f"{FAILED} {name!r}, {len(way)} times: {what[:300]}\n    {how}: {told[:500]}")
            lines.append(f"    again: python -m tests.attack --kind {name!r} --seed {seed} --only {number}")
        if len(ways) > SHOWN:
            lines.append(f"    and {len(ways) - SHOWN} other ways")
    return "\n".join(lines)
