"""One writer per run folder: a second one is told who writes, and a lock is lost with its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bias_audit.errors import ConfigError, ResultError
from bias_audit.run.folder import STARTED, Run
from bias_audit.run.lock import LOCK, gives_back, hold, locked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such locks")

KEY = {"model": "m1"}


def _holding(folder: Path) -> subprocess.Popen[str]:
    """A process that holds the folder until it is killed."""
    code = (
        "import sys, time; from pathlib import Path; from bias_audit.run.lock import locked\n"
        "with locked(Path(sys.argv[1]), 'an audit'): print('held', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@gives_back
def _start(folder: Path, *, resume: bool = False, overwrite: bool = False) -> None:
    Run(folder).start(KEY, resume=resume, overwrite=overwrite)


def test_a_second_writer_is_told_who_writes_and_may_go_on_once_that_was_killed(tmp_path: Path) -> None:
    _start(tmp_path / "run")
    before = (tmp_path / "run" / STARTED).read_bytes()
    process = _holding(tmp_path / "run")
    try:
        for flags in ({"resume": True}, {"overwrite": True}, {}):
            with pytest.raises(ResultError, match=rf"an audit \(process {process.pid} on .*since 2.*UTC\)"):
                _start(tmp_path / "run", **flags)
        assert (tmp_path / "run" / STARTED).read_bytes() == before
    finally:
        process.kill()  # SIGKILL: nothing of it cleans up
        process.communicate()
    assert (tmp_path / "run" / LOCK).exists()
    _start(tmp_path / "run", resume=True)
    assert not (tmp_path / "run" / LOCK).exists()


def test_two_writers_in_one_process_are_two(tmp_path: Path) -> None:
    with locked(tmp_path, "an audit"), pytest.raises(ResultError, match=f"process {os.getpid()}"):
        _start(tmp_path)
    _start(tmp_path)


def test_an_error_gives_the_folder_back(tmp_path: Path) -> None:
    @gives_back
    def fails() -> None:
        hold(tmp_path, "an audit")
        hold(tmp_path, "an audit")  # twice by one is once
        raise ConfigError("no")

    with pytest.raises(ConfigError):
        fails()
    assert not os.listdir(tmp_path)


def test_a_folder_with_the_lock_of_a_killed_process_only_is_empty(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("what a killed process left")
    _start(tmp_path)
    assert (tmp_path / STARTED).exists()


def test_overwriting_and_clearing_keep_the_lock_of_the_holder(tmp_path: Path) -> None:
    _start(tmp_path)

    @gives_back
    def overwrites() -> None:
        run = Run(tmp_path)
        run.start(KEY, resume=False, overwrite=True)
        with pytest.raises(ResultError, match="is being written"):
            _start(tmp_path, overwrite=True)
        run.discard()
        assert not tmp_path.exists()

    overwrites()
    _start(tmp_path)


def test_a_lock_whose_file_was_deleted_while_another_waited_is_taken_anew(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / LOCK, os.O_RDWR | os.O_CREAT)
    with locked(tmp_path, "one"):
        (tmp_path / LOCK).unlink()
        with locked(tmp_path, "another"):  # the file is another one
            assert os.fstat(descriptor).st_ino != (tmp_path / LOCK).stat().st_ino
        (tmp_path / LOCK).write_text("somebody's")
    assert (tmp_path / LOCK).exists()  # the first does not delete what is not its own
    os.close(descriptor)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_lies_in_place_of_the_lock_is_not_written_into(tmp_path: Path, kind: str) -> None:
    outside, run = tmp_path / "outside", tmp_path / "run"
    outside.write_text("precious")
    run.mkdir()
    if kind == "link":
        (run / LOCK).symlink_to(outside)
    elif kind == "pipe":
        os.mkfifo(run / LOCK)
    else:
        (run / LOCK).mkdir()
    with pytest.raises(ResultError, match=r"cannot write .*\.lock"):
        _start(run)
    assert outside.read_text() == "precious"
