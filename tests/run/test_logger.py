"""What the logger `bias_audit` gets, and that nothing is shown where nobody asked."""

from __future__ import annotations

import logging
import re
import subprocess
import sys

import pytest

from bias_audit.run.progress import NORMAL, QUIET, VERBOSE, Progress


@pytest.mark.parametrize("verbosity", [QUIET, NORMAL, VERBOSE])
def test_stages_and_notes_are_logged_whatever_is_shown(caplog, verbosity):
    progress = Progress(verbosity)
    with caplog.at_level(logging.DEBUG, logger="bias_audit"):
        with progress.stage("Reading", 5, "photos") as advance:
            advance(2)
            advance(3)
        with progress.stage("Writing", None):
            pass
        progress.note("100 % is no format")
        progress.detail("a detail")
    said = [(record.levelname, re.sub(r"\d+\.\d s", "T s", record.getMessage())) for record in caplog.records]
    assert said == [
        ("DEBUG", "Reading begins"),
        ("INFO", "Reading: 5 photos in T s"),
        ("DEBUG", "Writing begins"),
        ("INFO", "Writing: in T s"),
        ("INFO", "100 % is no format"),
        ("DEBUG", "a detail"),
    ]


def test_a_stage_that_fails_is_not_said_to_have_ended(caplog):
    def fail() -> None:
        with Progress(QUIET).stage("Reading", 5, "photos"):
            raise OSError("no more")

    with caplog.at_level(logging.DEBUG, logger="bias_audit"), pytest.raises(OSError, match="no more"):
        fail()
    assert [record.getMessage() for record in caplog.records] == ["Reading begins"]


def shown(code: str) -> tuple[str, str]:
    """stdout and stderr of a fresh interpreter that ran `code`."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def test_quiet_is_silent_until_a_program_sets_up_logging():
    note = "from bias_audit.run.progress import QUIET, Progress\nProgress(QUIET).note('said')\n"
    assert shown(note + "import logging\nlogging.getLogger('bias_audit').warning('more than is ever logged')") == (
        "",
        "",
    )
    assert shown(f"import logging\nlogging.basicConfig(level=logging.INFO)\n{note}") == ("", "INFO:bias_audit:said\n")
