"""What the display of the progress says: rates, what is left, and the end of a stage, into a log and on a terminal."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import subprocess
import sys

import pytest

from bias_audit.run.progress import VERBOSE, Progress, Stage, rate
from bias_audit.run.quantities import duration


class Clock:
    """A clock that stands still until it is told the time."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("done", "seconds", "text"),
    [(370, 1, "370/s"), (4000, 1, "4,000/s"), (32, 10, "3.2/s"), (99, 10, "9.9/s"), (1, 1, "1.0/s"),
     (2, 5, "2.5 s each"), (1, 90, "1 min 30 s each"), (1, 9000, "2 h 30 min each")],
)  # fmt: skip
def test_a_slow_rate_is_the_time_of_one(done: int, seconds: float, text: str) -> None:
    assert rate(done, seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (0.449, "0.4 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"),
     (153, "2 min 33 s"), (3599.4, "59 min 59 s"), (3600, "1 h 00 min"), (3959, "1 h 05 min")],
)  # fmt: skip
def test_a_time_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_time_left_is_told_only_where_it_is_known() -> None:
    clock = Clock()
    stage = Stage("Reading", 40, "images", clock)
    clock.now = 0.5
    stage.advance(1)
    assert stage.so_far() == "1 of 40 images", "the first image says nothing of the others"
    clock.now = 10
    stage.advance(3)
    assert stage.so_far() == "4 of 40 images, 2.5 s each, 1 min 30 s left"
    clock.now = 20
    assert stage.so_far() == "4 of 40 images, 2.5 s each, 1 min 20 s left", "waiting makes no rate worse"
    stage.advance(40)
    assert stage.so_far() == "44 images, 2.2/s", "the total was too small, and nothing is known of it any more"
    unknown = Stage("Reading", None, "images", clock)
    clock.now = 30
    unknown.advance(20)
    assert unknown.so_far() == "20 images, 2.0/s"
    assert unknown.at_end() == "20 images in 10 s"


def test_what_an_interrupted_audit_did_says_nothing_of_the_speed() -> None:
    clock = Clock()
    stage = Stage("Reading", 1_000, "images", clock)
    clock.now = 5
    stage.advance(900, before=True)
    assert stage.so_far() == "900 of 1,000 images"
    clock.now = 15
    stage.advance(50)
    assert stage.so_far() == "950 of 1,000 images, 5.0/s, 10 s left"


def test_an_end_says_what_was_done_and_not_what_was_announced() -> None:
    clock = Clock()
    stage = Stage("Recurring cues", 12, "cues", clock)
    stage.advance(3)
    clock.now = 4
    assert stage.at_end() == "3 cues in 4.0 s"
    assert Stage("Report", None, clock=clock).at_end() == "in 0.0 s"


def test_seconds_of_a_stage_that_comes_twice_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("bias_audit.run.progress.Stage", functools.partial(Stage, clock=clock))
    progress = Progress(0)
    for title, seconds in (("Reading", 1.0), ("Writing", 2.0), ("Reading", 4.0)):
        with progress.stage(title, None):
            clock.now += seconds
    assert progress.seconds == {"Reading": 5.0, "Writing": 2.0}


STAGES = """
from bias_audit.run.progress import VERBOSE, Progress
progress = Progress(VERBOSE)
with progress.stage("Reading", 3, "images") as advance:
    advance(3)
with progress.stage("Report", None):
    pass
try:
    with progress.stage("Cues", 9, "cues") as advance:
        advance(1)
        raise OSError
except OSError:
    pass
progress.note("one " * 40)
"""


def test_a_log_has_lines_and_no_marks() -> None:
    done = subprocess.run([sys.executable, "-c", STAGES], capture_output=True, text=True, check=True)
    said = re.sub(r"\d+\.\d s", "T s", done.stderr).splitlines()
    assert said == [
        "Reading ...", "Reading: 3 images in T s", "Report ...", "Report: in T s", "Cues ...", ("one " * 40),
    ]  # fmt: skip


def test_on_a_terminal_a_finished_stage_has_a_tick_and_a_failed_one_a_cross() -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    with subprocess.Popen([sys.executable, "-c", STAGES], stdout=theirs, stderr=theirs, stdin=theirs, env=environment):
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # the end of a terminal is an error
            while part := os.read(ours, 65536):
                said += part
    os.close(ours)
    parts = re.split(r"\r\x1b\[2K|\r?\n", said.decode())
    frames = [re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", part).rstrip() for part in parts]
    ends = [re.sub(r"\d+\.\d s", "T s", line) for line in frames if line.startswith(("✓", "✗"))]
    assert ends == ["✓ Reading  3 images in T s", "✓ Report  in T s", "✗ Cues  1 cues in T s"]
    assert max(map(len, frames)) <= 80
    for title in ("Reading", "Report", "Cues"):
        last = [line for line in frames if title in line][-1]
        assert last.startswith(("✓", "✗")), "no spinner stays behind"


def test_quiet_shows_nothing_and_keeps_the_seconds(capfd: pytest.CaptureFixture[str]) -> None:
    progress = Progress(0)
    with progress.stage("Reading", 3, "images") as advance:
        advance(3)
    assert list(progress.seconds) == ["Reading"]
    assert capfd.readouterr() == ("", "")
    assert progress.verbosity < VERBOSE
