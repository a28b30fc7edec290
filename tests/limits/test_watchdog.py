"""Late calls: told once, by the clock of the watching thread; the process ends only under the command line."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from bias_audit.limits import watchdog
from bias_audit.limits.watchdog import look, watched

COMMAND = """
import sys, time
from bias_audit.limits import watchdog
watchdog.TICK = .05
{context}
    with watchdog.watched("the prediction of 2 images by the model", {seconds}):
        time.sleep({takes})
print("went on")
"""


def ended(context: str, seconds: float, takes: float) -> subprocess.CompletedProcess[str]:
    code = COMMAND.format(context=context, seconds=seconds, takes=takes)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_a_late_call_ends_the_command_with_one_sentence() -> None:
    done = ended("with watchdog.late_calls_end_the_process():", 0.2, 30)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "bias-audit: the prediction of 2 images by the model has not returned within 0.2 seconds, the limit "
        "seconds_per_call (raise it with --limit seconds_per_call=1)"
    )
    assert "went on" not in done.stdout


def test_the_sentence_is_seen_while_stderr_is_silenced() -> None:
    """TensorFlow is imported with stderr turned away."""
    silenced = "    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)"
    done = ended(f"import os\nwith watchdog.late_calls_end_the_process():\n{silenced}", 0.2, 30)
    assert done.returncode == 2
    assert "has not returned within 0.2 seconds" in done.stderr


def test_a_program_that_calls_the_package_is_never_ended() -> None:
    done = ended("if True:", 0.1, 0.5)
    assert (done.returncode, done.stdout.strip()) == (0, "went on")


def test_many_short_calls_are_never_late() -> None:
    """The clock is per call: Score-CAM makes thousands of calls per batch."""
    late: list[str] = []
    for _ in range(50):
        with watched("a call", 3):
            look(2.0, late.append)
    assert late == []


def test_a_call_is_told_once_and_others_are_not() -> None:
    late: list[str] = []
    with watched("the long one", 10):
        look(6, late.append)
        with watched("the short one", 10):
            look(6, late.append)
            look(1, late.append)
    look(100, late.append)
    assert len(late) == 1
    assert late[0].startswith("the long one has not returned within 10 seconds")


def test_a_late_call_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "bias_audit"), watched("a call", 1):
        look(2, watchdog._late)
    assert "a call has not returned within 1 seconds" in caplog.text


def test_nothing_stays_after_an_error() -> None:
    with pytest.raises(ValueError, match="x"), watched("a call", 1):
        raise ValueError("x")
    assert not watchdog._running


def test_no_thread_without_a_call() -> None:
    """`gate` and `report` never call a model."""
    code = """
import sys, threading
from bias_audit.cli import main
from bias_audit.limits.watchdog import watched
try:
    main(["gate", "--example"])
finally:
    before = threading.active_count()
    with watched("a call", 9):
        print("THREADS", before, threading.active_count())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "THREADS 1 2"
