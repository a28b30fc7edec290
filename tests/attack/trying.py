"""One try of an attack: what it may end with, and how it is watched for time, memory and exceptions."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import resource
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from bias_audit.errors import BiasAuditError

REFUSED, HARMLESS, FAILED = "refused", "harmless", "FAILED"
"""How a try ended: with a sentence and code 2; accepted, and nothing came of it; or as none may end."""

CRASHED, HUNG, GREEN, LOST, EXECUTED, MEMORY, WRONG = (
    "traceback or code 101", "hangs", "red turned green", "something lost", "something executed",
    "memory beyond the bound", "wrong answer",
)  # fmt: skip
"""Ways in which a try fails."""

SECONDS = 20.0
"""Longest time that a try may take, unless its kind has its own; far above the slowest on a busy machine."""

MEMORY_BYTES = 2_000_000_000
"""Most memory that a try may add: a picture of 1e8 pixels, the largest that is read, takes some copies of 300 MB."""


class Broken(BaseException):
    """A try ended as none may. No Exception: the code that is attacked catches those."""

    def __init__(self, how: str, told: str) -> None:
        super().__init__(f"{how}: {told}")
        self.how, self.told = how, told


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, what it printed."""

    code: int
    out: str
    err: str


@dataclass
class Attempt:
    """One try: its own random numbers and folder, and the kind's material.

    Attributes:
        rng: random numbers that follow from seed, kind and number of the try alone, so that it can be repeated.
        world: folder of what the kind prepared; not to be changed.
        folder: an empty folder of the try's own.
        what: what is done, in words; set before it is done.
    """

    rng: random.Random
    world: Path
    folder: Path
    what: str = ""

    def bad(self, how: str, told: str) -> NoReturn:
        """End the try as FAILED."""
        raise Broken(how, told)


@dataclass(frozen=True)
class Kind:
    """A kind of attack.

    Attributes:
        strike: makes one try and returns REFUSED or HARMLESS; raises Broken where it may not end so.
        prepare: writes what all tries of the kind share into a folder.
        share: how many of 1,000 tries of a full run are of this kind.
        quick: number of tries with every test run.
        heavy: whether it loads TensorFlow or PyTorch.
        seconds: longest time of one try.
        most: most tries of a full run, for those that take seconds each.
    """

    strike: Callable[[Attempt], str]
    prepare: Callable[[Path], None]
    share: float
    quick: int
    heavy: bool = False
    seconds: float = SECONDS
    most: int = 10**9


@dataclass
class Tally:
    """What the tries of a kind ended with.

    Attributes:
        counts: REFUSED, HARMLESS, FAILED -> number of tries.
        failures: (number of the try, what was done, how it failed, what was told) of each that failed.
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((REFUSED, HARMLESS, FAILED), 0))
    failures: list[tuple[int, str, str, str]] = field(default_factory=list)

    @property
    def tries(self) -> int:
        return sum(self.counts.values())


def one_try(name: str, kind: Kind, world: Path, seed: int, number: int) -> tuple[str, str, str, str]:
    """Make one try.

    Returns:
        (how it ended, what was done, how it failed, what was told); the last two are "" where it did not fail.
    """
    digest = hashlib.sha256(f"{seed}/{name}/{number}".encode()).digest()
    folder = Path(tempfile.mkdtemp(prefix="attack-"))
    attempt = Attempt(random.Random(digest), world, folder)
    try:
        with limited(kind.seconds), measured():
            return kind.strike(attempt), attempt.what, "", ""
    except Broken as broken:
        return FAILED, attempt.what, broken.how, broken.told
    except Exception:
        return FAILED, attempt.what, CRASHED, last_lines(traceback.format_exc())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tries(name: str, kind: Kind, world: Path, seed: int, numbers: range, stop: float | None = None) -> Tally:
    """Make several tries of a kind, until a time (`time.monotonic`) where one is given."""
    tally = Tally()
    for number in numbers:
        if stop is not None and time.monotonic() > stop:
            break
        ended, what, how, told = one_try(name, kind, world, seed, number)
        tally.counts[ended] += 1
        if ended == FAILED:
            tally.failures.append((number, what, how, told))
    return tally


# -- what a try may call ------------------------------------------------------------------------


def command(*arguments: object) -> Ended:
    """Run `bias-audit ARGUMENTS` in this process, with what turns exceptions into exit codes."""
    from bias_audit.cli.command_line import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leave:  # argparse leaves this way
            code = int(leave.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


def told(ended: Ended) -> str:
    """REFUSED for code 2 with a sentence, HARMLESS for 0 and 1.

    Raises:
        Broken: another code, a traceback, or a refusal that says nothing.
    """
    if ended.code not in (0, 1, 2) or "Traceback (most recent call last)" in ended.err:
        raise Broken(CRASHED, f"code {ended.code}: {last_lines(ended.err)}")
    if ended.code == 2 and not ended.err.strip():
        raise Broken(WRONG, "code 2 without a sentence")
    return REFUSED if ended.code == 2 else HARMLESS


def red(ended: Ended) -> str:
    """As `told`, for a run whose gate fails: code 0 is the failure that counts most."""
    answer = told(ended)
    if ended.code == 0:
        raise Broken(GREEN, next((line.strip() for line in ended.out.splitlines() if "Gate passed" in line), "code 0"))
    return answer


def sentence(call: Callable[[], Any]) -> str:
    """Call a function as a command does: an error for the user is REFUSED, any other exception would be code 101."""
    try:
        call()
    except BiasAuditError as error:
        if not error.message.strip():
            raise Broken(WRONG, "an error without a sentence") from error
        return REFUSED
    except Exception as error:
        raise Broken(CRASHED, last_lines(traceback.format_exc())) from error
    return HARMLESS


def in_child(call: Callable[[], str], seconds: float, memory: int = MEMORY_BYTES) -> str:
    """Call a function in a process of its own, which is killed when it hangs and refused memory beyond the bound.

    Args:
        call: returns REFUSED or HARMLESS, or raises Broken.
        seconds: how long it may take.
        memory: bytes that it may take beyond what this process has.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 0
        try:
            os.close(reading)
            signal.setitimer(signal.ITIMER_REAL, 0)
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + memory, size + memory))
            try:
                answer = call()
            except Broken as broken:
                answer = f"{FAILED}\t{broken.how}\t{broken.told}"
            except MemoryError:
                answer = f"{FAILED}\t{MEMORY}\tMemoryError"
            except BaseException:
                answer = f"{FAILED}\t{CRASHED}\t{last_lines(traceback.format_exc())}"
            os.write(writing, answer.encode("utf-8", "backslashreplace")[:4000])
        finally:
            os._exit(code)
    os.close(writing)
    try:
        if not waited(child, seconds):
            raise Broken(HUNG, f"longer than {seconds:g} s")
        answer = os.read(reading, 8000).decode("utf-8", "replace")
    finally:
        os.close(reading)
    if not answer:
        raise Broken(CRASHED, "the process ended without an answer")
    if answer.startswith(FAILED):
        _, how, said = answer.split("\t", 2)
        raise Broken(MEMORY if "MemoryError" in said else how, said)
    return answer


def waited(child: int, seconds: float) -> bool:
    """Wait for a process; whether it ended by itself in time. It is killed where it did not."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if os.waitpid(child, os.WNOHANG)[0]:
                return True
            time.sleep(0.002)
    except BaseException:
        killed(child)
        raise
    killed(child)
    return False


def killed(child: int) -> None:
    """Kill a process of this one and wait for its end."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)


# -- watching -------------------------------------------------------------------------------------


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Context that raises Broken where it takes longer; without a limit outside of the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(*_: object) -> NoReturn:
        raise Broken(HUNG, f"longer than {seconds:g} s\n{''.join(traceback.format_stack(limit=8))}")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def measured(most: int = MEMORY_BYTES) -> Iterator[None]:
    """Context that raises Broken where this process took more memory at once than `most` bytes more than before."""
    before = _memory("VmRSS") if _reset_peak() else None
    yield
    if before is not None and (grown := _memory("VmHWM") - before) > most:
        raise Broken(MEMORY, f"{grown / 1e9:.1f} GB")


def _reset_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # not Linux, or not allowed here
        return False
    return True


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def last_lines(text: str, count: int = 4) -> str:
    """The end of a traceback on one line: where it happened, and what."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip() and "this is a bug" not in line]
    return " | ".join(lines[-count:])[:600]
